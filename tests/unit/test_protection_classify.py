"""Cells judged in their column by the shipped networks, and the fusion behind it."""

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellkinds.columns import TEMPLATES
from kiosk.protection import encoding, fusion
from kiosk.protection.bundles import bundle_gate
from kiosk.protection.catalogue import Catalogue
from kiosk.protection.classify import Classifier, Column
from kiosk.protection.egress import Gate
from kiosk.protection.folding import fold
from kiosk.protection.forms import FORMS, possible
from kiosk.protection.judge import FieldJudge
from kiosk.protection.kinds import KINDS
from kiosk.protection.networks import ALGORITHMS, GRAPHS_BYTES_MAX, ArtifactError, default_folder, read_manifest
from kiosk.protection.whole import see
from tests import protect_kit as kit
from tests.protection_bench.measure import measure
from tests.protection_bench.table import table
from tests.protection_bench.templates import TEMPLATES as BENCH

CLASSIFIER = Classifier.load()


def test_the_benchmark_in_small() -> None:
    """`make bench-protection` measures 49,000 cells; twenty of each kind and script only show that nothing broke."""
    found = measure(CLASSIFIER, table(4711, 20))
    assert found.macro_f1 > 0.95
    assert found.micro_f1 > 0.93


def test_the_column_decides_what_check_digits_leave_open() -> None:
    """Thirteen digits that pass both as a card (Luhn) and as a company's register number."""
    both: list[str] = []
    body = 502770000000
    while len(both) < 7:
        body += 1_000_003
        number = f"{body}{body % 11 % 10}"
        if set(see(number).checked) >= {"ogrn_ru", "bank_card"}:
            both.append(number)
    assert {verdict.kind for verdict in CLASSIFIER.column(both, "ОГРН")} == {"ogrn_ru"}
    assert {verdict.kind for verdict in CLASSIFIER.column(both, "card number")} == {"bank_card"}


def test_verdicts_come_in_order_and_an_empty_cell_is_other() -> None:
    kinds = [v.kind for v in CLASSIFIER.column(["li.wei@bank.example", "", "  ", "zhang@bank.example"], "email")]
    assert kinds == ["email", "other", "other", "email"]
    assert CLASSIFIER.column([]) == []
    assert CLASSIFIER.cells([]) == []
    assert [len(part) for part in CLASSIFIER.cells([Column([]), Column(["a", "b"]), Column([])])] == [0, 2, 0]


def test_a_note_with_a_plain_number_in_it_never_passes_as_harmless() -> None:
    notes = ["paid", "перезвонить +7 916 123-45-67", "call back 13812345678", "возврат на 4111 1111 1111 1111 сегодня"]
    kinds = [verdict.kind for verdict in CLASSIFIER.column(notes, "note")]
    assert kinds[0] == "other"
    assert "other" not in kinds[1:]
    assert {verdict.kind for verdict in CLASSIFIER.column(["NaN", "null", "n/a", "нет"], "name")} == {"other"}


def test_a_cell_is_judged_the_same_whatever_else_is_asked_at_once() -> None:
    short, long = Column(["+7 912 345-67-89"] * 3, "тел."), Column(["слово " * 30] * 3, "комментарий")
    alone = CLASSIFIER.cells([short])[0]
    together = CLASSIFIER.cells([long, short])[1]
    assert [v.kind for v in alone] == [v.kind for v in together]
    assert np.allclose([v.score for v in alone], [v.score for v in together], atol=1e-4)


def test_a_column_longer_than_one_batch_is_judged_whole() -> None:
    values = [f"user{number}@bank.example" for number in range(9000)]
    assert {verdict.kind for verdict in CLASSIFIER.column(values, "mail")} == {"email"}


def test_full_width_and_odd_blanks_change_nothing() -> None:
    plain = ["4111 1111 1111 1111", "5555 5555 5555 4444"]
    wide = [
        "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else "\u2009" if c == " " else c for c in each) for each in plain
    ]
    assert CLASSIFIER.column(plain, "card") == CLASSIFIER.column(wide, "card")


@given(st.lists(st.text(max_size=80), max_size=8), st.text(max_size=20))
@settings(max_examples=40, deadline=None)
def test_any_text_gets_a_verdict(values: list[str], header: str) -> None:
    verdicts = CLASSIFIER.column(values, header)
    assert len(verdicts) == len(values)
    assert all(verdict.kind in KINDS and 0.0 <= verdict.score <= 1.0 for verdict in verdicts)


