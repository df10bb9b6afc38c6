"""Every setting of the simulated world, with units and ranges. `hwsim.scenario` reads them from TOML.

Unknown keys are refused. Times are seconds of the world's scheduler. Durations are those of a brisk machine:
a deposit of five notes takes about twelve seconds.
"""

from typing import Annotated, Literal

import msgspec

Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=3600.0)]
Count = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]
U32 = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
Fraction = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]


class WorldConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Table [world]: the cabinet and its stocks."""

    straps: Count = 50
    labels: Count = 50
    receipt_mm: Count = 60_000  # paper of the receipt printer: one roll
    slots: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 40
    occupied_slots: tuple[int, ...] = ()  # filled with bundles of an earlier, unrelated day
    shutter_move_s: Seconds = 0.3
    shutter_reach: Fraction = 0.5  # how far open the shutter must be for a hand to take notes


class ChannelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One channel of the validator's dataset: what a `kind` of note of this face is reported as."""

    currency: Currency
    face: Annotated[int, msgspec.Meta(ge=1, le=255)]  # times the real value multiplier = minor units
    suspect: bool = False


def default_channels() -> tuple[ChannelConfig, ...]:
    """CNY 1 to 100, then the same faces as suspect channels."""
    faces = (1, 5, 10, 20, 50, 100)
    genuine = tuple(ChannelConfig("CNY", face) for face in faces)
    return genuine + tuple(ChannelConfig("CNY", face, suspect=True) for face in faces)


class SspProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Table [validator.profile]: the validator's choices where sources are silent or disagree (ssp.md)."""

    escrow_window_s: Literal[5, 10] = 10  # erratum E5
    poll_watchdog_s: Literal[5, 10] = 10  # without a poll for so long it inhibits itself
    encryption: Literal["marked", "enforced", "off"] = "marked"  # section 7.5
    plain_credit: Literal["encrypt", "withhold"] = "encrypt"
    bad_key: Literal["key_not_set", "silent"] = "key_not_set"
    hold_without_note: Literal[0xF8, 0xF5] = 0xF8
    disabled_repeats: bool = True  # E8 in every poll while disabled, or once
    power_up_pv: Annotated[int, msgspec.Meta(ge=4, le=8)] = 4
    pv_max: Annotated[int, msgspec.Meta(ge=4, le=8)] = 8
    # Power cuts, section 6.3
    cut_before_safe_point: Literal["front", "cashbox"] = "front"  # accepted, no credit yet: E1 or E2
    cut_on_way_to_store: Literal["store", "stacker"] = "store"  # past the safe point: CB or CA
    cut_while_emptying: Literal["store", "stacker"] = "stacker"
    unread_credit_survives: bool = False  # EE queued, not polled yet
    unacknowledged_credit_survives: bool = False  # EE delivered, no EVENT ACK yet
    escrow_survives: bool = True  # the escrow mark of stored notes
    # Bunch escrow, section 5.5
    suspect_country: Currency = "CNX"  # routes are by value and country: suspects need a country of their own
    busy_code: Byte = 0x03
    empty_escrow_refusal: Literal["f5", "ok"] = "f5"  # 0x76 with nothing in escrow
    escrow_full_reject: Byte = 0x1D
    transfer_event_on_empty: bool = True  # C9 for each note of SMART EMPTY


class ValidatorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Table [validator]."""

    serial_number: U32 = 4_711_042
    firmware: Annotated[str, msgspec.Meta(pattern="^[0-9]{4}$")] = "0428"
    dataset: Annotated[str, msgspec.Meta(min_length=8, max_length=8)] = "CNY01101"
    fixed_key_hex: Annotated[str, msgspec.Meta(pattern="^[0-9A-Fa-f]{16}$")] = "0123456701234567"
    channels: tuple[ChannelConfig, ...] = msgspec.field(default_factory=default_channels)
    real_multiplier: Annotated[int, msgspec.Meta(ge=1, le=0xFFFFFF)] = 100
    store_capacity: Annotated[int, msgspec.Meta(ge=1, le=255)] = 80
    escrow_size: Byte = 0  # as left in non-volatile memory by whoever configured it last
    reply_delay_s: Seconds = 0.002
    initialise_s: Seconds = 0.5
    scan_s: Seconds = 0.4
    to_safe_point_s: Seconds = 0.2
    to_store_s: Seconds = 0.3
    reject_s: Seconds = 0.4
    dispense_s: Seconds = 0.6
    empty_note_s: Seconds = 0.3
    profile: SspProfile = SspProfile()


class EbdsNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of an EBDS note table: base x 10^exponent units of the currency."""

    currency: Currency
    base: Annotated[int, msgspec.Meta(ge=1, le=999)]
    exponent: Annotated[int, msgspec.Meta(ge=-2, le=9)] = 0


