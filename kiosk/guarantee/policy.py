"""C2SP tlog-policy: which logs and which witnesses a verifier trusts, and how many of them it wants to have signed.

The specification leaves the keys that sign what is *in* a log to the application. Ours are comment lines, which every
other reader skips, so that one file (and one hash of it, on the cabinet and on each receipt) says whom to trust:

    # record-key <log> <base64 of the DER SubjectPublicKeyInfo>
    # closed-log <vkey>
    # key-range <kid, hex> <first> <end or -> <log>

`<log>` is a kiosk's id or, of a later epoch, its log's name. After a rotation or a compromise there are several `log`
and `record-key` lines of one log, and a range for each key: in that log it speaks for leaves (a log's key: for tree
sizes) from `first` on, and below `end`; `-`: it is in use. A log that another epoch has closed is `closed-log`, because
the key may sign the later one, too, and the specification wants each key in one `log` line; receipts of it stay good.
"""

import hashlib
import re
from collections.abc import Iterable, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import checkpoint, cosignature, note
from kiosk.guarantee.cosignature import Cosigned, Witness
from kiosk.guarantee.keys import PublicKey, PublicKeys
from kiosk.guarantee.rotation import KeyHistory, Span

POLICY_BYTES_MAX: Final = 256 * 1024  # an ML-DSA key takes 1,800 characters
ENTRIES_MAX: Final = 128  # of each kind; the specification asks for 32
NONE: Final = "none"
_RECORD_KEY: Final = "record-key"
_KEY_RANGE: Final = "key-range"
_CLOSED_LOG: Final = "closed-log"
_KID: Final = re.compile(r"[0-9a-f]{64}")
_PLACE: Final = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_END: Final = re.compile(rf"-|{_PLACE.pattern}", re.ASCII)


Ranges = dict[tuple[str, bytes], tuple[int, int | None]]  # (log, kid) -> first place, end


@dataclass(frozen=True)
class Group:
    """At least `needed` of `members`, each the name of a witness or of a group defined before."""

    needed: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """Whom to trust. `quorum` names a witness or group; "none" asks for no cosignature."""

    sha256: bytes  # of the file, as printed on receipts
    logs: tuple[note.Verifier, ...]
    witnesses: dict[str, Witness]
    groups: dict[str, Group]
    quorum: str
    record_keys: dict[str, PublicKeys] = field(default_factory=dict)  # by kiosk
    urls: dict[str, str] = field(default_factory=dict)  # by witness's name: its submission prefix
    ranges: Ranges = field(default_factory=dict)  # a key without one speaks always

    def log(self, origin: str) -> note.Verifier:
        """The log of this origin, with every key of it. Raises VerificationError when the policy does not know it."""
        found = [log for log in self.logs if log.name == origin]
        if not found:
            raise VerificationError(f"the policy does not name the log {origin}")
        name = origin.removeprefix(checkpoint.origin(""))
        return checkpoint.Log.of(origin, _history(name, (log.key for log in found), self.ranges))

    def keys(self, kiosk: str) -> PublicKeys:
        """The record keys of a kiosk. Raises VerificationError when there are none."""
        found = self.record_keys.get(kiosk)
        if found is None:
            raise VerificationError(f"the policy names no record key of {kiosk}")
        return found

    def witnessed(self, cosigned: list[Cosigned]) -> bool:
        """Whether these cosignatures are a quorum; with the quorum "none" nothing ever is: nobody was asked."""
        keys = {each.witness for each in cosigned}
        return self.quorum != NONE and self._holds(self.quorum, {n for n, w in self.witnesses.items() if w in keys})

    def enough(self, cosigned: list[Cosigned]) -> list[Cosigned]:
        """As few of these as still are a quorum; all of them where they are none."""
        kept = list(cosigned)
        if self.witnessed(kept):
            for each in reversed(cosigned):
                rest = [other for other in kept if other is not each]
                kept = rest if self.witnessed(rest) else kept
        return kept

    def _holds(self, name: str, signed: set[str]) -> bool:
        group = self.groups.get(name)  # groups name only what stands before them: this ends
        if group is None:
            return name in signed
        return sum(self._holds(member, signed) for member in group.members) >= group.needed


def record_key_line(kiosk: str, key: PublicKey) -> str:
    """The comment line that pins a record key of a kiosk."""
    der = load_pem_public_key(key.pem).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"# {_RECORD_KEY} {kiosk} {note.encode_base64(der)}"


def load(path: Path) -> Policy:
    """Read a policy file. Raises ConfigError."""
    return parse(load_bytes(path))


