"""Receipts, good and spoiled in every way, with what the verifier in Python says of each: for the page for phones."""

import base64
import dataclasses
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from kiosk.errors import ConfigError
from kiosk.guarantee import cbor, checkpoint, cose, leaf, log, note, policy, proof, receipt
from kiosk.guarantee.cosignature import Cosigner
from kiosk.guarantee.keys import Algorithm, Ed25519Signer, PublicKey
from kiosk.verifier import checking, reading
from tests.guarantee_kit import DEPOSIT_ID, KIOSK, NOW, Kit
from tests.receipt_kit import BODY, SUMS, made, statement

VILLAGE: Final = Cosigner("village.example/witness", Ed25519PrivateKey.from_private_bytes(bytes(32)))
COUNTY: Final = Cosigner("county.example/witness", Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32))
QUANTUM: Final = Cosigner("village.example/witness", MLDSA44PrivateKey.from_seed_bytes(bytes(32)))
AT: Final = 1_790_000_000
WITNESSES: Final = (
    f"witness village {VILLAGE.witness.vkey}",
    f"witness county {COUNTY.witness.vkey} https://county.example/w",
    f"witness quantum {QUANTUM.witness.vkey}",
)


@dataclass(frozen=True)
class Case:
    """What somebody scanned, and whom they trust."""

    name: str
    text: str
    policy: bytes


def expected(case: Case) -> dict[str, Any]:
    """What kiosk-verify says: the verdict, and each step with whether it holds."""
    try:
        checked = checking.check(reading.sort(case.text), policy.parse(case.policy))
    except ConfigError:
        return {"verdict": "unreadable", "steps": []}
    return {"verdict": checked.verdict, "steps": [[step.name, step.holds] for step in checked.steps]}


class Es256:
    """A record key that lives in a TPM or token: P-256."""

    algorithm: Algorithm = "ES256"

    def __init__(self) -> None:
        self._key = ec.derive_private_key(0x1234567890ABCDEF, ec.SECP256R1())
        self.public = PublicKey(self._key.public_key())
        self.kid = self.public.kid

    def sign(self, data: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)


STRANGER: Final = Cosigner("nobody.example", Ed25519PrivateKey.from_private_bytes(bytes([9] * 32)))


class Paper:
    """A receipt in a log of `others` + 2 leaves."""

    def __init__(self, others: int = 5, **changes: Any) -> None:
        self.kit = Kit()
        for _ in range(others):
            self.kit.append("alert", {"alert": "test"})
        self.sequence = statement(self.kit, **changes)
        self.made = made(self.kit, self.sequence)
        self.point = self.kit.read_checkpoint(self.kit.records.checkpoint())

    def policy(self, *lines: str) -> bytes:
        own = (f"log {self.kit.log_verifier.vkey}", policy.record_key_line(KIOSK, self.kit.record_signer.public))
        return ("\n".join((*own, *lines)) + "\n").encode()

    def case(self, name: str, *cosigners: Cosigner, quorum: str = "quorum village", **texts: str) -> Case:
        lines = "".join(cosigner.line(self.point, AT) for cosigner in cosigners)
        opening, tail = texts.get("opening", self.made.opening), texts.get("proof", self.made.proof) + lines
        return Case(name, f"{opening}\n{tail}", self.policy(*WITNESSES, quorum))


