"""The ccTalk driver where ccTalk is peculiar: event counter, lost and repeated orders, escrow, power-up profiles."""

import asyncio

import pytest

from firmware_bridge.drivers.cctalk_validator import SETTLE_S, CctalkValidator
from firmware_bridge.errors import CommandRefused, DeviceFault, DeviceRestarted
from firmware_bridge.interfaces import Transport
from firmware_bridge.protocols.cctalk.framing import Checksum, Packet, encode_packet
from hwsim.config import CctalkConfig, CctalkProfile
from hwsim.devices.cctalk_validator import CctalkValidator as Simulated
from hwsim.notes import Place
from hwsim.world import Happening
from tests.contract.validators.bench import ARRIVALS, AT_RESET, CREDITS, Bench, K, on_bench
from tests.contract.validators.makes import Make


def make(**profile: object) -> Make:
    """A bench's ccTalk validator with this profile."""
    made = CctalkProfile(**profile)  # type: ignore[arg-type]  # a table of a test
    checksum = Checksum(made.checksum)

    def driver(line: Transport) -> CctalkValidator:
        return CctalkValidator(line, checksum=checksum, echo=made.echo)

    return Make("cctalk", lambda world: Simulated(world, CctalkConfig(profile=made)), driver, Place.CASSETTE, 6)


@pytest.mark.parametrize("checksum", ["sum8", "crc16"])
@pytest.mark.parametrize("echo", [True, False])
def test_both_checksums_with_and_without_echo(checksum: str, echo: bool) -> None:
    async def script(bench: Bench) -> None:
        await bench.held()
        await bench.driver.accept()
        await bench.until(K.CREDITED)

    on_bench(make(checksum=checksum, echo=echo), script)


@pytest.mark.parametrize("count", [5, 6, 254, 255])
def test_a_jump_of_more_than_five_is_never_guessed_about(count: int) -> None:
    async def script(bench: Bench) -> None:
        bench.world.fault("validator", "event_burst", count=3)
        await bench.ready()
        bench.world.fault("validator", "event_burst", count=count)
        if count in {5, 255}:  # 255 is a full circle of events all alike: the known limit of an 8-bit counter
            await bench.poll()
            assert (await bench.driver.evidence()).heard_all
            return
        with pytest.raises(DeviceRestarted, match="lost"):
            await bench.poll()
        await bench.started()
        assert not (await bench.driver.evidence()).heard_all
        await bench.quiet(1.0)
        assert bench.told()[K.REFUSED] == 0, "what is left of them says nothing of a note"

    on_bench(make(), script)


def test_a_credit_among_lost_events_is_left_open() -> None:
    async def script(bench: Bench) -> None:
        await bench.held()
        await bench.driver.accept()
        await asyncio.sleep(1.0)
        bench.world.fault("validator", "event_burst", count=6)
        await bench.until_fault()
        await bench.started()
        assert (bench.count(CREDITS), bench.inside()) == (0, 1)
        assert not (await bench.driver.evidence()).heard_all

    on_bench(make(), script)


def test_credits_go_on_across_the_wrap_of_the_counter() -> None:
    async def script(bench: Bench) -> None:
        for _ in range(63):  # 252 events before the first note
            bench.world.fault("validator", "event_burst", count=4)
        await bench.ready()
        for number in range(1, 4):
            await bench.feed()
            await bench.until(K.READ)
            await bench.driver.accept()
            await bench.quiet(1.6)
            assert bench.count(CREDITS) == bench.inside() == number

    on_bench(make(), script)


