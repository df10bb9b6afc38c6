"""The table of metrics: Prometheus' rules of naming, no place for anything personal, samples that are what they say."""

import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from firmware_bridge.interfaces import Line
from kiosk.core import metrics
from kiosk.core.metrics import METRICS, Metric, checked, refusal, sample, states
from kiosk.management.tally import HUSHED
from kiosk.observing import reference
from kiosk.observing.exposition import text

ROOT = Path(__file__).parents[2]
GRAMMAR = (ROOT / "kiosk" / "core" / "records.cddl").read_text()


def example(metric: Metric) -> metrics.Sample:
    """A sample of it, with the first value of each label."""
    labels = (values[0] if isinstance(values, tuple) else made(values) for _, values in metric.labels)
    return sample(metric.name, 0.5, *labels)


def made(pattern: re.Pattern[str]) -> str:
    return next(text for text in ("a5" * 32, "0.1.0") if pattern.fullmatch(text))


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_names_follow_the_rules_of_prometheus(metric: Metric) -> None:
    assert re.fullmatch(r"kiosk_[a-z0-9_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.help.endswith(".")
    for label, values in metric.labels:
        assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", label)
        assert values.pattern.isascii() if isinstance(values, re.Pattern) else len(set(values)) == len(values)


def test_prometheus_own_parser_reads_back_what_is_written() -> None:
    samples = checked(example(metric) for metric in METRICS.values())
    families = list(text_string_to_metric_families(text(samples).decode()))
    read = {found.name: found for family in families for found in family.samples}
    assert set(read) == set(METRICS)
    for name, labels, value in samples:
        assert read[name].value == value
        assert tuple(read[name].labels[label] for label, _ in METRICS[name].labels) == labels
    assert {family.documentation for family in families} == {metric.help for metric in METRICS.values()}


@given(st.sampled_from(sorted(METRICS)), st.lists(st.text(max_size=20), max_size=3).map(tuple), st.floats())
def test_only_what_the_table_lists_gets_in(name: str, labels: tuple[str, ...], value: float) -> None:
    allowed = len(labels) == len(METRICS[name].labels) and all(
        said in values if isinstance(values, tuple) else values.fullmatch(said)
        for said, (_, values) in zip(labels, METRICS[name].labels, strict=True)
    )
    assert (refusal((name, labels, value)) == "") == (allowed and math.isfinite(value))


SECRETS = ("79927398713", "4111111111111111", "王小明", "li.wei@bank.example", "anna", "staff-1", "0000111122223337")


@pytest.mark.parametrize("secret", SECRETS)
def test_no_label_of_any_metric_takes_anything_personal_and_the_refusal_does_not_repeat_it(secret: str) -> None:
    for metric in METRICS.values():
        name, labels, value = example(metric)
        for place in range(len(labels)):
            bad = (name, (*labels[:place], secret, *labels[place + 1 :]), value)
            assert refusal(bad)
            assert secret not in refusal(bad)
            with pytest.raises(ValueError, match=name):
                checked([bad])
        assert secret not in refusal((secret, labels, value))


def test_the_same_sample_twice_is_refused() -> None:
    one = sample("kiosk_straps", 3)
    with pytest.raises(ValueError, match="twice"):
        checked([one, one])


def test_states_are_one_and_zeros() -> None:
    assert [value for _, _, value in states("kiosk_device_state", "down", "board")] == [0, 0, 0, 1]
    with pytest.raises(ValueError, match="none of its states"):
        states("kiosk_scene_grade", "severe")


@pytest.mark.parametrize(
    ("rule", "listed"), [("outcome", metrics.OUTCOMES), ("alert-name", metrics.ALERTS)], ids=["outcomes", "alerts"]
)
def test_labels_are_the_words_of_the_records(rule: str, listed: tuple[str, ...]) -> None:
    words = re.search(rf"^{rule} = (.*?)(?=^\S)", GRAMMAR, re.MULTILINE | re.DOTALL)
    assert words is not None
    assert {*re.findall(r'"([a-z_]+)"', words[1]), "other"} - HUSHED == set(listed)


def test_lines_are_the_inputs_of_the_cabinet() -> None:
    outputs = {Line.SHUTTER_OPEN_CMD, Line.ALARM, Line.PORT_LAMP}
    theirs = {Line.HEADPHONES}  # says something of who stands there
    assert set(metrics.LINES) == {str(line) for line in Line if line not in outputs | theirs}


def test_the_page_has_the_table() -> None:
    page = (ROOT / "docs" / "observing.md").read_text()
    assert reference.written(page) == page, "run `make docs`"
