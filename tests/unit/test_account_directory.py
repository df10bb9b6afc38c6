"""The controller's account directory: taken over, kept over a restart, looked into with measure."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from kiosk.errors import VerificationError
from kiosk.guarantee import directory as statement
from kiosk.guarantee.directory import DirectoryKeys
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys
from kiosk.management.directory import TRIES_MAX, WINDOW_S, AccountDirectory
from kiosk.management.store import InlineRunner
from kiosk.messages import DeliverDirectory, LookedUp, LookUp, Ok, Refused
from tests.guarantee_kit import KIOSK, NOW, Kit
from tests.uplink_kit import HandClock

SIGNER = Ed25519Signer.from_seed(bytes([5] * 32))
KEYS = DirectoryKeys(bytes(range(32)), PublicKeys([SIGNER.public]))
KNOWN, UNKNOWN = "79927398713", "0000111122223337"


def edition(version: int, name: str = "J*** D**", signer: Ed25519Signer = SIGNER) -> DeliverDirectory:
    return DeliverDirectory(statement.make(KIOSK, version, {KNOWN: name}, KEYS.key, NOW, signer))


class Room:
    """A journal in a folder and the directory on top of it; `restart` opens both again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.clock = HandClock()
        self.open(KEYS)

    def open(self, keys: DirectoryKeys | None) -> None:
        kit = Kit()
        self.journal = Journal(self._folder / "journal.db", kit.keys, kit.kek, clock_synchronised=lambda: True)
        self.directory = AccountDirectory(KIOSK, keys, self.journal, InlineRunner(), self.clock)

    def restart(self, keys: DirectoryKeys | None = KEYS) -> None:
        self.journal.close()
        self.open(keys)

    def records(self) -> list[dict[str, object]]:
        log = self.journal.log
        return [dict(log.record(sequence).content) for sequence in range(log.size())]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    found = Room(tmp_path)
    yield found
    found.journal.close()


async def test_a_delivered_directory_answers_look_ups_and_is_on_record(room: Room) -> None:
    assert await room.directory.deliver(edition(3)) == Ok()
    assert await room.directory.look_up(LookUp("7992 7398-713")) == LookedUp("****8713", "J*** D**", True, 3)
    assert await room.directory.look_up(LookUp(UNKNOWN)) == LookedUp("****3337", None, False, 3)
    assert await room.directory.knows(KNOWN) is True
    assert await room.directory.knows(UNKNOWN) is False
    (record,) = room.records()
    assert (record["kind"], record["event"], record["version"], record["entries"]) == (
        "service",
        "directory_accepted",
        3,
        1,
    )


async def test_without_a_directory_nothing_is_known_and_nothing_is_counted(room: Room) -> None:
    for _ in range(TRIES_MAX * 3):
        assert await room.directory.look_up(LookUp(KNOWN)) == LookedUp("****8713", None, False, None)
        assert await room.directory.knows(KNOWN) is None


async def test_it_survives_a_restart_offline(room: Room) -> None:
    await room.directory.deliver(edition(3))
    room.restart()
    assert await room.directory.look_up(LookUp(KNOWN)) == LookedUp("****8713", "J*** D**", True, 3)


async def test_the_same_one_again_changes_nothing_also_after_a_restart(room: Room) -> None:
    await room.directory.deliver(edition(3))
    assert await room.directory.deliver(edition(3)) == Ok()
    room.restart()
    assert await room.directory.deliver(edition(3)) == Ok()
    assert len(room.records()) == 1


async def test_a_newer_one_replaces_it_whole(room: Room) -> None:
    await room.directory.deliver(edition(3))
    await room.directory.deliver(DeliverDirectory(statement.make(KIOSK, 4, {UNKNOWN: "王*"}, KEYS.key, NOW, SIGNER)))
    assert await room.directory.knows(KNOWN) is False
    assert await room.directory.knows(UNKNOWN) is True
    assert [record["version"] for record in room.records()] == [3, 4]


@pytest.mark.parametrize("version", [2, 3])
async def test_an_older_one_or_another_of_the_same_version_is_refused(room: Room, version: int) -> None:
    await room.directory.deliver(edition(3))
    room.restart()
    with pytest.raises(VerificationError, match="not newer than version 3"):
        await room.directory.deliver(edition(version, name="M*** R**"))
    assert await room.directory.look_up(LookUp(KNOWN)) == LookedUp("****8713", "J*** D**", True, 3)
    assert len(room.records()) == 1


async def test_somebody_elses_is_refused_and_leaves_no_trace(room: Room) -> None:
    with pytest.raises(VerificationError):
        await room.directory.deliver(edition(3, signer=Ed25519Signer.from_seed(bytes([6] * 32))))
    with pytest.raises(VerificationError):
        await room.directory.deliver(DeliverDirectory(b"\xd2garbage"))
    assert room.records() == []
    assert await room.directory.knows(KNOWN) is None


async def test_a_kiosk_without_keys_says_what_to_do(room: Room) -> None:
    room.restart(keys=None)
    reply = await room.directory.deliver(edition(3))
    assert isinstance(reply, Refused)
    assert "kiosk-cloud provision" in reply.remedy


async def test_a_stored_one_that_does_not_verify_is_not_used_and_can_be_replaced(room: Room) -> None:
    await room.directory.deliver(edition(3))
    other = Ed25519Signer.from_seed(bytes([7] * 32))
    room.restart(DirectoryKeys(KEYS.key, PublicKeys([other.public])))
    assert await room.directory.knows(KNOWN) is None
    assert await room.directory.deliver(edition(1, signer=other)) == Ok()
    assert await room.directory.knows(KNOWN) is True


async def test_two_deliveries_at_once_keep_their_order(room: Room) -> None:
    replies = await asyncio.gather(
        room.directory.deliver(edition(4)), room.directory.deliver(edition(3)), return_exceptions=True
    )
    assert replies[0] == Ok()
    assert isinstance(replies[1], VerificationError)


async def test_tries_are_bounded_per_minute_and_come_back(room: Room) -> None:
    await room.directory.deliver(edition(3))
    for number in range(TRIES_MAX):
        assert isinstance(await room.directory.look_up(LookUp(UNKNOWN)), LookedUp)
        room.clock.advance(1.0 if number else 0.0)
    refused = await room.directory.look_up(LookUp(KNOWN))
    assert isinstance(refused, Refused)
    assert refused.code == "too_many_tries"
    assert "52 seconds" in refused.remedy
    assert isinstance(await room.directory.knows(KNOWN), Refused)
    room.clock.advance(WINDOW_S - 9.0)
    assert isinstance(await room.directory.look_up(LookUp(KNOWN)), LookedUp)


async def test_what_is_no_account_number_costs_no_try(room: Room) -> None:
    await room.directory.deliver(edition(3))
    for _ in range(TRIES_MAX * 2):
        refused = await room.directory.look_up(LookUp("79927398710"))
        assert isinstance(refused, Refused)
        assert refused.code == "bad_account"
    assert isinstance(await room.directory.look_up(LookUp(KNOWN)), LookedUp)


async def test_the_version_in_use_is_told_also_right_after_a_restart(room: Room) -> None:
    assert await room.directory.version() is None
    await room.directory.deliver(edition(3))
    room.restart()
    assert await room.directory.version() == 3