def good() -> Iterator[Case]:
    """All hold, witnessed or provisional."""
    paper = Paper()
    yield paper.case("nobody cosigned")
    yield paper.case("witnessed", VILLAGE)
    yield paper.case("witnessed by ML-DSA", QUANTUM, quorum="quorum quantum")
    yield paper.case("all three", VILLAGE, COUNTY, QUANTUM, quorum="group g all village county quantum\nquorum g")
    yield paper.case("two of three", COUNTY, QUANTUM, quorum="group g 2 village county quantum\nquorum g")
    yield paper.case("one of two wanted", VILLAGE, quorum="group g all village county\nquorum g")
    yield paper.case("the quorum is none", VILLAGE, quorum="quorum none")
    yield Paper(0).case("a log of two")
    yield Paper(300).case("a longer log", COUNTY, VILLAGE)
    sums = {
        **SUMS,
        "RUB": dict.fromkeys(SUMS["CNY"], 0),
        "USD": {**SUMS["CNY"], "inserted": 2**64 - 1, "credited": 2**64 - 2001},
    }
    yield Paper(account_known=None, sums=sums, disputed_unvalued=3, bundle="").case("several currencies, huge amounts")
    yield Paper(account_masked="****\u5f20\U0001f4b0", outcome="\u0442\u0435\u0441\u0442").case("texts beyond ASCII")
    yield Case(
        "with remarks",
        f"Scan:\r\n{paper.made.proof}\n\nx\n{paper.made.opening} \t\r\n\r\nbye",
        paper.policy("quorum none"),
    )
    text = paper.made.proof.replace("index", "extra AAAA\nindex", 1)
    yield paper.case("an extra line", VILLAGE, proof=text)
    yield paper.case("a stranger's signature below", VILLAGE, STRANGER)
    yield es256("an ES256 key")


def es256(name: str) -> Case:
    """Signed by a P-256 key, in a log made by hand."""
    signer = Es256()
    paper = Paper()
    header = {
        "v": 1,
        "kiosk": KIOSK,
        "seq": 0,
        "kind": "receipt",
        "at": "2026-11-21T08:30:00.125Z",
        "clock_synchronised": True,
    }
    signed = cose.sign1(
        cbor.encode({**header, **BODY, "record_seq": 0, "record_leaf": bytes(32)}), signer, cose.RECORD_TYPE
    )
    return resigned(paper, name, signed, policy.record_key_line(KIOSK, signer.public))


def resigned(paper: Paper, name: str, signed: bytes, *lines: str, moment: str = "") -> Case:
    """A log of one leaf that holds this message, by the log's own key."""
    from kiosk.guarantee import checkpoint, merkle  # noqa: PLC0415 - short names

    salt = bytes(32)
    entry = leaf.entry(KIOSK, 0, "receipt", moment or leaf.minute(NOW), leaf.commitment(salt, signed))
    point = checkpoint.sign(KIOSK, 1, merkle.leaf_hash(entry), paper.kit.checkpoint_signer)
    opening = f"{receipt.HEADER}\n{note.encode_base64(cbor.encode([salt, signed]))}"
    return Case(name, f"{opening}\n{proof.make(0, (), point)}", paper.policy(*lines, "quorum none"))


