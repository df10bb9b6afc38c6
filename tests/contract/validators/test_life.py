"""A note's life, the same for every validator: held until somebody decides, told once, in or out."""

import asyncio

import pytest

from firmware_bridge.errors import CommandRefused, DeviceFault, DeviceRestarted
from hwsim.notes import Place
from tests.contract.validators.bench import ARRIVALS, CREDITS, Bench, K, on_bench
from tests.contract.validators.makes import MAKES, Make

pytestmark = pytest.mark.parametrize("make", MAKES, ids=lambda make: make.name)


def test_it_says_who_it_is_and_what_it_can(make: Make) -> None:
    async def script(bench: Bench) -> None:
        identity = await bench.started()
        again = await bench.started()
        assert again == identity
        assert (identity.serial_number is not None) == make.has_serial
        assert identity.firmware
        worth = {channel.number: (channel.value_minor, channel.currency) for channel in identity.channels}
        assert worth[make.channel] == (10000, "CNY")
        capabilities = bench.driver.capabilities
        assert (bench.driver.escrow is not None) == capabilities.bunch_escrow
        assert capabilities.escrow_notes_max > 1 if capabilities.bunch_escrow else capabilities.escrow_notes_max == 1

    on_bench(make, script)


def test_before_start_nothing_goes(make: Make) -> None:
    async def script(bench: Bench) -> None:
        for call in (bench.driver.poll, bench.driver.accept, bench.driver.reject, bench.driver.evidence):
            if call == bench.driver.accept and make.name == "ssp":
                continue  # it sends nothing: the next poll accepts
            with pytest.raises(DeviceRestarted):
                await call()

    on_bench(make, script)


def test_an_unknown_channel_is_refused(make: Make) -> None:
    async def script(bench: Bench) -> None:
        await bench.started()
        with pytest.raises(CommandRefused):
            await bench.driver.configure(frozenset({99}), frozenset())

    on_bench(make, script)


def test_disabled_it_takes_nothing(make: Make) -> None:
    async def script(bench: Bench) -> None:
        await bench.started()
        await bench.driver.configure(make.accept, frozenset())
        note = await bench.feed()
        await bench.quiet(3.0)
        assert bench.world.notes.at(Place.THROAT) == (note,)
        bench.world.take()
        await bench.driver.enable()
        await bench.quiet(1.0)
        await bench.driver.disable()
        await bench.feed()
        await bench.quiet(3.0)
        assert bench.count(CREDITS) == bench.told()[K.READ] == bench.inside() == 0

    on_bench(make, script)


def test_a_note_is_held_until_it_is_accepted_then_told_once(make: Make) -> None:
    async def script(bench: Bench) -> None:
        note = await bench.held()
        await asyncio.sleep(2.0)
        assert bench.world.notes.at(Place.PATH) == (note,)
        await bench.driver.accept()
        credit = await bench.until(K.CREDITED)
        assert credit.channel == make.channel
        await bench.quiet(3.0)
        assert (note.place, note.inserted) == (make.inside, True)
        assert (bench.count(CREDITS), bench.count(ARRIVALS), bench.told()[K.READ]) == (1, 1, 1)

    on_bench(make, script)


def test_two_notes_alike_are_two(make: Make) -> None:
    async def script(bench: Bench) -> None:
        await bench.ready()
        for number in (1, 2):
            await bench.feed()
            await bench.until(K.READ)
            await bench.driver.accept()
            await bench.until(K.STORED, K.STACKED)
            await bench.quiet(1.0)
            assert bench.count(CREDITS) == bench.count(ARRIVALS) == bench.inside() == number

    on_bench(make, script)


def test_a_rejected_note_comes_back(make: Make) -> None:
    async def script(bench: Bench) -> None:
        note = await bench.held()
        await bench.driver.reject()
        event = await bench.until(K.REFUSED)
        assert event.reason
        await bench.quiet(2.0)
        assert (note.place, note.inserted) == (Place.BEZEL, False)
        assert (bench.count(CREDITS), bench.told()[K.REFUSED]) == (0, 1)

    on_bench(make, script)


def test_a_note_nobody_decides_about_is_never_credited(make: Make) -> None:
    async def script(bench: Bench) -> None:
        note = await bench.held()
        for _ in range(8):
            await bench.driver.hold()
            await asyncio.sleep(4.0)
        assert bench.world.notes.at(Place.PATH) == (note,)
        await asyncio.sleep(60.0)
        if make.has_window:
            with pytest.raises(DeviceFault):
                await bench.driver.hold()
        await bench.quiet(3.0)
        assert bench.count(CREDITS) == bench.inside() == 0

    on_bench(make, script)