@given(st.lists(st.text(max_size=100), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_encoding_is_in_its_bounds_and_the_same_alone(texts: list[str]) -> None:
    folded = [fold(text) for text in texts]
    encoded = encoding.encode(folded)
    arrays = (encoded.codes, encoded.parts, encoded.words, encoded.shapes)
    for array, most in zip(arrays, (encoding.CODES, encoding.PARTS, encoding.WORDS, encoding.SHAPES), strict=True):
        assert array.min() >= 0
        assert array.max() < most
    assert np.isfinite(encoded.stats).all()
    alone = encoding.encode(folded[:1])
    assert set(alone.parts[0]) - {0} == set(encoded.parts[0]) - {0}


def test_a_graph_that_is_not_the_manifests_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "protection"
    shutil.copytree(default_folder(), folder)
    assert sum(path.stat().st_size for path in folder.glob("*.onnx")) < GRAPHS_BYTES_MAX
    graph = folder / "parts.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"\x00")
    with pytest.raises(ArtifactError, match="not the graph"):
        Classifier.load(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    changes: list[dict[str, object]] = [{"kinds": manifest["kinds"][::-1]}, {"weights": {}}, {"more": 1}]
    for change in changes:
        (folder / "manifest.json").write_text(json.dumps(manifest | change))
        with pytest.raises(ArtifactError):
            Classifier.load(folder)
    with pytest.raises(ArtifactError):
        Classifier.load(tmp_path / "nothing")


def test_an_algorithm_weighs_what_it_was_right() -> None:
    weights = np.full((len(ALGORITHMS), len(KINDS)), 0.9, dtype=np.float32)
    said = np.zeros((len(ALGORITHMS), 1, len(KINDS)), dtype=np.float32)
    card, account = KINDS.index("bank_card"), KINDS.index("bank_account")
    said[0, 0, [card, account]] = 0.5
    said[2, 0, account] = said[5, 0, card] = 1.0
    assert fusion.fuse(said, weights)[0, card] == pytest.approx(fusion.fuse(said, weights)[0, account])
    weights[5, card] = 0.99
    assert fusion.fuse(said, weights)[0].argmax() == card
    measured, matrix = fusion.f_measures(np.array([card, card, account]), said[5].repeat(3, axis=0))
    assert measured[card] == pytest.approx(0.8)
    assert matrix[account, card] == 1


def test_the_gate_finds_names_and_addresses_with_the_classifier() -> None:
    gate = Gate(Catalogue.load(), bytes(32), FieldJudge(CLASSIFIER))
    for line, name in (
        ("the parcel was taken by Смирнов Алексей Викторович today", "Смирнов"),
        ("note of the technician: 王建国 changed the belt", "王建国"),
        ("customer: Margaret Thompson", "Thompson"),
    ):
        assert name not in gate.text(line, "bundle", "note").text, line
    for harmless in ("deposit of 12 notes, 7 suspect", "watchdog fed after 0.3 s", "validator NV200 2.13.4"):
        assert gate.text(harmless, "bundle").text == harmless


def test_names_and_numbers_of_a_bundle_stay_the_same_person_within_it_alone() -> None:
    lines = [f"{number}: Смирнов Алексей Викторович, карта 4111 1111 1111 1111" for number in range(3)]
    first, second = (list(bundle_gate().lines(lines, "bundle")) for _ in range(2))
    assert len({line.partition(": ")[2] for line in first}) == 1
    assert not {line for line in first if "Смирнов" in line or "4111" in line}
    assert first != second


def test_a_few_texts_alone_are_judged_as_columns_of_one() -> None:
    texts = [
        "Margaret Thompson",
        "4111 1111 1111 1111",
        "ул. Мира, д. 5",
        "x" * 5000,
        "王建国",
        "",
        "12 notes",
        "a@b.example",
        "ok",
    ]
    for header in ("", "note", "карта"):
        alone = CLASSIFIER.lone(texts, header)
        columns = [verdict for (verdict,) in CLASSIFIER.cells([Column([text], header) for text in texts])]
        assert [each.kind for each in alone] == [each.kind for each in columns]
        assert np.allclose([each.score for each in alone], [each.score for each in columns], atol=1e-4)
        assert CLASSIFIER.lone(texts[:2], header)[0].kind == alone[0].kind
    assert CLASSIFIER.lone([]) == []


def test_a_column_in_which_no_check_digit_passes_is_not_of_a_kind_that_has_one() -> None:
    """Area code and number in Qingdao are twelve digits in groups like a tax number."""
    phones = [f"0532 {number}" for number in (68807480, 85750357, 75915418, 24373824, 27013449, 77911840, 57663395)]
    assert "inn_ru" not in {verdict.kind for verdict in CLASSIFIER.column(phones, "cell")}
    numbers = ["770708389310", "500100732259", "526317984689", "366316608346", "773173084809"]
    mistyped = "770708389311"
    real = [number for number in numbers if "inn_ru" in see(number).checked]
    assert len(real) >= 2
    kinds = [verdict.kind for verdict in CLASSIFIER.column([*real * 3, mistyped], "ИНН")]
    assert set(kinds) == {"inn_ru"}, "a typing error among those that pass keeps its kind"


def test_the_column_alone_makes_nothing_of_a_cell_that_cannot_be_of_its_kind() -> None:
    """What a card's column holds beside cards; codes of branches, which are written like plates."""
    cards = [kit.card(number) for number in range(30)]
    verdicts = CLASSIFIER.column(["2", *cards, "12/29", "B7"], "card")
    assert [verdict.kind for verdict in verdicts[1:31]] == ["bank_card"] * 30
    assert "bank_card" not in {verdicts[at].kind for at in (0, 31, 32)}
    assert {verdict.kind for verdict in CLASSIFIER.column(["B123", "C771", "B200", "A14"], "branch")} == {"other"}


@given(st.sampled_from(KINDS).filter(lambda kind: kind not in ("other", "secret", "email")), st.text(max_size=3))
@settings(max_examples=60)
def test_three_characters_are_no_number_of_anybody(kind: str, text: str) -> None:
    short = ("person_name", "postal_address", "amount", "birth_date", "ip_address")
    assert not possible(kind, fold(text)) or kind in short


@pytest.mark.parametrize("kind", sorted(FORMS))
def test_the_least_form_of_a_kind_takes_everything_that_training_and_benchmark_know_of_it(kind: str) -> None:
    chance = random.Random(kind)
    for by in (TEMPLATES, BENCH):
        for templates in by.get(kind, {}).values():
            for made in templates:
                for _ in range(8):
                    value = made(chance)
                    assert possible(kind, fold(value)), value
                    typo = value[:-1]
                    assert possible(kind, fold(typo)) or kind == "amount", typo  # of one digit none is left


def test_the_manifest_says_what_it_was_made_of() -> None:
    manifest = read_manifest(default_folder())
    assert set(manifest.weights) == set(ALGORITHMS)
    assert len(manifest.version) == 16
