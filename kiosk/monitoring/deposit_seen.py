"""What the watcher tells of a whole deposit when it has ended: for drift, calibration and the map."""

from typing import Final

from kiosk.appraisal.fusion import fuse, told
from kiosk.appraisal.manifest import Stream
from kiosk.messages import FEATURES_MAX, REASON_CHARACTERS_MAX, SEEN_REASONS_MAX, DepositSeen, StreamSeen
from kiosk.monitoring.deposit_watch import DepositWatch
from kiosk.protection.egress import Gate

_STREAMS: Final[dict[str, Stream]] = {"scene": "scene", "machine": "machine", "transaction": "transaction"}


def deposit_seen(watch: DepositWatch, now_s: float, gate: Gate) -> DepositSeen:
    """The summary of a deposit that ended at `now_s`; bounded whatever it was like, reasons gated like a report's."""
    whole = watch.whole(now_s)
    streams = tuple(
        StreamSeen(
            stream=_STREAMS[verdict.stream],
            model_sha256=verdict.model_sha256,
            score=round(verdict.score, 5),
            p_value=round(verdict.p_value, 6),
            grade=verdict.grade,
            duration_s=round(whole.duration_s, 1),
            bmu=verdict.bmu,
            cells=cells,
            reasons=tuple(
                gate.text(reason, "caption").text[:REASON_CHARACTERS_MAX] for reason in told(moment)[:SEEN_REASONS_MAX]
            ),
            row=tuple(float(value) for value in moment.row[:FEATURES_MAX]),
            nearest=tuple(float(value) for value in moment.judged.nearest_normal[:FEATURES_MAX]),
        )
        for verdict, moment, cells in whole.seen
    )
    return DepositSeen(watch.code[:64], fuse([verdict for verdict, _, _ in whole.seen]), whole.sound, streams)
