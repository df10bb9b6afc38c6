"""No identifier with a check digit or a pattern passes the gate; what is none of them passes unchanged."""

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import iban, luhn
from stdnum.cn import ric, uscc
from stdnum.ru import inn, ogrn

from kiosk.protection import gate, numbers
from kiosk.protection.bundles import usual_gate
from kiosk.protection.gate import WITHHELD, mask
from kiosk.protection.kinds import PATTERN_KINDS
from kiosk.protection.spans import find

DIGITS = "0123456789"


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text(alphabet=DIGITS, min_size=count, max_size=count)


def _card(prefix: str, length: int) -> st.SearchStrategy[str]:
    return digits(length - 1 - len(prefix)).map(lambda body: prefix + body + luhn.calc_check_digit(prefix + body))


def _grouped(number: str, *sizes: int, by: str = " ") -> str:
    parts, at = [], 0
    for size in sizes:
        parts.append(number[at : at + size])
        at += size
    return by.join(part for part in [*parts, number[at:]] if part)


def _snils(body: str) -> str:
    total = sum(int(digit) * weight for digit, weight in zip(body, range(9, 0, -1), strict=True)) % 101 % 100
    return f"{body}{total:02d}"


def _ric(parts: tuple[str, int, int, int, str]) -> str:
    place, year, month, day, order = parts
    body = f"{place}{year:04d}{month:02d}{day:02d}{order}"
    return body + str(ric.calc_check_digit(body + "0"))


def _inn12(body: str) -> str:
    return body + inn.calc_company_check_digit(body) if len(body) == 9 else body + inn.calc_personal_check_digits(body)


def _iban(body: str) -> str:
    return f"DE{iban.calc_check_digits('DE00' + body)}{body}"


def _uscc(parts: tuple[str, str]) -> str:
    body = "9" + parts[0] + parts[1]
    return body + uscc.calc_check_digit(body)


CARDS = st.one_of(
    *(_card(*each) for each in (("4", 16), ("4", 13), ("62", 19), ("62", 16), ("2200", 16), ("37", 15), ("9558", 18)))
)
RICS = st.tuples(
    st.sampled_from(["110105", "440524", "659004", "310228", "820000", "511302"]),
    st.integers(1930, 2020), st.integers(1, 12), st.integers(1, 28), digits(3),
).map(_ric)  # fmt: skip
SNILS = st.integers(1_001_998, 999_999_999).map(lambda number: _snils(f"{number:09d}"))
NAMES = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789._-", min_size=1, max_size=20).filter(
    lambda text: text.strip("._-") == text
)
# What is masked, kind by kind, in the forms that people and programs write.
IDENTIFIERS: dict[str, st.SearchStrategy[str]] = {
    "bank_card": st.one_of(
        CARDS,
        _card("62", 16).map(lambda card: _grouped(card, 4, 4, 4)),
        _card("5", 16).map(lambda card: _grouped(card, 4, 4, 4, by="-")),
    ),
    "bank_account": st.one_of(
        st.integers(10, 19).flatmap(digits).map(lambda body: body[:-1] + luhn.calc_check_digit(body[:-1])),
        digits(7).map(lambda body: f"account {body}{luhn.calc_check_digit(body)}"),
        digits(12).map(lambda tail: "40817810" + tail),
    ),
    "resident_id_cn": st.one_of(RICS, RICS.map(str.lower), RICS.map(lambda number: _grouped(number, 6, 8))),
    "snils_ru": st.one_of(SNILS, SNILS.map(lambda n: f"{n[:3]}-{n[3:6]}-{n[6:9]} {n[9:]}")),
    "inn_ru": st.one_of(digits(9), digits(10)).map(_inn12),
    "ogrn_ru": digits(11).map(lambda body: "1" + body + ogrn.calc_check_digit("1" + body + "0")),
    "uscc_cn": st.tuples(digits(7), st.text("0123456789ABCDEFGHJKLMNPQRTUWXY", min_size=9, max_size=9)).map(_uscc),
    "iban": st.one_of(digits(18).map(_iban), digits(18).map(_iban).map(lambda text: _grouped(text, 4, 4, 4, 4, 4))),
    "phone": st.one_of(
        digits(8).map(lambda rest: "138" + rest),
        digits(8).map(lambda rest: f"+86 139 {rest[:4]} {rest[4:]}"),
        digits(7).map(lambda rest: f"+7 912 {rest[:3]}-{rest[3:5]}-{rest[5:]}"),
        digits(7).map(lambda rest: f"8 (916) {rest[:3]}-{rest[3:5]}-{rest[5:]}"),
    ).filter(lambda text: any(_rings(text, region) for region in ("CN", "RU"))),
    "email": st.builds("{}@{}.example".format, NAMES, st.text("abcdefgh0123", min_size=1, max_size=12)),
    "passport_cn": digits(8).map(lambda number: "E" + number),
    "passport_ru": digits(6).map(lambda number: "45 09 " + number),
    "bic": st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=6, max_size=6).map(lambda text: f"BIC: {text}2PXXX"),
    "birth_date": st.dates().map(lambda day: f"birth date: {day.isoformat()}"),
    "vehicle_plate": st.one_of(
        st.tuples(st.sampled_from("京沪粤川"), st.sampled_from("ABC"), digits(5)).map("".join),
        digits(3).map(lambda number: f"А{number}ВС77"),  # noqa: RUF001 - Cyrillic is meant
    ),
    "ip_address": st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
    .filter(lambda address: not (address.is_loopback or address.is_unspecified))
    .map(str)
    .filter(lambda text: any(character.isdigit() for character in text)),
    "mac_address": st.binary(min_size=6, max_size=6).map(lambda address: address.hex(":")),
    "secret": st.text("abcdefXYZ0123!$%", min_size=1, max_size=30).map(lambda text: f"password=hunter{text}"),
    "device_token": st.text("abcdefXYZ0123", min_size=8, max_size=60).map(lambda text: f"Bearer {text}"),
}  # fmt: skip