def forged() -> Iterator[Case]:
    """Statements that the kiosk's own key signed and that no kiosk may sign."""
    paper = Paper()
    header = {
        "v": 1,
        "kiosk": KIOSK,
        "seq": 0,
        "kind": "receipt",
        "at": "2026-11-21T08:30:00.125Z",
        "clock_synchronised": True,
    }
    whole: dict[str, Any] = {**header, **BODY, "record_seq": 0, "record_leaf": bytes(32)}
    wrong_sum = {"CNY": {**SUMS["CNY"], "credited": 25_001}}
    changes: dict[str, dict[str, Any]] = {
        "as it should be": {},
        "a wrong sum": {"sums": wrong_sum},
        "a negative amount": {"sums": {"CNY": {**SUMS["CNY"], "credited": -1, "inserted": 1999}}},
        "an amount that is true": {"disputed_unvalued": True},
        "version 2": {"v": 2},
        "version true": {"v": True},
        "another kind": {"kind": "deposit"},
        "a 30th of February": {"at": "2026-02-30T08:30:00.125Z"},
        "another minute": {"at": "2026-11-21T08:31:00.125Z"},
        "a clock that says maybe": {"clock_synchronised": None},
        "one field more": {"risk": "low"},
        "a short id": {"deposit_id": bytes(15)},
        "a float": {"disputed_unvalued": 1.5},
        "a sequence as text": {"seq": "0"},
        "another sequence": {"seq": 1},
        "another kiosk": {"kiosk": "demo-0002"},
    }
    for name, change in changes.items():
        signed = cose.sign1(cbor.encode({**whole, **change}), paper.kit.record_signer, cose.RECORD_TYPE)
        yield resigned(paper, f"signed: {name}", signed)
    less = {key: value for key, value in whole.items() if key != "bundle"}
    yield resigned(
        paper, "signed: a field less", cose.sign1(cbor.encode(less), paper.kit.record_signer, cose.RECORD_TYPE)
    )
    yield resigned(
        paper,
        "signed: as an acknowledgement",
        cose.sign1(cbor.encode(whole), paper.kit.record_signer, cose.ACKNOWLEDGEMENT_TYPE),
    )
    payload = cbor.encode(whole)
    longer = payload.replace(cbor.encode("seq") + b"\x00", cbor.encode("seq") + b"\x18\x00")
    yield resigned(
        paper, "signed: a longer form of a number", cose.sign1(longer, paper.kit.record_signer, cose.RECORD_TYPE)
    )
    yield resigned(
        paper, "signed: bytes left over", cose.sign1(payload + b"\x00", paper.kit.record_signer, cose.RECORD_TYPE)
    )
    stranger = Kit(9)
    yield resigned(paper, "signed: by a stranger", cose.sign1(payload, stranger.record_signer, cose.RECORD_TYPE))


def spoiled() -> Iterator[Case]:
    """One thing changed on a good receipt, by hand or at random places."""
    paper, other = Paper(), Paper(6)
    opening, text = paper.made.opening, paper.made.proof
    lines = text.split("\n")
    by_hand: dict[str, dict[str, str]] = {
        "a statement of another log": {"opening": other.made.opening},
        "a proof of another log": {"proof": other.made.proof},
        "another index": {"proof": text.replace("index 6", "index 5")},
        "an index with a zero before": {"proof": text.replace("index 6", "index 06")},
        "a hash less": {"proof": "\n".join(lines[:2] + lines[3:])},
        "a hash more": {"proof": "\n".join([*lines[:3], lines[2], *lines[3:]])},
        "hashes in another order": {"proof": "\n".join([*lines[:2], lines[3], lines[2], *lines[4:]])},
        "a larger tree": {"proof": text.replace(f"{KIOSK}\n7\n", f"{KIOSK}\n8\n")},
        "another origin": {"proof": text.replace(f"deposit-kiosk/{KIOSK}\n", "deposit-kiosk/demo-0002\n")},
        "no signature": {"proof": "\n".join(lines[:-2]) + "\n"},
        "a hyphen for the dash": {"proof": text.replace("\u2014", "-")},
        "no empty line": {"proof": text.replace("\n\n", "\n")},
        "base64 without padding": {"opening": opening.rstrip("=") + "A"},
        "an opening cut off": {"opening": opening[:-8]},
        "a tail of text": {"opening": opening + "AAAA"},
        "lower case": {"opening": opening.lower()},
        "an extension line": {"proof": text.replace("\n\n\u2014", "\nmore\n\n\u2014")},
    }
    for name, texts in by_hand.items():
        yield paper.case(name, VILLAGE, **texts)
    yield from wrong_cosignatures(paper)
    rng = random.Random(7)
    for part, whole in (("opening", opening), ("proof", text)):
        start = whole.index("\n") + 1
        for at in sorted(rng.sample(range(start, len(whole)), 40)):
            changed = chr(ord(whole[at]) ^ 1) if ord(whole[at]) < 128 else "-"
            yield paper.case(f"{part} at {at}", VILLAGE, **{part: whole[:at] + changed + whole[at + 1 :]})


