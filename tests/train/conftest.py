"""These tests need torch; `make test-train` installs it and runs them. Without it, test_torch.py says so."""

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from somgan.arrays import Floats32, Ints, Strings

TORCH = all(importlib.util.find_spec(name) is not None for name in ("torch", "onnx", "dp_accounting"))
NAMES = ("light", "motion", "hand", "grain", "covered", "shadow")

# Test modules import torch at their top; without it they cannot even be collected.
collect_ignore_glob = [] if TORCH else ["test_somgan_*.py"]


@dataclass(frozen=True)
class Tables:
    training: Path
    evaluation: Path


def deposits(rng: np.random.Generator, count: int, dangers: tuple[str, ...] = (), first: int = 0) -> dict[str, object]:
    """A small world: light and shadow move together, motion comes in waves, `covered` never happens."""
    rows: list[Floats32] = []
    owner: list[Ints] = []
    danger: list[Ints] = []
    what: list[Strings] = []
    for index in range(count):
        length = int(rng.integers(30, 60))
        time = np.arange(length) / 10.0
        light = 100.0 + 5.0 * rng.normal() + rng.normal(0, 1, length)
        wave = np.sin(rng.uniform(0.3, 1.0) * time)
        columns = [light, 20 * np.abs(wave), wave > 0, rng.gamma(2, 1, length), np.zeros(length)]
        columns.append(0.5 * light + rng.normal(0, 0.3, length))
        x = np.stack([np.asarray(column, dtype=np.float32) for column in columns], axis=1)
        kind = np.full(length, "normal", dtype="<U12")
        if dangers:
            kind[10:25] = dangers[index % len(dangers)]
            x[kind == "covered", 4] = 1.0
            x[kind == "relation", 5] += 8.0
        rows.append(x)
        owner.append(np.full(length, first + index, dtype=np.int64))
        danger.append((kind != "normal").astype(np.int64))
        what.append(kind)
    names = np.array(NAMES)
    return {
        "X": np.concatenate(rows),
        "deposit": np.concatenate(owner),
        "names": names,
        "y": np.concatenate(danger),
        "what": np.concatenate(what),
    }


def joined(one: dict[str, object], other: dict[str, object]) -> dict[str, object]:
    result = dict(one)
    for key in ("X", "deposit", "y", "what"):
        result[key] = np.concatenate([np.asarray(one[key]), np.asarray(other[key])])
    return result


def save(path: Path, arrays: dict[str, object]) -> Path:
    save_arrays: Callable[..., None] = np.savez
    save_arrays(path, **arrays)
    words = [{"name": n, "unit": "1", "words_high": f"much {n}", "words_low": f"little {n}"} for n in NAMES]
    path.with_name(f"{path.stem}.features.json").write_text(json.dumps(words))
    return path


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(7)
    normal = deposits(rng, 240)
    training = {key: normal[key] for key in ("X", "deposit", "names")}
    labelled = joined(deposits(rng, 60), deposits(rng, 20, ("covered", "relation"), first=1000))
    return Tables(save(folder / "scene.npz", training), save(folder / "scene_eval.npz", labelled))
