"""`kioskctl commission`: from an installed package to the first deposit, step by step (docs/commissioning.md)."""

import asyncio
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

import click
import msgspec

from kiosk.clock import rfc3339
from kiosk.config import Config, config_hash, load_config
from kiosk.core.commissioning import Entries
from kiosk.errors import BusError, ConfigError, KioskError
from kiosk.guarantee import enrolment
from kiosk.guarantee.files import write_new
from kiosk.maintenance import adapters, commission_book, commissioning
from kiosk.maintenance.adapters import Adapter
from kiosk.maintenance.commission_book import by_option
from kiosk.maintenance.commission_live import LIVE_COMMANDS
from kiosk.maintenance.commissioning import Step
from kiosk.maintenance.session import DEFAULT_CONFIG, Exit, ask, fail
from kiosk.messages import GetPeople, GetStatus, People, Status

TEMPLATES: Final = (Path("/usr/share/deposit-kiosk"), Path(__file__).parents[2] / "systemd")
RULES: Final = Path("/etc/udev/rules.d/60-kiosk.rules")
ANSWER_BYTES_MAX: Final = 1 << 18
_config = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    envvar="KIOSK_CONFIG",
    show_default=True,
    help="The kiosk's configuration.",
)
_json = click.option("--json", "as_json", is_flag=True, help="JSON, for scripts.")


@click.group("commission")
def commission_group() -> None:
    """Put a kiosk into service the first time: `commission next` says what comes next.

    Every step is written down with who took it and what came of it, and becomes a leaf of the log.
    """


for _live_command in LIVE_COMMANDS:
    commission_group.add_command(_live_command)


@commission_group.command("next")
@_config
@_json
def next_command(config_path: Path, *, as_json: bool) -> None:
    """Every step, whether it is done, and what to do for the first that is not. Exit code 0 when all are."""
    steps = _steps(config_path, as_json=as_json)
    if as_json:
        click.echo(msgspec.json.encode(steps))
    else:
        for step in steps:
            click.echo(f"{'done' if step.done else 'open'}  {step.name:<15} {step.seen}")
        if (first := next((step for step in steps if not step.done), None)) is not None:
            click.echo(f"-> {first.name}: {first.todo}")
    sys.exit(Exit.OK if all(step.done for step in steps) else Exit.FAILED)


def _steps(config_path: Path, *, as_json: bool) -> list[Step]:
    if not config_path.exists():
        todo = "kioskctl commission configure --kiosk ID --branch BRANCH --staff STAFF --broker HOST"
        return [Step("configuration", done=False, seen=f"there is no {config_path}", todo=todo)]
    config = _loaded(config_path, as_json=as_json)
    steps = [Step("configuration", done=True, seen=f"{config_path}, kiosk {config.kiosk.id}", todo="")]
    steps += commissioning.files_done(config)
    if all(step.done for step in steps[2:]):  # keys and bank: without them no controller can run
        try:
            book = commission_book.done(config_path)
        except OSError as error:
            _failed(error, as_json=as_json)
        steps += _live(config_path, book)
    return steps


def _live(config_path: Path, book: Entries) -> list[Step]:
    async def look() -> tuple[Status, People]:
        return await ask(None, config_path, GetStatus(), Status), await ask(None, config_path, GetPeople(), People)

    try:
        status, people = asyncio.run(look())
    except BusError:
        return commissioning.live_done(None, 0, book)
    return commissioning.live_done(status, len(people.people), book)