def wrong_cosignatures(paper: Paper) -> Iterator[Case]:
    """A bad signature of a witness refuses the whole, and one that nobody knows does where a quorum is missing."""
    yield paper.case("nobody but a stranger", STRANGER)
    spoilt = paper.made.proof + VILLAGE.line(paper.point, AT).replace("\u2014", "-")
    yield paper.case("a hyphen for the witness's dash", proof=spoilt)
    for cosigner in (VILLAGE, QUANTUM):
        line = cosigner.line(paper.point, AT)
        raw = bytearray(base64.b64decode(line.split(" ")[2]))
        for name, at in (("time", 11), ("signature", 40), ("key id", 0)):
            changed = bytes(raw[:at]) + bytes([raw[at] ^ 1]) + bytes(raw[at + 1 :])
            spoilt = note.signature_line(cosigner.witness.name, changed)
            yield paper.case(f"{cosigner.witness.type} cosignature, {name}", proof=paper.made.proof + spoilt)
        short = note.signature_line(cosigner.witness.name, bytes(raw[:-1]))
        yield paper.case(f"{cosigner.witness.type} cosignature, short", proof=paper.made.proof + short)


def other_policies() -> Iterator[Case]:
    """The same good receipt for somebody who trusts others, or whose file is wrong."""
    paper = Paper()
    whole = f"{paper.made.opening}\n{paper.made.proof}{VILLAGE.line(paper.point, AT)}"
    log, key, quorum = paper.policy().decode().split("\n")[0], paper.policy().decode().split("\n")[1], "quorum none"
    stranger = Kit(9)
    files = {
        "nobody": [quorum],
        "no record key": [log, quorum],
        "no log": [key, quorum],
        "another log key": [f"log {stranger.log_verifier.vkey}", key, quorum],
        "another record key": [log, policy.record_key_line(KIOSK, stranger.record_signer.public), quorum],
        "both record keys": [log, policy.record_key_line(KIOSK, stranger.record_signer.public), key, quorum],
        "tabs and remarks": ["# hello", "", f"\t{log.replace(' ', chr(9))} ", key, "   quorum\tnone "],
    }
    for name, lines in files.items():
        yield Case(f"policy: {name}", whole, ("\n".join(lines) + "\n").encode())


def bad_policies() -> Iterator[tuple[str, bytes]]:
    """Files that neither may read."""
    paper = Paper()
    own = paper.policy().decode().strip()
    village, vkey = WITNESSES[0], paper.kit.log_verifier.vkey
    for name, text in {
        "no quorum": own,
        "two quorums": f"{own}\nquorum none\nquorum none",
        "an unknown quorum": f"{own}\nquorum village",
        "a word nobody knows": f"{own}\ntrust me\nquorum none",
        "the same witness twice": f"{own}\n{village}\nwitness other {VILLAGE.witness.vkey}\nquorum none",
        "the same name twice": f"{own}\n{village}\nwitness village {COUNTY.witness.vkey}\nquorum none",
        "a group of nobody": f"{own}\ngroup g all\nquorum none",
        "a group that needs too many": f"{own}\n{village}\ngroup g 2 village\nquorum g",
        "a member twice": f"{own}\n{village}\ngroup g any village village\nquorum g",
        "a broken key id": f"{own}\n{village.replace('+', '+0', 1)}\nquorum none",
        "a log key as witness": f"{own}\nwitness w {paper.kit.log_verifier.vkey}\nquorum none",
        "a control character": f"{own}\n\x07\nquorum none",
        "the log twice": f"{own}\n{own}\nquorum none",
        "half a range": f"{own}\n# key-range {'ab' * 32} 0\nquorum none",
        "a range of no key": f"{own}\n# key-range ab 0 - x\nquorum none",
        "a range that ends nowhere": f"{own}\n# key-range {'ab' * 32} 0 x y\nquorum none",
        "two ranges of a key": f"{own}\n# key-range {'ab' * 32} 0 1 x\n# key-range {'ab' * 32} 0 1 x\nquorum none",
        "a range of no log": f"{own}\n# key-range {'ab' * 32} 0 1\nquorum none",
        "a closed log twice": f"{own}\n# closed-log {vkey}\n# closed-log {vkey}\nquorum none",
        "a closed log of no key": f"{own}\n# closed-log {vkey[:-4]}\nquorum none",
    }.items():
        yield name, text.encode()


