"""A kiosk, a bank and a street of witnesses: from records to a cosigned mirror."""

import http.client
import json
from pathlib import Path

from kiosk.core import topics
from kiosk.guarantee import cosignature, policy
from kiosk.guarantee.keys import Signer
from kiosk.guarantee.signers import Purpose
from kiosk_cloud import trusting
from kiosk_cloud.commanding import giving
from kiosk_cloud.cosigning import Reply
from kiosk_cloud.provision import Provisioned
from kiosk_cloud.witness import protocol, service
from kiosk_cloud.witnessing import Witnessing
from tests.uplink_kit import KIOSK, Bank, KioskSide

NOW_POSIX_S = 1_790_000_000
NAMES = ("village", "union", "press")


class Street:
    """Three witnesses behind URLs, any of which may be out."""

    def __init__(self, folder: Path, vkey: str) -> None:
        self.folder, self.vkey = folder, vkey
        self.vkeys = {name: service.init(folder / name, f"{name}.example/w", [vkey]) for name in NAMES}
        self.witnesses = {name: service.load(folder / name) for name in NAMES}
        self.out: set[str] = set()
        self.asked: list[str] = []

    def know(self, vkeys: list[str]) -> None:
        """Each witness is told of these logs and keys, and started again."""
        for name, witness in self.witnesses.items():
            witness.state.close()
            config = self.folder / name / service.CONFIG
            config.write_text(json.dumps({"name": f"{name}.example/w", "logs": vkeys}))
            self.witnesses[name] = service.load(self.folder / name)

    def policy_file(self, own: str) -> str:
        lines = [own]
        for name, (ed, pq) in self.vkeys.items():
            url = f"https://{name}.example/w/"
            lines += [f"witness {name} {ed} {url}", f"witness {name}-pq {pq} {url}"]
        lines += [f"group any-two 2 {' '.join(NAMES)}", "quorum any-two"]
        return "\n".join(lines) + "\n"

    def send(self, url: str, body: bytes) -> Reply:
        name = url.removeprefix("https://").partition(".")[0]
        assert url == f"https://{name}.example/w/add-checkpoint"
        self.asked.append(name)
        if name in self.out:
            raise http.client.RemoteDisconnected("gone")
        each = self.witnesses[name]
        found = protocol.answer(body, each.logs, each.state, each.cosigners, NOW_POSIX_S)
        return Reply(found.status, found.body)


class World:
    """Kiosk, bank, street."""

    def __init__(self, provisioned: Provisioned, folder: Path) -> None:
        self.kiosk = KioskSide(provisioned.kiosk_keys)
        self.bank = Bank(provisioned)
        self.log_key = self.bank.keyring.kiosk(KIOSK).checkpoint
        self.street = Street(folder, self.log_key.vkey)
        own = (folder / "policy.txt").read_text().replace("quorum none\n", "")
        self.policy_file = self.street.policy_file(own)
        self.policy = policy.parse(self.policy_file.encode())
        assert self.bank.config.mirror is not None
        self.log = KIOSK
        self.folder = self.bank.config.mirror / KIOSK
        self.witnessing = Witnessing(
            self.bank.keyring, self.policy, self.bank.config.mirror, self.bank.clock, self.street.send
        )

    def grow(self, count: int = 1) -> None:
        for _ in range(count):
            self.take(self.kiosk.deposit(self.kiosk.records.size()))
        self.take(self.kiosk.records.checkpoint().encode(), lane="checkpoint")

    def take(self, *payloads: bytes, lane: str = "record") -> None:
        """What the kiosk sends of its present log."""
        self.bank.take(*payloads, lane=lane, kiosk=self.log)

    def work(self) -> bool:
        return self.witnessing.work_on(self.bank.store, self.log)

    def rotate(self, purpose: Purpose, new: Signer) -> None:
        """Two people let `new`, which lies beside the present key, take over."""
        self.take(self.kiosk.rotate(purpose, new.kid))

    def begin_epoch(self, epoch: int = 2) -> None:
        """The bank orders another log, and the kiosk begins it."""
        giving.new_epoch(self.bank.config, KIOSK, epoch, "")
        self.log = topics.log_name(KIOSK, epoch)
        self.take(self.kiosk.begin(self.log))

    def tell(self) -> None:
        """Everybody gets the policy file as the kiosk's keys are now; witnesses their part of it."""
        pinned = self.bank.config.keys / "kiosks"
        self.policy_file = trusting.renewed(self.policy_file, self.bank.keyring, pinned)
        self.policy = policy.parse(self.policy_file.encode())
        self.street.know([log.vkey for log in self.policy.logs])

    def deliver(self) -> list[str]:
        """What the bank has to tell, taken by the kiosk; who has cosigned the checkpoint that it then has."""
        for out in self.bank.receiver.tell_cosigned():
            self.kiosk.acknowledge(out.payload)
        known = self.kiosk.records.cosigned()
        if known is None:
            return []
        return [each.witness.name for each in self.cosigned(known[1])]

    def cosigned(self, signed: str) -> list[cosignature.Cosigned]:
        return cosignature.verify(signed, self.log_key, self.policy.witnesses.values())[1]

    def close(self) -> None:
        self.witnessing.stop()
        self.bank.store.close()
        self.kiosk.close()
