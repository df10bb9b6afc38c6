"""What the product makes: a provisioned kiosk's log of 600 records, the bank that receives it, a witness."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kiosk.guarantee import cosignature, log_keys
from kiosk.guarantee.note import encode_base64
from kiosk_cloud.mirror import LogMirror
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import provision
from kiosk_cloud.witness import protocol, service
from tests.receipt_kit import BODY
from tests.uplink_kit import KIOSK, Bank, KioskSide, plan

STOPS: Final = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 200, 233, 255, 256, 257, 300, 377, 400, 450, 511, 512, 513, 550)
SIZE: Final = 600
WITNESS: Final = "village.example/witness"
NOW_POSIX_S: Final = 1_790_000_000
RECEIPT_EVERY: Final = 20


@dataclass(frozen=True)
class Stop:
    """The log at one size: what the kiosk signed, what the bank acknowledged, what the witness added."""

    size: int
    checkpoint: str
    root: bytes
    ack: bytes
    cosignatures: str


class World:
    """Made once; everything in it is read only afterwards."""

    def __init__(self, folder: Path) -> None:
        provisioned = provision(plan(folder), utc_now())
        self.kiosk = KioskSide(provisioned.kiosk_keys)
        self.log_keys = log_keys.LogKeys.load(KIOSK, provisioned.kiosk_keys)
        self.bank = Bank(provisioned)
        self.keys = self.bank.keyring.kiosk(KIOSK)
        vkeys = service.init(folder / "witness", WITNESS, [self.keys.checkpoint.vkey])
        self.cosigners = [cosignature.parse_vkey(vkey) for vkey in vkeys]
        self._witness = service.load(folder / "witness")
        self.envelopes: list[bytes] = []
        self.receipts: list[int] = []
        self.stops: list[Stop] = []
        for size in (*STOPS, SIZE):
            self._grow_to(size)
        self.mirror = LogMirror(folder / "mirror", self.keys.checkpoint)
        self.mirror.grow(self.bank.store, KIOSK, SIZE, self.stops[-1].checkpoint.encode())

    def _grow_to(self, size: int) -> None:
        first = len(self.envelopes)
        for number in range(first, size):
            if number % RECEIPT_EVERY == RECEIPT_EVERY - 1:  # what is printed: the statement on the record before
                about = self.kiosk.records.record(number - 1)
                body = {**BODY, "deposit_id": about.content["deposit_id"], "record_seq": number - 1}
                self.envelopes.append(self.kiosk.append("receipt", {**body, "record_leaf": about.leaf_hash}))
                self.receipts.append(number)
            else:
                self.envelopes.append(self.kiosk.deposit(number))
        signed = self.kiosk.records.checkpoint()
        told = self.bank.take(*self.envelopes[first:])
        assert self.bank.take(signed.encode(), lane="checkpoint") == []
        root, answer = self.kiosk.records.root(), self._cosigned(signed, size)
        self.stops.append(Stop(size, signed, root, told[-1].payload, answer))

    def _cosigned(self, signed: str, size: int) -> str:
        old = self.stops[-1].size if self.stops else 0
        proof: Sequence[bytes] = self.kiosk.records.consistency(old, size) if old else ()
        body = "\n".join([f"old {old}", *map(encode_base64, proof), "", signed]).encode()
        witness = self._witness
        answer = protocol.answer(body, witness.logs, witness.state, witness.cosigners, NOW_POSIX_S)
        assert answer.status == protocol.OK, answer
        return answer.body

    def close(self) -> None:
        """Give the files back."""
        self._witness.state.close()
        self.bank.store.close()
        self.kiosk.close()