@commission_group.command("devices")
@click.option("--assign", multiple=True, metavar="DEVICE=SERIAL", help="validator, board, label or receipt; repeated.")
@click.option("--rules", type=click.Path(path_type=Path), default=RULES, show_default=True, help="Where udev reads it.")
@_config
@by_option
@_json
def devices_command(assign: tuple[str, ...], rules: Path, config_path: Path, by: str | None, *, as_json: bool) -> None:
    """List what is plugged in; with --assign write udev rules that name each device by its adapter's serial number."""
    if not assign:
        _list(adapters.found(), as_json=as_json)
        return
    try:
        by = commission_book.who(by)
        with commission_book.step(config_path, "devices", by, {"assign": " ".join(assign)}) as outcome:
            text = adapters.rules(dict(_pair(each) for each in assign))
            _write(rules, text, 0o644)
            outcome.result = f"{rules} is written"
    except (KioskError, OSError) as error:
        _failed(error, as_json=as_json)
    said = {"rules": str(rules), "next": "udevadm control --reload && udevadm trigger"}
    click.echo(msgspec.json.encode(said) if as_json else f"{rules} is written\n-> {said['next']}")


@commission_group.command("configure")
@_config
@click.option("--kiosk", required=True, help="Its id at the bank; stays for its life.")
@click.option("--branch", required=True, help="Whose kiosk it is; on the receipt.")
@click.option("--staff", required=True, help="The member of staff who is responsible today.")
@click.option("--broker", required=True, help="Host name of the bank's broker.")
@by_option
@_json
def configure_command(
    config_path: Path, kiosk: str, branch: str, staff: str, broker: str, by: str | None, *, as_json: bool
) -> None:
    """Write the configuration from the template: devices as `commission devices` names them, camera /dev/video0.

    A configuration that is there already is never changed.
    """
    site = {"kiosk": kiosk, "branch": branch, "staff": staff, "broker": broker}
    try:
        by = commission_book.who(by)
        with commission_book.step(config_path, "configuration", by, site) as outcome:
            digest = _write_configuration(config_path, site)
            outcome.result = f"{config_path} is written, hash {digest}"
    except (KioskError, OSError) as error:
        _failed(error, as_json=as_json)
    said = {"config": str(config_path)}
    click.echo(msgspec.json.encode(said) if as_json else f"{config_path} is written\n-> kioskctl commission next")


def _write_configuration(config_path: Path, site: dict[str, str]) -> str:
    """From the template, tried before it is there; its hash."""
    text = _configured(_template("kiosk.toml.example").read_text(), **site)
    notes = config_path.parent / "cash-cny.toml"
    if not notes.exists():
        shutil.copy(_template("cash-cny.toml"), notes)
    if config_path.exists():
        raise ConfigError(f"{config_path} is there already", remedy="Edit it; `kioskctl config check` looks at it.")
    trial = config_path.with_suffix(".trial")
    trial.write_text(text)
    try:
        digest = config_hash(load_config(trial))
    finally:
        trial.unlink()
    _write(config_path, text, 0o644)
    return digest


@commission_group.command("request")
@_config
@click.option("--out", type=click.Path(path_type=Path), help="Write a copy there, for the bank.")
@by_option
@_json
def request_command(config_path: Path, out: Path | None, by: str | None, *, as_json: bool) -> None:
    """Make the kiosk's own keys where they are missing, and the signing request; tell its fingerprint.

    Private keys never leave the kiosk. Run again it gives the same request, until the bank's answer is here.
    """
    config = _loaded(config_path, as_json=as_json)
    try:
        by = commission_book.who(by)
        with commission_book.step(config_path, "request", by, {"out": str(out or "")}) as outcome:
            made = commissioning.make_keys(config, _owner(config))
            data = commissioning.ask(config, rfc3339(datetime.now(UTC)))
            if out is not None:
                out.write_bytes(data)
            digits = enrolment.fingerprint(hashlib.sha256(data).digest())
            outcome.result = f"made {', '.join(made) or 'nothing'}; fingerprint {digits}"
    except (KioskError, OSError) as error:
        _failed(error, as_json=as_json)
    said = {"kiosk": config.kiosk.id, "fingerprint": digits, "made": made, "request": str(out or "")}
    if as_json:
        click.echo(msgspec.json.encode(said))
        return
    click.echo(f"made here: {', '.join(made) or 'nothing, all keys were there'}")
    click.echo(f"fingerprint  {digits}")
    click.echo("-> read it out to the bank; there: kiosk-cloud enrol approve FILE --fingerprint ...")


