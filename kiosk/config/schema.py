"""The settings as types. Ranges stand in the types, units in the names; the text after each is its reference.

Defaults are what a first kiosk needs; what depends on the site (ports, paths, camera) has none. Paths may be
relative to the directory of the file they stand in.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from kiosk.messages import Role

LineRole = Literal[
    "shutter_open_cmd",
    "shutter_closed",
    "shutter_opened",
    "door_closed",
    "tamper",
    "e_stop",
    "service_key",
    "power_good",
    "headphones",
    "alarm",
    "port_lamp",
]
Name = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]  # one MQTT topic level, one file name
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]  # ISO 4217
TcpPort = Annotated[int, Meta(ge=1, le=65535)]
Port = Annotated[str, Meta(min_length=1, max_length=255)]
Minor = Annotated[int, Meta(ge=1, le=10**12)]  # minor units, e.g. fen or cents
Seconds = Annotated[float, Meta(ge=1, le=3600)]


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all tables."""


class KioskSection(Section, frozen=True, kw_only=True):
    """Which kiosk this is."""

    id: Name  # unique at the bank; in every record and MQTT topic
    branch: Name  # whose kiosk it is; on the receipt
    staff: Name  # the member of the branch's staff who is responsible today


class PathsConfig(Section, frozen=True, kw_only=True):
    """Where the kiosk keeps things."""

    state_dir: Path  # journal; must survive a power cut (no tmpfs)
    bus_dir: Path  # the roles' sockets; tmpfs is fine
    keys_dir: Path | None = None  # default: state_dir/keys
    stills_dir: Path | None = None  # the watcher's blurred stills; default: state_dir/stills


class BusConfig(Section, frozen=True, kw_only=True):
    """Who may speak to the controller."""

    single_user: bool = False  # True: roles are not kept apart by uid (a desk, a demo); status says so
    uids: dict[Role, int | str] = field(default_factory=dict)  # role = numeric uid, or a user's name


class ValidatorConfig(Section, frozen=True, kw_only=True):
    """The note validator: SSP (9600 8N2), EBDS (9600 7E1) or ccTalk (9600 8N1)."""

    port: Port  # a stable path, e.g. /dev/serial/by-path/...
    # ssp has a bunch escrow where the device has one; with ebds and cctalk each accepted note is final.
    protocol: Literal["ssp", "ebds", "cctalk"] = "ssp"
    # ssp: the key's fixed half, as in the maker's default; changed at commissioning. Never shown or logged.
    fixed_key_hex: Annotated[str, Meta(pattern="^[0-9a-fA-F]{16}$")] = "0123456701234567"
    escrow_notes_max: Annotated[int, Meta(ge=1, le=200)] = 40  # ssp: what its store holds; bounds one deposit
    # cctalk: nothing on the wire tells which; crc16 where the device has the choice.
    cctalk_checksum: Literal["sum8", "crc16"] = "sum8"
    cctalk_echo: bool = True  # cctalk: whether the adapter lets us hear what we send
    accepted_serial: Annotated[int, Meta(ge=0, le=0xFFFFFFFF)] | None = None  # default: the first one seen


class BoardConfig(Section, frozen=True, kw_only=True):
    """The deposit board (Modbus RTU, 115200 8N1)."""

    port: Port  # a stable path
    unit: Annotated[int, Meta(ge=1, le=247)] = 1  # its Modbus address
    watchdog_ms: Annotated[int, Meta(ge=500, le=60_000)] = 3000  # silent this long: it stops its motors


class LabelPrinterConfig(Section, frozen=True, kw_only=True):
    """The label printer (ZPL II)."""

    port: Port  # a stable path
    baud: Literal[9600, 19200, 38400, 57600, 115200] = 9600  # as set at the printer; 8N1


class ReceiptPrinterConfig(Section, frozen=True, kw_only=True):
    """The receipt printer (ESC/POS, paper 80 mm wide)."""

    port: Port  # a stable path
    baud: Literal[9600, 19200, 38400, 57600, 115200] = 38400  # as set at the printer; 8N1
    language: Literal["en", "zh", "ru"] = "en"  # of the paper; "zh" needs a printer with GB 2312, "ru" with page 866


class LineConfig(Section, frozen=True, kw_only=True):
    """One discrete line."""

    pin: Annotated[int, Meta(ge=0, le=27)]  # where it is wired to
    active_high: bool = True  # false: the line's meaning holds when it is low
    pull: Literal["up", "down", "floating"] = "down"  # inputs only


