"""Evidence through the controller: from the watcher, to the uplink, away on the bank's word; and records come first."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from kiosk.errors import VerificationError
from kiosk.guarantee import evidence
from kiosk.guarantee.evidence_queue import Bounds
from kiosk.guarantee.keys import Ed25519Signer
from kiosk.guarantee.seal import SealPrivateKey
from kiosk.messages import (
    ClipTaken,
    DeliverEvidenceAck,
    EvidenceRows,
    FetchEvidence,
    HandOver,
    LinkReport,
    Ok,
    Refused,
    Reply,
    Request,
)
from kiosk.monitoring.hand_over import hand_over
from tests.guarantee_kit import NOW
from tests.simulation.rig import Rig

BANK_SEAL = SealPrivateKey.generate(lambda count: bytes(range(count)))  # as the rig pins them
BANK_ACK, STRANGER = (Ed25519Signer.from_seed(bytes([seed] * 32)) for seed in (2, 9))
STILL = bytes(range(256)) * 400  # two parts


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    found = Rig(tmp_path)
    found.start()
    yield found
    found.close()


class Watcher:
    """The watcher's end of the bus."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.parts: list[HandOver] = []

    async def request(self, message: Request) -> Reply:
        assert isinstance(message, HandOver)
        self.parts.append(message)
        return await self._rig.desk.handle("watcher", message)


async def fetched(rig: Rig) -> EvidenceRows:
    reply = await rig.desk.handle("uplink", FetchEvidence(0, 8))
    assert isinstance(reply, EvidenceRows)
    return reply


def test_what_the_watcher_hands_over_goes_to_the_bank_and_then_away(rig: Rig) -> None:
    async def play() -> None:
        assert await hand_over(Watcher(rig), STILL)
        rows = (await fetched(rig)).rows
        opened = [evidence.open_chunk(row.sealed, "test-0001", BANK_SEAL) for row in rows]
        assert b"".join(data for _, data in opened) == STILL
        answer = evidence.ack_of("test-0001", opened[0][0].sha256, 2, NOW, complete=True)
        with pytest.raises(VerificationError):
            await rig.desk.handle("uplink", DeliverEvidenceAck(evidence.make_ack(answer, STRANGER)))
        assert len((await fetched(rig)).rows) == 2
        signed = evidence.make_ack(answer, BANK_ACK)
        assert await rig.desk.handle("uplink", DeliverEvidenceAck(signed)) == Ok()
        assert (await fetched(rig)).rows == ()

    rig.run(play())


def test_a_clip_is_named_by_a_record_of_the_open_deposit_and_not_often(rig: Rig) -> None:
    async def play() -> None:
        clip = ClipTaken("", "5c" * 32, len(STILL), "medium", "escrow")
        assert isinstance(await rig.desk.handle("watcher", clip), Refused)  # no deposit is open
        await rig.identify()
        await rig.feed(10_000)
        clip = msgspec.structs.replace(clip, deposit_code=rig.deposit.code)
        replies = [await rig.desk.handle("watcher", clip) for _ in range(3)]
        assert replies[:2] == [Ok(), Ok()]
        assert isinstance(replies[2], Refused)

    rig.run(play())
    log = rig.journal.log
    records = [dict(log.record(at).content) for at in range(log.size())]
    named = [each for each in records if each.get("event") == "clip"]
    assert len(named) == 2
    assert (named[0]["sha256"], named[0]["deposit_id"]) == (bytes.fromhex("5c" * 32), rig.deposit.id)


def test_a_part_that_lies_about_its_length_or_turn_is_refused(rig: Rig) -> None:
    async def play() -> None:
        watcher = Watcher(rig)
        await hand_over(watcher, STILL)
        first, second = watcher.parts
        other = replace_part(first, sha256="00" * 32, data=b"short")
        for wrong in (other, replace_part(second, sha256="00" * 32)):
            with pytest.raises(VerificationError):
                await rig.desk.handle("watcher", wrong)

    rig.run(play())


def replace_part(message: HandOver, **changes: object) -> HandOver:
    fields = {name: getattr(message.part, name) for name in message.part.__struct_fields__}
    return HandOver(type(message.part)(**{**fields, **changes}))


def test_without_room_evidence_is_lost_on_record_and_the_deposit_is_not(rig: Rig) -> None:
    rig.controller.settings = replace(rig.controller.settings, evidence=Bounds(bytes_max=1000))

    async def play() -> None:
        before = rig.journal.log.outbox_rows()
        watcher = Watcher(rig)
        assert not await hand_over(watcher, STILL)
        reply = await rig.desk.handle("watcher", watcher.parts[0])
        assert isinstance(reply, Refused)
        assert reply.code == "no_room"
        assert rig.journal.log.outbox_rows() == before + 2  # what was lost is a leaf; it was lost twice

    rig.run(play())


def test_a_certificate_that_a_broker_has_taken_is_on_record_once(rig: Rig) -> None:
    async def play() -> None:
        before = rig.journal.log.size()
        for sha256 in ("ab" * 32, "ab" * 32, "", "cd" * 32, "cd" * 32):
            report = LinkReport(bool(sha256), "bank:8883", sha256, "2029-01-01T00:00:00.000Z" if sha256 else "")
            assert await rig.desk.handle("uplink", report) == Ok()
        said = [rig.journal.log.record(number).content for number in range(before, rig.journal.log.size())]
        assert [(each["event"], each["sha256"].hex()) for each in said] == [
            ("certificate_changed", "ab" * 32),
            ("certificate_changed", "cd" * 32),
        ]

    rig.run(play())
