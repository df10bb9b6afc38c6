"""Reading element by element accepts just what `cbor.decode` accepts; writing by hand makes what `encode` makes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.errors import VerificationError
from kiosk.guarantee import cbor, cbor_reader

BYTES = st.binary(max_size=300) | st.sampled_from([23, 24, 255, 256, 65535, 65536]).map(bytes)
NUMBERS = st.integers(0, 2**64 - 1) | st.sampled_from([23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32])


def read(data: bytes) -> list[Any] | None:
    """[uint, text, bytes], or None when it is refused."""
    try:
        return cbor_reader.read(data, b"\x83", (cbor_reader.UINT, cbor_reader.TEXT, cbor_reader.BYTES), 100_000)
    except VerificationError:
        return None


def decoded(data: bytes) -> list[Any] | None:
    try:
        value = cbor.decode(data, 100_000)
    except VerificationError:
        return None
    match value:
        case [int(number), str(text), bytes(raw)] if type(number) is int and number >= 0:
            return [number, text, raw]
    return None


@given(NUMBERS, st.text(max_size=300), BYTES)
def test_what_is_encoded_is_read(number: int, text: str, raw: bytes) -> None:
    assert read(cbor.encode([number, text, raw])) == [number, text, raw]


@given(NUMBERS, st.text(max_size=40), st.binary(max_size=40), st.data())
def test_a_changed_message_is_read_as_decode_reads_it(number: int, text: str, raw: bytes, data: st.DataObject) -> None:
    whole = bytearray(cbor.encode([number, text, raw]))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole) - 1))
        match data.draw(st.integers(0, 2)):
            case 0:
                whole[at] = data.draw(st.integers(0, 255))
            case 1:
                del whole[at:]
                whole += data.draw(st.binary(max_size=3)) or b"\x00"
            case _:
                whole.insert(at, data.draw(st.integers(0, 255)))
    assert read(bytes(whole)) == decoded(bytes(whole))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_as_decode_reads_them(data: bytes) -> None:
    for candidate in (data, b"\x83" + data, b"\x83\x01\x61a" + data):
        assert read(candidate) == decoded(candidate)


@given(BYTES)
def test_a_byte_string_is_what_encode_makes(raw: bytes) -> None:
    assert cbor.byte_string(raw) == cbor.encode(raw)


@given(st.lists(st.binary(max_size=300), max_size=23))
def test_byte_strings_are_what_encode_makes(items: list[bytes]) -> None:
    assert cbor.byte_strings(*items) == cbor.encode(items)


@given(st.integers(0, 255), st.binary(max_size=3))
def test_only_an_empty_map_is_passed_over(head: int, behind: bytes) -> None:
    data = b"\x82" + bytes((head,)) + behind
    try:
        found = cbor_reader.read(data, b"\x82", (cbor_reader.NO_MAP, cbor_reader.UINT), 100)
    except VerificationError:
        found = None
    try:
        expected = cbor.decode(data, 100)
    except VerificationError:
        expected = None
    assert found == (expected[1:] if expected is not None and expected[0] == {} and _is_uint(expected[1]) else None)


def _is_uint(value: object) -> bool:
    return type(value) is int and value >= 0


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(VerificationError, match="at most 4"):
        cbor_reader.read(b"\x81\x43abc", b"\x81", (cbor_reader.BYTES,), 4)
