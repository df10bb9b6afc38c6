"""The judge is itself tested: each mistake of `patches.py`, put into the shipped code, is caught by it."""

from pathlib import Path

import pytest

from kiosk.errors import JournalError
from tests.journal_crash.images import look, plan
from tests.journal_crash.recording import record
from tests.journal_crash.workload import open_journal
from tests.simulation.__main__ import wrong
from tests.simulation.patches import FIRST_SEED, PATCHES, SEEDS_MAX, cctalk_counter_ignored, played, wrong_sqlite_mode
from tests.simulation.scripts import crash_once
from tests.simulation.test_final_notes import KINDS

# A seed that catches it, found with `python -m tests.simulation.patches --find NAME`, and what the judge says.
CAUGHT = {
    "credit_before_durable": (5_000_005, "its confirmation was answered before durable"),
    "intent_not_durable": (5_000_005, "the escrow was committed without a durable CommitEscrow"),
    "credit_acknowledged_first": (5_000_003, "a credit was acknowledged before it was durable"),
    "board_counter_ignored": (5_000_003, "board events were taken twice"),
    "retry_executes_twice": (5_000_992, "that was not durable"),
    "boot_id_ignored": (5_000_715, "was taken to have ended with ok, which the board never said"),
    "cleared_into_cashbox_ignored": (5_000_536, "what became of a note at power-up was acknowledged, and nothing"),
    "store_not_emptied": (5_000_171, "notes are in the store when the port opens for the next depositor"),
    "label_blocks_credit": (5_000_025, "confirmed {'CNY': 32100}, credited {}"),
    "one_person_clears": (5_000_009, "one person alone cleared a dispute"),
}
CUTS_MAX = 40
IMAGES_MAX = 1000


def test_every_mistake_has_its_schedule() -> None:
    assert CAUGHT.keys() == PATCHES.keys()
    assert all(FIRST_SEED <= seed < FIRST_SEED + SEEDS_MAX for seed, _ in CAUGHT.values())


@pytest.mark.parametrize("name", CAUGHT)
def test_a_mistake_is_caught_where_the_product_is_good(name: str) -> None:
    seed, words = CAUGHT[name]
    found = wrong(played(seed, PATCHES[name]))
    assert any(words in line for line in found), found
    assert wrong(played(seed)) == []


def test_a_cctalk_event_counter_that_is_ignored_loses_a_note(tmp_path: Path) -> None:
    def complaints(number: int) -> list[str]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        cut = ("before-write", number)
        verdict = crash_once(folder, "final", cut, comes_back=True, power=True, validator=KINDS["cctalk"])
        assert verdict is not None, "the deposit ended before it was cut"
        return verdict.complaints

    with cctalk_counter_ignored():
        caught = next(number for number in range(1, CUTS_MAX) if complaints(number))
    assert complaints(caught) == []


def test_the_wrong_sqlite_mode_loses_what_was_acknowledged(tmp_path: Path) -> None:
    recording = record(tmp_path, seed=1, deposits=1, mode="normal")
    crashes = [crash for crash in plan(recording, seed=1, images_max=IMAGES_MAX) if crash.mode == "nothing"]
    assert any(finding.result == "lost" for finding in look(recording, crashes))


@pytest.mark.parametrize(
    ("pragma", "wanted", "taken"), [("synchronous", "FULL", "NORMAL"), ("journal_mode", "WAL", "DELETE")]
)
def test_the_journal_refuses_to_start_in_another_mode(tmp_path: Path, pragma: str, wanted: str, taken: str) -> None:
    with wrong_sqlite_mode(pragma, wanted, taken), pytest.raises(JournalError, match="not wal/FULL"):
        open_journal(tmp_path)
    open_journal(tmp_path).close()
