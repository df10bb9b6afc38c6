"""Steps of commissioning at the running kiosk: each pin moved by hand, the camera's view, the models, a first deposit.

What is expected and what was seen go into the book, well or not. They look; nothing here moves a device.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import click
import msgspec

from kiosk.bus import BusClient
from kiosk.config import load_config
from kiosk.core.metrics import LINES
from kiosk.errors import BusError, KioskError
from kiosk.maintenance import commission_book
from kiosk.maintenance.commission_book import Outcome, by_option
from kiosk.maintenance.session import Exit, ask, asked, bus_options, connect, fail, placed
from kiosk.messages import GetHealth, GetModels, GetRiskMap, GetStatus, Health, Models, RiskMap, ShelfView, Status

LOOK_S: Final = 0.25
CAMERA_LOOK_S: Final = 1.0
COMPARED: Final = ("screen", "receipt", "label", "bank")


@dataclass(frozen=True)
class Pin:
    """How a person moves one line, and back."""

    line: str
    rests: bool  # its level while nobody touches it
    move: str
    back: str


PINS: Final = (
    Pin("door_closed", rests=True, move="open the cabinet's door", back="close it"),
    Pin("tamper", rests=False, move="lift the tamper contact", back="let it go"),
    Pin("e_stop", rests=False, move="press the emergency stop", back="release it"),
    Pin("service_key", rests=False, move="turn the service key", back="turn it back"),
    Pin("power_good", rests=True, move="pull the mains plug", back="put it in again at once"),
    Pin("shutter_closed", rests=True, move="at another terminal: service enter, service open", back="service close"),
    Pin("shutter_opened", rests=False, move="at another terminal: service open", back="service close"),
)
assert {pin.line for pin in PINS} == set(LINES)


@click.command("pins")
@click.option(
    "--only", multiple=True, type=click.Choice(LINES), help="This line; repeated. Else all that are not done."
)
@click.option(
    "--seconds", type=click.IntRange(1, 600), default=60, show_default=True, help="How long to wait for each."
)
@by_option
@bus_options
def pins_command(
    only: tuple[str, ...], seconds: int, by: str | None, *, as_json: bool, bus_dir: Path | None, config_path: Path
) -> None:
    """Move every input of the cabinet once, one by one: what is expected, what is seen.

    Doors, tamper contact, emergency stop and mains power are on record as what they are: tell the bank before.
    """
    bus_dir, config_path = placed(bus_dir, config_path)
    moved: list[dict[str, object]] = []
    try:
        by = commission_book.who(by)
        book = commission_book.done(config_path)
        for pin in PINS:
            taken = commission_book.newest(book, "pin", line=pin.line)
            if pin.line not in only if only else taken is not None and taken.ok:
                continue
            with commission_book.step(config_path, "pin", by, {"line": pin.line}, bus_dir) as outcome:
                asyncio.run(_moved(pin, seconds, outcome, partial(click.echo, err=True), bus_dir, config_path))
            moved.append({"line": pin.line, "ok": outcome.ok, **outcome.arguments})
            if not as_json:
                click.echo(f"{'ok   ' if outcome.ok else 'WRONG'} {pin.line}: {outcome.result}")
    except (KioskError, OSError) as error:
        fail(_told(error), as_json=as_json)
    if as_json:
        click.echo(msgspec.json.encode(moved))
    elif not moved:
        click.echo("every line was seen to move; --only LINE looks again")
    sys.exit(Exit.OK if all(each["ok"] for each in moved) else Exit.FAILED)


async def _moved(
    pin: Pin, seconds: int, outcome: Outcome, say: Callable[[str], None], bus_dir: Path | None, config_path: Path
) -> None:
    """Wait for the line to leave its rest and to come back."""
    expected = f"{_level(pin.rests)}, {_level(not pin.rests)} when moved, {_level(pin.rests)} again"
    outcome.arguments["expected"] = expected
    client = await connect(bus_dir, config_path)
    seen: list[str] = []
    try:
        for wanted, words in ((pin.rests, ""), (not pin.rests, pin.move), (pin.rests, pin.back)):
            if words:
                say(f"{pin.line}: {words}")
            seen.append(await _becomes(client, pin.line, wanted=wanted, seconds=seconds if words else 1))
            if not seen[-1].startswith(_level(wanted)):
                outcome.ok = False
                break
    finally:
        await client.close()
    outcome.arguments["seen"] = ", ".join(seen)
    outcome.result = f"expected {expected}; seen {', '.join(seen)}"


async def _becomes(client: BusClient, line: str, *, wanted: bool, seconds: int) -> str:
    """What was seen of the line until it had this level, or the time was over."""
    began_s = time.monotonic()
    while True:
        health = await _health(client)
        level = next(
            (value for name, labels, value in health if (name, labels) == ("kiosk_line_active", (line,))), None
        )
        passed_s = time.monotonic() - began_s
        if level is not None and bool(level) is wanted:
            return f"{_level(wanted)} after {passed_s:.0f} s"
        if passed_s >= seconds:
            return f"{'nothing' if level is None else _level(bool(level))} for {seconds} s"
        await asyncio.sleep(LOOK_S)


def _level(active: bool) -> str:  # noqa: FBT001 - a level
    return "active" if active else "inactive"


@click.command("camera")
@click.option("--seconds", type=click.IntRange(3, 600), default=10, show_default=True, help="How long to look.")
@by_option
@bus_options
def camera_command(seconds: int, by: str | None, *, as_json: bool, bus_dir: Path | None, config_path: Path) -> None:
    """Look at the camera's view with nobody before the kiosk: a clear lens, enough frames, a scene graded low.

    What it shows, blurred: kioskctl capture camera FILE.
    """
    bus_dir, config_path = placed(bus_dir, config_path)
    try:
        by = commission_book.who(by)
        with commission_book.step(config_path, "camera", by, {"seconds": str(seconds)}, bus_dir) as outcome:
            enough = load_config(config_path).camera.frames_per_second / 2  # a model needs them evenly, not all
            seen = asyncio.run(_looks(seconds, bus_dir, config_path))
            wrong = sorted({why for health in seen for why in _wrong_view(health, enough)})
            outcome.arguments["expected"] = f"lens clear, at least {enough:g} frames a second, graded low"
            outcome.result = f"{len(seen)} looks: {'; '.join(wrong) or outcome.arguments['expected']}"
            outcome.ok = not wrong
    except (KioskError, OSError) as error:
        fail(_told(error), as_json=as_json)
    _ends("camera", outcome, as_json=as_json)


async def _looks(seconds: int, bus_dir: Path | None, config_path: Path) -> list[Health]:
    client = await connect(bus_dir, config_path)
    try:
        found = []
        for _ in range(seconds):
            await asyncio.sleep(CAMERA_LOOK_S)
            found.append(await _answer(client))
    finally:
        await client.close()
    return found


def _wrong_view(health: Health, enough: float) -> list[str]:
    """What is not as it should be in one look."""
    values = {(name, labels): value for name, labels, value in health.samples}
    lens = next((labels[0] for (name, labels), on in values.items() if name == "kiosk_lens_state" and on), "absent")
    grade = next((labels[0] for (name, labels), on in values.items() if name == "kiosk_scene_grade" and on), "")
    rate = values.get(("kiosk_camera_frames_per_second", ()), 0.0)
    wrong = [] if lens == "clear" else [f"the lens is {lens}"]
    wrong += [] if rate >= enough else [f"fewer than {enough:g} frames a second"]
    return wrong + ([] if grade == "low" else [f"the scene is graded {grade or 'by nobody'}"])


@click.command("calibration")
@by_option
@bus_options
def calibration_command(by: str | None, *, as_json: bool, bus_dir: Path | None, config_path: Path) -> None:
    """Look whether every stream is judged, and on whose deposits its grades rest: simulated ones, or this kiosk's."""
    bus_dir, config_path = placed(bus_dir, config_path)
    try:
        by = commission_book.who(by)
        with commission_book.step(config_path, "calibration", by, None, bus_dir) as outcome:
            shelves = asyncio.run(ask(bus_dir, config_path, GetModels(), Models)).streams
            maps = [asyncio.run(ask(bus_dir, config_path, GetRiskMap(each.stream), RiskMap)) for each in shelves]
            words = [_grades(shelf, found) for shelf, found in zip(shelves, maps, strict=True)]
            outcome.result = "; ".join(words)
            outcome.ok = bool(shelves) and all(_judges(shelf) for shelf in shelves)
    except (KioskError, OSError) as error:
        fail(_told(error), as_json=as_json)
    _ends("calibration", outcome, as_json=as_json)


