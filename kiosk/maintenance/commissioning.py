"""What a commissioning consists of, and how far it has come: looked up each time, so it can stop and go on anywhere.

A step that makes something is done when that is there; one that somebody looks at is done when the book says so
(`kiosk.maintenance.commission_book`). `kioskctl commission next` says which comes next.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kiosk.config import Config
from kiosk.core.commissioning import Entries, StepName
from kiosk.core.metrics import LINES
from kiosk.errors import ConfigError
from kiosk.guarantee import enrolment, files
from kiosk.guarantee.keys import Ed25519Signer
from kiosk.guarantee.seal import SealPrivateKey
from kiosk.maintenance import commission_book
from kiosk.messages import Status

REQUEST: Final = "enrolment.request"
ANSWER_KEY: Final = "enrolment.key"  # the answer is sealed to it; destroyed when the answer is here
OWN_KEYS: Final = ("record.key", "checkpoint.key", "vault.key")
KEK_BYTES: Final = 32
LIVE: Final = ("people", "devices answer", "pins", "camera", "calibration", "bank's word", "golden deposit")
PINS: Final = LINES  # every input of the cabinet, moved by hand once
GOLDEN: Final = "deposit one note of each kind, then: kioskctl commission golden"
ASK: Final = "kioskctl commission request"


@dataclass(frozen=True)
class Step:
    """One step: whether it is done, what was seen, and what to type if it is not."""

    name: str
    done: bool
    seen: str
    todo: str


def request_path(config: Config) -> Path:
    """Where the signing request is kept until it was answered."""
    return config.keys_dir / REQUEST


def files_done(config: Config) -> list[Step]:
    """The steps before the first start: configuration, devices, keys, the bank's answer."""
    ports = {"validator": config.validator.port, "board": config.board.port, "label printer": config.label_printer.port}
    if config.receipt_printer is not None:
        ports["receipt printer"] = config.receipt_printer.port
    missing = [f"{name} ({port})" for name, port in ports.items() if not Path(port).exists()]
    seen = f"not there: {', '.join(missing)}" if missing else f"{len(ports)} serial devices"
    absent = [name for name in OWN_KEYS if not (config.keys_dir / name).exists()]
    pinned = all((config.keys_dir / name).exists() for name in enrolment.PINNED) and config.uplink.cert.exists()
    asked = request_path(config).exists()
    answer = "enrolled" if pinned else "asked, not answered yet" if asked else "not asked yet"
    return [
        Step("devices", not missing, seen, "kioskctl commission devices, then plug in or name what is missing"),
        Step("keys", not absent, f"no {', '.join(absent)}" if absent else "made here", ASK),
        Step("bank", pinned, answer, "kioskctl commission enrol ANSWER --bank FINGERPRINT" if asked else ASK),
    ]


def live_done(status: Status | None, people: int, book: Entries) -> list[Step]:
    """The steps that need the running kiosk, which has so many people enrolled; None: it does not answer.

    What somebody has to look at stands in the book once they have, and stays done.
    """
    if status is None:
        todo = "systemctl start kiosk.target; journalctl -u kiosk-controller says why when it does not stay"
        return [Step(name, False, "the controller does not answer", todo) for name in LIVE]  # noqa: FBT003
    broken = [f"{device.name}: {device.detail}" for device in status.devices if device.state != "ok"]
    still = [line for line in PINS if not _stands(book, "pin", line=line)]
    moved = f"{len(PINS) - len(still)} of {len(PINS)} seen to move" + (f"; not {', '.join(still)}" if still else "")
    signed = f"{status.acknowledged} of {status.log_size} records signed for"
    return [
        Step("people", people > 0, f"{people} enrolled", "kioskctl people found S-1:supervisor S-2:staff"),
        Step("devices answer", not broken, "; ".join(broken) or "all of them", "kioskctl status says what to do"),
        Step("pins", not still, moved, "kioskctl commission pins"),
        _looked_at(book, "camera", "kioskctl commission camera"),
        _looked_at(book, "calibration", "kioskctl commission calibration"),
        Step("bank's word", 0 < status.log_size == status.acknowledged, signed, "look at the broker and the receivers"),
        _looked_at(book, "golden deposit", GOLDEN),
    ]


