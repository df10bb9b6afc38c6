"""An old image of the disk is put back: what the bank signed for is more than the kiosk remembers."""

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from kiosk.core.state import State
from kiosk.errors import LogForkError, LogRollbackError
from kiosk.guarantee import acks
from kiosk.guarantee.keys import Ed25519Signer
from kiosk.messages import DeliverAck, Ok, Refused
from tests.guarantee_kit import NOW
from tests.simulation.judge import deposit_records, judge
from tests.simulation.rig import Rig
from tests.simulation.scripts import afterwards

ENDED = (State.IDLE, State.DONE)
BANK = Ed25519Signer.from_seed(bytes([2] * 32))  # whose acknowledgements the rig believes


class Disk:
    """The journal's files, to be copied and put back while no controller runs."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self._rig, self._folder = rig, folder

    def copy(self) -> Path:
        """End the controller and copy its disk; whoever wants it to go on starts it."""
        self._rig.bury()
        image = self._folder / f"image-{len(list(self._folder.iterdir()))}"
        image.mkdir()
        for file in self._rig.folder.glob("journal.db*"):
            shutil.copy(file, image)
        return image

    def restore(self, image: Path) -> None:
        for file in self._rig.folder.glob("journal.db*"):
            file.unlink()
        for file in image.iterdir():
            shutil.copy(file, self._rig.folder)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    (tmp_path / "state").mkdir()
    made = Rig(tmp_path / "state")
    yield made
    made.close()


@pytest.fixture
def disk(rig: Rig, tmp_path: Path) -> Disk:
    (tmp_path / "images").mkdir()
    return Disk(rig, tmp_path / "images")


async def feed(rig: Rig) -> None:
    assert isinstance(await rig.identify(), Ok)
    for value_minor in (10_000, 5000):
        await rig.feed(value_minor)


async def confirm(rig: Rig) -> None:
    await rig.touch("done")
    await rig.state(State.REVIEW)
    await rig.touch("confirm")
    await rig.state(*ENDED)


async def deposit(rig: Rig) -> None:
    await feed(rig)
    await confirm(rig)


async def give_back(rig: Rig) -> None:
    await rig.state(State.SUSPENDED)
    await rig.resume()
    await rig.state(State.REVIEW)
    await rig.touch("cancel")
    while rig.deposit.state not in ENDED:
        rig.world.take()
        await asyncio.sleep(0.2)


def acknowledgement(rig: Rig) -> bytes:
    """What the bank signs that holds everything in the log."""
    log = rig.journal.log
    return acks.make("test-0001", log.size(), log.root(), NOW, BANK)


async def refused(rig: Rig) -> str:
    reply = await rig.identify()
    assert isinstance(reply, Refused)
    assert reply.code == "out_of_service"
    return reply.message


def test_a_larger_acknowledged_log_stops_deposits_until_the_right_disk_is_back(rig: Rig, disk: Disk) -> None:
    rig.start()
    rig.run(deposit(rig))
    old = disk.copy()
    rig.start()
    rig.run(deposit(rig))
    larger = acknowledgement(rig)
    assert rig.run(rig.desk.handle("uplink", DeliverAck(larger))) == Ok()
    new = disk.copy()

    disk.restore(old)
    rig.start()
    rig.run(rig.ready())
    with pytest.raises(LogRollbackError) as caught:
        rig.run(rig.desk.handle("uplink", DeliverAck(larger)))
    assert "new log epoch" in caught.value.remedy
    assert "the bank holds" in rig.run(refused(rig))
    rig.bury()
    rig.start()  # whoever restarts it changes nothing
    assert "not the one that the bank knows" in rig.run(refused(rig))
    assert len(deposit_records(rig.journal)) == 1
    rig.bury()

    disk.restore(new)
    rig.start()
    rig.run(deposit(rig))
    assert judge(rig).complaints == []
    assert len(deposit_records(rig.journal)) == 3


def test_an_old_log_that_has_grown_as_large_again_is_a_fork_and_stops_as_well(rig: Rig, disk: Disk) -> None:
    rig.start()
    rig.run(deposit(rig))
    old = disk.copy()
    rig.start()
    rig.run(rig.ready())
    larger = acknowledgement(rig)
    rig.bury()
    disk.restore(old)
    rig.start()
    rig.run(deposit(rig))  # the bank could not be reached, and this box has no counter that an old disk betrays
    assert rig.journal.log.size() > acks.verify(larger, rig.journal.log._keys.bank_acks, "test-0001").sequence  # noqa: SLF001
    with pytest.raises(LogForkError):
        rig.run(rig.desk.handle("uplink", DeliverAck(larger)))
    assert "is not ours" in rig.run(refused(rig))


def test_a_deposit_that_is_under_way_when_the_bank_speaks_is_finished(rig: Rig, disk: Disk) -> None:
    rig.start()
    rig.run(deposit(rig))
    old = disk.copy()
    rig.start()
    rig.run(deposit(rig))
    larger = acknowledgement(rig)
    rig.bury()
    disk.restore(old)
    rig.start()
    rig.run(feed(rig))
    with pytest.raises(LogRollbackError):
        rig.run(rig.desk.handle("uplink", DeliverAck(larger)))
    rig.run(confirm(rig))
    assert deposit_records(rig.journal)[-1]["outcome"] == "credited"
    assert "the bank holds" in rig.run(refused(rig))


def test_an_old_image_of_a_deposit_that_was_credited_since_finds_its_notes_where_they_are(rig: Rig, disk: Disk) -> None:
    rig.start()
    rig.run(feed(rig))
    old = disk.copy()
    rig.start()
    rig.run(afterwards(rig, comes_back=True))
    (first,) = deposit_records(rig.journal)
    rig.bury()
    disk.restore(old)  # here both notes are still in escrow, and the counters of validator and board know better
    rig.start()
    rig.run(afterwards(rig, comes_back=True))
    (second,) = deposit_records(rig.journal)
    assert second["deposit_id"] == first["deposit_id"]  # at the bank one id is one credit, and this one a fork
    assert second["sums"] == first["sums"]
    assert {note["place"] for note in second["notes"]} == {"cabinet"}
    assert [note.place for note in rig.world.notes.all()] == ["slot", "slot"]


def test_an_old_image_of_a_deposit_that_was_given_back_since_credits_nothing(rig: Rig, disk: Disk) -> None:
    rig.start()
    rig.run(feed(rig))
    old = disk.copy()
    rig.start()
    rig.run(give_back(rig))
    assert judge(rig).claims == {"returned": 15_000}
    rig.bury()
    disk.restore(old)
    rig.start()
    rig.run(afterwards(rig, comes_back=True))
    (record,) = deposit_records(rig.journal)
    assert {(note["claim"], note["place"]) for note in record["notes"]} == {("disputed", "out")}
    assert [note.place for note in rig.world.notes.all()] == ["out", "out"]


def test_a_log_that_does_not_add_up_takes_no_further_deposit_until_the_right_disk_is_back(rig: Rig, disk: Disk) -> None:
    rig.start()
    rig.run(deposit(rig))
    good = disk.copy()
    with sqlite3.connect(rig.folder / "journal.db") as journal:
        journal.execute("DROP TRIGGER leaves_delete")
        journal.execute("DELETE FROM leaves WHERE seq = 2")
    journal.close()
    rig.start()
    rig.run(rig.ready())
    assert "the record log does not add up [leaf 2 of the log" in rig.run(refused(rig))

    disk.copy()
    disk.restore(good)
    rig.start()
    rig.run(deposit(rig))
    assert len(deposit_records(rig.journal)) == 2