@pytest.mark.parametrize("profile", ["stacked_credited", "stacked_unknown", "returned"])
def test_a_note_in_escrow_at_a_power_cut(profile: str) -> None:
    async def script(bench: Bench) -> None:
        note = await bench.held()
        bench.world.power("validator", on=False)
        await asyncio.sleep(1.0)
        bench.world.power("validator", on=True)
        await bench.until_fault()
        await bench.started()
        stacked = profile != "returned"
        assert note.inserted == stacked
        assert (bench.count(CREDITS), bench.count(AT_RESET)) == (0, stacked)
        assert not (await bench.driver.evidence()).heard_all
        told = bench.told()
        assert told[K.INTO_STACKER_AT_RESET] == (profile == "stacked_credited")
        assert told[K.CLEARED_INTO_CASHBOX] == (profile == "stacked_unknown")

    on_bench(make(cut_in_escrow=profile), script)


def test_a_gap_is_said_until_the_evidence_was_asked_for() -> None:
    async def script(bench: Bench) -> None:
        await bench.held()
        assert not (await bench.driver.poll()).gap
        bench.world.power("validator", on=False)
        await asyncio.sleep(1.0)
        bench.world.power("validator", on=True)
        await bench.until_fault()
        await bench.started()
        assert (await bench.driver.poll()).gap
        await bench.driver.evidence()
        assert not (await bench.driver.poll()).gap

    on_bench(make(), script)


@pytest.mark.parametrize("first", ["0,0", "0,2"])
def test_the_event_that_a_device_puts_first_by_itself_says_nothing_of_the_note(first: str) -> None:
    """Found by the simulation: 0,2 after power-up was taken for a refusal of the note that had been let in."""

    async def script(bench: Bench) -> None:
        await bench.held()
        bench.booked.clear()
        await bench.driver.accept()
        await asyncio.sleep(0.3)
        bench.world.power("validator", on=False)
        await asyncio.sleep(1.0)
        bench.world.power("validator", on=True)
        await bench.until_fault()
        await bench.started()
        assert bench.inside() == 1
        assert bench.told()[K.REFUSED] == 0
        assert not (await bench.driver.evidence()).heard_all

    on_bench(make(first_event=first, cut_while_stacking="unreported"), script)


def test_after_a_restart_that_told_nothing_the_next_credit_is_a_credit() -> None:
    async def script(bench: Bench) -> None:
        await bench.held()
        bench.world.power("validator", on=False)
        await asyncio.sleep(1.0)
        bench.world.power("validator", on=True)
        await bench.until_fault()
        await bench.ready()
        bench.world.take()
        await bench.feed()
        await bench.until(K.READ)
        await bench.driver.accept()
        await bench.until(K.CREDITED)
        bench.new_driver()
        await bench.started()
        assert (bench.count(CREDITS), bench.count(ARRIVALS), bench.count(AT_RESET)) == (1, 1, 0)
        assert (await bench.driver.evidence()).heard_all, "the bookmark is of the device's present life"

    on_bench(make(), script)


@pytest.mark.parametrize("repeated", ["refused", "silent"])
def test_a_lost_answer_to_the_route_order_lets_no_second_note_in(repeated: str) -> None:
    """The order went through, its answer did not; before the next try another note is held already."""

    async def script(bench: Bench) -> None:
        await bench.held()
        bench.world.fault("validator", "lost_reply", count=1, command=154)

        def feed_the_next(happening: Happening) -> None:
            if happening.what == "stacked" and len(bench.world.notes.all()) == 1:
                bench.loop.call_later(0.01, bench.world.insert, "CNY", 500)

        bench.world.observe(feed_the_next)
        await bench.driver.accept()
        await asyncio.sleep(1.0)
        assert len(bench.world.notes.all()) == 2
        assert bench.inside() == 1, "nobody has decided about the second note"
        await bench.until(K.CREDITED)
        bench.world.fault("validator", "lost_reply", count=1, command=154)
        await bench.driver.accept()
        await bench.quiet(2.0)
        assert (bench.count(CREDITS), bench.inside()) == (2, 2)

    on_bench(make(repeated_route=repeated), script)


