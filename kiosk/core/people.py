"""People as the kiosk knows them: a staff id, roles, a credential. No name: the bank knows who an id is.

A credential is a verifier, never the secret; whoever can compute it (`kiosk.guarantee.credentials`) tells the core
only whether it matched. Failed tries lock a person out, each time for longer.
"""

from collections.abc import Collection, Iterable
from enum import StrEnum
from itertools import permutations
from typing import Annotated, Final

import msgspec

STAFF_ID: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$"
StaffId = Annotated[str, msgspec.Meta(pattern=STAFF_ID)]
PEOPLE_MAX: Final = 64
FREE_FAILURES: Final = 3  # a typing mistake is human
LOCK_FIRST_S: Final = 30
LOCK_LONGEST_S: Final = 3600


class Role(StrEnum):
    """What somebody is to the kiosk. One person may have several, but for the auditor."""

    STAFF = "staff"  # of the branch: responsible for the kiosk on the day
    TECHNICIAN = "technician"  # keeps the machine going; never alone with money
    SUPERVISOR = "supervisor"  # of the branch
    COURIER = "courier"  # collects the cash
    AUDITOR = "auditor"  # sees everything, allows nothing


class Passphrase(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """scrypt of a PIN or passphrase (RFC 7914: N, r, p), peppered with a key of the kiosk. It takes 128 r N bytes."""

    salt: bytes
    verifier: bytes
    log2_n: Annotated[int, msgspec.Meta(ge=1, le=20)]
    r: Annotated[int, msgspec.Meta(ge=1, le=16)]
    p: Annotated[int, msgspec.Meta(ge=1, le=16)]


Credential = Passphrase  # a tagged union; hardware tokens would be its second member


class SecondFactor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One-time codes of a telephone (RFC 6238, 30 s, six digits): the shared secret, sealed to this kiosk."""

    sealed: bytes
    used: int  # the newest time step whose code was taken: it and every older one are worth nothing any more


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One enrolled person. A revoked one stays, so that what was signed keeps its meaning."""

    staff: StaffId
    roles: tuple[Role, ...]
    credential: Credential
    active: bool = True
    failures: int = 0  # since the credential last matched
    locked_until_s: int = 0  # UTC seconds; 0: not locked
    second: SecondFactor | None = None
    duress: Credential | None = None  # matches under threat: everything goes on as usual, and the bank is told


def roles_stand(roles: Collection[Role]) -> bool:
    """Whether one person may have these roles: at least one, none twice, and an auditor is nothing else."""
    return bool(roles) and len(set(roles)) == len(roles) and (Role.AUDITOR not in roles or len(roles) == 1)


def lock_s(failures: int, free: int = FREE_FAILURES) -> int:
    """How long so many failures lock out, seconds; fewer than `free` are nothing."""
    if failures < free:
        return 0
    doublings = min(failures - free, LOCK_LONGEST_S.bit_length())  # bounds the shift, not the delay
    return min(LOCK_FIRST_S << doublings, LOCK_LONGEST_S)


def fill(seats: tuple[frozenset[Role], ...], people: Iterable[Collection[Role]]) -> bool:
    """Whether people with these roles, each in one seat and no seat empty, are whom the seats ask for."""
    present = tuple(people)
    return len(present) == len(seats) and any(
        all(seat.intersection(roles) for seat, roles in zip(seats, order, strict=True))
        for order in permutations(present)
    )


def missing(seats: tuple[frozenset[Role], ...], people: Iterable[Collection[Role]]) -> tuple[Role, ...]:
    """The roles of which the one who is still missing needs one; empty when nobody is, or more than one."""
    present = tuple(people)
    wanted = {role for i, seat in enumerate(seats) if fill(seats[:i] + seats[i + 1 :], present) for role in seat}
    return tuple(sorted(wanted))
