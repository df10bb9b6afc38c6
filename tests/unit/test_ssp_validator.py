"""The SSP host driver against a scripted validator, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from firmware_bridge.drivers.ssp_validator import SspValidator
from firmware_bridge.errors import CommandRefused, DeviceChanged, DeviceFault, DeviceRestarted, LinkDown
from firmware_bridge.interfaces import Counters, EmptyReport, Level, NoteEventKind, Validator, ValidatorEvidence, Value
from firmware_bridge.protocols.ssp.crypto import encrypt_packet
from firmware_bridge.protocols.ssp.framing import Frame, decode_frame, encode_frame
from tests.bridge_kit import DATASET, Pipe, SspPeer, run_virtual, setup_reply

Scene = Callable[[SspValidator, SspPeer, Pipe], Awaitable[None]]
GENUINE = frozenset(range(1, 7))
SUSPECT = frozenset(range(7, 13))


def play(scene: Scene, *, start: bool = True, escrow_notes_max: int = 40) -> SspPeer:
    """Run a scene with a fresh validator (started unless told otherwise); returns the peer."""
    peer = SspPeer()

    async def main() -> None:
        pipe = Pipe(peer)
        validator: Validator = (driver := SspValidator(pipe, escrow_notes_max=escrow_notes_max))
        if start:
            await validator.start()
            peer.commands.clear()
            pipe.written.clear()
        await scene(driver, peer, pipe)
        validator.close()
        assert pipe.closed

    run_virtual(main)
    return peer


def test_start_negotiates_reads_and_never_polls() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        identity = await validator.start()
        assert identity.serial_number == 1_234_567
        assert identity.firmware == "NV02004161498000"
        assert identity.dataset == "CNY01612"
        assert identity.protocol_version == 8
        assert [(c.number, c.value_minor, c.currency) for c in identity.channels][::6] == [
            (1, 100, "CNY"),
            (7, 100, "CNX"),
        ]
        assert validator.capabilities.bunch_escrow
        assert validator.capabilities.escrow_notes_max == 40
        assert validator.capabilities.suspect_custody
        assert all(data[3] == 0x7E for data in pipe.written[4:])

    peer = play(scene, start=False)
    codes = peer.codes()
    assert codes[:5] == [0x11, 0x4A, 0x4B, 0x4C, 0x06]
    assert b"\x06\x08" in peer.commands
    assert b"\x02\x00\x00" in peer.commands
    assert b"\x7a\x28" in peer.commands
    assert {0x09, 0x05, 0x0C, 0x20, 0x21, 0x5C} <= set(codes)
    assert not {0x07, 0x56, 0x0A} & set(codes)


def test_start_refuses_another_protocol_version() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        peer.replies[0x06] = b"\xf8"
        with pytest.raises(CommandRefused):
            await validator.start()
        with pytest.raises(DeviceRestarted):
            await validator.poll()

    play(scene, start=False)


def test_an_escrow_with_notes_in_it_keeps_its_size() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        peer.replies[0x7A] = b"\xf5"
        peer.replies[0x79] = b"\xf0\x1e"
        await validator.start()
        assert validator.capabilities.escrow_notes_max == 30

    play(scene, start=False)


def test_no_escrow_commands_means_no_bunch_escrow() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        peer.replies[0x7A] = b"\xf2"
        await validator.start()
        assert not validator.capabilities.bunch_escrow
        assert validator.escrow is None

    play(scene, start=False)


def test_a_busy_store_is_waited_for() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        peer.replies[0x5C] = b"\xf5\x03"
        asyncio.get_running_loop().call_later(3.0, peer.replies.pop, 0x5C)
        await validator.start()  # does not insist: what it holds must be heard out first
        assert peer.codes().count(0x5C) == 1
        await validator.configure(frozenset({1}), frozenset())
        assert peer.codes().count(0x5C) == 8

    play(scene, start=False)


def test_routes_and_inhibits() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        await validator.configure(GENUINE | SUSPECT, SUSPECT)
        await validator.configure(GENUINE, SUSPECT)  # routes are known, only inhibits change

    peer = play(scene)
    routes = [command for command in peer.commands if command[0] == 0x3B]
    assert len(routes) == 12
    assert bytes.fromhex("3B0010270000434E59") in routes
    assert bytes.fromhex("3B0110270000434E58") in routes
    assert [command for command in peer.commands if command[0] == 0x02] == [b"\x02\xff\x0f", b"\x02\x3f\x00"]


def test_suspect_notes_without_a_route_of_their_own_are_refused() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        peer.replies[0x05] = setup_reply([(100, "CNY"), (100, "CNY")])
        await validator.start()
        peer.commands.clear()
        with pytest.raises(CommandRefused, match="two routes"):
            await validator.configure(frozenset({1, 2}), frozenset({2}))
        with pytest.raises(CommandRefused, match="no channels"):
            await validator.configure(frozenset({3}), frozenset())
        assert not peer.commands

    play(scene, start=False)


def test_one_note_is_read_accepted_credited_and_acknowledged() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        peer.polls = [b"\xef\x00", b"\xef\x03", b"\xcc", b"\xee\x03\xcc", b"\xee\x03\xdb", b""]
        await validator.enable()
        results = [await validator.poll() for _ in range(4)]
        seen = [[(event.kind, event.channel) for event in result.events] for result in results]
        assert seen == [
            [(NoteEventKind.READING, 0)],
            [(NoteEventKind.READ, 3)],
            [(NoteEventKind.STACKING, None)],
            [(NoteEventKind.CREDITED, 3), (NoteEventKind.STACKING, None)],
        ]
        assert [result.needs_ack for result in results] == [False, False, False, True]
        result = await validator.poll()
        assert [event.kind for event in result.events] == [NoteEventKind.CREDITED, NoteEventKind.STORED]
        await validator.acknowledge()
        assert not (await validator.poll()).needs_ack

    peer = play(scene)
    assert peer.codes() == [0x0A, 0x56, 0x56, 0x56, 0x56, 0x56, 0x57, 0x56]


def test_a_refusal_is_explained() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        peer.polls = [b"\xed", b"\xec"]
        peer.replies[0x17] = b"\xf0\x0b"
        assert (await validator.poll()).events[0].kind is NoteEventKind.REFUSING
        (refused,) = (await validator.poll()).events
        assert refused.reason == "note_too_long"

    play(scene)


def test_events_survive_a_link_that_dies_before_the_reason_is_known() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        peer.polls = [b"\xec"]
        poll = asyncio.ensure_future(validator.poll())
        await asyncio.sleep(0.005)  # the poll is on its way, its reply is not here yet
        pipe.down = True
        (refused,) = (await poll).events
        assert refused.kind is NoteEventKind.REFUSED
        assert refused.reason is None
        with pytest.raises(DeviceRestarted):
            await validator.poll()

    play(scene)


def test_values_of_payout_events() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        peer.polls = [
            bytes.fromhex("DA0110270000434E59CE10270000434E59"),
            bytes.fromhex("DC01E803000010270000434E59"),
            bytes.fromhex("B10110270000434E5904"),
        ]
        dispensing, held = (await validator.poll()).events
        assert dispensing.values == held.values == (Value(10000, "CNY"),)
        (incomplete,) = (await validator.poll()).events
        assert (incomplete.kind, incomplete.values) == (NoteEventKind.INCOMPLETE_PAYOUT, (Value(1000, "CNY"),))
        (error,) = (await validator.poll()).events
        assert (error.kind, error.reason) == (NoteEventKind.PAYOUT_ERROR, "poll_time_out")

    play(scene)


def test_reports() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        peer.replies[0x53] = bytes.fromhex("F001020010270000434E5901000000")
        peer.replies[0x22] = bytes.fromhex("F001050010270000434E59")
        peer.replies[0x58] = b"\xf0\x05" + b"".join(n.to_bytes(4, "little") for n in (1, 2, 3, 4, 5))
        assert await validator.empty_report() == EmptyReport((Level(10000, "CNY", 2),), 1)
        assert await validator.levels() == (Level(10000, "CNY", 5),)
        assert await validator.counters() == Counters(1, 2, 3, 4, 5)
        assert await validator.evidence() == ValidatorEvidence(Counters(1, 2, 3, 4, 5), (Level(10000, "CNY", 5),))
        assert validator.escrow is validator
        await validator.commit_escrow()
        await validator.cancel_escrow()
        await validator.empty_to_stacker()
        await validator.reject()
        await validator.disable()

    assert play(scene).codes() == [0x53, 0x22, 0x58, 0x58, 0x22, 0x77, 0x76, 0x52, 0x08, 0x09]


def test_refusals_carry_their_code() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        peer.replies |= {0x18: b"\xf8", 0x52: b"\xf5\x03", 0x0A: b"\xf5"}
        for call, code in ((validator.hold, 0xF8), (validator.empty_to_stacker, 3), (validator.enable, 0xF5)):
            with pytest.raises(CommandRefused) as refused:
                await call()
            assert refused.value.code == code

    play(scene)


def test_a_lost_reply_is_repeated_from_the_devices_memory_and_the_serial_number_read_again() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        peer.polls = [b"\xee\x03"]
        pipe.lose_replies = 2
        before_s = asyncio.get_running_loop().time()
        result = await validator.poll()
        assert asyncio.get_running_loop().time() - before_s == pytest.approx(2.01)
        assert result.events[0].kind is NoteEventKind.CREDITED
        assert pipe.written[0] == pipe.written[1] == pipe.written[2]
        assert peer.codes() == [0x56]  # executed once
        await validator.acknowledge()
        assert peer.codes() == [0x56, 0x0C, 0x57]

    play(scene)


def test_another_serial_number_after_a_gap_is_refused() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        pipe.lose_requests = 1
        await validator.poll()
        peer.serial_number += 1
        with pytest.raises(DeviceChanged):
            await validator.enable()
        assert 0x0A not in peer.codes()

    play(scene)


def test_a_silent_device_is_given_up_after_21_identical_frames() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        peer.silent = True
        with pytest.raises(LinkDown):
            await validator.disable()
        assert len(pipe.written) == 21
        assert len(set(pipe.written)) == 1
        with pytest.raises(DeviceRestarted):
            await validator.poll()
        peer.silent = False
        await validator.start()
        await validator.poll()

    play(scene)


def test_a_port_that_comes_back_within_the_retries_goes_unnoticed_but_for_the_serial_number() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        pipe.down = True
        asyncio.get_running_loop().call_later(2.5, pipe.plug)
        await validator.enable()
        await validator.disable()
        assert peer.codes() == [0x0A, 0x0C, 0x09]

    play(scene)


def test_lost_keys_mean_a_restart() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        peer.restart()
        with pytest.raises(DeviceRestarted):
            await validator.poll()
        peer.polls = [b"\xf1\xe8", b"\xf1"]
        await validator.start()
        first = await validator.poll()
        assert [event.kind for event in first.events] == [NoteEventKind.RESET, NoteEventKind.DISABLED]
        await validator.enable()
        with pytest.raises(DeviceRestarted):
            await validator.poll()
        peer.polls = [b"\xe8", b"\xe8"]
        await validator.start()
        again, after = await validator.poll(), await validator.poll()
        assert [event.kind for event in again.events] == [NoteEventKind.RESET, NoteEventKind.DISABLED]
        assert [event.kind for event in after.events] == [NoteEventKind.DISABLED]

    play(scene)


def test_a_plain_reply_to_an_encrypted_command_is_not_believed() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        pipe.lose_requests = 1
        poll = asyncio.ensure_future(validator.poll())
        await asyncio.sleep(0.1)
        sent = decode_frame(pipe.written[-1])
        pipe.deliver(encode_frame(Frame(0, sent.sequence, b"\xf0\xee\x06")))
        with pytest.raises(DeviceRestarted, match="plain"):
            await poll

    play(scene)


def test_replies_that_do_not_decrypt_end_the_session() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        assert peer.key is not None
        peer.forged = encrypt_packet(bytes(16), peer.count + 1, b"\xf0\xee\x06", bytes)
        with pytest.raises(DeviceRestarted, match="decrypt"):
            await validator.poll()

    play(scene)


def test_an_unreadable_event_keeps_what_came_before_and_forbids_the_acknowledgement() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        peer.polls = [b"\xee\x03\x01\xee\x04", b"\xee\x03\xee\x04"]
        result = await validator.poll()
        assert [event.kind for event in result.events] == [NoteEventKind.CREDITED, NoteEventKind.OTHER]
        assert "0x01" in result.events[1].name
        with pytest.raises(DeviceFault):
            await validator.acknowledge()
        assert len((await validator.poll()).events) == 2
        await validator.acknowledge()

    assert play(scene).codes() == [0x56, 0x56, 0x57]


def test_a_cancelled_caller_does_not_tear_an_exchange() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        pipe.lose_replies = 1
        enable = asyncio.ensure_future(validator.enable())
        await asyncio.sleep(0.5)
        enable.cancel()
        await validator.disable()
        assert peer.codes() == [0x0A, 0x0C, 0x09]
        flags = [decode_frame(wire).sequence for wire in pipe.written]
        assert flags in ([0, 0, 1, 0], [1, 1, 0, 1])

    play(scene)


def test_requests_of_two_callers_do_not_mix() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        peer.replies[0x22] = b"\xf0\x00"
        results = await asyncio.gather(validator.levels(), validator.poll(), validator.hold(), validator.poll())
        assert results[0] == ()
        assert peer.codes() == [0x22, 0x56, 0x18, 0x56]

    play(scene)


def test_before_start_nothing_is_sent() -> None:
    async def scene(validator: SspValidator, peer: SspPeer, pipe: Pipe) -> None:
        for call in (validator.poll, validator.enable, validator.hold):
            with pytest.raises(DeviceRestarted):
                await call()
        assert pipe.written == []
        assert len(DATASET) == 12

    play(scene, start=False)