def _judges(shelf: ShelfView) -> bool:
    return any(each.number == shelf.current and each.standing == "good" for each in shelf.editions)


def _grades(shelf: ShelfView, found: RiskMap) -> str:
    if not _judges(shelf):
        return f"{shelf.stream}: no model judges"
    if shelf.calibration is not None:
        return f"{shelf.stream}: rests on {len(shelf.calibration.maxima)} deposits of this kiosk"
    return f"{shelf.stream}: packaged grades, {len(found.collected)} of {found.needed} own deposits"


@click.command("golden")
@click.option(
    "--same", "compared", multiple=True, type=click.Choice(COMPARED), help="Says the same amounts; else it is asked."
)
@by_option
@bus_options
def golden_command(
    compared: tuple[str, ...], by: str | None, *, as_json: bool, bus_dir: Path | None, config_path: Path
) -> None:
    """Say that a first deposit came out right: screen, receipt, label and the bank's record have the same amounts."""
    bus_dir, config_path = placed(bus_dir, config_path)
    try:
        by = commission_book.who(by)
        with commission_book.step(config_path, "golden deposit", by, None, bus_dir) as outcome:
            status = asyncio.run(ask(bus_dir, config_path, GetStatus(), Status))
            _deposited(status)
            differ = [name for name in COMPARED if name not in compared and not _same(name)]
            outcome.arguments["compared"] = ", ".join(COMPARED)
            outcome.arguments["log"] = f"{status.log_size} leaves, root {status.log_root}"
            said = f"not the same: {', '.join(differ)}" if differ else f"{', '.join(COMPARED)} say the same"
            outcome.result, outcome.ok = f"{status.deposits_today} deposits today; {said}", not differ
    except (KioskError, OSError) as error:
        fail(_told(error), as_json=as_json)
    _ends("golden deposit", outcome, as_json=as_json)