def _rings(text: str, region: str) -> bool:
    return phonenumbers.is_valid_number(phonenumbers.parse(text, region))


WORDS = st.sampled_from(
    ["", "order", "refused by", "存款人", "получен", "note 7 of 12,", "deposit=", "x", "100", "2026"]
)
LINES = st.tuples(WORDS, st.sampled_from([" ", ": ", " (", "=", "\n"])).map("".join)
AFTER = st.sampled_from(["", " ", ")", ", again", ".", "\n", " 12 notes", ";", "。", " CNY"])


def test_every_kind_of_the_catalogue_that_a_pattern_decides_has_its_examples() -> None:
    assert set(IDENTIFIERS) == set(PATTERN_KINDS)


@pytest.mark.parametrize("kind", sorted(IDENTIFIERS))
@given(data=st.data())
@settings(max_examples=30)
def test_no_valid_identifier_passes_in_a_line(kind: str, data: st.DataObject) -> None:
    identifier = data.draw(IDENTIFIERS[kind])
    secret = identifier.split(": ")[-1].split("=")[-1].removeprefix("account ").removeprefix("Bearer ")
    masked = mask(data.draw(LINES) + identifier + data.draw(AFTER))
    assert secret not in masked
    assert "[" in masked


@given(st.sampled_from(sorted(IDENTIFIERS)).flatmap(IDENTIFIERS.__getitem__))
@settings(max_examples=30)
def test_full_width_digits_and_odd_spaces_hide_nothing(identifier: str) -> None:
    wide = "".join(chr(ord(c) + 0xFEE0) if c in DIGITS else "\u2009" if c == " " else c for c in identifier)
    assert wide not in mask(f"about {wide} of today")


@given(st.lists(st.one_of(st.text(max_size=30), *IDENTIFIERS.values()), max_size=6).map(" ".join))
@settings(max_examples=100)
def test_masking_twice_is_masking_once(line: str) -> None:
    assert mask(mask(line)) == mask(line)


# --- what must stay readable ----------------------------------------------------------------------------

