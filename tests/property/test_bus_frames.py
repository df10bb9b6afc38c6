"""Whatever bytes arrive, the bus decodes a message of ours or says `FrameError`; nothing else gets out."""

import asyncio
import contextlib

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kiosk.bus.frames import (
    LENGTH,
    NUMBER_MAX,
    FrameError,
    decode_answer,
    decode_request,
    encode_frame,
    read_body,
)
from kiosk.messages import (
    FRAME_BYTES_MAX,
    DeliverAck,
    Depositor,
    FetchOutbox,
    GetStatus,
    Identify,
    LinkReport,
    Ok,
    OutboxRow,
    OutboxRows,
    Refused,
    Resume,
    Subscribe,
)

numbers = st.integers(1, NUMBER_MAX)
counts = st.integers(0, 2**63 - 1)
requests = st.one_of(
    st.just(GetStatus()),
    st.builds(Identify, st.text()),
    st.builds(Resume, st.text()),
    st.builds(Depositor, st.sampled_from(["done", "confirm", "cancel", "more_time", "finish"])),
    st.builds(FetchOutbox, counts, counts),
    st.builds(DeliverAck, st.binary()),
    st.builds(LinkReport, st.booleans(), st.text()),
    st.builds(Subscribe, st.lists(st.sampled_from(["status", "sensor", "stage", "outbox"])).map(tuple)),
)
replies = st.one_of(
    st.just(Ok()),
    st.builds(Refused, st.text(), st.text(), st.text()),
    st.builds(OutboxRows, st.lists(st.builds(OutboxRow, counts, st.binary())).map(tuple), counts, st.binary()),
)


@given(number=numbers, request=requests)
def test_requests_survive_the_way(number: int, request: Identify) -> None:
    frame = encode_frame(number, request)
    assert LENGTH.unpack(frame[:4]) == (len(frame) - 4,)
    assert decode_request(frame[4:]) == (number, request)


@given(number=numbers, reply=replies)
def test_replies_survive_the_way(number: int, reply: Ok) -> None:
    assert decode_answer(encode_frame(number, reply)[4:]) == (number, reply)


@given(st.binary() | st.recursive(st.integers() | st.text() | st.none(), st.lists).map(repr).map(str.encode))
def test_any_bytes_are_a_message_or_a_frame_error(body: bytes) -> None:
    for decode in (decode_request, decode_answer):
        with contextlib.suppress(FrameError):
            decode(body)


@given(request=requests, data=st.data())
def test_a_changed_byte_is_a_message_or_a_frame_error(request: Identify, data: st.DataObject) -> None:
    body = bytearray(encode_frame(1, request)[4:])
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(FrameError):
        decode_request(bytes(body))


@given(st.dictionaries(st.text(), st.integers(-(2**63), 2**63) | st.text() | st.booleans(), max_size=4))
def test_only_our_tags_and_fields_are_messages(fields: dict[str, int | str | bool]) -> None:
    with contextlib.suppress(FrameError):
        number, message = decode_request(msgspec.msgpack.encode([1, fields]))
        assert number == 1
        assert msgspec.to_builtins(message) == fields


@given(st.binary(max_size=64))
def test_a_stream_of_anything_ends_or_is_refused(data: bytes) -> None:
    async def read() -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        with contextlib.suppress(FrameError):
            while (body := await read_body(reader)) is not None:
                assert 0 < len(body) <= FRAME_BYTES_MAX

    asyncio.run(read())
