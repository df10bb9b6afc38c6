"""The attack moves only what it may, and does pass when it may move enough: its figures mean something."""

import json
from pathlib import Path

import numpy as np
import pytest

from somgan import attack as module
from somgan.__main__ import main
from somgan.attack import Judge, Room, attack
from somgan.data import Table, read_table
from somgan.errors import DataError
from tests.dangers.table import table

MODEL = Path(__file__).parents[2] / "models" / "artifacts" / "transaction"
HANDS = ["interval", "haste", "dwell", "corrections", "refused", "refused_share"]


@pytest.fixture(scope="module")
def dangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("attack") / "t.npz"
    np.savez(path, **table(4, 1, 9))  # type: ignore[arg-type]
    return path


def test_the_more_may_be_changed_the_more_passes(dangers: Path) -> None:
    data = read_table(dangers)
    still = attack([MODEL], data, HANDS, 0.0, 1)
    assert still["high"] >= 6
    assert still["passed"] == 0.0
    hands = attack([MODEL], data, HANDS, 0.5, 1)
    # Whoever may change all that is strange about a row makes it a normal one: an attack that cannot even do that
    # proves nothing. An odd amount at an odd hour is a dozen widths out.
    everything = attack([MODEL], data, list(data.names), 24.0, 1)
    assert everything["passed"] > 0.9
    assert attack([MODEL], data, list(data.names), 2.0, 1)["kinds"]["stuffing"]["passed"] > 0.9
    assert hands["passed"] < 0.7
    assert hands["kinds"]["odd_hour"]["passed"] <= 0.5  # the hour is not in the hands


def test_changes_keep_to_the_budget(dangers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = []
    original = Judge.scores

    def scores(self: Judge, x: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> object:
        asked.append(x)
        return original(self, x)

    monkeypatch.setattr(Judge, "scores", scores)
    monkeypatch.setattr(module, "GENERATIONS", 4)
    data = read_table(dangers)
    attack([MODEL], data, HANDS, 0.3, 1)
    free = np.isin(list(data.names), HANDS)
    fixed = {row.tobytes() for row in data.x[:, ~free]}
    assert all(row.tobytes() in fixed for x in asked for row in x[:, ~free])
    room = Room(free, np.full(free.size, 0.3), np.zeros(free.size), np.ones(free.size))
    moved = room.within(np.full((1, free.size), 9.0), np.full((1, free.size), 0.9))
    np.testing.assert_allclose(moved[0], np.where(free, 1.0, 0.9))


def test_unknown_features_and_tables_without_labels_are_refused(
    dangers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = read_table(dangers)
    with pytest.raises(DataError, match="no feature moonlight"):
        attack([MODEL], data, ["moonlight"], 0.5, 1)
    with pytest.raises(DataError, match="no y"):
        attack([MODEL], Table(data.x, data.deposit, data.names), HANDS, 0.5, 1)
    assert main(["attack", "--model", str(MODEL), "--data", str(dangers), "--features", "moonlight"]) == 2
    assert "moonlight" in capsys.readouterr().err


def test_the_command_prints_one_object(
    dangers: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GENERATIONS", 2)
    command = ["attack", "--model", str(MODEL), str(MODEL), "--data", str(dangers), "--features", ",".join(HANDS)]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["models"] == 2
