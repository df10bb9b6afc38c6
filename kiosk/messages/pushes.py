"""What the controller says unasked."""

from kiosk.messages.shared import Message, Stage


class SensorReading(Message, frozen=True):
    """Board readings forwarded to the watcher, a few a second. Units in the names."""

    at_monotonic_s: float
    board_state: int
    temperature_decicelsius: int
    supply_mv: int
    tilt_mg: int
    vibration_mg_rms: int
    gas_permille: int
    motor_current_ma: int
    door_bits: int
    tray_notes: int
    transport_occupied: bool


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
