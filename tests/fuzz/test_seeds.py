"""Every fuzz target on its seeds, on pieces of them, and on what once crashed it; in plain Python, in a second."""

import json
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.catalogue import GROUPS, targets_of
from tests.fuzz.target import Target

TARGETS = [target for module in GROUPS for target in targets_of(module).values()]
FOUND = Path(__file__).with_name("found.jsonl")  # inputs that a fuzzer found, and why they mattered
CHANGED_SEEDS_MAX = 60


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_target_survives_its_seeds_and_their_neighbours(target: Target) -> None:
    assert target.seeds
    random = Random(target.name)
    for data in (b"", b"\x00", *target.seeds):
        target.run(data)
    for _ in range(CHANGED_SEEDS_MAX):
        changed = bytearray(random.choice(target.seeds)[:2000])
        for _ in range(random.randrange(1, 4)):
            at = random.randrange(len(changed) + 1)
            changed[at : at + random.randrange(2)] = random.randbytes(random.randrange(3))
        target.run(bytes(changed))


@pytest.mark.parametrize("row", FOUND.read_text("utf-8").splitlines(), ids=lambda row: json.loads(row)["why"])
def test_what_was_found_once_stays_mended(row: str) -> None:
    case = json.loads(row)
    target = next(target for target in TARGETS if target.name == case["target"])
    target.run(bytes.fromhex(case["hex"]))