def test_what_was_decided_about_one_note_is_not_done_to_the_next() -> None:
    """The escrow's time runs out, the depositor feeds another note, and only then comes the word to accept."""

    async def script(bench: Bench) -> None:
        await bench.held()
        await asyncio.sleep(2.6)
        assert bench.world.take()
        other = bench.world.insert("CNY", 500)
        await asyncio.sleep(0.8)
        assert bench.world.notes.at(Place.PATH) == (other,)
        await bench.driver.accept()
        await asyncio.sleep(0.5)
        assert not other.inserted
        event = await bench.until(K.READ)
        assert event.channel == 2

    on_bench(make(escrow_timeout_s=2.0), script)


def test_a_pause_of_five_seconds_between_polls_does_not_end_the_cash_in() -> None:
    async def script(bench: Bench) -> None:
        await bench.ready()
        await asyncio.sleep(6.0)
        await bench.quiet(0.6)
        await bench.feed()
        await bench.until(K.READ)
        assert bench.told()[K.DISABLED]
        await bench.driver.disable()
        bench.booked.clear()
        await asyncio.sleep(6.0)
        await bench.quiet(1.0)
        assert bench.told()[K.DISABLED], "disabled by the host it stays so"

    on_bench(make(), script)


def test_a_stuck_note_is_waited_for_within_bounds() -> None:
    async def script(bench: Bench) -> None:
        await bench.held()
        bench.world.fault("validator", "jam", where="safe")
        bench.world.fault("validator", "mute", seconds=0.0)
        await bench.driver.accept()
        kinds = {event.kind for event in await bench.poll()}
        assert K.STACKING in kinds
        await bench.until(K.JAM_SAFE)
        await asyncio.sleep(SETTLE_S)
        kinds = {event.kind for event in await bench.poll()}
        assert K.JAM_SAFE in kinds
        assert not (await bench.driver.evidence()).heard_all

    on_bench(make(), script)


def test_a_first_bookmark_credits_nothing_old() -> None:
    async def script(bench: Bench) -> None:
        await bench.held()
        await bench.driver.accept()
        await bench.quiet(2.0)
        bench.new_driver()
        bench.bookmark = None
        bench.booked.clear()
        await bench.started()
        assert bench.count(CREDITS) == 0
        assert (await bench.driver.evidence()).heard_all

    on_bench(make(), script)


def test_what_is_no_bookmark_is_a_fault() -> None:
    async def script(bench: Bench) -> None:
        with pytest.raises(DeviceFault):
            await bench.driver.start(1 << 60)

    on_bench(make(), script)


def test_spoilt_replies_that_pass_the_sum_are_not_believed() -> None:
    """Two bytes changed so that the 8-bit sum still fits: a credit that never was."""

    async def script(bench: Bench) -> None:
        await bench.held()
        spoilt = 0

        def spoil(way: str, chunk: bytes) -> list[bytes]:
            nonlocal spoilt
            if way == "from" and chunk[:4] == bytes((1, 11, 40, 0)) and not spoilt:
                spoilt += 1
                data = bytearray(chunk)
                data[4], data[6] = 2, 0  # counter 2, and (6, 0) instead of (6, 1)
                return [bytes(data)]
            return [chunk]

        bench.line.spoil = spoil
        await bench.quiet(1.0)
        assert spoilt
        assert (bench.count(CREDITS), bench.faults) == (0, [])

    on_bench(make(), script)


def test_a_device_of_another_kind_is_refused() -> None:
    def hopper(way: str, chunk: bytes) -> list[bytes]:
        if way == "from" and chunk[4:8] == b"Bill":
            return [encode_packet(Packet(1, 40, 0, b"Payout"), Checksum.SUM8)]
        return [chunk]

    async def refused(bench: Bench) -> None:
        bench.line.spoil = hopper
        with pytest.raises(CommandRefused, match="Payout"):
            await bench.driver.start()

    on_bench(make(), refused)
    for category in ("Bill Validator", "Bill Acceptor"):

        async def accepted(bench: Bench) -> None:
            await bench.driver.start()
            with pytest.raises(CommandRefused):
                await bench.driver.hold()

        on_bench(make(category=category), accepted)
