"""What a watcher that has gone mad can do to the controller: nothing that lasts."""

import math

import msgspec
import pytest

from kiosk.bus.frames import decode_request, encode_frame
from kiosk.core import facts as f
from kiosk.management.view import seen_by
from kiosk.messages import ALLOWED, DepositView, GetStatus, RiskReport, StreamReport
from scripts.gallery import pictures


def _stream(**changes: object) -> dict[str, object]:
    stream: dict[str, object] = {
        "stream": "scene",
        "score": 1.0,
        "p_value": 0.5,
        "grade": "low",
        "bmu": (0, 0),
        "reasons": (),
        "model_sha256": "",
    }
    return stream | changes


def _report(**changes: object) -> bytes:
    body: dict[str, object] = {
        "type": "RiskReport",
        "request_id": None,
        "deposit_code": None,
        "stage": "access",
        "grade": "low",
        "streams": [_stream()],
        "lens": "clear",
        "frames_per_second": 10.0,
        "still_sha256": None,
    }
    return msgspec.msgpack.encode([1, body | changes])


def test_a_sane_report_passes() -> None:
    assert isinstance(decode_request(_report())[1], RiskReport)


@pytest.mark.parametrize(
    "changes",
    [
        {"streams": [_stream(p_value=math.nan)]},
        {"streams": [_stream(p_value=1.5)]},
        {"streams": [_stream(score=math.inf)]},
        {"streams": [_stream(reasons=["x" * 201])]},
        {"streams": [_stream(reasons=["x"] * 9)]},
        {"streams": [_stream()] * 7},
        {"frames_per_second": math.nan},
        {"still_sha256": "../../etc/passwd"},
        {"streams": [_stream(model_sha256="x" * 10_000)]},
    ],
)
def test_figures_that_are_none_and_words_without_end_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(Exception, match=r".") as refusal:
        decode_request(_report(**changes))
    assert refusal.type.__name__ == "FrameError"


def test_a_stream_report_cannot_even_be_made_with_nan() -> None:
    with pytest.raises(ValueError, match="finite"):
        StreamReport("scene", math.nan, 0.5, "low", (0, 0), (), "")


def test_only_the_screen_sees_the_code_and_the_receipt() -> None:
    assert GetStatus not in ALLOWED["watcher"]
    every = [picture.status for picture in pictures()]
    shown = [status for status in every if status is not None and status.deposit is not None and status.deposit.code]
    assert shown
    for status in shown:
        assert seen_by("terminal", status) == status
        assert seen_by("uplink", status).deposit is None
        maintenance = seen_by("maintenance", status).deposit
        assert isinstance(maintenance, DepositView)
        assert (maintenance.code, maintenance.receipt_qrs) == ("", ())
        assert encode_frame(0, seen_by("maintenance", status))


def test_a_fact_that_could_not_be_replayed_is_not_even_encodable_as_one() -> None:
    fact = f.Assessed("", asked=False, assessments=(f.Assessment("access", "low", (), (("scene", math.nan),)),))
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(fact), type=f.AnyFact)