def reference_lines() -> dict[LineRole, LineConfig]:
    """The wiring of the reference cabinet, which the simulated one shares."""
    return {
        "shutter_open_cmd": LineConfig(pin=17),
        "shutter_closed": LineConfig(pin=27),
        "shutter_opened": LineConfig(pin=22),
        "door_closed": LineConfig(pin=23),
        "tamper": LineConfig(pin=24),
        "e_stop": LineConfig(pin=25),
        "service_key": LineConfig(pin=5),
        "power_good": LineConfig(pin=6),
        "headphones": LineConfig(pin=16),
        "alarm": LineConfig(pin=12),
        "port_lamp": LineConfig(pin=13),
    }


class GpioConfig(Section, frozen=True, kw_only=True):
    """Shutter, door, lamps and the like, behind a gpiozero pin factory chosen by name, never by fallback."""

    factory: Literal["lgpio", "pigpio"] = "lgpio"  # lgpio on a Raspberry Pi; pigpio for a server of that protocol
    host: str = "127.0.0.1"  # pigpio only
    port: TcpPort = 8888  # pigpio only
    lines: dict[LineRole, LineConfig] = field(default_factory=reference_lines)  # all or none; default: as wired below


class CameraConfig(Section, frozen=True, kw_only=True):
    """The camera over the port."""

    source: Port  # /dev/video0, http://.../camera.mjpeg, or a file
    width: Annotated[int, Meta(ge=160, le=1920)] = 640  # asked of the camera; another size is taken as it comes
    height: Annotated[int, Meta(ge=120, le=1080)] = 480  # likewise
    frames_per_second: Annotated[int, Meta(ge=1, le=30)] = 10  # looked at; the camera may give more


class RiskConfig(Section, frozen=True, kw_only=True):
    """The models that watch, and what each grade does.

    Low: nothing. High: the port stays shut or closes, the bank is alerted. Money inside is always finished or returned.
    """

    artifacts_dir: Path | None = None  # default: the ones in the package
    # What medium does: accept (alert only), or stop, the same as high. The bank's terms can make it stop, too.
    medium: Literal["accept", "stop"] = "accept"
    # Of all normal deposits, the share that may be graded medium or high by the models together.
    false_alarms_medium: Annotated[float, Meta(ge=0.0005, le=0.2)] = 0.01
    # ... and high; not more than medium.
    false_alarms_high: Annotated[float, Meta(ge=0.00001, le=0.05)] = 0.001
    # More deposits of one depositor within about a day are medium: a large sum may be brought in small parts.
    depositor_day_max: Annotated[int, Meta(ge=1, le=50)] = 3


class NoteConfig(Section, frozen=True, kw_only=True):
    """One channel of the validator's dataset; must agree with what the device reports at start."""

    channel: Annotated[int, Meta(ge=1, le=24)]  # its number in the dataset
    currency: Currency  # ISO 4217
    value_minor: Minor  # face value
    suspect: bool = False  # category 2: kept, never credited, never returned


def cny_notes() -> tuple[NoteConfig, ...]:
    """1, 5, 10, 20, 50 and 100 yuan, genuine on channels 1 to 6, suspect on 7 to 12."""
    faces = (100, 500, 1000, 2000, 5000, 10_000)
    return tuple(
        NoteConfig(channel=first + n, currency="CNY", value_minor=face, suspect=first > 1)
        for first in (1, 7)
        for n, face in enumerate(faces)
    )


class CashConfig(Section, frozen=True, kw_only=True):
    """Which notes are taken: a file with [[notes]], or [[cash.notes]] here; without either 1 to 100 yuan."""

    file: Path | None = None  # a TOML file with [[notes]] only
    notes: tuple[NoteConfig, ...] = ()  # not together with `file`; default: 1 to 100 yuan


class LimitConfig(Section, frozen=True, kw_only=True):
    """What one deposit and one day may come to, in one currency."""

    deposit_minor_max: Minor = 5_000_000  # one deposit
    day_minor_max: Minor = 100_000_000  # at this kiosk, all depositors together
    deposit_notes_max: Annotated[int, Meta(ge=1, le=200)] = 40  # one deposit is one bundle; the smallest limit counts


