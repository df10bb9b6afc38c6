"""The bank-signed account directory of one kiosk: keyed hash of an account number -> masked name of its holder.

It lets the kiosk show "J*** D**" for a typed number while offline, and mark a deposit for an unknown account for
suspense. It is no list of accounts: entries are HMAC-SHA256 under a key that only this kiosk and its bank have, so
the statement in transit (or retained at a broker) tells nothing, and names are masked by the bank before they are
signed. Account numbers have few digits: who has the key can try them all. It is therefore a secret of the
controller, look-ups are rate-limited, and one kiosk's key opens no other kiosk's directory.

Versions only grow. The statement says everything that is valid: a new version replaces the old one whole.
"""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from kiosk.clock import rfc3339
from kiosk.errors import VerificationError
from kiosk.guarantee import cbor, cose, files, leaf
from kiosk.guarantee.keys import PublicKeys, Signer

DIRECTORY_BYTES_MAX: Final = 640 * 1024  # signed; fits a frame of the bus and a packet of the broker (1 MiB each)
ENTRIES_MAX: Final = 10_000  # with names of this size always within DIRECTORY_BYTES_MAX
NAME_BYTES_MAX: Final = 96  # one name, UTF-8
NAMES_BYTES_MAX: Final = 24 * ENTRIES_MAX  # all names together
VERSION_MAX: Final = 2**53 - 1  # also an exact number in JSON
HASH_BYTES: Final = 32
KEY_FILE: Final = "directory.key"
COMMAND_FILE: Final = "bank_command.pub"
_VERSION: Final = 1
_HEADROOM_BYTES: Final = 512  # COSE headers and signature


@dataclass(frozen=True)
class DirectoryKeys:
    """What a kiosk needs: the key of the hashes, and the bank's pinned command key."""

    key: bytes
    bank_commands: PublicKeys

    @classmethod
    def load(cls, keys_dir: Path) -> "DirectoryKeys | None":
        """From `keys_dir`; None when the kiosk was provisioned without a directory. Raises ConfigError."""
        key, command = keys_dir / KEY_FILE, keys_dir / COMMAND_FILE
        if not key.exists() and not command.exists():
            return None
        return cls(files.load_key(key, "hmac-sha256"), PublicKeys.load(command))


@dataclass(frozen=True)
class Directory:
    """A verified directory. `entries` maps the keyed hash (32 bytes) to the masked name."""

    kiosk: str
    version: int
    issued_at: str
    entries: Mapping[bytes, str]

    def name_of(self, account: str, key: bytes) -> str | None:
        """The masked name of the holder of `account` (digits only), None for an unknown one."""
        return self.entries.get(keyed_hash(account, key))


def keyed_hash(account: str, key: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104) of the account's digits, 32 bytes."""
    return hmac.digest(key, account.encode(), "sha256")


def make(kiosk: str, version: int, names: Mapping[str, str], key: bytes, now: datetime, signer: Signer) -> bytes:
    """The signed directory of `names` (account digits -> masked name). Raises ValueError when it breaks a bound."""
    entries = {keyed_hash(account, key): name for account, name in names.items()}
    directory = Directory(kiosk, version, rfc3339(now), dict(sorted(entries.items())))
    problem = _problem(directory)
    if problem:
        raise ValueError(problem)
    payload = _payload(directory)
    return cose.sign1(payload, signer, cose.DIRECTORY_TYPE, DIRECTORY_BYTES_MAX - _HEADROOM_BYTES)


def verify(data: bytes, keys: PublicKeys, kiosk: str) -> Directory:
    """The directory in `data`, by one of the bank's pinned command `keys`, for `kiosk`. Raises VerificationError.

    Whether it is newer than the one at hand is for whoever stores it to say.
    """
    if len(data) > DIRECTORY_BYTES_MAX:
        raise VerificationError(f"directory of {len(data)} bytes, at most {DIRECTORY_BYTES_MAX}")
    payload = cose.verify1(data, keys, cose.DIRECTORY_TYPE, DIRECTORY_BYTES_MAX).payload
    match cbor.decode(payload, DIRECTORY_BYTES_MAX):
        case {"kiosk": str(to), "version": int(version), "issued_at": str(issued_at), "entries": list(rows)}:
            found = Directory(to, version, issued_at, dict(_pairs(rows)))
        case _:
            raise VerificationError("not a directory")
    if payload != _payload(found):  # another version of the format, a field too many, an entry twice
        raise VerificationError("not a directory of version 1 of the format")
    problem = _problem(found)
    if problem:
        raise VerificationError(f"directory: {problem}")
    if found.kiosk != kiosk:
        raise VerificationError(f"directory for {found.kiosk}, not for {kiosk}")
    return found


def _pairs(rows: Iterable[object]) -> Iterable[tuple[bytes, str]]:
    for row in rows:
        match row:
            case [bytes(hashed), str(name)]:
                yield hashed, name
            case _:
                raise VerificationError("an entry of the directory is not a hash and a name")


def _payload(directory: Directory) -> bytes:
    """Deterministic CBOR; entries as pairs, since our maps have text keys only."""
    return cbor.encode(
        {
            "v": _VERSION,
            "kiosk": directory.kiosk,
            "version": directory.version,
            "issued_at": directory.issued_at,
            "entries": [[hashed, name] for hashed, name in directory.entries.items()],
        }
    )


def _problem(directory: Directory) -> str:
    """The first bound that is broken, in words; empty when all hold."""
    entries = directory.entries
    sizes = [len(name.encode()) for name in entries.values()]
    fine = all(0 < size <= NAME_BYTES_MAX for size in sizes) and all(map(str.isprintable, entries.values()))
    checks = (
        (leaf.kiosk_id_fits(directory.kiosk), f"{directory.kiosk!r} cannot name a kiosk"),
        (
            type(directory.version) is int and 1 <= directory.version <= VERSION_MAX,  # no bool: one value, one form
            f"version {directory.version!r} is out of range",
        ),
        (len(entries) <= ENTRIES_MAX, f"{len(entries)} entries, at most {ENTRIES_MAX}"),
        (list(entries) == sorted(entries), "the entries are not in the order of their hashes"),
        (all(len(hashed) == HASH_BYTES for hashed in entries), f"a hash is not {HASH_BYTES} bytes long"),
        (fine, f"a name is empty, over {NAME_BYTES_MAX} bytes or not printable"),
        (sum(sizes) <= NAMES_BYTES_MAX, f"names of {sum(sizes)} bytes together, at most {NAMES_BYTES_MAX}"),
    )
    return next((words for holds, words in checks if not holds), "")
