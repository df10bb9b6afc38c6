"""The bank's signed counts: the statement, and the bank's half that makes the next one."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from kiosk.core.unit_facts import CountedRow
from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import counts
from kiosk.guarantee.counts import BankCount
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys
from kiosk_cloud import counting
from kiosk_cloud.cli import main
from kiosk_cloud.explained import EXIT_CONFIG
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import provision
from tests.guarantee_kit import KIOSK, NOW
from tests.uplink_kit import Bank, KioskSide, plan

SIGNER = Ed25519Signer.from_seed(bytes([5] * 32))
KEYS = PublicKeys([SIGNER.public])
COUNT = BankCount("B00000007", (CountedRow("CNY", 10_000, 12), CountedRow("CNY", 5000, 1, "suspect")), ("b-1", "b-2"))


def test_a_statement_says_what_was_signed_to_whom_it_was_said() -> None:
    data = counts.make(KIOSK, 3, [COUNT], NOW, SIGNER)
    found = counts.verify(data, KEYS, KIOSK)
    assert (found.version, found.entries) == (3, (COUNT,))
    with pytest.raises(VerificationError, match="not for other"):
        counts.verify(data, KEYS, "other")
    with pytest.raises(VerificationError):
        counts.verify(data[:-1] + bytes([data[-1] ^ 1]), KEYS, KIOSK)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_our_own_words(data: bytes) -> None:
    with pytest.raises(VerificationError):
        counts.verify(data, KEYS, KIOSK)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([COUNT, COUNT], "twice"),
        ([BankCount("B1", (), ("b-1", "b-1"))], "two different"),
        ([BankCount("B1", (), ("b-1", "b 2"))], "person"),
        ([BankCount("", (), ("b-1", "b-2"))], "empty"),
        ([BankCount("B1", COUNT.rows * 40, ("b-1", "b-2"))], "faces"),
        ([BankCount(f"B{n}", (), ("b-1", "b-2")) for n in range(101)], "at most"),
    ],
)
def test_bounds_are_kept_by_who_signs(entries: list[BankCount], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        counts.make(KIOSK, 1, entries, NOW, SIGNER)


def test_the_next_statement_keeps_what_the_kiosk_has_not_recorded(tmp_path: Path) -> None:
    done = provision(plan(tmp_path), utc_now())
    bank, kiosk = Bank(done), KioskSide(done.kiosk_keys)
    other = BankCount("B00000008", (), ("b-1", "b-2"))
    topic, _, first = counting.prepare(bank.config, KIOSK, COUNT, NOW)
    assert topic == f"kiosk/v1/{KIOSK}/counts"
    _, _, second = counting.prepare(bank.config, KIOSK, other, NOW)
    assert (first.version, second.version) == (1, 2)
    assert [entry.item for entry in second.entries] == ["B00000007", "B00000008"]
    with pytest.raises(ConfigError, match="another count"):
        counting.prepare(bank.config, KIOSK, BankCount("B00000008", (), ("b-1", "b-3")), NOW)
    bank.take(kiosk.append("bundle_count", {"item": "B00000007"}))
    _, _, third = counting.prepare(bank.config, KIOSK, other, NOW)
    assert [entry.item for entry in third.entries] == ["B00000008"]
    with pytest.raises(ConfigError, match="already"):
        counting.prepare(bank.config, KIOSK, COUNT, NOW)
    kiosk.close()
    bank.store.close()


def test_the_command_refuses_what_is_no_count(tmp_path: Path) -> None:
    done = provision(plan(tmp_path), utc_now())
    given_ = ["count", "publish", "B1", "--config", str(done.bank_config), "--kiosk", KIOSK, "--by", "a", "--by", "b"]
    result = CliRunner().invoke(main, [*given_, "--cash", "12 x 100"])
    assert result.exit_code == EXIT_CONFIG
    assert "Write 12x10000:CNY" in result.output
    assert counting.parse_cash("12x10000:CNY", "fit") == CountedRow("CNY", 10_000, 12)
