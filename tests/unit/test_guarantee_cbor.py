import re

import pytest

from kiosk.errors import VerificationError
from kiosk.guarantee import cbor

REFUSED = {
    "nothing": "",
    "duplicate key": "a2616101616102",
    "indefinite array": "9f01ff",
    "indefinite text": "7f6161ff",
    "trailing byte": "0100",
    "number in a longer form": "1801",
    "length in a longer form": "780161",
    "float in a longer form": "fb3ff8000000000000",
    "keys out of order": "a2616201616101",
    "longer key first": "a262616101616201",
    "boolean key": "a1f500",
    "null key": "a1f600",
    "array key": "a1800000",
    "negative key": "a12000",
    "mixed keys": "a20000616100",
    "not a number": "f97e00",
    "infinity": "f97c00",
    "undefined": "f7",
    "simple value": "e0",
    "date": "c074323032362d31312d32315430383a33303a30305a",
    "big number": "c249010000000000000000",
    "regular expression": "d823642861292b",
    "shared reference": "d81c81d81d00",
    "self-described": "d9d9f700",
    "unknown tag": "d9ffff00",
    "bad UTF-8": "61ff",
    "cut short": "6261",
    "seventeen levels": "81" * 17 + "00",
    "thousands of levels": "81" * 5000 + "00",
    "huge claimed length": "9bffffffffffffffff00",
}


@pytest.mark.parametrize("encoded", REFUSED.values(), ids=REFUSED)
def test_anything_but_the_deterministic_form_is_refused(encoded: str) -> None:
    with pytest.raises(VerificationError):
        cbor.decode(bytes.fromhex(encoded), bytes_max=8192)


def test_oversize_is_refused_before_it_is_parsed() -> None:
    data = cbor.encode(b"12345678")
    assert cbor.decode(data, bytes_max=len(data)) == b"12345678"
    with pytest.raises(VerificationError, match="at most 8"):
        cbor.decode(data, bytes_max=8)


@pytest.mark.parametrize(
    "value",
    [{1, 2}, Ellipsis, 2**64, -(2**64) - 1, float("nan"), float("inf"), {1: 0, "a": 0}, {True: 0}, {-1: 0}, "\ud800"],
    ids=repr,
)
def test_values_outside_the_profile_are_the_callers_mistake(value: object) -> None:
    with pytest.raises(ValueError, match=re.compile(".")):
        cbor.encode(value)


def test_examples_of_rfc_8949_appendix_a() -> None:
    examples = [
        (0, "00"),
        (23, "17"),
        (24, "1818"),
        (2**64 - 1, "1bffffffffffffffff"),
        (-(2**64), "3bffffffffffffffff"),
        (1.1, "fb3ff199999999999a"),
        (1.5, "f93e00"),
        (100000.0, "fa47c35000"),
        (None, "f6"),
        ("\u6c34", "63e6b0b4"),
        ([1, [2, 3]], "8201820203"),
        ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
    ]
    for value, encoded in examples:
        assert cbor.encode(value).hex() == encoded
        assert cbor.decode(bytes.fromhex(encoded), bytes_max=16) == value


def test_keys_are_ordered_by_their_encoded_bytes() -> None:
    assert cbor.encode({"bb": 0, "a": 1, "b": 2}).hex() == "a361610161620262626200"
    assert cbor.encode({24: 0, 256: 1, 3: 2}).hex() == "a303021818001901" + "0001"
