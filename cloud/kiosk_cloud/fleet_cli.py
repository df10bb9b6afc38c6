"""`kiosk-cloud fleet`: the kiosks with their last health, as a list and as metrics."""

import json
from pathlib import Path
from typing import Final

import click
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kiosk.core.metrics import Sample
from kiosk_cloud import config as bank_config
from kiosk_cloud import directory, fleet
from kiosk_cloud.config import BankConfig
from kiosk_cloud.explained import explained
from kiosk_cloud.fleet import Standing
from kiosk_cloud.pki import utc_now
from kiosk_cloud.store import Store

CONNECTIONS_MAX: Final = 16
_config = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="bank.toml, as `provision` writes it.",
)


@click.group("fleet")
def fleet_group() -> None:
    """How the kiosks are doing: their own last word, and what the bank holds of them."""


@fleet_group.command("list")
@_config
@click.option("--kiosk", help="This kiosk only; without it all that are provisioned.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array, with every sample.")
def fleet_list(config_path: Path, kiosk: str | None, *, as_json: bool) -> None:
    """Every provisioned kiosk with its last health.

    A kiosk's word on itself is not signed; what the bank holds of it is.
    """
    with explained():
        found = _standings(bank_config.load(config_path), kiosk)
    if as_json:
        click.echo(json.dumps([each.as_json() for each in found]))
        return
    for each in found:
        for line in _lines(each):
            click.echo(line)


@fleet_group.command("metrics")
@_config
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=9465, show_default=True, help="Port to listen on.")
def fleet_metrics(config_path: Path, host: str, port: int) -> None:
    """Serve all of it at /metrics for Prometheus until stopped; the store is only read."""
    with explained():
        config = bank_config.load(config_path)
        _standings(config, None)  # what cannot be read is said now

        def metrics(_: Request) -> Response:  # on a worker thread: it reads a database
            return Response(fleet.text(_standings(config, None)), media_type=fleet.CONTENT_TYPE)

        app = Starlette(routes=[Route("/metrics", metrics)])
        uvicorn.run(
            app,
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            limit_concurrency=CONNECTIONS_MAX,
            server_header=False,
        )


def _standings(config: BankConfig, kiosk: str | None) -> list[Standing]:
    store = Store(config.store, read_only=True)
    try:
        return fleet.standings(store, directory.kiosks(config, kiosk), utc_now())
    finally:
        store.close()


def _lines(each: Standing) -> list[str]:
    """What a person wants to know first."""
    heard = f"{'online' if each.online else 'offline'} since {each.since}" if each.since else "never heard of"
    lines = [f"{each.kiosk}: {heard}, {each.records} records held"]
    if each.forks or each.gaps or each.quarantined:
        lines.append(f"  {each.forks} forks, {each.gaps} open gaps, {each.quarantined} messages in quarantine")
    if each.told is None:
        return [*lines, "  it has told nothing of its health"]
    old = ", too old to say anything of now" if each.stale else ""
    service = "in service" if each.told.in_service else f"out of service: {'; '.join(each.told.reasons)}"
    lines.append(f"  health of {each.told_at}{old}: {service}")
    values = {name: value for name, labels, value in each.told.samples if not labels}
    shown = (f"{words} {values[name]:g}" for name, words in _SHOWN.items() if name in values)
    return [*lines, f"  {', '.join(shown)}", *_trouble(each.told.samples)]


_SHOWN: Final = {
    "kiosk_outbox_records": "records waiting",
    "kiosk_outbox_age_seconds": "for s",
    "kiosk_deposits_unacknowledged": "deposits among them",
    "kiosk_disputes_open": "open disputes",
    "kiosk_cabinet_fill_ratio": "cabinet filled",
    "kiosk_board_temperature_celsius": "C inside",
}


def _trouble(samples: tuple[Sample, ...]) -> list[str]:
    """Devices and processes that are not as they should be."""
    found = [
        f"{labels[0]} {labels[1]}"
        for name, labels, value in samples
        if name == "kiosk_device_state" and value and labels[1] != "ok"
    ]
    found += [f"no {labels[0]}" for name, labels, value in samples if name == "kiosk_process_connected" and not value]
    return [f"  {', '.join(found)}"] if found else []