class UnitsConfig(Section, frozen=True, kw_only=True):
    """The storage units: when somebody should come for the cash, and when no deposit may begin any more."""

    cabinet_slots: Annotated[int, Meta(ge=1, le=1000)] = 40  # one bundle each; all taken: no deposit may begin
    cabinet_high_slots: Annotated[int, Meta(ge=1, le=1000)] = 32  # so many taken: nearly full, status warns
    retract_notes_max: Annotated[int, Meta(ge=1, le=10_000)] = 200  # in the retract bin; more: no deposit may begin
    cassette_notes_max: Annotated[int, Meta(ge=1, le=10_000)] = 1000  # of a validator without bunch escrow
    cassette_high_notes: Annotated[int, Meta(ge=1, le=10_000)] = 800  # so many: nearly full, status warns
    retract_high_notes: Annotated[int, Meta(ge=1, le=10_000)] = 150  # so many: nearly full, status warns


class DayConfig(Section, frozen=True, kw_only=True):
    """The business date, closed by a Z report once it is over."""

    time_zone: Annotated[str, Meta(min_length=1, max_length=64)] = "Asia/Shanghai"  # of the branch; an IANA name
    # Local time at which the next business date begins. From noon on, what comes after it is tomorrow's.
    cut_over: Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")] = "00:00"


class BrokerConfig(Section, frozen=True, kw_only=True):
    """One MQTT broker of the bank; they are tried in turn."""

    host: Annotated[str, Meta(min_length=1, max_length=253)]  # must be in the broker's certificate
    port: TcpPort = 8883  # MQTT over TLS


class UplinkConfig(Section, frozen=True, kw_only=True):
    """The way to the bank: MQTT 5 over mutual TLS 1.3."""

    ca: Path  # PEM; the only authority that the broker's certificate may come from
    cert: Path  # PEM; this kiosk's certificate, its common name the kiosk's id
    key: Path  # PEM; its private key, readable by the uplink's user only
    brokers: Annotated[tuple[BrokerConfig, ...], Meta(min_length=1, max_length=8)]  # at most 8
    inflight_max: Annotated[int, Meta(ge=1, le=1000)] = 20  # records under way, not yet acknowledged by the broker
    keepalive_s: Annotated[int, Meta(ge=5, le=600)] = 20  # MQTT keep-alive: longest silence


class EvidenceConfig(Section, frozen=True, kw_only=True):
    """Stills and clips that wait for the bank. Records are never dropped; evidence is, the oldest first, on record."""

    mib_max: Annotated[int, Meta(ge=1, le=100_000)] = 512  # all of it together, in MiB
    clips: bool = True  # the 20 seconds around a grade that rose, bystanders blurred; false: stills only
    free_mib_min: Annotated[int, Meta(ge=16, le=100_000)] = 512  # kept free for records on the journal's disk, in MiB


class ProtectionConfig(Section, frozen=True, kw_only=True):
    """What is protected, and what of it may leave to where."""

    catalogue: Path | None = None  # TOML; followed while running. Default: kiosk/protection/catalogue.toml


Language = Annotated[str, Meta(pattern="^[a-z]{2,3}$")]  # one that kiosk/terminal/messages has a file for


class TerminalConfig(Section, frozen=True, kw_only=True):
    """The touch screen, served on this machine's loopback only."""

    host: Literal["127.0.0.1", "::1"] = "127.0.0.1"  # loopback only
    port: TcpPort = 8800  # of the page that the screen's browser opens
    # Offered, in this order.
    languages: Annotated[tuple[Language, ...], Meta(min_length=1, max_length=3)] = ("zh", "en", "ru")
    default_language: Language = "zh"  # until somebody has chosen; one of languages
    help_phone: Annotated[str, Meta(max_length=32)] = ""  # shown when out of service; empty: "ask the staff"
    # The screen's own browser, without the page's address, which comes last; empty: Chromium under cage.
    browser: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    browser_frozen_s: Annotated[float, Meta(ge=5, le=300)] = 15  # drew nothing for so long: it is started again


class ObserverConfig(Section, frozen=True, kw_only=True):
    """Metrics and health for a collector on this machine. Nothing personal is in them."""

    host: Literal["127.0.0.1", "::1"] = "127.0.0.1"  # loopback only
    port: TcpPort = 9464  # of /metrics, /healthz and /readyz


