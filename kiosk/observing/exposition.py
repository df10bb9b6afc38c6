"""Samples as Prometheus' own library writes them."""

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kiosk.core.metrics import Sample, grouped

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class _Samples(Collector):
    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = tuple(samples)

    def collect(self) -> Iterator[Metric]:
        for metric, rows in grouped(self._samples).items():
            labels = [label for label, _ in metric.labels]
            make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = make(metric.name, metric.help, labels=labels)
            for _, values, value in rows:
                family.add_metric(list(values), value)
            yield family


def text(samples: Iterable[Sample]) -> bytes:
    """Prometheus' text format of samples that are in the table."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Samples(samples))
    return generate_latest(registry)