def _deposited(status: Status) -> None:
    """Raises KioskError: there is nothing to compare yet."""
    if not status.deposits_today:
        raise KioskError("nobody has deposited anything today", remedy="Deposit one note of each kind.")
    if status.acknowledged < status.log_size:
        missing = f"the bank has signed for {status.acknowledged} of {status.log_size} records"
        raise KioskError(missing, remedy="Wait a moment; `kioskctl show outbox` says how the link does.")


def _same(name: str) -> bool:
    return click.confirm(f"Does the {name} have the deposit's amounts?", err=True)


# --- small things -----------------------------------------------------------------------------------------


async def _health(client: BusClient) -> tuple[tuple[str, tuple[str, ...], float], ...]:
    return (await _answer(client)).samples


async def _answer(client: BusClient) -> Health:
    reply = await asked(client, GetHealth())
    if not isinstance(reply, Health):
        raise BusError(f"the controller answered with {type(reply).__name__}")
    return reply


def _ends(name: str, outcome: Outcome, *, as_json: bool) -> None:
    told = {"step": name, "ok": outcome.ok, "result": outcome.result}
    click.echo(msgspec.json.encode(told) if as_json else f"{'ok   ' if outcome.ok else 'WRONG'} {outcome.result}")
    sys.exit(Exit.OK if outcome.ok else Exit.FAILED)


def _told(error: KioskError | OSError) -> KioskError:
    if isinstance(error, KioskError):
        return error
    return KioskError(f"{error.filename}: {error.strerror}", remedy="Run this as root; look at the disk.")


LIVE_COMMANDS: Final = (pins_command, camera_command, calibration_command, golden_command)