def rotated() -> Iterator[Case]:
    """Receipts of before and after a change of both keys, under policies that say when each key speaks."""
    new, new_log = Ed25519Signer.from_seed(b"\x61" * 32), Ed25519Signer.from_seed(b"\x62" * 32)
    kit = Kit()
    kit.keys = dataclasses.replace(kit.keys, next_record=new, next_checkpoint=new_log)
    kit.records = log.RecordLog(kit.connection, kit.keys, kit.vault, randomness=kit.randomness)
    before = made(kit, statement(kit))
    with kit.transaction():
        kit.records.rotate("record", new.kid, {}, NOW)
        kit.records.rotate("checkpoint", new_log.kid, {}, NOW)
    after = made(kit, statement(kit))
    thief = Paper(12)
    told = policy.lines_of(KIOSK, kit.records.keys("record"), kit.records.keys("checkpoint"))
    trusted = "\n".join([*told, "quorum none", ""]).encode()
    unlimited = "\n".join([*(line for line in told if "key-range" not in line), "quorum none", ""]).encode()
    for name, paper in (("before", before), ("after", after), ("by the old key, after", thief.made)):
        text = f"{paper.opening}\n{paper.proof}"
        yield Case(f"rotation: {name}", text, trusted)
        yield Case(f"rotation: {name}, no ranges", text, unlimited)
        yield Case(f"rotation: {name}, old policy", text, thief.policy("quorum none"))
    records_only = "\n".join(line for line in trusted.decode().split("\n") if new_log.kid.hex() not in line)
    forged = checkpoint.sign(KIOSK, kit.records.size(), kit.records.root(), kit.checkpoint_signer)
    sequence = kit.records.size() - 1
    text = proof.make(sequence, kit.records.inclusion(sequence), forged)
    yield Case("rotation: the log by the old key", f"{after.opening}\n{text}", trusted)
    yield Case("rotation: one range", f"{after.opening}\n{after.proof}", records_only.encode())


def later_logs() -> Iterator[Case]:
    """Receipts of a log that was closed and of the one after it, which the same keys sign, by one policy."""
    kit = Kit()
    first, name = made(kit, statement(kit)), f"{KIOSK}.epoch2"
    told = policy.lines_of(KIOSK, kit.records.keys("record"), kit.records.keys("checkpoint"), closed=True)
    with kit.transaction():
        kit.records.begin(name)
    told += policy.lines_of(name, kit.records.keys("record"), kit.records.keys("checkpoint"))
    second = made(kit, statement(kit))
    trusted = "\n".join([*told, "quorum none", ""]).encode()
    over = f"# key-range {kit.checkpoint_signer.kid.hex()} 0 1 {KIOSK}\n".encode() + trusted
    for word, paper in (("closed", first), ("present", second)):
        yield Case(f"logs: {word}", f"{paper.opening}\n{paper.proof}", trusted)
        yield Case(f"logs: {word}, the key's time over in the first", f"{paper.opening}\n{paper.proof}", over)
    yield Case("logs: the proof of the other", f"{first.opening}\n{second.proof}", trusted)


def unreadable() -> Iterator[Case]:
    """Not the two codes of one receipt."""
    paper, other = Paper(), Paper(6)
    trust = paper.policy("quorum none")
    yield Case("nothing", "", trust)
    yield Case("the first alone", paper.made.opening, trust)
    yield Case("the second alone", paper.made.proof, trust)
    yield Case("two receipts", f"{paper.made.opening}\n{paper.made.proof}\n{other.made.opening}", trust)


def everything() -> list[Case]:
    return [*good(), *forged(), *spoiled(), *other_policies(), *rotated(), *later_logs(), *unreadable()]


assert DEPOSIT_ID  # of every statement here
