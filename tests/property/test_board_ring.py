"""The board's event ring, read again and again: every event once, in order, or its loss is said."""

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.interfaces import BoardEventCode, BoardSnapshot
from firmware_bridge.protocols.board import INPUT_REGISTERS, parse_snapshot
from hwsim.devices.board_memory import EventCode, Memory
from kiosk.core.facts import RingMark
from kiosk.management.boardring import mark_of, unread

QUIET = BoardEventCode.NOTE_IN_TRAY
LOUD = BoardEventCode.TRAY_REMOVED


def look(memory: Memory) -> BoardSnapshot:
    registers = [0] * INPUT_REGISTERS
    registers[0], registers[3], registers[7], registers[8:40] = 1, memory.boot_id, memory.event_counter, memory.ring
    return parse_snapshot(registers)


@given(
    began=st.one_of(st.just(0), st.integers(65520, 65535)),
    bursts=st.lists(st.lists(st.sampled_from([QUIET, LOUD]), max_size=12), max_size=8),
)
def test_every_event_is_read_once_or_its_loss_is_said(began: int, bursts: list[list[BoardEventCode]]) -> None:
    memory = Memory(boot_id=7, watchdog_ms=0)
    for _ in range(began and 1):
        memory.event_counter = began
    mark, argument = mark_of(look(memory)), 0
    for burst in bursts:
        sent = []
        for code in burst:
            argument += 1
            memory.event(EventCode(code), argument, 0)
            if code is LOUD:
                sent.append(("tray_removed", argument))
        events, lost = unread(look(memory), mark)
        mark = mark_of(look(memory))
        if len(burst) > 8:
            assert lost
        if lost:
            assert len(burst) > 6
            assert list(events) == sent[len(sent) - len(events) :]
        else:
            assert list(events) == sent


def test_another_boot_makes_all_of_the_ring_new() -> None:
    memory = Memory(boot_id=8, watchdog_ms=0)
    memory.event(EventCode.TRAY_EMPTIED_BY_HAND, 0, 5)
    assert unread(look(memory), RingMark(7, 1)) == ((("tray_emptied", 0),), False)
    assert unread(look(memory), RingMark(8, 1)) == ((), False)
