"""The payout store, which is also the bunch escrow: notes, routes, levels, counters. All non-volatile."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from hwsim.config import ValidatorConfig
from hwsim.notes import Kind, Note

Amounts = tuple[tuple[int, str], ...]  # (minor units, country) as on the wire
Denomination = tuple[int, str]

STORE: Final = 0  # route values of 0x3B
STACKER: Final = 1
U32: Final = 0x1_0000_0000


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of the dataset as the wire shows it."""

    number: int
    face: int
    value_minor: int
    country: str

    @property
    def denomination(self) -> Denomination:
        return self.value_minor, self.country


@dataclass(slots=True)
class Held:
    """One note inside the store."""

    note: Note
    channel: Channel
    escrow: bool


@dataclass(slots=True)
class Counters:
    """Reply of 0x58; each wraps at 2**32."""

    stacked: int = 0
    stored: int = 0
    dispensed: int = 0
    transferred: int = 0
    rejected: int = 0

    def bump(self, name: str) -> None:
        setattr(self, name, (getattr(self, name) + 1) % U32)


class Dataset:
    """Which notes the validator knows, and what it takes them for."""

    def __init__(self, config: ValidatorConfig) -> None:
        self.channels = tuple(
            Channel(
                number,
                channel.face,
                channel.face * config.real_multiplier,
                config.profile.suspect_country if channel.suspect else channel.currency,
            )
            for number, channel in enumerate(config.channels, start=1)
        )
        self._by_note = {
            (row.currency, row.face * config.real_multiplier, row.suspect): channel
            for row, channel in zip(config.channels, self.channels, strict=True)
        }

    def read(self, note: Note) -> Channel | None:
        """What the sensors make of a note; None when it is not recognised."""
        if note.kind not in {Kind.GENUINE, Kind.SUSPECT}:
            return None
        return self._by_note.get((note.currency, note.value_minor, note.kind is Kind.SUSPECT))

    @property
    def denominations(self) -> tuple[Denomination, ...]:
        return tuple(dict.fromkeys(channel.denomination for channel in self.channels))


@dataclass(slots=True)
class Store:
    """Stored notes in order (the last one in comes out first) and what the flash memory holds."""

    capacity: int
    escrow_size: int
    held: list[Held] = field(default_factory=list)
    routes: dict[Denomination, int] = field(default_factory=dict)
    counters: Counters = field(default_factory=Counters)

    def route(self, channel: Channel) -> int:
        return self.routes.get(channel.denomination, STACKER)

    @property
    def escrow(self) -> list[Held]:
        return [held for held in self.held if held.escrow]

    @property
    def free(self) -> int:
        return self.capacity - len(self.held)

    def level(self, denomination: Denomination) -> int:
        return sum(held.channel.denomination == denomination for held in self.held)

    def commit(self) -> None:
        for held in self.held:
            held.escrow = False

    def forget_escrow(self) -> None:
        """The marks are lost; the notes are plain contents now."""
        self.commit()


def amounts(channels: Iterable[Channel]) -> Amounts:
    """Sum by country, in order of first appearance."""
    sums: dict[str, int] = {}
    for channel in channels:
        sums[channel.country] = sums.get(channel.country, 0) + channel.value_minor
    return tuple((value, country) for country, value in sums.items())
