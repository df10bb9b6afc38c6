"""Random hands, hosts, faults and power cuts: the world keeps count and no device breaks down."""

import random

import pytest

from hwsim.config import SspProfile, ValidatorConfig
from hwsim.devices.ssp_validator import SspValidator
from hwsim.errors import InsertionRefused
from hwsim.host import Machine
from hwsim.notes import Kind, Place
from hwsim.scenario import Scenario
from hwsim.scheduler import VirtualScheduler
from tests.unit.hwsim_tools import SspHost
from tests.unit.test_hwsim_board import LABEL, BoardHost

SEEDS = range(12)
STEPS = 150
PLAIN_FAULTS = {"cabinet.power_cut", "validator.swapped"}  # played by the script itself


class Storm:
    """One random run over a whole machine."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        profile = SspProfile(
            cut_before_safe_point=self.random.choice(["front", "cashbox"]),
            cut_on_way_to_store=self.random.choice(["store", "stacker"]),
            cut_while_emptying=self.random.choice(["store", "stacker"]),
            escrow_survives=self.random.random() < 0.5,
            unread_credit_survives=self.random.random() < 0.5,
            unacknowledged_credit_survives=self.random.random() < 0.5,
        )
        config = ValidatorConfig(profile=profile, store_capacity=12)
        machine = Machine(Scenario(validator=config), VirtualScheduler(), seed)
        self.world = machine.world
        assert isinstance(machine.validator, SspValidator)
        self.host = SspHost.on(machine.validator, config, machine.world)
        self.board = BoardHost.on(machine.board, machine.printer, machine.world)
        self.host.scheduler.advance(1.0)

    def step(self) -> None:
        acts = [self.hand, self.talk, self.command, self.print, self.fault, self.power]
        (act,) = self.random.choices(acts, weights=[30, 45, 18, 3, 2, 2])
        act()
        self.host.scheduler.advance(self.random.choice([0.05, 0.2, 0.2, 0.7, 2.0]))
        self.world.totals()

    def hand(self) -> None:
        self.world.lines.drive("shutter_open_cmd", level=self.random.random() < 0.9)
        if self.random.random() < 0.4:
            self.world.take()
            return
        try:
            kind = self.random.choices(list(Kind), weights=[12, 3, 1, 1, 1])[0]
            self.world.insert("CNY", self.random.choice([100, 500, 10000, 10000, 700]), kind)
        except InsertionRefused:
            pass

    def talk(self) -> None:
        """Start again now and then; otherwise any command, answered or not."""
        reply = self.host.exchange(0x56)
        if reply is None or reply[:1] == b"\xfa":
            self.host.flag = 1
            if self.host.plain(0x11) is not None:
                self.host.restart(self.random.choice([5, 8, 8]))
            return
        if self.random.random() < 0.7:
            for _ in range(8):
                self.host.exchange(0x56)
                self.host.exchange(0x57)
                self.host.scheduler.advance(0.2)
            return
        self.host.exchange(self.random.choice([0x0A, 0x0A, 0x0A, 0x09, 0x08, 0x18, 0x76, 0x77, 0x77, 0x52, 0x3F, 0x38]))

    def command(self) -> None:
        state = self.board.board.state()
        boot = [state["boot_id"] >> 16, state["boot_id"] & 0xFFFF]
        opcode, arguments = self.random.randrange(1, 11), (self.random.randrange(4), 1, 1)
        self.board.ask(self.board.block(opcode, *arguments, sequence=state["accepted"] + 1 & 0xFFFF, boot=boot))

    def print(self) -> None:
        self.board.printer.feed(LABEL + b"~HS")

    def fault(self) -> None:
        spec = self.random.choice(self.world.faults.all())
        if f"{spec.device}.{spec.name}" not in PLAIN_FAULTS:
            parameters = dict(spec.parameters)
            if "where" in parameters:
                parameters["where"] = self.random.choice(["unsafe", "safe", "payout", "payout_recovers", "empty"])
            if "note" in parameters:
                parameters["note"] = self.random.choice(["leave", "take", "pulled", "kept"])
            if "stubborn" in parameters:
                parameters["stubborn"] = self.random.random() < 0.3
            self.world.fault(spec.device, spec.name, **parameters)

    def power(self) -> None:
        device = self.random.choice(["all", "validator", "board", "label"])
        self.world.power(device, on=False)
        self.host.scheduler.advance(self.random.choice([0.0, 0.5, 5.0]))
        self.world.power(device, on=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_in_a_storm(seed: int) -> None:
    storm = Storm(seed)
    for _ in range(STEPS):
        storm.step()
    totals = storm.world.totals()
    assert totals.notes_fed == len(storm.world.notes.all())
    inside = sum(row["notes"] for row in totals.by_place.values())
    assert inside == totals.notes_inserted
    assert storm.world.notes.count(Place.HAND) == 0


def test_a_storm_repeats_exactly_from_its_seed() -> None:
    def history(seed: int) -> list[tuple[float, str]]:
        storm = Storm(seed)
        for _ in range(STEPS):
            storm.step()
        return [(happening.time_s, happening.what) for happening in storm.world.happenings]

    assert history(3) == history(3)
    assert history(3) != history(4)