def _looked_at(book: Entries, name: Literal["camera", "calibration", "golden deposit"], todo: str) -> Step:
    taken = commission_book.newest(book, name)
    if taken is None:
        return Step(name, done=False, seen="not looked at yet", todo=todo)
    return Step(name, taken.ok, f"{taken.result} ({taken.by}, {taken.at})", todo)


def _stands(book: Entries, name: StepName, **arguments: str) -> bool:
    taken = commission_book.newest(book, name, **arguments)
    return taken is not None and taken.ok


def make_keys(config: Config, owner: Callable[[Path], None]) -> list[str]:
    """The kiosk's own keys, made where missing; which were. Raises ConfigError, OSError."""
    folder = config.keys_dir
    files.make_directory(folder)
    made: list[str] = []
    for name in ("record.key", "checkpoint.key"):
        if not (path := folder / name).exists():
            Ed25519Signer.generate().save(path)
            made.append(name)
    if not (path := folder / "vault.key").exists():
        files.save_key(path, "aes-256-kek", os.urandom(KEK_BYTES))
        made.append("vault.key")
    if not config.uplink.key.exists():
        files.make_directory(config.uplink.key.parent)
        key = ec.generate_private_key(ec.SECP256R1())
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        files.write_new(config.uplink.key, key.private_bytes(*form), mode=0o600)
        made.append(config.uplink.key.name)
    for path in (folder.parent, folder, *(folder / name for name in OWN_KEYS)):
        owner(path)
    return made


def ask(config: Config, at: str) -> bytes:
    """The signing request, kept; the one that is kept already when there is one. Raises ConfigError, OSError."""
    path = request_path(config)
    if path.exists():
        return path.read_bytes()
    if config.record_token is not None:
        raise ConfigError(
            "a record key on a token is enrolled by hand", remedy="docs/keys.md says how; the bank provisions the rest."
        )
    key = serialization.load_pem_private_key(config.uplink.key.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{config.uplink.key} is no EC key", remedy="Remove it; another one is made.")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, config.kiosk.id)])
    wanted = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    answer_to = SealPrivateKey.generate(os.urandom)
    data = enrolment.request(
        kiosk=config.kiosk.id,
        at=at,
        record=Ed25519Signer.load(config.keys_dir / "record.key"),
        log=Ed25519Signer.load(config.keys_dir / "checkpoint.key"),
        certificate_request=wanted.public_bytes(serialization.Encoding.DER),
        answer_to=answer_to.public,
    )
    private = config.keys_dir / ANSWER_KEY
    private.unlink(missing_ok=True)  # of a request that was begun and not kept
    answer_to.save(private)
    files.write_new(path, data, mode=0o600)
    return data


def take(config: Config, answer: bytes, bank: str, owner: Callable[[Path], None]) -> list[str]:
    """Verify the bank's answer and lay down its files; which. Raises VerificationError, ConfigError, OSError."""
    path = request_path(config)
    if not path.exists():
        raise ConfigError("no request was made here", remedy="kioskctl commission request")
    if not (config.keys_dir / ANSWER_KEY).exists():
        raise ConfigError("this kiosk is enrolled already", remedy="kioskctl commission next")
    asked = enrolment.read_request(path.read_bytes())
    found = enrolment.read_answer(answer, asked, SealPrivateKey.load(config.keys_dir / ANSWER_KEY), bank)
    places = {name: config.keys_dir / name for name in enrolment.PINNED}
    places |= {enrolment.AUTHORITY: config.uplink.ca, enrolment.CERTIFICATE: config.uplink.cert}
    policy = places["policy.txt"]
    policy.unlink(missing_ok=True)  # it grows with the bank's kiosks; what is signed now counts
    for name, place in places.items():
        if place.exists() and place.read_bytes() != found[name]:
            raise ConfigError(f"{place} is there and says something else", remedy="Move it away if it is not in use.")
    for name, place in places.items():
        files.make_directory(place.parent)
        if not place.exists():
            # The authority is read by the uplink, which is not the owner of its directory.
            files.write_new(place, found[name], mode=0o644 if name == enrolment.AUTHORITY else 0o600)
        if name in enrolment.PINNED:
            owner(place)
    (config.keys_dir / ANSWER_KEY).unlink()  # nobody opens this answer again
    return sorted(places)