HARMLESS = st.one_of(
    st.integers(0, 999_999_999).map(lambda minor: f"{minor} CNY"),
    st.integers(0, 99_999_999_999).map(lambda minor: f"{minor / 100:,.2f} RUB"),
    st.binary(min_size=16, max_size=16).map(bytes.hex).filter(lambda text: not text.isdigit()),  # deposit ids
    st.binary(min_size=32, max_size=32).map(bytes.hex),  # hashes
    st.binary(min_size=8, max_size=8).map(bytes.hex).filter(lambda text: not text.isdigit()),
    st.uuids().map(str).filter(lambda text: not text.replace("-", "").isdigit()),
    st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds") + "Z"),
    st.datetimes().map(lambda moment: f"{moment:%Y-%m-%d %H:%M:%S},{moment.microsecond // 1000:03d} INFO"),
    st.integers(0, 2**30 // 2).map(lambda sequence: f"record {sequence % 10**9}"),
    st.sampled_from(
        [
            "12 notes, 7 suspect", "channel 3 is 10000 CNY", "validator NV200 2.13.4", "B-000000012 in slot 4",
            "/dev/serial/by-id/usb-FTDI_FT232R-if00",
            "127.0.0.1:8883", "::1", "deposit-kiosk/demo-0001", "0x77 in 3.5 s",
            "kiosk/v1/demo-0001/record", "TCP port 8883", "sequence 17 of boot 2880154539", "21.5 C, 24012 mV",
        ]
    ),
)  # fmt: skip


@given(st.lists(HARMLESS, min_size=1, max_size=5).map(", ".join))
@settings(max_examples=150)
def test_amounts_ids_hashes_and_times_are_left_alone(line: str) -> None:
    assert mask(line) == line


GATE = usual_gate()


@given(st.lists(HARMLESS, min_size=1, max_size=5).map(", ".join))
@settings(max_examples=60)
def test_the_gate_of_log_lines_leaves_them_alone_too(line: str) -> None:
    assert GATE.text(line, "log").text == line


@given(st.lists(st.one_of(st.text(max_size=30), *IDENTIFIERS.values()), max_size=6).map(" ".join))
@settings(max_examples=30)
def test_what_passed_the_gate_once_passes_again(line: str) -> None:
    once = GATE.text(line, "bundle").text
    assert GATE.text(once, "bundle").text == once


@pytest.mark.parametrize("phrase", ["SMART EMPTY", "NOTE CLEARED FROM FRONT", "Bill Validator"])
def test_what_our_programs_say_in_capitals_is_nobodys_name(phrase: str) -> None:
    assert GATE.text(f"validator: {phrase}, again", "log").text == f"validator: {phrase}, again"


# --- closed when in doubt, and in time --------------------------------------------------------------------


def test_what_cannot_be_judged_is_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise RuntimeError("a fault of the gate itself")

    monkeypatch.setattr(numbers, "find", broken)
    assert mask("deposit of 12 notes") == WITHHELD


@given(st.text(max_size=200))
def test_any_text_is_masked_without_an_exception(text: str) -> None:
    assert mask(text) != WITHHELD
    assert all(found.start < found.end <= len(text) for found in find(text))


EXPLODING = (
    "a", "1 ", "1", "a@", "1-", "+1", "aa11 ", "eyJ", "(123) ", "a:", "1.1.",
    "'\" ", "password", "born ", "://a", "Bearer ",
    "Ab ", "A. ", "1 Ab ", "王", "路1", "ул. \u0410", "Ул ", "00 ", "1111 ", "AB12", "sk-", "огрн ", "1,", "¥1 ",
    "-----BEGIN A PRIVATE KEY-----", "@", "a" * 63 + ".", "\u3000\uff11",
)  # fmt: skip


@pytest.mark.parametrize("part", EXPLODING)
def test_what_makes_careless_patterns_explode_is_judged(part: str) -> None:
    """A pattern with two ways to match would take hours here, and `pytest-timeout` would name it."""
    assert mask(part * (gate.TEXT_CHARACTERS_MAX // len(part))) != WITHHELD
    assert GATE.text(part * (gate.TEXT_CHARACTERS_MAX // len(part)), "log").text != ""


def test_a_text_of_any_length_is_cut_before_it_is_read() -> None:
    masked = mask("x" * (1 << 20))
    assert len(masked) < (1 << 14) + 100
    assert mask(masked) == masked


def test_numbers_that_the_library_has_not() -> None:
    assert numbers.ogrn("306384118025670"), "remainder 10 modulo 13: the last digit counts"
    assert not numbers.ogrn("306384118025671")
    assert numbers.ogrn("1022200525819")
    assert not numbers.ogrn("1022500001328")
    assert numbers.snils("11223344595")
    assert not numbers.snils("11223344596")
    assert numbers.bank_card("6222020200112230" + luhn.calc_check_digit("6222020200112230"))
    assert not numbers.resident_id_cn("110105194913310021")
