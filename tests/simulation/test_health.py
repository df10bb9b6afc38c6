"""What a kiosk tells of itself while deposits run: held against the world, and searched for what must not be in it."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from kiosk.core.metrics import METRICS, checked
from kiosk.core.state import State
from kiosk.core.storage import Threshold
from kiosk.messages import GetHealth, Health, LinkReport, Ok
from kiosk.protection import canonical
from tests.simulation.judge import deposit_records
from tests.simulation.rig import ACCOUNT, Rig, onlooker
from tests.simulation.scripts import confirmed

# Told by a watcher or a host that this rig does not have, and by the observer itself.
ELSEWHERE = {
    *("kiosk_controller_up", "kiosk_inference_p95_seconds", "kiosk_cpu_temperature_celsius"),
    *("kiosk_disk_written_bytes_total", "kiosk_disk_life_used_ratio", "kiosk_disk_end_of_life"),
    "kiosk_disk_temperature_celsius",
}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    made.start()
    yield made
    made.close()


async def asked(rig: Rig) -> Health:
    reply = await rig.desk.handle("observer", GetHealth())
    assert isinstance(reply, Health)
    checked(reply.samples)
    return reply


def value(health: Health, name: str, *labels: str) -> float:
    (found,) = (value for each, said, value in health.samples if (each, said) == (name, labels))
    return found


def lines(rig: Rig, event: str) -> list[dict[str, canonical.Scalar]]:
    return [dict(fields) for said, fields in rig.said if said == event]


def test_a_deposit_is_one_line_and_counted_once(rig: Rig) -> None:
    rig.run(confirmed(rig))
    health = rig.run(asked(rig))
    record = deposit_records(rig.journal)[0]
    (line,) = lines(rig, "deposit")
    assert line["deposit"] == record["deposit_id"].hex()[:8]
    assert (line["outcome"], line["grade"]) == ("credited", "low")
    claims = [note["claim"] for note in record["notes"]]
    for claim in ("credited", "returned", "retained", "disputed"):
        assert line[f"notes_{claim}"] == claims.count(claim) == value(health, "kiosk_notes_total", claim)
    assert value(health, "kiosk_deposits_total", "credited") == 1
    assert value(health, "kiosk_deposit_grades_total", "low") == 1
    assert value(health, "kiosk_disputed_deposits_total") == value(health, "kiosk_disputes_open") == 0
    assert value(health, "kiosk_unit_used", "cabinet") == 1
    assert value(health, "kiosk_deposits_unacknowledged") == 1
    assert value(health, "kiosk_outbox_records") == value(health, "kiosk_log_records") == rig.journal.log.size()


def test_the_outbox_grows_older_until_the_bank_signs(rig: Rig) -> None:
    rig.run(confirmed(rig))
    first = value(rig.run(asked(rig)), "kiosk_outbox_age_seconds")

    async def wait() -> Health:
        await asyncio.sleep(300)
        return await asked(rig)

    assert value(rig.run(wait()), "kiosk_outbox_age_seconds") == pytest.approx(first + 300, abs=1)


def test_every_metric_is_told_but_those_of_watcher_and_host(rig: Rig) -> None:
    rig.grade = onlooker
    storage = rig.controller.storage
    storage.settings = replace(storage.settings, thresholds={"cabinet": Threshold(32, 40)})

    async def play() -> Health:
        await confirmed(rig)
        linked = LinkReport(connected=True, detail="", certificate_ends="2027-01-01T00:00:00.000Z")
        assert await rig.desk.handle("uplink", linked) == Ok()
        return await asked(rig)

    health = rig.run(play())
    assert set(METRICS) - {name for name, _, _ in health.samples} == ELSEWHERE
    assert value(health, "kiosk_scene_grade", "medium") == 1
    assert value(health, "kiosk_unit_capacity", "cabinet") == 40
    assert value(health, "kiosk_certificate_ends_timestamp_seconds") == 1798761600


def test_an_open_door_and_a_lost_device_are_seen_counted_and_told(rig: Rig) -> None:
    async def play() -> tuple[Health, Health]:
        await rig.until(lambda: rig.controller.machine.connected)
        before = await asked(rig)
        rig.world.set_line("door_closed", level=False)
        rig.world.fault("board", "restart")
        await rig.until(lambda: not rig.controller.machine.connected)
        return before, await asked(rig)

    before, after = rig.run(play())
    assert before.in_service
    assert before.reasons == ()
    assert [value(each, "kiosk_line_active", "door_closed") for each in (before, after)] == [1, 0]
    assert not after.in_service
    assert after.reasons
    assert value(after, "kiosk_device_faults_total", "board") == 1
    assert value(after, "kiosk_device_state", "board", "down") == 1
    (fault,) = (line for line in lines(rig, "fault") if line["alert"] == "device")
    assert fault["device"] == "board"
    assert "deposit" not in fault


def test_a_dispute_is_counted_and_stays_open(rig: Rig) -> None:
    async def play() -> Health:
        await rig.identify()
        await rig.feed(10_000)
        await rig.touch("done")
        await rig.state(State.DONE, State.IDLE)
        return await asked(rig)

    health = rig.run(play())
    assert value(health, "kiosk_disputed_deposits_total") == value(health, "kiosk_disputes_open") == 1
    assert value(health, "kiosk_notes_total", "disputed") == 1


def test_nothing_of_the_depositor_is_in_health_or_lines(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """An account number, the deposit's code, its id and the staff member's id: each is put in and must not come out."""
    codes: list[str] = []

    async def play() -> Health:
        await rig.identify()
        codes.append(rig.deposit.code)
        await rig.feed(10_000)
        await rig.touch("done")
        during = await asked(rig)
        await rig.state(State.DONE, State.IDLE)
        codes.extend(note["reason"] for note in deposit_records(rig.journal)[0]["notes"])
        assert during.samples
        return await asked(rig)

    health = rig.run(play())
    for event, fields in rig.said:
        canonical.say(event, fields)
    said = msgspec.json.encode(health).decode() + capsys.readouterr().err
    record = deposit_records(rig.journal)[0]
    for secret in (ACCOUNT, *codes[:1], record["account_masked"], record["staff"], record["deposit_id"].hex()):
        assert secret
        assert secret not in said
    assert all(json.loads(line)["event"] in canonical.EVENTS for line in said.splitlines()[1:])
