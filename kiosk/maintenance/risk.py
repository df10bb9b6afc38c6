"""`kioskctl risk`: what the models see on this kiosk, as a map, in the terminal or as a page."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import msgspec

from kiosk.clock import rfc3339
from kiosk.errors import KioskError
from kiosk.maintenance.people import Session, with_session
from kiosk.maintenance.risk_page import page
from kiosk.maintenance.risk_text import PICTURES, map_text
from kiosk.messages import GetRiskMap, ModelStream, RiskMap

STREAMS: Final[tuple[ModelStream, ...]] = ("scene", "machine", "transaction")


@click.group("risk")
def risk_group() -> None:
    """What the models see, and why a deposit was graded so."""


@risk_group.command("map")
@click.argument("stream", type=click.Choice(STREAMS), required=False)
@click.option(
    "--show", default="distance", show_default=True, help="distance, trained, here, hour, or a feature's name."
)
@click.option(
    "--page", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write a page (HTML) with every picture."
)
@with_session
def map_command(stream: ModelStream | None, show: str, file: Path | None, *, session: Session) -> None:
    """STREAM's map, where rows fell, the last hour, drift, and why the last deposits were graded so.

    Without STREAM it is the scene's; a page then has all three. The page is one file without scripts that fetches
    nothing. Neither says who deposited.
    """
    wanted = STREAMS if stream is None and file is not None else (stream or "scene",)
    maps = [session.ask(GetRiskMap(each), RiskMap) for each in wanted]
    if file is not None:
        try:
            file.write_text(page(maps, rfc3339(datetime.now(UTC))), encoding="utf-8")
        except OSError as error:
            session.fail(KioskError(f"{file} cannot be written: {error.strerror}", remedy="Name another place."))
    if session.as_json:
        click.echo(msgspec.json.encode(maps[0]))
    elif file is not None:
        click.echo(f"{file}: open it in any browser")
    else:
        try:
            click.echo(map_text(maps[0], show))
        except KeyError:
            names = ", ".join((*PICTURES, *(plane.name for plane in maps[0].planes)))
            session.fail(KioskError(f"there is no picture {show!r}", remedy=f"One of: {names}"))