def load_bytes(path: Path) -> bytes:
    """The bytes of a policy file, which its hash is of; not parsed. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            return file.read(POLICY_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(
            f"the policy {path} cannot be read: {error.strerror}", remedy="Get it from the branch or a mirror."
        ) from error


def parse(data: bytes) -> Policy:
    """Read a policy file. Raises ConfigError with the line that is wrong."""
    reader = _Reader()
    if len(data) > POLICY_BYTES_MAX:
        raise ConfigError(f"a policy of {len(data)} bytes, at most {POLICY_BYTES_MAX}")
    if any((byte < ord(" ") and byte not in b"\t\n") or byte == 0x7F for byte in data):  # noqa: PLR2004 - DEL
        raise ConfigError("a policy file holds no control characters but tab and newline")
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), start=1):
        try:
            reader.take(line.strip(" \t"))
        except (VerificationError, ConfigError, ValueError) as error:
            raise ConfigError(f"policy line {number}: {error}") from error
    if not reader.quorum:
        raise ConfigError("the policy has no quorum line", remedy="Add `quorum <name>`, or `quorum none`.")
    return Policy(
        hashlib.sha256(data).digest(),
        (*reader.logs, *reader.closed),
        reader.witnesses,
        reader.groups,
        reader.quorum,
        {kiosk: _history(kiosk, keys, reader.ranges) for kiosk, keys in reader.record_keys.items()},
        reader.urls,
        reader.ranges,
    )


def _history(name: str, keys: Iterable[PublicKey], ranges: Ranges) -> KeyHistory:
    return KeyHistory(Span(key, *ranges.get((name, key.kid), (0, None))) for key in keys)


def lines_of(kiosk: str, records: KeyHistory, checkpoints: KeyHistory, *, closed: bool = False) -> list[str]:
    """What a policy file says of a log's keys; `closed`: a later epoch has taken its place."""
    name, word = checkpoint.origin(kiosk), f"# {_CLOSED_LOG}" if closed else "log"
    lines = [f"{word} {note.Verifier(name, span.key).vkey}" for span in checkpoints.spans]
    lines += [record_key_line(kiosk, span.key) for span in records.spans]
    for span in (*checkpoints.spans, *records.spans):
        if span.first or span.end is not None:
            end = "-" if span.end is None else str(span.end)
            lines.append(f"# {_KEY_RANGE} {span.key.kid.hex()} {span.first} {end} {kiosk}")
    return lines


class _Reader:
    """What the lines so far have defined."""

    def __init__(self) -> None:
        self.logs: list[note.Verifier] = []
        self.closed: list[note.Verifier] = []
        self.witnesses: dict[str, Witness] = {}
        self.groups: dict[str, Group] = {}
        self.record_keys: dict[str, list[PublicKey]] = {}
        self.urls: dict[str, str] = {}
        self.ranges: Ranges = {}
        self.quorum = ""
        self._members: set[str] = set()

    def take(self, line: str) -> None:
        """One line, stripped. Raises VerificationError, ConfigError or ValueError."""
        if line.startswith("#"):
            self._comment(line[1:].split())
            return
        match [word for part in line.split(" ") for word in part.split("\t") if word]:
            case []:
                return
            case ["log", vkey] | ["log", vkey, _]:
                self._log(vkey)
            case ["witness", name, vkey]:
                self._witness(name, vkey)
            case ["witness", name, vkey, url]:
                self._witness(name, vkey)
                self.urls[name] = url
            case ["group", name, needed, *members]:
                self._group(name, needed, members)
            case ["quorum", name] if not self.quorum:
                if name != NONE:
                    self._known(name)
                self.quorum = name
            case [word, *_]:
                raise ConfigError(f"{word!r} is not understood here, or stands twice")

    def _log(self, vkey: str) -> None:
        log = note.parse_vkey(vkey)
        if any(log.key == other.key for other in self.logs):
            raise ConfigError("a log with the same key is there already")
        _bound(self.logs)
        self.logs.append(log)

    def _closed_log(self, vkey: str) -> None:
        log = note.parse_vkey(vkey)
        if log in self.closed:
            raise ConfigError("this key of this closed log is there already")
        _bound(self.closed)
        self.closed.append(log)

    def _witness(self, name: str, vkey: str) -> None:
        witness = cosignature.parse_vkey(vkey)
        self._new(name)
        if any(witness.raw == other.raw for other in self.witnesses.values()):
            raise ConfigError("a witness with the same key is there already")
        _bound(self.witnesses)
        self.witnesses[name] = witness

    def _group(self, name: str, needed: str, members: list[str]) -> None:
        self._new(name)
        for member in members:
            self._known(member)
            if member in self._members or members.count(member) > 1:
                raise ConfigError(f"{member} is a member twice")
        counts = {"all": len(members), "any": 1}
        if needed not in counts and not (needed.isascii() and needed.isdecimal()):
            raise ConfigError(f"a group needs all, any or a number of its members, not {needed!r}")
        count = counts[needed] if needed in counts else int(needed)
        if not 1 <= count <= len(members):
            raise ConfigError(f"a group of {len(members)} cannot need {count}")
        _bound(self.groups)
        self._members.update(members)
        self.groups[name] = Group(count, tuple(members))

    def _comment(self, words: list[str]) -> None:
        match words:
            case [word, kiosk, encoded] if word == _RECORD_KEY:
                checkpoint.origin(kiosk)
                loaded = load_der_public_key(note.decode_base64(encoded))
                pem = loaded.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
                _bound(self.record_keys)
                self.record_keys.setdefault(kiosk, []).append(PublicKey.from_pem(pem))
            case [word, vkey] if word == _CLOSED_LOG:
                self._closed_log(vkey)
            case [word, *rest] if word == _KEY_RANGE:
                self._range(rest)

    def _range(self, words: list[str]) -> None:
        """A range that is not understood is refused: skipping it would let a key speak for ever."""
        match words:
            case [kid, first, end, name] if (
                _KID.fullmatch(kid) and _PLACE.fullmatch(first) and (name, bytes.fromhex(kid)) not in self.ranges
            ):
                if not _END.fullmatch(end):
                    raise ConfigError(f"a range ends at a number or -, not at {end!r}")
                _bound(self.ranges)
                self.ranges[name, bytes.fromhex(kid)] = int(first), None if end == "-" else int(end)
            case _:
                raise ConfigError("a key-range is a kid in hex, first place, end or -, and the log; one of each")

    def _new(self, name: str) -> None:
        if name == NONE or name in self.witnesses or name in self.groups:
            raise ConfigError(f"the name {name} cannot be given again")

    def _known(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise ConfigError(f"{name} is not defined above")


def _bound(entries: Sized) -> None:
    if len(entries) >= ENTRIES_MAX:
        raise ConfigError(f"more than {ENTRIES_MAX} entries of a kind")
