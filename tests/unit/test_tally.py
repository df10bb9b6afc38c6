"""What is counted and said of durable records; and what is neither."""

from collections.abc import Mapping

import pytest

from kiosk.core.records import alert
from kiosk.core.state import Deposit, RecordDraft
from kiosk.management.tally import Tally, device_of
from kiosk.protection.canonical import EVENTS, Event, Scalar
from tests.uplink_kit import HandClock

Said = list[tuple[Event, Mapping[str, Scalar]]]


@pytest.fixture
def said() -> Said:
    return []


@pytest.fixture
def tally(said: Said) -> Tally:
    return Tally(HandClock(), lambda event, fields: said.append((event, fields)))


def counted(tally: Tally) -> dict[tuple[str, tuple[str, ...]], float]:
    return {(name, labels): value for name, labels, value in tally.samples() if value}


def test_a_fault_tells_its_device_and_another_alert_no_reasons(tally: Tally, said: Said) -> None:
    tally.records(
        [
            alert(Deposit(), "device", ("label printer: no answer",)),
            alert(Deposit(id=bytes(16)), "locked_out", ("anna is locked out",)),
            RecordDraft("alert", {"alert": "exchange", "grade": "low", "reasons": ["B00000001 is missing"]}),
        ]
    )
    assert [event for event, _ in said] == ["fault", "alert", "alert"]
    assert said[0][1]["device"] == "label_printer"
    assert said[1][1]["deposit"] == "00000000"
    assert not any("why" in fields or "anna" in str(fields) for _, fields in said[1:])
    assert all(set(fields) <= set(EVENTS[event]) for event, fields in said)
    assert counted(tally) == {
        ("kiosk_alerts_total", ("device",)): 1,
        ("kiosk_alerts_total", ("locked_out",)): 1,
        ("kiosk_alerts_total", ("exchange",)): 1,
        ("kiosk_device_faults_total", ("label_printer",)): 1,
    }


def test_duress_leaves_no_trace_on_this_machine(tally: Tally, said: Said, caplog: pytest.LogCaptureFixture) -> None:
    tally.records([RecordDraft("alert", {"alert": "duress", "grade": "high", "reasons": ["anna"]})])
    assert (said, counted(tally), caplog.text) == ([], {}, "")


def test_a_record_that_is_not_as_expected_costs_no_other(tally: Tally, said: Said) -> None:
    tally.records([RecordDraft("deposit", {}), alert(Deposit(), "power", ("the mains power has failed",))])
    assert [event for event, _ in said] == ["fault"]


@pytest.mark.parametrize(
    ("words", "device"), [("board: it was restarted", "board"), ("gpio: gone", "gpio"), ("whatever", "devices")]
)
def test_a_device_is_known_by_how_its_fault_begins(words: str, device: str) -> None:
    assert device_of(words) == device