def ebds_notes() -> tuple[EbdsNote, ...]:
    """CNY 1 to 100."""
    return tuple(EbdsNote("CNY", base) for base in (1, 5, 10, 20, 50, 100))


class EbdsProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Table [ebds.profile]: where the sources are silent or devices differ (ebds.md)."""

    extended_notes: bool = True  # knows extended note reporting; else the value table
    classifies: bool = False  # reports suspect notes as such; else it does not recognise them
    repeats_reply: bool = True  # to a repeated toggle the same reply; False: the naive device, which loses events
    held_at_power_up: Literal["escrowed", "out_of_order"] = "escrowed"  # policies B and C, note at escrow
    unread_event_survives: bool = False  # a stacked note that was not told before the cut is told after it
    blank_stack_on_insert: bool = True  # the cassette put back is reported as a stack without value
    escrow_timeout_s: Annotated[int, msgspec.Meta(ge=0, le=127)] = 0  # 0: off
    host_silence_s: Seconds = 5.0  # without a message for so long it drops all enables


class EbdsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Table [ebds]: a bill acceptor with single-note escrow and a cassette."""

    notes: Annotated[tuple[EbdsNote, ...], msgspec.Meta(min_length=1, max_length=50)] = msgspec.field(
        default_factory=ebds_notes
    )
    model: Annotated[int, msgspec.Meta(ge=0, le=127)] = 0x54
    revision: Annotated[int, msgspec.Meta(ge=0, le=127)] = 0x11
    software_crc: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)] = 0x5A3C
    application_part: Annotated[str, msgspec.Meta(min_length=1, max_length=9)] = "286000123"
    variant_part: Annotated[str, msgspec.Meta(min_length=1, max_length=9)] = "490000105"
    variant_name: Annotated[str, msgspec.Meta(min_length=1, max_length=32)] = "CNY"
    cassette_capacity: Count = 1000
    reply_delay_s: Seconds = 0.004
    initialise_s: Seconds = 0.5
    scan_s: Seconds = 0.4
    to_safe_point_s: Seconds = 0.2
    to_cassette_s: Seconds = 0.3
    reject_s: Seconds = 0.4
    profile: EbdsProfile = EbdsProfile()


class CctalkProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Table [cctalk.profile]: what ccTalk leaves to the product's manual (cctalk.md)."""

    checksum: Literal["sum8", "crc16"] = "sum8"
    address: Annotated[int, msgspec.Meta(ge=2, le=255)] = 40
    echo: bool = True  # the shared data line lets the host hear itself
    category: Literal["Bill Validator", "Bill Acceptor"] = "Bill Validator"
    escrow_timeout_s: Seconds = 30.0
    poll_watchdog_s: Seconds = 5.0  # without a read of the events for so long it inhibits itself
    inhibits_at_power_up: Literal["closed", "open"] = "closed"
    first_event: Literal["none", "0,0", "0,2"] = "none"  # inserted when the host reads a counter of 0
    repeated_route: Literal["refused", "silent"] = "refused"  # a route order that was executed already
    # Power cuts, section 4.4: no source defines them
    cut_in_escrow: Literal["returned", "stacked_unknown", "stacked_credited"] = "returned"
    cut_while_stacking: Literal["unreported", "stacked_unknown", "stacked_credited"] = "stacked_credited"


class CctalkConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Table [cctalk]: a bill validator with single-note escrow and a cassette."""

    serial_number: Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFF)] = 1_605_042
    manufacturer: Annotated[str, msgspec.Meta(min_length=3, max_length=32)] = "SIM"
    product: Annotated[str, msgspec.Meta(min_length=3, max_length=16)] = "HWSIM1"
    software: Annotated[str, msgspec.Meta(min_length=3, max_length=32)] = "SIM-F1-V4.44"
    build: Annotated[str, msgspec.Meta(min_length=1, max_length=8)] = "Standard"
    country: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")] = "CN"
    currency: Currency = "CNY"
    bills: tuple[Annotated[int, msgspec.Meta(ge=1, le=9999)], ...] = (
        1,
        5,
        10,
        20,
        50,
        100,
    )  # values of types 1, 2, ...
    factor: Annotated[int, msgspec.Meta(ge=1, le=0xFFFF)] = 100
    decimals: Annotated[int, msgspec.Meta(ge=0, le=9)] = 2
    cassette_capacity: Count = 1000
    reply_delay_s: Seconds = 0.004
    initialise_s: Seconds = 0.5
    scan_s: Seconds = 0.4
    to_safe_point_s: Seconds = 0.2
    to_cassette_s: Seconds = 0.3
    reject_s: Seconds = 0.4
    profile: CctalkProfile = CctalkProfile()


class SensorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Table [board.sensors]: what the cabinet's surroundings are like."""

    ambient_c: Annotated[float, msgspec.Meta(ge=-40, le=85)] = 22.0
    supply_mv: Annotated[float, msgspec.Meta(ge=0, le=65_000)] = 24_050.0
    tilt_mg: Annotated[float, msgspec.Meta(ge=-2000, le=2000)] = 3.0
    gas_permille: Annotated[float, msgspec.Meta(ge=0, le=1000)] = 12.0
    wear: Fraction = 0.0  # 0 new bearings .. 1 worn: more current, more vibration


class BoardConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Table [board]."""

    unit: Annotated[int, msgspec.Meta(ge=1, le=247)] = 1
    model: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)] = 7
    watchdog_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 3000  # at power-up; 0 = off
    reply_delay_s: Seconds = 0.002
    frame_gap_s: Seconds = 0.05  # an unfinished frame older than this is dropped
    home_s: Seconds = 0.5
    note_to_tray_s: Seconds = 0.4
    note_spacing_s: Seconds = 0.15
    collect_quiet_s: Seconds = 5.0
    collect_settle_s: Seconds = 0.3
    strap_s: Seconds = 1.0
    label_s: Seconds = 0.8
    store_s: Seconds = 0.8
    return_s: Seconds = 0.8
    purge_s: Seconds = 0.8
    self_test_s: Seconds = 0.5
    lamp_s: Seconds = 0.02
    commit_fraction: Fraction = 0.7  # the part of a motion after which its physical effect has happened
    supply_low_mv: Annotated[int, msgspec.Meta(ge=0, le=65_000)] = 21_000
    sensors: SensorConfig = SensorConfig()


class LabelPrinterConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Table [label_printer]."""

    status_in_error: Literal["silent", "flags"] = "silent"  # zpl.md section 3: both exist
    print_s: Seconds = 0.5
    reply_delay_s: Seconds = 0.002
    width_dots: Annotated[int, msgspec.Meta(ge=100, le=4000)] = 832
    height_dots: Annotated[int, msgspec.Meta(ge=100, le=8000)] = 600
    formats_max: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    model: str = "SIM203"
    firmware: str = "V1.0.0"


class ReceiptPrinterConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Table [receipt_printer]."""

    status: Literal["answers", "silent"] = "answers"  # silent: DLE EOT is never answered
    near_end_sensor: bool = True
    near_end_mm: Count = 3000
    mm_per_s: Annotated[float, msgspec.Meta(ge=1, le=1000)] = 150.0
    cut_s: Seconds = 0.3
    buffer_bytes: Annotated[int, msgspec.Meta(ge=64, le=1_000_000)] = 4096  # what comes beyond it is lost
    reply_delay_s: Seconds = 0.002
