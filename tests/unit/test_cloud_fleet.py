"""The kiosks with their last health, for people, scripts and Prometheus."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from kiosk.core import telemetry
from kiosk.core.metrics import sample, states
from kiosk_cloud import fleet
from kiosk_cloud.cli import main
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import Provisioned, provision
from tests.uplink_kit import KIOSK, NOW, Bank, KioskSide, plan

SAMPLES = (
    sample("kiosk_outbox_records", 7),
    sample("kiosk_deposits_total", 3, "credited"),
    *states("kiosk_device_state", "down", "board"),
    sample("kiosk_process_connected", 0, "watcher"),
)


@pytest.fixture
def done(tmp_path: Path) -> Provisioned:
    return provision(plan(tmp_path), utc_now())


@pytest.fixture
def bank(done: Provisioned) -> Bank:
    """A bank that has a record and the health of its kiosk, and a second kiosk that never said anything."""
    made, kiosk = Bank(done), KioskSide(done.kiosk_keys)
    provision(plan(done.bank_config.parents[1], "demo-0002"), utc_now())
    made.take(kiosk.deposit(0))
    told = telemetry.Telemetry(
        1, KIOSK, "2026-11-21T08:30:00.125Z", in_service=False, reasons=("the tray is out",), samples=SAMPLES
    )
    made.take(telemetry.encoded(told), lane="telemetry")
    made.take(json.dumps({"state": "online"}).encode(), lane="birth")
    kiosk.close()
    return made


def values(bank: Bank, now: datetime) -> dict[tuple[str, str], float]:
    """(metric, kiosk) -> value of what is served."""
    found = fleet.standings(bank.store, [KIOSK, "demo-0002"], now)
    families = text_string_to_metric_families(fleet.text(found).decode())
    return {(each.name, each.labels["kiosk"]): each.value for family in families for each in family.samples}


def test_metrics_are_the_kiosks_own_and_what_the_bank_knows_beside_them(bank: Bank) -> None:
    told = values(bank, NOW + timedelta(seconds=60))
    assert told["kiosk_outbox_records", KIOSK] == 7
    assert told["kiosk_deposits_total", KIOSK] == 3
    assert told["kiosk_bank_records", KIOSK] == told["kiosk_bank_online", KIOSK] == 1
    assert told["kiosk_bank_health_age_seconds", KIOSK] == 60
    assert told["kiosk_bank_online", "demo-0002"] == 0
    assert ("kiosk_bank_health_age_seconds", "demo-0002") not in told
    assert {name for name, _ in told} <= {*fleet.BANK_METRICS, *(name for name, _, _ in SAMPLES)}


def test_stale_health_is_no_health(bank: Bank) -> None:
    told = values(bank, NOW + timedelta(minutes=6))
    assert told["kiosk_bank_health_age_seconds", KIOSK] == 360
    assert {name for name, _ in told} == set(fleet.BANK_METRICS)


def test_the_list_says_first_what_a_person_wants_to_know(bank: Bank, done: Provisioned) -> None:
    bank.store.close()
    result = CliRunner().invoke(main, ["fleet", "list", "--config", str(done.bank_config)])
    assert result.exit_code == 0, result.output
    first, second, figures, trouble, other, silent = result.output.splitlines()
    assert first == f"{KIOSK}: online since 2026-11-21T08:30:00.125Z, 1 records held"
    assert second.endswith("out of service: the tray is out")
    assert figures == "  records waiting 7"
    assert trouble == "  board down, no watcher"
    assert (other, silent) == ("demo-0002: never heard of, 0 records held", "  it has told nothing of its health")


def test_scripts_get_every_sample(bank: Bank, done: Provisioned) -> None:
    bank.store.close()
    result = CliRunner().invoke(main, ["fleet", "list", "--json", "--kiosk", KIOSK, "--config", str(done.bank_config)])
    (found,) = json.loads(result.output)
    assert (found["kiosk"], found["in_service"], found["records"]) == (KIOSK, False, 1)
    assert len(found["samples"]) == len(SAMPLES)
