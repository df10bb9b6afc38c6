"""Which edition of a stream's model judges: installed side by side, tried first, rolled back by itself. Pure.

Edition 0 is the one in the software's package; it is always there and needs no signature of its own. Every other came
in a bundle that the bank has signed (`kiosk.guarantee.models`), under a number that only grows. One that was just
installed is *on trial*: the watcher runs its golden examples, and only if they come out right does it become current.
The current one is tried again at each start of the watcher; if it fails, the newest good edition before takes over.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec

from kiosk.core.records import service
from kiosk.core.state import RecordDraft

Stream = Literal["scene", "machine", "transaction"]
STREAMS: Final[tuple[Stream, ...]] = ("scene", "machine", "transaction")
Standing = Literal["trial", "good", "failed"]
PACKAGED: Final = 0
NUMBER_MAX: Final = 2**53 - 1
EDITIONS_MAX: Final = 4  # of one stream, beside the packaged one; the oldest that nobody uses goes first
WHY_CHARACTERS_MAX: Final = 300
Number = Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]
Sha256Hex = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")]


class CannotInstall(ValueError):
    """This edition cannot be put on the shelf, or not be gone back to; `remedy` says what can be done."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class Edition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One version of one stream's model. `sha256` is its graph's, as records carry it."""

    number: Number
    version: str
    sha256: Sha256Hex
    standing: Standing = "good"
    why: str = ""  # it failed


class Shelf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stream's editions, ascending; `current` judges, `trial` waits for its golden examples."""

    stream: Stream
    editions: tuple[Edition, ...] = ()
    current: Number = PACKAGED
    trial: Number | None = None

    def edition(self, number: int) -> Edition | None:
        """The edition of this number; None when it is not here."""
        return next((each for each in self.editions if each.number == number), None)

    @property
    def wanted(self) -> tuple[int, ...]:
        """What the watcher has to try, in this order: the one on trial, and the current one."""
        return (self.current,) if self.trial is None else (self.trial, self.current)


def packaged(shelf: Shelf, version: str, sha256: str) -> Shelf:
    """The shelf with what the software's package holds now; empty `sha256`: it holds nothing that can be read."""
    rest = tuple(each for each in shelf.editions if each.number != PACKAGED)
    if not sha256:
        return msgspec.structs.replace(shelf, editions=rest)
    return msgspec.structs.replace(shelf, editions=(Edition(PACKAGED, version, sha256), *rest))


def installed(shelf: Shelf, edition: Edition) -> Shelf:
    """Put an edition on trial, in place of one that still is. Raises CannotInstall."""
    known = shelf.edition(edition.number)
    if known is not None and known.sha256 != edition.sha256:
        message = f"edition {edition.number} of the {shelf.stream} model is here already and is another one"
        raise CannotInstall(message, "Two bundles have the same number: ask the bank which of them counts.")
    if edition.number <= shelf.current:
        message = f"edition {edition.number} of the {shelf.stream} model is not newer than the current {shelf.current}"
        remedy = f"To go back on purpose: kioskctl model rollback {shelf.stream}"
        raise CannotInstall(message, remedy)
    others = [each for each in shelf.editions if each.number not in (edition.number, shelf.trial)]
    added = [*others, msgspec.structs.replace(edition, standing="trial", why="")]
    kept = _trimmed(sorted(added, key=lambda each: each.number), (shelf.current, edition.number))
    return msgspec.structs.replace(shelf, editions=kept, trial=edition.number)


def _trimmed(editions: list[Edition], needed: tuple[int, int]) -> tuple[Edition, ...]:
    """What is needed, what is packaged and the newest others stay; failed ones go before good ones."""
    spare = [each for each in editions if each.number not in (PACKAGED, *needed)]
    spare.sort(key=lambda each: (each.standing == "good", each.number))
    too_many = sum(each.number != PACKAGED for each in editions) - EDITIONS_MAX
    gone = {each.number for each in spare[: max(0, too_many)]}
    return tuple(each for each in editions if each.number not in gone)


def tried(shelf: Shelf, number: int, sha256: str, *, passed: bool, why: str) -> tuple[Shelf, tuple[RecordDraft, ...]]:
    """What an edition's golden examples have shown. Of an edition that nobody wants nothing can be said."""
    edition = shelf.edition(number)
    if edition is None or edition.sha256 != sha256 or number not in shelf.wanted:
        return shelf, ()
    if not passed:
        return _failed(shelf, edition, why[:WHY_CHARACTERS_MAX])
    shelf = _standing(shelf, number, "good", "")
    if number != shelf.trial:
        return shelf, ()
    record = said("model_current", shelf, edition, {"before": shelf.current})
    return msgspec.structs.replace(shelf, current=number, trial=None), (record,)


def _failed(shelf: Shelf, edition: Edition, why: str) -> tuple[Shelf, tuple[RecordDraft, ...]]:
    if edition.standing == "failed":
        return shelf, ()  # the packaged one at each start: there is nothing before it
    shelf = _standing(shelf, edition.number, "failed", why)
    if edition.number == shelf.trial:
        shelf = msgspec.structs.replace(shelf, trial=None)
    else:
        shelf = msgspec.structs.replace(shelf, current=_before(shelf, edition.number))
    return shelf, (said("model_failed", shelf, edition, {"why": why, "current": shelf.current}),)


def gone_back(shelf: Shelf, to: int | None) -> Shelf:
    """The edition `to`, or the newest good one before the current, is current; it is tried again. CannotInstall."""
    if shelf.current == PACKAGED:
        message = f"the {shelf.stream} model is the packaged one already; nothing is older"
        raise CannotInstall(message, "Look at `kioskctl model list`.")
    target = shelf.edition(_before(shelf, shelf.current) if to is None else to)
    if target is None or target.standing != "good" or target.number >= shelf.current:
        message = f"edition {to} of the {shelf.stream} model is not here, has failed, or is not older than the current"
        raise CannotInstall(message, "Look at `kioskctl model list` for one that is good.")
    rest = tuple(each for each in shelf.editions if each.number != shelf.trial)  # nobody waits for it any more
    return msgspec.structs.replace(shelf, editions=rest, current=target.number, trial=None)


def _before(shelf: Shelf, number: int) -> int:
    """The newest good edition before this one; the packaged one when there is none."""
    good = [each.number for each in shelf.editions if each.number < number and each.standing == "good"]
    return max(good, default=PACKAGED)


def _standing(shelf: Shelf, number: int, standing: Standing, why: str) -> Shelf:
    editions = tuple(
        msgspec.structs.replace(each, standing=standing, why=why) if each.number == number else each
        for each in shelf.editions
    )
    return msgspec.structs.replace(shelf, editions=editions)


def said(event: str, shelf: Shelf, edition: Edition, more: Mapping[str, object]) -> RecordDraft:
    """The record of something that happened to an edition."""
    told = {
        "stream": shelf.stream,
        "number": edition.number,
        "version": edition.version,
        "model_sha256": edition.sha256,
    }
    return service(event, {**told, **more})
