"""The deposit board: a Modbus RTU slave with exactly-once commands (DESIGN.md section 4)."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, Final

from hwsim.config import BoardConfig
from hwsim.devices import modbus_rtu
from hwsim.devices.board_memory import (
    BLOCK_WORDS,
    MAP_VERSION,
    WATCHDOG_ADDRESS,
    Block,
    EventCode,
    JamPlace,
    Memory,
    Result,
    high_low,
    signed,
)
from hwsim.devices.board_motion import Motion, Plans
from hwsim.devices.board_sensors import Activity, Disturbance, Readings, SensorState, read_sensors
from hwsim.devices.modbus_rtu import ModbusFault, ModbusRefusal, Request
from hwsim.devices.wired import Wired
from hwsim.errors import UnknownFault
from hwsim.faults import FaultSpec
from hwsim.notes import Place
from hwsim.world import World

NAME: Final = "board"
WATCHDOG_MS_MIN: Final = 100
WATCHDOG_MS_MAX: Final = 60_000
READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY = 3, 4, 6, 16


class DepositBoard(Wired):
    """Bytes in by `feed`, bytes out by `output`; attaches itself to the world and comes up powered."""

    def __init__(self, world: World, config: BoardConfig) -> None:
        super().__init__(world.scheduler)
        self._world = world
        self._config = config
        self._boot_rng = world.rng("board/boot")
        self._booted_s = 0.0
        self._stuck: dict[str, int] = {}
        self._disturbance = Disturbance()
        self._receiver = modbus_rtu.RequestReceiver(config.frame_gap_s)
        self._memory = Memory(0, 0)
        self._motion = Motion(world, config, self._timers, self._now_ms, lambda: bool(self._stuck))
        world.attach(NAME, self, *self._fault_specs())
        self.power_on()

    # --- power -----------------------------------------------------------------------------------------

    def power_on(self) -> None:
        """A new boot id; physical facts from the sensors, totals from flash."""
        if self.powered:
            return
        self.powered = True
        self._booted_s = self._world.scheduler.time()
        self._receiver = modbus_rtu.RequestReceiver(self._config.frame_gap_s)
        self._memory = Memory(self._boot_rng.randrange(1, 1 << 32), self._config.watchdog_ms)
        self._motion.power_on(self._memory)
        self._contact()

    def power_off(self) -> None:
        """Motors stop; notes, strap, label and totals stay."""
        self._dark()
        self._motion.power_off()
        self._memory = Memory(0, 0)

    def _now_ms(self) -> int:
        return int((self._world.scheduler.time() - self._booted_s) * 1000) & 0xFFFFFFFF

    # --- link ------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Bytes from the host, split anywhere."""
        if not self.powered:
            return
        for request in self._receiver.feed(data, self._world.scheduler.time()):
            if request.unit == self._config.unit:
                self._answer(request)

    def _answer(self, request: Request) -> None:
        self._contact()
        try:
            pdu = self._handle(request)
        except ModbusRefusal as refusal:
            pdu = modbus_rtu.exception_reply(request.function, refusal.code)
        opcode = request.body[8] if request.function == WRITE_MANY and len(request.body) > 8 else 0  # noqa: PLR2004
        if self.faults.loses(opcode):
            return
        wire = self.faults.spoil(modbus_rtu.seal(self._config.unit, pdu))
        self._leave(wire, self._config.reply_delay_s)

    def _contact(self) -> None:
        if self._memory.watchdog_ms:
            self._timers.start("watchdog", self._memory.watchdog_ms / 1000, self._silent)
        else:
            self._timers.stop("watchdog")

    def _silent(self) -> None:
        """No request for too long: stop the motors, close the gate."""
        self._world.announce("board", "watchdog")
        self._motion.stop(Result.TIMEOUT)

    def _handle(self, request: Request) -> bytes:
        if request.function == READ_INPUT:
            return modbus_rtu.registers_reply(READ_INPUT, modbus_rtu.read_slice(request, self.registers()))
        if request.function == READ_HOLDING:
            return modbus_rtu.registers_reply(READ_HOLDING, modbus_rtu.read_slice(request, self._holding()))
        if request.function == WRITE_ONE:
            address, value = request.words()
            self._write(address, (value,))
            return bytes((WRITE_ONE,)) + request.body
        if request.function == WRITE_MANY:
            address, values = modbus_rtu.written_values(request)
            self._write(address, values)
            return bytes((WRITE_MANY,)) + request.body[:4]
        raise ModbusRefusal(ModbusFault.ILLEGAL_FUNCTION)

    def _write(self, address: int, values: tuple[int, ...]) -> None:
        """Only whole things can be written: the command block in one request, or the watchdog."""
        if address == WATCHDOG_ADDRESS and len(values) == 1:
            if values[0] and not WATCHDOG_MS_MIN <= values[0] <= WATCHDOG_MS_MAX:
                raise ModbusRefusal(ModbusFault.ILLEGAL_VALUE)
            self._memory.watchdog_ms = values[0]
            self._contact()
        elif address == 0 and len(values) == BLOCK_WORDS:
            self._command(Block(values))
        else:
            raise ModbusRefusal(ModbusFault.ILLEGAL_ADDRESS)

    def _command(self, block: Block) -> None:
        """Exactly once: a repeat is acknowledged, anything doubtful is refused, busy records nothing."""
        memory = self._memory
        if block.boot_id != memory.boot_id:
            raise ModbusRefusal(ModbusFault.ILLEGAL_VALUE)
        if memory.block is not None and block.sequence == memory.accepted:
            if block == memory.block:
                return
            raise ModbusRefusal(ModbusFault.ILLEGAL_VALUE)
        if memory.busy:
            raise ModbusRefusal(ModbusFault.DEVICE_BUSY)
        if block.sequence != memory.accepted + 1 & 0xFFFF:
            raise ModbusRefusal(ModbusFault.ILLEGAL_VALUE)
        memory.block, memory.accepted = block, block.sequence
        self._world.announce("board", "accepted", sequence=block.sequence, opcode=block.opcode, boot_id=memory.boot_id)
        self._motion.start(block.opcode, block.arguments)

    # --- registers -------------------------------------------------------------------------------------

    def _holding(self) -> list[int]:
        words = self._memory.block.words if self._memory.block is not None else (0,) * BLOCK_WORDS
        return [*words, *([0] * (WATCHDOG_ADDRESS - BLOCK_WORDS)), self._memory.watchdog_ms]

    def readings(self) -> Readings:
        """What the sensors say now."""
        motion, now_s = self._motion, self._world.now_s()
        state = SensorState(
            surroundings=self._config.sensors,
            activity=motion.activity,
            activity_s=now_s - motion.activity_since_s if motion.activity is not Activity.NONE else 0.0,
            load=motion.load.at(now_s),
            disturbance=self._disturbance,
        )
        return replace(read_sensors(state, self._world.seed, now_s), **self._stuck)

    def registers(self) -> list[int]:
        """Input registers 0-63: one consistent snapshot."""
        memory, motion, world = self._memory, self._motion, self._world
        sensed = self.readings()
        return [
            MAP_VERSION,
            self._config.model,
            *high_low(memory.boot_id),
            memory.finished,
            memory.result,
            memory.state,
            memory.event_counter,
            *memory.ring,
            memory.counted,
            int(world.notes.count(Place.TRANSPORT) > 0),
            int(motion.machine.strap_present),
            int(motion.machine.label is not None),
            int(memory.gate_open),
            memory.slot,
            1000 * sum(bool(slot) for slot in world.slots) // len(world.slots),
            min(world.straps, 0xFFFF),
            signed(sensed.temperature_decicelsius),
            sensed.supply_mv,
            signed(sensed.tilt_mg),
            sensed.vibration_mg_rms,
            sensed.gas_permille,
            sensed.motor_current_ma,
            motion.door_bits,
            memory.lamps,
            memory.accepted,
            memory.last_collected,
            *high_low(memory.serial),
            memory.last_slot,
            memory.bundle_bits,
            motion.flash.total_collected,
            motion.flash.total_stored,
        ]

    def state(self) -> dict[str, Any]:
        """For the control page and the judge."""
        memory, machine = self._memory, self._motion.machine
        return {
            "powered": self.powered,
            "state": memory.state.name.lower(),
            "busy": memory.busy,
            "boot_id": memory.boot_id,
            "accepted": memory.accepted,
            "finished": memory.finished,
            "result": memory.result,
            "event_counter": memory.event_counter,
            "tray_counted": memory.counted,
            "tray_notes": self._motion.in_tray,
            "strap_present": machine.strap_present,
            "label_present": machine.label is not None,
            "tray_out": machine.tray_out,
            "jam": machine.jam.name.lower() if machine.jam is not None else None,
            "slots_used": sum(bool(slot) for slot in self._world.slots),
            "activity": self._motion.activity.value,
        }

    # --- faults ----------------------------------------------------------------------------------------

    def _fault_specs(self) -> tuple[FaultSpec, ...]:
        def spec(name: str, what: str, apply: Callable[..., None], **parameters: bool | float | str) -> FaultSpec:
            return FaultSpec(NAME, name, what, apply, parameters)

        def plan(name: str) -> Callable[[int], None]:
            return lambda count: setattr(self._motion.plans, name, count)

        odd = {field.name: 0.0 for field in fields(Disturbance)}
        return (
            spec(
                "jam",
                "the next motion through a place jams: transport, tray, gate",
                self._plan_jam,
                place="transport",
                stubborn=False,
            ),
            spec(
                "clear_jam",
                "a technician frees it; HOME then succeeds: note = leave or take",
                self._clear_jam,
                note="leave",
            ),
            spec("strap_fails", "the next straps do not close", plan("strap_fails"), count=1),
            spec("label_fails", "the next labels tear off", plan("label_fails"), count=1),
            spec("counter_misses", "the next notes pass the tray's counter unseen", plan("counter_misses"), count=1),
            spec(
                "tray_removed", "the tray is taken out: notes = stay (in it) or taken", self._tray_removed, notes="stay"
            ),
            spec("tray_returned", "the tray is put back", self._tray_returned),
            spec("tray_emptied", "a hand empties the tray", self._tray_emptied),
            spec(
                "note_taken",
                "a hand takes notes unseen: place = tray, transport",
                self._note_taken,
                place="tray",
                count=1,
            ),
            spec(
                "stuck_sensor",
                "a sensor shows one value for good",
                self._stick,
                sensor="temperature_decicelsius",
                value=0,
            ),
            spec("sensors_repaired", "all sensors work again", self._stuck.clear),
            spec(
                "disturbance",
                "drill, tilt, gas, heat, supply, current, for a while",
                self._disturb,
                seconds=10.0,
                **odd,
            ),
            spec("lost_reply", "replies are lost on the line (command 0 = any opcode)", self._lose, count=1, command=0),
            spec("corrupt_reply", "replies arrive with a wrong CRC", self._corrupt, count=1),
            spec("mute", "no reply gets through for a while", self._mute, seconds=3.0),
            spec("restart", "it reboots by itself", self._restart),
            spec("forget_faults", "planned faults that have not struck are taken back", self._forget),
        )

    def _plan_jam(self, place: str, stubborn: bool) -> None:  # noqa: FBT001 - parameters of a fault
        try:
            self._motion.plans.jam = JamPlace[place.upper()]
        except KeyError:
            message = f"no such place: {place!r}"
            raise UnknownFault(message, "place is transport, tray or gate.") from None
        self._motion.plans.jam_stubborn = stubborn

    def _clear_jam(self, note: str) -> None:
        machine = self._motion.machine
        if note == "take" and machine.jam is not None:
            self._remove(Place.TRANSPORT if machine.jam is JamPlace.TRANSPORT else Place.TRAY, 1)
        machine.jam = None

    def _tray_removed(self, notes: str) -> None:
        self._motion.machine.tray_out = True
        if notes == "taken":
            self._empty_tray()
        if self.powered:
            self._memory.counted = 0
            self._motion.event(EventCode.TRAY_REMOVED)
            self._motion.stop(Result.NO_TRAY)

    def _tray_returned(self) -> None:
        self._motion.machine.tray_out = False

    def _tray_emptied(self) -> None:
        self._empty_tray()
        if self.powered:
            self._memory.counted = 0
            self._motion.event(EventCode.TRAY_EMPTIED_BY_HAND)

    def _empty_tray(self) -> None:
        self._remove(Place.TRAY, None)
        self._remove(Place.BUNDLE, None)
        self._motion.machine.strap_present, self._motion.machine.label = False, None

    def _note_taken(self, place: str, count: int) -> None:
        self._remove(Place(place), count)

    def _remove(self, place: Place, count: int | None) -> None:
        for note in self._world.notes.at(place)[:count]:
            self._world.notes.move(note, place, Place.REMOVED)
            self._world.announce("board", "taken_by_hand", note=note.id, place=place.value)

    def _stick(self, sensor: str, value: int) -> None:
        known = {field.name for field in fields(Readings)}
        if sensor not in known:
            message = f"no sensor {sensor!r}"
            raise UnknownFault(message, f"Sensors: {', '.join(sorted(known))}.")
        self._stuck[sensor] = value

    def _disturb(self, seconds: float, **amounts: float) -> None:
        self._disturbance = Disturbance(**amounts)
        if self.powered and self.readings().supply_mv < self._config.supply_low_mv:
            self._motion.event(EventCode.SUPPLY_LOW, self.readings().supply_mv)
        self._world.scheduler.call_later(seconds, self._calm)

    def _calm(self) -> None:
        self._disturbance = Disturbance()

    def _restart(self) -> None:
        if self.powered:
            self.power_off()
            self.power_on()

    def _forget(self) -> None:
        self._motion.plans = Plans()
