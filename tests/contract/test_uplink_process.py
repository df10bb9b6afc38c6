"""The uplink's process entry and the bank's command, as the demo and systemd start them."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from kiosk.bus import BusServer
from kiosk.messages import Reply, Request, Role
from kiosk.processes import uplink
from kiosk_cloud import config as bank_config
from kiosk_cloud.verify import verify_store
from tests.uplink_kit import KIOSK, KIOSK_TOML, WAIT_S, ControllerBus, KioskSide, Mosquitto, receive, receiving

pytestmark = pytest.mark.mosquitto


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    found = Mosquitto(tmp_path)
    found.start()
    yield found
    found.stop()


@pytest.fixture
def kiosk(broker: Mosquitto) -> Iterator[KioskSide]:
    side = KioskSide(broker.provisioned[0].kiosk_keys)
    yield side
    side.close()


async def test_controllers_bus_to_banks_store(broker: Mosquitto, kiosk: KioskSide, tmp_path: Path) -> None:
    done = broker.provisioned[0]
    controller = ControllerBus(kiosk)

    async def handler(role: Role, request: Request) -> Reply:
        assert role == "uplink"
        return await controller.request(request)

    server = BusServer(tmp_path / "bus", handler, {"uplink": os.getuid()}, single_user=True)
    config = tmp_path / "kiosk.toml"
    config.write_text(KIOSK_TOML.format(kiosk=KIOSK, root=tmp_path, pki=done.pki, port=broker.port))
    for number in range(40):
        kiosk.deposit(number)
    receiver = receive(done.bank_config)
    task = asyncio.create_task(uplink.run(config))  # before the controller: it waits for it
    try:
        await server.start()
        await controller.until(lambda: kiosk.records.acknowledged() == 40)
        await controller.until(
            lambda: (
                (True, f"localhost:{broker.port}")
                in [(report.connected, report.detail) for report in controller.reports]
            )
        )
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await server.close()
        receiver.send_signal(signal.SIGTERM)
        assert receiver.wait(WAIT_S) == 0
        assert receiver.stderr is not None
        receiver.stderr.close()
    report = verify_store(bank_config.load(done.bank_config).store, bank_config.load(done.bank_config).keys)
    assert report.ok, report.failures
    assert report.verified == 40


def test_receivers_beside_one_another_share_the_work_and_the_store(broker: Mosquitto, kiosk: KioskSide) -> None:
    config = bank_config.load(broker.provisioned[0].bank_config)
    second = broker.provisioned[0].bank_config.with_name("second.toml")
    second.write_bytes(bank_config.encode(msgspec.structs.replace(config, instance="2")))
    envelopes = [kiosk.deposit(number) for number in range(30)]
    with receiving(broker.provisioned[0].bank_config), receiving(second):
        for envelope in envelopes:
            path = second.with_name("envelope")
            path.write_bytes(envelope)
            topic = ["-t", f"kiosk/v1/{KIOSK}/record", "-q", "1", "-f", str(path)]
            subprocess.run(broker.client("mosquitto_pub", "kiosk", *topic), check=True, timeout=WAIT_S)
        topic = ["-t", f"kiosk/v1/{KIOSK}/ack", "-W", str(int(WAIT_S)), "-F", "%x"]
        listen = subprocess.Popen(broker.client("mosquitto_sub", "kiosk", *topic), stdout=subprocess.PIPE, text=True)
        assert listen.stdout is not None
        reached = 0
        for line in listen.stdout:
            reached = max(reached, kiosk.acknowledge(bytes.fromhex(line)))
            if reached == 30:
                break
        listen.terminate()
        listen.wait(WAIT_S)
        listen.stdout.close()
    assert reached == 30
    assert verify_store(config.store, config.keys).ok


def test_a_receiver_that_was_stopped_keeps_no_share_of_the_records(
    broker: Mosquitto, kiosk: KioskSide, tmp_path: Path
) -> None:
    done = broker.provisioned[0]
    stopped = receive(done.bank_config, "--instance", "2")
    with receiving(done.bank_config):
        stopped.send_signal(signal.SIGTERM)
        assert stopped.wait(WAIT_S) == 0
        assert stopped.stderr is not None
        stopped.stderr.close()
        path = tmp_path / "envelope"
        for number in range(4):
            path.write_bytes(kiosk.deposit(number))
            topic = ["-t", f"kiosk/v1/{KIOSK}/record", "-q", "1", "-f", str(path)]
            subprocess.run(broker.client("mosquitto_pub", "kiosk", *topic), check=True, timeout=WAIT_S)
        listen = broker.client(
            "mosquitto_sub", "kiosk", "-t", f"kiosk/v1/{KIOSK}/ack", "-W", str(int(WAIT_S)), "-F", "%x"
        )
        process = subprocess.Popen(listen, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert any(kiosk.acknowledge(bytes.fromhex(line)) == 4 for line in process.stdout)
        process.terminate()
        process.wait(WAIT_S)
        process.stdout.close()


def test_a_receiver_whose_certificate_may_not_read_says_so(broker: Mosquitto) -> None:
    done = broker.provisioned[0]
    text = done.bank_config.read_text().replace("/bank.pem", "/nobody.pem")
    done.bank_config.write_text(text)
    command = [sys.executable, "-m", "kiosk_cloud.cli", "receive", "--config", str(done.bank_config)]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert said.returncode == 2
    assert "nobody.pem" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_store_that_is_none_is_said_in_one_line(broker: Mosquitto) -> None:
    config = bank_config.load(broker.provisioned[0].bank_config)
    other = sqlite3.connect(config.store)
    other.execute("PRAGMA user_version = 99")
    other.close()
    command = [sys.executable, "-m", "kiosk_cloud.cli", "receive", "--config", str(broker.provisioned[0].bank_config)]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert said.returncode == 3
    assert "schema version 99" in said.stderr
    assert len(said.stderr.splitlines()) == 1
