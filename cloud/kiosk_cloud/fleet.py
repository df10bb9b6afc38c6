"""How the bank's kiosks are doing: what each last told of itself beside what the bank itself holds of it.

A kiosk's own word is not signed and decides nothing here. Once it is stale, its samples are left out: figures that
stand still look like a kiosk that is well. What the bank knows by itself goes on.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kiosk.core import telemetry, topics
from kiosk.core.metrics import METRICS
from kiosk.core.telemetry import Telemetry
from kiosk_cloud.commanding.queue import is_online
from kiosk_cloud.store import Store

STALE: Final = timedelta(minutes=5)  # kiosks tell every minute
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BANK_METRICS: Final[dict[str, str]] = {
    "kiosk_bank_online": "1 if the kiosk's last birth certificate says so.",
    "kiosk_bank_health_age_seconds": "Since the kiosk last told how it is.",
    "kiosk_bank_records": "Records that the bank holds and has signed for.",
    "kiosk_bank_gaps_open": "Holes in the kiosk's log that the bank has complained of.",
    "kiosk_bank_forks": "Proofs that the kiosk's log was rewritten: keep the store, call the auditor.",
    "kiosk_bank_quarantined": "Messages in the kiosk's name that could not be verified.",
}


class Standing(NamedTuple):
    """One kiosk as the bank sees it."""

    kiosk: str
    online: bool
    since: str  # of the last birth or death certificate; empty: none ever came
    told: Telemetry | None  # the last word on its health
    told_at: str  # when that came, by the bank's clock
    age_s: float | None
    records: int
    gaps: int
    forks: int
    quarantined: int

    @property
    def stale(self) -> bool:
        """Whether what it told is too old to say anything of now."""
        return self.age_s is None or self.age_s > STALE.total_seconds()

    def as_json(self) -> dict[str, object]:
        """For scripts."""
        told = self.told
        return {
            "kiosk": self.kiosk,
            "online": self.online,
            "since": self.since,
            "records": self.records,
            "gaps": self.gaps,
            "forks": self.forks,
            "quarantined": self.quarantined,
            "health_at": self.told_at,
            "health_stale": self.stale,
            "in_service": None if told is None else told.in_service,
            "reasons": [] if told is None else list(told.reasons),
            "samples": [] if told is None else [[name, list(labels), value] for name, labels, value in told.samples],
        }


def standings(store: Store, kiosks: Iterable[str], now: datetime) -> list[Standing]:
    """Every one of these kiosks, whether or not it ever said anything."""
    with store.snapshot():
        return [_standing(store, kiosk, now) for kiosk in kiosks]


def _standing(store: Store, kiosk: str, now: datetime) -> Standing:
    birth, health = store.birth(kiosk), store.health(kiosk)
    logs = store.logs_of(kiosk) or [kiosk]
    age_s = None if health is None else max(0.0, (now - datetime.fromisoformat(health[1])).total_seconds())
    return Standing(
        kiosk=kiosk,
        online=birth is not None and is_online(birth[0]),
        since="" if birth is None else birth[1],
        told=None if health is None else telemetry.decoded(health[0], kiosk),
        told_at="" if health is None else health[1],
        age_s=age_s,
        records=store.size(topics.logs_of(kiosk, logs)[-1]),
        gaps=sum(closed is None for log in logs for _, closed in store.gaps(log)),
        forks=sum(len(store.forks(log)) for log in logs),
        quarantined=sum(len(store.quarantined(log)) for log in logs),
    )


class _Fleet(Collector):
    def __init__(self, found: list[Standing]) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        for name, words in BANK_METRICS.items():
            family = GaugeMetricFamily(name, words, labels=["kiosk"])
            for each in self._found:
                value = self._own(each)[name]
                if value is not None:
                    family.add_metric([each.kiosk], value)
            yield family
        for metric in METRICS.values():
            make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            theirs = make(metric.name, metric.help, labels=["kiosk", *(label for label, _ in metric.labels)])
            for each in self._found:
                for name, labels, value in () if each.stale or each.told is None else each.told.samples:
                    if name == metric.name:
                        theirs.add_metric([each.kiosk, *labels], value)
            if theirs.samples:
                yield theirs

    @staticmethod
    def _own(each: Standing) -> dict[str, float | None]:
        return {
            "kiosk_bank_online": each.online,
            "kiosk_bank_health_age_seconds": each.age_s,
            "kiosk_bank_records": each.records,
            "kiosk_bank_gaps_open": each.gaps,
            "kiosk_bank_forks": each.forks,
            "kiosk_bank_quarantined": each.quarantined,
        }


def text(found: list[Standing]) -> bytes:
    """Prometheus' text of all of them, each sample with its kiosk."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Fleet(found))
    return generate_latest(registry)
