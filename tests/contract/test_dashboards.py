"""Dashboard and alert rules against the code: every metric, label and label value that a query names is exported, and
every metric that is exported is looked at. The queries are taken apart by PromQL's own lexical rules.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml

from kiosk.core.metrics import METRICS
from kiosk_cloud.fleet import BANK_METRICS

FOLDER = Path(__file__).parents[2] / "cloud" / "dashboards"
EXPORTED: Final = {*METRICS, *BANK_METRICS}
KIOSK: Final = {"kiosk"}  # the label that the bank adds
# https://prometheus.io/docs/prometheus/latest/querying/: what may stand in an expression beside metrics.
FUNCTIONS: Final = {"increase", "rate", "time", "label_values", "absent"}
AGGREGATIONS: Final = {"sum", "max", "min", "avg", "count"}
WORDS: Final = {"and", "or", "unless", "bool"}
LABEL_LISTS: Final = {"by", "without", "on", "ignoring", "group_left", "group_right"}
TOKEN: Final = re.compile(
    r"""(?P<space>\s+)|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<range>\[[0-9a-z:$_]+\])|(?P<variable>\$\w+)
    |(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)|(?P<sign>==|!=|=~|!~|>=|<=|[-+*/%^<>=(){},])""",
    re.VERBOSE,
)


class Named(NamedTuple):
    """One selector of a query."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]  # label, operator, value


class Query(NamedTuple):
    """What a query names: its selectors, and the labels that it groups by."""

    selectors: tuple[Named, ...]
    grouped: frozenset[str]


def tokens(query: str) -> list[tuple[str, str]]:
    """Kind and text of each. ValueError for what is no PromQL."""
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(query):
        match = TOKEN.match(query, at)
        if match is None or match.lastgroup is None:
            message = f"{query!r}: {query[at:]!r}"
            raise ValueError(message)
        if match.lastgroup != "space":
            found.append((match.lastgroup, match[0]))
        at = match.end()
    return found


def parsed(query: str) -> Query:
    """Take a query apart. ValueError for a word that is neither metric, function nor operator."""
    selectors: list[Named] = []
    grouped: set[str] = set()
    rest = tokens(query)
    if rest.count(("sign", "(")) != rest.count(("sign", ")")):
        raise ValueError(query)
    while rest:
        kind, word = rest.pop(0)
        if kind != "name" or word in WORDS:
            continue
        following = rest[0][1] if rest else ""
        if word in LABEL_LISTS:
            end = rest.index(("sign", ")"))
            grouped |= {label for each, label in rest[:end] if each == "name"}
            del rest[: end + 1]
        elif word in AGGREGATIONS | FUNCTIONS and following in ("(", "by", "without"):
            continue
        elif word in EXPORTED or word.startswith("kiosk_"):
            end = rest.index(("sign", "}")) if following == "{" else 0
            selectors.append(Named(word, tuple(matchers([text for _, text in rest[1:end]]))))
            del rest[: end + (following == "{")]
        else:
            message = f"{query!r}: {word} is unknown"
            raise ValueError(message)
    return Query(tuple(selectors), frozenset(grouped))


def matchers(words: list[str]) -> Iterator[tuple[str, str, str]]:
    for at in range(0, len(words), 4):  # label, operator, value, comma
        label, operator, value = words[at : at + 3]
        yield label, operator, value.strip("\"'")


def panels() -> list[dict[str, Any]]:
    return [each for each in json.loads((FOLDER / "kiosks.json").read_text())["panels"] if each["type"] != "row"]


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> dict[str, str]:
    """Where it stands -> query."""
    found = {f"{each['title']} {at}": target["expr"] for each in panels() for at, target in enumerate(each["targets"])}
    return found | {rule["alert"]: rule["expr"] for rule in rules()}


def labels_of(metric: str) -> dict[str, Any]:
    return dict(METRICS[metric].labels) if metric in METRICS else {}


@pytest.mark.parametrize(("where", "query"), queries().items(), ids=list(queries()))
def test_every_metric_label_and_value_that_a_query_names_is_exported(where: str, query: str) -> None:
    found = parsed(query)
    assert found.selectors
    names = {selector.metric for selector in found.selectors}
    assert names <= EXPORTED, where
    for metric, said in found.selectors:
        for label, operator, value in said:
            assert label in {*labels_of(metric), *KIOSK}
            if operator == "=":
                assert value in labels_of(metric)[label]
    for label in found.grouped - KIOSK:
        assert all(label in labels_of(metric) for metric in names)


def test_every_metric_that_is_exported_is_looked_at() -> None:
    assert EXPORTED - {each.metric for query in queries().values() for each in parsed(query).selectors} == set()


def test_legends_and_summaries_name_labels_that_the_query_has() -> None:
    told = [(target["expr"], target["legendFormat"]) for panel in panels() for target in panel["targets"]]
    told += [(rule["expr"], words) for rule in rules() for words in rule["annotations"].values()]
    for query, words in told:
        known = {label for each in parsed(query).selectors for label in labels_of(each.metric)} | KIOSK
        assert set(re.findall(r"\{\{ ?(?:\$labels\.)?([a-z_]+) ?\}\}", words)) <= known, words


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_says_what_happened_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"]["summary"]
    assert len(rule["annotations"]["remedy"]) > 20
    assert rule["annotations"]["remedy"].endswith(".")
    assert re.fullmatch("[0-9]+[mhd]", rule.get("for", "1m"))


def test_alerts_have_names_of_their_own_and_panels_ids() -> None:
    names, ids = [rule["alert"] for rule in rules()], [panel["id"] for panel in panels()]
    assert len(set(names)) == len(names)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    "query", ["kiosk_gone_total", 'kiosk_device_state{state="lost"}', "sum by (colour) (kiosk_straps)"]
)
def test_a_query_of_what_is_not_exported_is_noticed(query: str) -> None:
    with pytest.raises((AssertionError, KeyError)):
        test_every_metric_label_and_value_that_a_query_names_is_exported("here", query)


@pytest.mark.parametrize("query", ["sum(", "kiosk_straps ~ 1", "median(kiosk_straps)", "node_load1 > 1"])
def test_what_is_no_query_of_ours_is_noticed(query: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parsed(query)