class TimingConfig(Section, frozen=True, kw_only=True):
    """How long the kiosk waits for people and processes."""

    idle_s: Seconds = 60  # identified, and no note comes
    confirm_s: Seconds = 120  # counted, and nobody confirms
    resume_s: Seconds = 120  # unconfirmed and gone, or power back: until the notes are retracted
    take_s: Seconds = 30  # returned notes wait in the bezel
    result_s: Seconds = 60  # the result stays on the screen; from 20 s before the end it asks whether more is needed
    assess_s: Annotated[float, Meta(ge=0.1, le=10)] = 2  # the watcher's answer; silence counts as medium
    shutter_s: Annotated[float, Meta(ge=0.5, le=30)] = 5  # the shutter's way between its end switches


StaffRole = Literal["staff", "technician", "supervisor", "courier", "auditor"]
DelayedAction = Literal["ExchangeStart", "ReturnTray", "Enrol", "Renew", "RotateKey"]


class SignInConfig(Section, frozen=True, kw_only=True):
    """How people show who they are (docs/people.md)."""

    # Who must have a second factor, one-time codes of a telephone. Who has one is always asked for it.
    second_factor: tuple[StaffRole, ...] = ("staff", "technician", "supervisor", "courier", "auditor")
    idle_s: Annotated[int, Meta(ge=5, le=3600)] = 300  # a session of the maintenance shell without a command ends
    session_s: Annotated[int, Meta(ge=300, le=86_400)] = 28_800  # and any session
    # So long after an action was asked for it is not done, whoever has signed: against those who force somebody to.
    delays_s: dict[DelayedAction, Annotated[int, Meta(ge=0, le=800)]] = field(default_factory=dict)


class PowerConfig(Section, frozen=True, kw_only=True):
    """The uninterruptible supply behind the line power_good."""

    hold_up_s: Annotated[float, Meta(ge=3, le=3600)] = 30  # the cabinet runs on for so long: finish, or make safe
    dip_s: Annotated[float, Meta(ge=0, le=10)] = 0.3  # a shorter dip is none


class TokenConfig(Section, frozen=True, kw_only=True):
    """A token (TPM, secure element, HSM) that signs the records, through PKCS#11; docs/keys.md says how."""

    module: Path  # the token's PKCS#11 library
    token: Annotated[str, Meta(min_length=1, max_length=32)]  # the token's label; the PIN is in the file record.pin
    key: Annotated[str, Meta(min_length=1, max_length=64)]  # label of the P-256 pair that signs
    next_key: Annotated[str, Meta(max_length=64)] = ""  # label of the pair that a rotation takes up; empty: none


class Config(Section, frozen=True, kw_only=True):
    """The whole file. A table without a default must be there."""

    kiosk: KioskSection
    paths: PathsConfig
    bus: BusConfig = BusConfig()
    validator: ValidatorConfig
    board: BoardConfig
    label_printer: LabelPrinterConfig
    receipt_printer: ReceiptPrinterConfig | None = None  # without one, receipts are only shown on the screen
    gpio: GpioConfig = field(default_factory=GpioConfig)
    camera: CameraConfig
    risk: RiskConfig = RiskConfig()
    cash: CashConfig = CashConfig()
    limits: dict[Currency, LimitConfig] = field(default_factory=lambda: {"CNY": LimitConfig()})
    units: UnitsConfig = UnitsConfig()
    day: DayConfig = DayConfig()
    uplink: UplinkConfig
    evidence: EvidenceConfig = EvidenceConfig()
    protection: ProtectionConfig = ProtectionConfig()
    terminal: TerminalConfig = TerminalConfig()
    observer: ObserverConfig = ObserverConfig()
    timing: TimingConfig = TimingConfig()
    power: PowerConfig = PowerConfig()
    sign_in: SignInConfig = SignInConfig()
    record_token: TokenConfig | None = None  # without one, records are signed with the key in record.key

    @property
    def keys_dir(self) -> Path:
        """Where this kiosk's keys are."""
        return self.paths.keys_dir or self.paths.state_dir / "keys"

    @property
    def stills_dir(self) -> Path:
        """Where the watcher keeps stills; on an installed kiosk a directory of its own user."""
        return self.paths.stills_dir or self.paths.state_dir / "stills"


class CashFile(Section, frozen=True, kw_only=True):
    """The file that `cash.file` names."""

    notes: Annotated[tuple[NoteConfig, ...], Meta(min_length=1)]