def test_nothing_held_is_no_error_to_reject_or_accept_but_to_hold(make: Make) -> None:
    async def script(bench: Bench) -> None:
        await bench.ready()
        with pytest.raises(CommandRefused):
            await bench.driver.hold()
        await bench.driver.accept()
        await bench.quiet(1.0)
        assert bench.count(CREDITS) == 0

    on_bench(make, script)


@pytest.mark.parametrize("kind", ["unreadable", "long", "double"])
def test_what_it_cannot_read_it_refuses_with_a_reason(make: Make, kind: str) -> None:
    async def script(bench: Bench) -> None:
        await bench.ready()
        await bench.feed(kind=kind)
        event = await bench.until(K.REFUSED)
        assert event.reason
        await bench.quiet(1.0)
        assert (bench.told()[K.REFUSED], bench.told()[K.READ], bench.inside()) == (1, 0, 0)

    on_bench(make, script)


def test_a_type_that_is_not_accepted_is_refused(make: Make) -> None:
    async def script(bench: Bench) -> None:
        await bench.started()
        await bench.driver.configure(make.accept - {make.channel}, frozenset())
        await bench.driver.enable()
        await bench.feed()
        await bench.until(K.REFUSED)
        assert bench.inside() == 0

    on_bench(make, script)


def test_what_is_not_acknowledged_is_told_again(make: Make) -> None:
    async def script(bench: Bench) -> None:
        await bench.held()
        await bench.driver.accept()
        await asyncio.sleep(1.5)
        first = [event.kind for event in await bench.poll(acknowledge=False)]
        if K.CREDITED not in first:  # SSP: it was this poll that accepted
            await asyncio.sleep(1.5)
            first = [event.kind for event in await bench.poll(acknowledge=False)]
        again = [event.kind for event in await bench.poll(acknowledge=False)]
        assert K.CREDITED in first
        assert K.CREDITED in again
        await bench.quiet(2.0)
        assert bench.count(CREDITS) == 1

    on_bench(make, script)


@pytest.mark.parametrize(("fault", "kind"), [("stacker_full", K.STACKER_FULL), ("stacker_removed", K.STACKER_REMOVED)])
def test_why_it_takes_nothing_is_told_in_every_poll(make: Make, fault: str, kind: K) -> None:
    async def script(bench: Bench) -> None:
        await bench.ready()
        bench.world.fault("validator", fault)
        await bench.until(kind)
        for _ in range(5):
            assert kind in [event.kind for event in await bench.poll()]
            await asyncio.sleep(0.2)
        repaired = {"stacker_full": "stacker_emptied", "stacker_removed": "stacker_replaced"}[fault]
        bench.world.fault("validator", repaired)
        await bench.quiet(1.0)
        assert kind not in [event.kind for event in await bench.poll()]
        note = await bench.feed()
        await bench.until(K.READ)
        assert bench.world.notes.at(Place.PATH) == (note,), "enabled as before"

    on_bench(make, script)


@pytest.mark.parametrize(("where", "kind"), [("unsafe", K.JAM_UNSAFE), ("safe", K.JAM_SAFE)])
def test_a_jam_is_told_and_not_credited(make: Make, where: str, kind: K) -> None:
    async def script(bench: Bench) -> None:
        bench.world.fault("validator", "jam", where=where)
        await bench.held()
        await bench.driver.accept()
        await bench.until(kind if make.tells_reach else K.JAM_UNSAFE)
        await bench.quiet(2.0)
        assert bench.count(CREDITS) == 0
        assert not (await bench.driver.evidence()).heard_all

    on_bench(make, script)


def test_a_string_is_told(make: Make) -> None:
    async def script(bench: Bench) -> None:
        bench.world.fault("validator", "fraud", note="pulled")
        await bench.held()
        await bench.driver.accept()
        await bench.until(K.FRAUD)
        await bench.quiet(2.0)
        assert bench.count(CREDITS) == 0

    on_bench(make, script)


def test_another_device_in_its_place_is_noticed(make: Make) -> None:
    async def script(bench: Bench) -> None:
        mine = (await bench.ready()).serial_number
        bench.world.fault("validator", "swapped", serial_number=815)
        await bench.until_fault()
        if make.has_serial:
            assert (await bench.started()).serial_number == 815 != mine

    on_bench(make, script)


def test_close_is_close(make: Make) -> None:
    async def script(bench: Bench) -> None:
        await bench.ready()
        bench.driver.close()
        bench.driver.close()
        before = bench.line.chunks
        with pytest.raises(DeviceFault):
            await bench.driver.poll()
        await asyncio.sleep(5.0)
        assert bench.line.chunks == before
        assert bench.line.closed

    on_bench(make, script)
