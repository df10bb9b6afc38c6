"""kiosk-uplink: the one process with a network and no device. Wires configuration, bus, session and loop."""

import asyncio
from pathlib import Path

from kiosk.bus import BusClient, run_with_reconnect
from kiosk.clock import SystemClock
from kiosk.config import Config, load_config
from kiosk.messages import Push
from kiosk.processes import notify, watchdog
from kiosk.processes.gates import egress_gate
from kiosk.uplink.session import Broker, LinkSettings, Session
from kiosk.uplink.uplink import Uplink
from kiosk.uplink.window import Limits, Window


def link_settings(config: Config) -> LinkSettings:
    """What the session takes from the configuration."""
    uplink = config.uplink
    return LinkSettings(
        brokers=tuple(Broker(broker.host, broker.port) for broker in uplink.brokers),
        ca=uplink.ca,
        cert=uplink.cert,
        key=uplink.key,
        keepalive_s=uplink.keepalive_s,
    )


async def run(config_path: Path) -> None:
    """Run until cancelled; a controller that goes away is waited for. ConfigError for a file that cannot be used."""
    config = load_config(config_path)
    gate = egress_gate(config)
    settings = link_settings(config)
    limits = Limits(in_flight_max=config.uplink.inflight_max)
    clock = SystemClock()
    present: list[Uplink] = []  # the one of the present bus connection

    def on_push(push: Push) -> None:
        for uplink in present:
            uplink.pushed(push)

    async def session(client: BusClient) -> None:
        uplink = Uplink(config.kiosk.id, client, Session(settings, clock), clock, Window(limits), gate=gate)
        present[:] = [uplink]
        try:
            await uplink.run()
        finally:
            present.clear()

    async def self_check() -> None:
        for uplink in present:  # without a controller there is nothing to carry
            uplink.turns.check()

    notify.ready("looking for the controller")
    async with asyncio.TaskGroup() as group:
        feeding = group.create_task(watchdog.feed(self_check, clock))
        await run_with_reconnect(config.paths.bus_dir, "uplink", session, clock, on_push=on_push)
        feeding.cancel()
