"""The gate by policy: each action, fail closed, streaming, tokens; and nothing protected in any channel that leaves."""

import io
import logging
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cellkinds.numbers_written import NUMBERS
from kiosk.clock import SystemClock
from kiosk.config import load_config
from kiosk.errors import ConfigError
from kiosk.guarantee import seal
from kiosk.processes.gates import egress_gate
from kiosk.protection import egress, logs
from kiosk.protection.catalogue import DEFAULT_PATH, DESTINATIONS, Catalogue, CatalogueFile, Destination
from kiosk.protection.egress import STOPPED, Gate
from kiosk.protection.gate import WITHHELD
from kiosk.protection.kinds import Found
from kiosk.uplink.uplink import Births
from tests.unit.test_config import MINIMAL

KEY = bytes(range(32))
CARD = "4111 1111 1111 1111"
PHONE = "+7 912 345-67-89"
BY_PATTERN = ("phone", "email", "resident_id_cn", "inn_ru", "snils_ru", "uscc_cn", "bank_card", "iban", "ip_address")


class Names:
    """A judge that knows one name."""

    def find(self, folded: str, header: str) -> list[Found]:
        if header == "broken":
            raise RuntimeError("a fault of the judge")
        at = folded.find("Ivanov")
        return [] if at < 0 else [Found(at, at + 6, "person_name")]

    def prepare(self, folded: Sequence[str]) -> None:
        if "broken" in folded:
            raise RuntimeError("a fault of the judge")


@pytest.fixture
def gate() -> Gate:
    return Gate(Catalogue.load(), KEY, Names())


def test_each_destination_does_what_its_policy_says(gate: Gate) -> None:
    line = f"Ivanov called from {PHONE} about 12 notes"
    assert gate.text(line, "log").text == "[person_name] called from [phone] about 12 notes"
    assert gate.text(line, "record") == egress.Passed(STOPPED, ("person_name", "phone"))
    tokens = gate.text(line, "bundle").text
    assert tokens.startswith("[person_name~")
    assert "called from [phone~" in tokens
    assert gate.text("password: hunter2", "bundle") == egress.Passed(STOPPED, ("secret",))
    assert Gate(Catalogue.load()).text(f"call {PHONE}", "bundle").text == "call [phone]"  # no key, no token


