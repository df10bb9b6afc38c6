"""What a note validator can be asked to do."""

from typing import Protocol, runtime_checkable

from firmware_bridge.interfaces.notes import (
    EmptyReport,
    Level,
    PollResult,
    ValidatorCapabilities,
    ValidatorEvidence,
    ValidatorIdentity,
)


class BunchEscrow(Protocol):
    """The note store of a validator that can give back, or keep, all notes of a deposit together."""

    async def commit_escrow(self) -> None: ...

    async def cancel_escrow(self) -> None:
        """Return every note in escrow to the bezel; DISPENSING, HELD_IN_BEZEL and DISPENSED follow."""

    async def empty_to_stacker(self) -> None:
        """SMART EMPTY; EMPTYING and EMPTIED follow."""

    async def empty_report(self) -> EmptyReport: ...

    async def levels(self) -> tuple[Level, ...]: ...


class Validator(Protocol):
    """A note validator that holds each note for the host's word: READ, then `accept` or `reject`.

    With bunch escrow CREDITED comes when the note is beyond the depositor's reach, then STORED (or STACKED for a
    stacker channel). Without, a note is beyond reach when it is in the cassette: CREDITED and STACKED come together.
    """

    capabilities: ValidatorCapabilities

    @property
    def escrow(self) -> BunchEscrow | None:
        """The bunch escrow, where `capabilities` say that there is one; known after `start`."""

    async def start(self, bookmark: int | None = None) -> ValidatorIdentity:
        """Set up the session; leaves it disabled and inhibited. Nothing is sent that could accept a note.

        `bookmark` is the last durable one; events behind it are reported by `poll` as far as the device still has
        them. Devices that keep no event list ignore it.
        """

    async def configure(self, accept_channels: frozenset[int], stacker_channels: frozenset[int]) -> None:
        """Inhibits, and routes: `stacker_channels` go to the stacker, other accepted ones to the store, if any."""

    async def enable(self) -> None: ...

    async def disable(self) -> None: ...

    async def poll(self) -> PollResult:
        """What is new. After READ this may ACCEPT the held note (SSP): do not call it before that is wanted."""

    async def acknowledge(self) -> None:
        """The flagged events of the last poll are durable: the device may forget them."""

    async def accept(self) -> None:
        """Let the held note in; only after the intent is durable. The next polls tell what became of it.

        SSP sends nothing here: the next poll accepts. A note that has gone meanwhile is no error.
        """

    async def reject(self) -> None:
        """Give the held note back."""

    async def hold(self) -> None:
        """Restart the escrow window of the held note; moves nothing. `CommandRefused` when no note is held."""

    async def evidence(self) -> ValidatorEvidence:
        """Only while nothing moves."""

    def close(self) -> None: ...


@runtime_checkable
class Resettable(Protocol):
    """A validator that can be told to start again, which clears its path and its jams."""

    async def reset(self) -> None:
        """Returns when it has taken the command; `start` must be called again."""
