"""The paper waits a little for witnesses, never longer than it may, and says truly what it is."""

import asyncio
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kiosk.guarantee import acks, checkpoint, policy
from kiosk.guarantee.cosignature import Cosigner
from kiosk.guarantee.keys import Ed25519Signer
from kiosk.management.receipt_page import WORDS
from kiosk.messages import DeliverAck, LinkReport
from kiosk.verifier.checking import check
from kiosk.verifier.reading import sort
from tests.simulation.rig import Rig
from tests.simulation.scripts import confirmed

KIOSK = "test-0001"
WITNESS = Cosigner("village.example/w", Ed25519PrivateKey.from_private_bytes(bytes([9] * 32)))
BANK = Ed25519Signer.from_seed(bytes([2] * 32))
CHECKPOINTS = Ed25519Signer.from_seed(bytes([1] * 32))
TITLES = WORDS["en"]["witnessed"], WORDS["en"]["provisional"]


def trusted(quorum: str) -> policy.Policy:
    log = checkpoint.verifier_of(KIOSK, CHECKPOINTS)
    record = Ed25519Signer.from_seed(bytes(32)).public
    lines = [f"log {log.vkey}", policy.record_key_line(KIOSK, record), f"witness village {WITNESS.witness.vkey}"]
    return policy.parse("\n".join([*lines, f"quorum {quorum}"]).encode() + b"\n")


async def bank(rig: Rig, delay_s: float) -> None:
    """Acknowledges everything, cosigned, each time `delay_s` after the log has grown."""
    known = 0
    while True:
        await asyncio.sleep(0.05)
        log = rig.journal.log
        if log.size() == known:
            continue
        known, signed = log.size(), log.checkpoint()
        root = log.root()
        await asyncio.sleep(delay_s)
        point = checkpoint.verify(signed, checkpoint.verifier_of(KIOSK, CHECKPOINTS))
        cosigned = signed + WITNESS.line(point, int(rig.clock.now_utc().timestamp()))
        ack = acks.make(KIOSK, known, root, rig.clock.now_utc(), BANK, cosigned)
        await rig.desk.handle("uplink", DeliverAck(ack))


def play(folder: Path, *, quorum: str = "village", link: bool = True, delay_s: float | None = 3.0) -> tuple[Rig, float]:
    """One deposit; the rig, and how long the receipt took from the record to the paper."""
    rig = Rig(folder)
    rig.policy = trusted(quorum)
    took_s: list[float] = []

    async def whole() -> None:
        await rig.desk.handle("uplink", LinkReport(connected=link, detail=""))
        serving = asyncio.ensure_future(bank(rig, delay_s)) if delay_s is not None else None
        recorded = asyncio.ensure_future(until_recorded(rig))
        await confirmed(rig)
        took_s.append(rig.loop.time() - await recorded)
        if serving is not None:
            serving.cancel()

    rig.start()
    rig.run(whole())
    return rig, took_s[0]


async def until_recorded(rig: Rig) -> float:
    log = rig.journal.log
    await rig.until(lambda: any(log.record(number).kind == "receipt" for number in range(log.size())))
    return rig.loop.time()


def title(rig: Rig) -> str:
    (paper,) = rig.receipts.printed
    (found,) = (line for line in paper.lines if line in TITLES)
    return str(found)


def test_a_quorum_in_time_makes_the_paper_witnessed_and_anybody_can_check_it(tmp_path: Path) -> None:
    rig, _ = play(tmp_path)
    assert title(rig) == WORDS["en"]["witnessed"]
    (paper,) = rig.receipts.printed
    assert any("village.example/w" in line for line in paper.lines)
    assert "".join(paper.lines).count(trusted("village").sha256.hex()[:20]) == 1
    assert check(sort("\n".join(paper.qrs)), trusted("village")).verdict == "witnessed"
    assert check(sort("\n".join(paper.qrs)), trusted("none")).verdict == "provisional"
    rig.close()


@pytest.mark.parametrize(
    ("settings", "at_most_s"),
    [
        ({"delay_s": None}, 16.0),  # nobody answers: eight seconds, and what printing takes
        ({"delay_s": 60.0}, 16.0),
        ({"delay_s": None, "link": False}, 8.0),  # no link: nobody is waited for
        ({"delay_s": None, "quorum": "none"}, 8.0),
    ],
)
def test_without_a_quorum_in_time_it_is_provisional(
    tmp_path: Path, settings: dict[str, float | bool | str | None], at_most_s: float
) -> None:
    rig, took_s = play(tmp_path, **settings)  # type: ignore[arg-type]
    assert title(rig) == WORDS["en"]["provisional"]
    assert took_s < at_most_s
    assert (took_s > 8.0) == (at_most_s > 8.0)
    rig.close()