def test_a_stop_is_reported_without_the_data(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(100):
            gate.text(f"call {PHONE}", "record")
    assert [record.getMessage() for record in caplog.records][:1] == [
        "1 fields on their way to record were stopped, the last for: phone"
    ]
    assert len(caplog.records) == 7
    assert "912" not in caplog.text


def test_tokens_are_keyed_and_the_same_however_a_value_is_written(gate: Gate) -> None:
    spaced, bare = (gate.text(f"card {each} refused", "bundle").text for each in (CARD, CARD.replace(" ", "")))
    assert spaced == bare
    other = Gate(Catalogue.load(), bytes(32)).text(f"card {CARD} refused", "bundle").text
    assert other != spaced
    assert gate.text(spaced, "bundle").text == spaced
    with pytest.raises(ValueError, match="16 bytes"):
        Gate(Catalogue.load(), b"short")


def test_it_fails_closed_and_counts_without_data(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gate.text("anything", "log", "broken") == egress.Passed(WITHHELD, ("unjudged",))
    gate.text(f"call {PHONE}", "log")
    assert gate.counts == {("log", "unjudged", "stop"): 1, ("log", "phone", "mask"): 1}
    monkeypatch.setattr(egress, "every", lambda _: 1 / 0)
    assert gate.text("deposit of 12 notes", "telemetry").text == WITHHELD


def test_messages_are_judged_in_depth_and_numbers_stay(gate: Gate) -> None:
    said = {"fill_permille": 812, "note": f"call {PHONE}", "deep": [{"mail": "li@bank.example"}], "raw": b"\x00"}
    assert gate.fields(said, "telemetry") == {
        "fill_permille": 812,
        "note": "call [phone]",
        "deep": [{"mail": "[email]"}],
        "raw": WITHHELD,
    }
    endless: list[object] = []
    endless.append(endless)
    assert WITHHELD in str(gate.fields({"loop": endless}, "telemetry"))


def test_lines_stream_in_bounded_blocks_and_in_order(gate: Gate) -> None:
    taken: list[int] = []

    def lines() -> Iterator[str]:
        for number in range(1000):
            taken.append(number)
            yield f"{number}: {CARD} of Ivanov\n"

    passing = gate.lines(lines(), "log")
    assert next(passing) == "0: [bank_card] of [person_name]"
    assert len(taken) == egress.LINES_AT_ONCE
    assert [int(line.split(":")[0]) for line in passing] == list(range(1, 1000))
    assert list(gate.lines(["broken", f"card {CARD}"], "log")) == ["broken", "card [bank_card]"]


def test_a_changed_policy_counts_from_the_next_field(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.toml"
    path.write_text(DEFAULT_PATH.read_text(encoding="utf-8"), encoding="utf-8")
    gate = Gate(CatalogueFile(path))
    assert gate.text(f"call {PHONE}", "caption").text == "call [phone]"
    changed = DEFAULT_PATH.read_text(encoding="utf-8").replace(
        '[policies.caption]  # texts on pictures and reasons of a grade\ndefault = "mask"',
        '[policies.caption]\ndefault = "stop"',
    )
    path.write_text(changed, encoding="utf-8")
    assert gate.text(f"call {PHONE}", "caption").text == STOPPED


# --- every channel that leaves ---------------------------------------------------------------------------


def planted() -> list[str]:
    """Identifiers of many kinds, as `cellkinds` writes them (none in full width: those are the property tests')."""
    chance = random.Random(20)
    return [make(chance) for kind in BY_PATTERN for by in NUMBERS[kind].values() for make in by[:2] for _ in range(5)]


@pytest.mark.parametrize("destination", DESTINATIONS)
def test_nothing_planted_passes_to_any_destination(destination: Destination) -> None:
    gate = Gate(Catalogue.load(), KEY)
    for value in planted():
        assert value not in gate.text(f"note {value} end", destination).text


def test_nothing_planted_is_in_the_log(logging_as_before: None) -> None:
    stream = io.StringIO()
    logs.set_up(logging.INFO, stream)
    values = planted()
    for value in values:
        logging.getLogger("kiosk.test").info("seen %s, going on", value)
    assert not [value for value in values if value in stream.getvalue()]


def test_nothing_planted_is_in_the_birth_message() -> None:
    births = Births("demo-0001", SystemClock(), Gate(Catalogue.load()))
    for value in planted():
        births.describe(value, "0123456789abcdef" * 4)
        assert value.encode() not in births.online()
        assert b"0123456789abcdef" in births.online()


def test_nothing_planted_is_in_the_clear_part_of_an_envelope() -> None:
    key = seal.SealPrivateKey.generate(os.urandom).public
    for value in planted()[::5]:
        inside = value.encode()
        sealed = seal.seal(
            kiosk="demo-0001",
            sequence=7,
            leaf_hash=bytes(32),
            salt=bytes(32),
            leaf_entry=inside,
            cose=inside,
            recipient=key,
        )
        assert value.encode() not in sealed


@pytest.mark.parametrize("name", ["13812345678", "79927398713", "E12345678"])
def test_an_id_that_says_whose_it_is_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "kiosk.toml"
    path.write_text(MINIMAL.replace("demo-0001", name))
    with pytest.raises(ConfigError, match="protected data"):
        egress_gate(load_config(path))


def test_the_kiosks_own_catalogue_is_taken_or_refused_at_the_start(tmp_path: Path) -> None:
    path, catalogue = tmp_path / "kiosk.toml", tmp_path / "own.toml"
    path.write_text(MINIMAL + '[protection]\ncatalogue = "own.toml"\n')
    with pytest.raises(ConfigError, match=r"protection\.catalogue"):
        egress_gate(load_config(path))
    shipped = DEFAULT_PATH.read_text(encoding="utf-8")
    stricter = shipped.replace(
        '[policies.telemetry]  # metrics, birth messages, status\ndefault = "mask"',
        '[policies.telemetry]\ndefault = "stop"',
    )
    catalogue.write_text(stricter, encoding="utf-8")
    assert egress_gate(load_config(path)).text(f"call {PHONE}", "telemetry").text == STOPPED