@commission_group.command("enrol")
@_config
@click.argument("answer", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--bank", required=True, help="The bank's fingerprint, from its letter (kiosk-cloud enrol bank).")
@by_option
@_json
def enrol_command(config_path: Path, answer: Path, bank: str, by: str | None, *, as_json: bool) -> None:
    """Take the bank's answer: it is verified as a whole before anything of it is kept."""
    config = _loaded(config_path, as_json=as_json)
    try:
        by = commission_book.who(by)
        with commission_book.step(config_path, "enrolment", by, {"answer": str(answer), "bank": bank}) as outcome:
            with answer.open("rb") as file:
                data = file.read(ANSWER_BYTES_MAX)
            kept = commissioning.take(config, data, bank, _owner(config))
            outcome.result = f"taken: {', '.join(kept)}; answer SHA-256 {hashlib.sha256(data).hexdigest()}"
    except (KioskError, OSError) as error:
        _failed(error, as_json=as_json)
    said = {"kiosk": config.kiosk.id, "kept": kept}
    click.echo(msgspec.json.encode(said) if as_json else f"enrolled: {', '.join(kept)}\n-> kioskctl commission next")


def _list(found: list[Adapter], *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    for each in found:
        click.echo(f"{each.node:<14} serial {each.serial or '(none: name it by its socket)':<24} {each.about}")
    todo = "kioskctl commission devices --assign validator=SERIAL --assign board=SERIAL --assign label=SERIAL"
    click.echo(f"-> {todo}" if found else "no serial adapter and no camera is plugged in")


# --- small things -----------------------------------------------------------------------------------------


def _template(name: str) -> Path:
    for folder in TEMPLATES:
        if (folder / name).exists():
            return folder / name
    raise ConfigError(f"the template {name} is not installed", remedy="Install the package deposit-kiosk again.")


def _configured(text: str, kiosk: str, branch: str, staff: str, broker: str) -> str:
    """The template with the site's words in it; each has to be found exactly once."""
    changes = {r'^id = "[^"]*"': ("id", kiosk), r'^branch = "[^"]*"': ("branch", branch)}
    changes |= {r'^staff = "[^"]*"': ("staff", staff), r'^host = "[^"]*"': ("host", broker)}
    for pattern, (name, value) in changes.items():
        line = f"{name} = {msgspec.json.encode(value).decode()}"
        text, times = re.subn(pattern, lambda _, line=line: line, text, flags=re.MULTILINE)  # type: ignore[misc]
        if times != 1:
            raise ConfigError(f"the template names {name} {times} times")
    ports = iter(("validator", "board", "label"))
    return re.sub(
        r'^port = "/dev/serial/[^"]*"', lambda _: f'port = "/dev/kiosk/{next(ports)}"', text, flags=re.MULTILINE
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"{text!r} is not DEVICE=SERIAL")
    return name, value


def _write(path: Path, text: str, mode: int) -> None:
    """Replaced whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    write_new(new, text.encode(), mode)
    new.replace(path)


def _loaded(config_path: Path, *, as_json: bool) -> Config:
    try:
        return load_config(config_path)
    except ConfigError as error:
        fail(error, as_json=as_json)


def _failed(error: KioskError | OSError, *, as_json: bool) -> NoReturn:
    """Tell what went wrong, a file that cannot be written included."""
    if isinstance(error, OSError) and not isinstance(error, KioskError):
        error = KioskError(f"{error.filename}: {error.strerror}", remedy="Run this as root; look at the disk.")
    fail(error, as_json=as_json)


def _owner(config: Config) -> Callable[[Path], None]:
    """Gives a file to the controller, whose sockets' directory says which user it is; as nobody but root no one."""
    try:
        whose = config.paths.bus_dir.stat()
    except OSError:
        whose = None

    def give(path: Path) -> None:
        if whose is not None and os.geteuid() == 0 and path.exists():
            os.chown(path, whose.st_uid, whose.st_gid)

    return give
