"""The catalogue takes what it can stand for, follows its file, and grades tables."""

import os
from pathlib import Path

import pytest

from kiosk.protection.catalogue import DEFAULT_PATH, DESTINATIONS, Catalogue, CatalogueError, CatalogueFile
from kiosk.protection.kinds import KINDS
from kiosk.protection.table_grade import grade_table

SHIPPED = DEFAULT_PATH.read_text(encoding="utf-8")


def test_the_shipped_one_says_for_each_kind_and_destination_what_is_done() -> None:
    catalogue = Catalogue.load()
    assert set(catalogue.kinds) == set(KINDS)
    assert {to: set(by) for to, by in catalogue.policies.items()} == {to: set(KINDS) for to in DESTINATIONS}
    assert catalogue.action("bank_card", "record") == "stop"
    assert catalogue.action("person_name", "bundle") == "tokenise"
    assert catalogue.action("no such kind", "log") == "stop"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('bic = { grade = "C1"', 'bic = { grade = "C9"', "kind bic"),
        ('bic = { grade = "C1"', 'bik = { grade = "C1"', "missing or unknown"),
        ('default = "stop"', 'default = "hide"', "Invalid enum value"),
        ("score_min = 2.5", "score_min = 0.5", "rising order"),
        ('secret = "mask"', 'secret = "pass"', "never leaves in clear"),
        ('amount = "pass"\nother = "pass"', 'amount = "pass"\nother = "mask"', "other passes"),
        ("[policies.bundle]", "[policies.bundles]", "bundles"),
        ("schema = 1", "schema = 2", "schema"),
        ("weight = 0.7", "weight = -1", "0"),
        ("schema = 1", "schema =", "no catalogue"),
        (
            "[policies.record]",
            '[policies.record]\nphone = "encrypt"',
            "phone cannot be encrypted: what is protected is in",
        ),
        (
            "[policies.telemetry]",
            '[policies.telemetry]\nphone = "encrypt"',
            "policy telemetry: phone cannot be encrypted",
        ),
        ("[policies.log]", '[policies.log]\nphone = "encrypt"', "hold no key of the bank's"),
        ("[policies.caption]", '[policies.caption]\nphone = "encrypt"', "200 characters"),
        ("[policies.table]", '[policies.table]\nphone = "encrypt"', "policy table: phone cannot be encrypted"),
        ('kinds = ["phone", "bank_card"]', 'kinds = ["phone", "fax"]', "fax"),
    ],
)
def test_what_does_not_hold_is_refused_with_its_place(old: str, new: str, said: str) -> None:
    assert old in SHIPPED
    with pytest.raises(CatalogueError, match=said):
        Catalogue.parse(SHIPPED.replace(old, new).encode())


def test_bytes_that_are_no_text_or_too_many_are_refused() -> None:
    for data in (b"\xff\xfe\x00", b"#" * (1 << 19), b"[" * 100_000):
        with pytest.raises(CatalogueError):
            Catalogue.parse(data)


def test_a_changed_file_is_taken_while_running_and_a_bad_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.toml"
    path.write_text(SHIPPED, encoding="utf-8")
    followed = CatalogueFile(path)
    first = followed.current
    assert followed.current is first

    path.write_text(SHIPPED.replace('default = "stop"', 'default = "mask"'), encoding="utf-8")
    os.utime(path, ns=(1, 1))
    second = followed.current
    assert (second.action("email", "record"), first.action("email", "record")) == ("mask", "stop")
    assert second.version != first.version

    path.write_text("schema = 3", encoding="utf-8")
    assert followed.current is second
    assert followed.trouble is not None
    path.unlink()
    assert followed.current is second

    path.write_text(SHIPPED, encoding="utf-8")
    assert followed.current == first
    assert followed.trouble is None


def test_more_kinds_and_more_of_them_never_lower_a_grade() -> None:
    assert grade_table({"other": 5000}, 5000).grade == "C1"
    assert grade_table({"amount": 5000, "other": 9}, 5000).grade == "C1"
    assert grade_table({"phone": 1}, 1).grade == "C2"
    assert grade_table({"secret": 1}, 10).grade == "C3"
    person = grade_table({"person_name": 800, "resident_id_cn": 800, "bank_card": 790, "phone": 800}, 800)
    assert person.grade == "C3"
    assert person.reasons[0].startswith("resident_id_cn: 800")
    before = 0.0
    for count in (0, 1, 10, 100, 1000, 10_000):
        score = grade_table({"person_name": count, "birth_date": count}, 10_000).score
        assert score >= before
        before = score


def test_an_odd_cell_in_a_long_column_is_not_a_column() -> None:
    assert grade_table({"bank_card": 1, "other": 99_999}, 100_000) == grade_table({"other": 99_999}, 100_000)
    assert grade_table({"bank_card": 3, "other": 99_997}, 100_000).grade == "C2"


def test_counts_that_cannot_be_are_refused() -> None:
    for counts in ({"email": -1}, {"fax": 1}):
        with pytest.raises(ValueError, match="catalogue's kinds"):
            grade_table(counts, 3)
