"""What the controller says unasked."""

from typing import Annotated, Final

import msgspec

from kiosk.messages.shared import Message, Stage

HOMING: Final = 7  # homing and self-test, for which the board's map has no state


class SensorReading(Message, frozen=True):
    """Board readings forwarded to the watcher, a few a second. Units in the names."""

    at_monotonic_s: float
    board_state: int  # input register 6 of the board, or HOMING
    temperature_decicelsius: int
    supply_mv: int
    tilt_mg: int
    vibration_mg_rms: int
    gas_permille: int
    motor_current_ma: int
    door_bits: int
    tray_notes: int
    transport_occupied: bool


class TransactionReading(Message, frozen=True):
    """The deposit as a transaction, in the order of `kiosk.core.transaction.NAMES`. Says nothing of who it is."""

    at_monotonic_s: float
    deposit_code: str
    values: Annotated[tuple[float, ...], msgspec.Meta(max_length=64)]


class StageChanged(Message, frozen=True):
    """A deposit entered a stage; `deposit_code` None means that none is under way."""

    deposit_code: str | None
    stage: Stage


class AssessRequest(Message, frozen=True):
    """Answer with a `RiskReport` of this id within 2 s; silence counts as medium."""

    request_id: int
    deposit_code: str
    stage: Stage


class OutboxGrew(Message, frozen=True):
    """Pushed when records were added."""

    next_sequence: int
