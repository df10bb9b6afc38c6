"""One-time codes: RFC 6238's own vectors, the window around now, and the sealing of the secret."""

import pytest

from kiosk.errors import VerificationError
from kiosk.guarantee.one_time import STEP_S, OneTimeCodes, code_at, enrolment_uri, matching_step

RFC = b"12345678901234567890"  # RFC 6238, appendix B, SHA-1
NOW = 1_800_000_015


@pytest.mark.parametrize(
    ("at_s", "code"),
    [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ],
)
def test_the_vectors_of_the_standard(at_s: int, code: str) -> None:
    assert code_at(RFC, at_s) == code
    assert matching_step(RFC, code, at_s, 0) == at_s // STEP_S


def test_a_code_holds_for_the_steps_around_now_and_no_longer() -> None:
    code = code_at(RFC, NOW)
    assert matching_step(RFC, code, NOW + STEP_S, 1) == NOW // STEP_S
    assert matching_step(RFC, code, NOW - STEP_S, 1) == NOW // STEP_S
    assert matching_step(RFC, code, NOW + 2 * STEP_S, 1) is None


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12345a", "\uff11\uff12\uff13\uff14\uff15\uff16"])
def test_what_is_no_code(code: str) -> None:
    assert matching_step(RFC, code, NOW, 1) is None


def test_the_secret_is_sealed_to_this_kiosk_and_this_person() -> None:
    codes = OneTimeCodes(bytes(32))
    secret = codes.new_secret()
    sealed = codes.seal("anna", secret)
    code = code_at(secret, NOW)
    assert secret not in sealed
    assert codes.step("anna", sealed, code, NOW, synchronised=True) == NOW // STEP_S
    for other, whose in ((OneTimeCodes(b"\1" * 32), "anna"), (codes, "ben")):
        with pytest.raises(VerificationError):
            other.step(whose, sealed, code, NOW, synchronised=True)


def test_a_clock_that_is_not_set_has_a_wider_window() -> None:
    codes = OneTimeCodes(bytes(32))
    secret = codes.new_secret()
    sealed = codes.seal("anna", secret)
    early = code_at(secret, NOW - 5 * 60)
    assert codes.step("anna", sealed, early, NOW, synchronised=True) is None
    assert codes.step("anna", sealed, early, NOW, synchronised=False) == (NOW - 5 * 60) // STEP_S


def test_the_uri_is_what_authenticator_apps_read() -> None:
    assert enrolment_uri(RFC, "K-17", "demo-0001") == (
        "otpauth://totp/demo-0001%3AK-17?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=demo-0001&digits=6&period=30"
    )
