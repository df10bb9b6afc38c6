"""Units and plain words of every feature, for the models' manifests and so for the reasons people read.

`words_high` and `words_low` finish a sentence of the kind "unusual: ..."; a branch manager reads them.

`resolution` is the least deviation that a model may measure a feature by, of two kinds. Features that are 0 at nearly
all times: their deviation in training says how seldom they are not, no more, and a model that divided by it would be
alarmed by the first of them without bound; it is the step in which the feature is made, or the least of it that
somebody would call something. And measures of the picture as such: how much they vary is a matter of camera, codec and
lamps, not of people, so a quarter more or less of them is nothing; of noise, which ends in the codec's rounding, half
as much again. What an outline is measured at - a head's width, what is beside it - jumps when a neck is lost in the
dark or somebody far away stands behind a shoulder: there it is about what such a jump is.
"""

from dataclasses import asdict, dataclass
from typing import Final, Literal

Stream = Literal["scene", "machine", "transaction"]


@dataclass(frozen=True, slots=True)
class FeatureWords:
    """What a feature is measured in, and how to say that it is unusually high or low."""

    name: str
    unit: str
    words_high: str
    words_low: str
    resolution: float = 0.0  # in its unit: the least deviation that a model may measure it by


_SCENE: Final = (
    FeatureWords(
        "brightness",
        "log2 of usual",
        "the picture is unusually bright",
        "the picture is unusually dark",
        resolution=0.25,
    ),
    FeatureWords(
        "sharpness",
        "log of usual",
        "the picture is unusually harsh or noisy",
        "the picture is blurred",
        resolution=0.35,
    ),
    FeatureWords(
        "edge_share",
        "log2 of usual",
        "unusually much detail in the picture",
        "hardly any detail can be seen",
        resolution=0.3,
    ),
    FeatureWords("lost_edges", "share", "the view of the shop is blocked", "the shop is unusually empty"),
    FeatureWords(
        "grain", "log of usual", "the picture is unusually noisy", "the picture is unnaturally still", resolution=0.5
    ),
    FeatureWords("flicker", "share a second", "the light changes quickly", "the light is unnaturally constant"),
    FeatureWords("flow_peak", "widths a second", "very quick movement", "nothing moves"),
    FeatureWords("flow_mean", "widths a second", "movement all over the picture", "nothing moves"),
    FeatureWords("flow_port", "widths a second", "hurried hands at the port", "no hands move at the port"),
    FeatureWords(
        "flow_beside", "widths a second", "movement close beside the depositor", "nothing moves beside the depositor"
    ),
    FeatureWords("activity", "share", "much of the picture changes at once", "nothing changes in the picture"),
    FeatureWords(
        "front_area", "share", "more than one person's worth of people at the kiosk", "nobody stands at the kiosk"
    ),
    FeatureWords(
        "head_top", "share", "somebody stands unusually tall or near", "the depositor's head is out of view or very low"
    ),
    FeatureWords(
        "head_width",
        "share",
        "heads side by side: somebody is very close to the depositor",
        "no head where one is expected",
        resolution=0.1,
    ),
    FeatureWords(
        "shoulder_width",
        "share",
        "two people shoulder to shoulder at the kiosk",
        "nobody's shoulders where they are expected",
    ),
    FeatureWords(
        "beside_most",
        "share",
        "somebody is right beside or behind the depositor's shoulder",
        "nobody beside the depositor",
        resolution=0.3,
    ),
    FeatureWords(
        "beside_least",
        "share",
        "people on both sides of the depositor",
        "nobody on the other side of the depositor",
        resolution=0.3,
    ),
    FeatureWords("second_head", "share", "a second head beside the depositor's", "a single head", resolution=0.2),
    FeatureWords(
        "asymmetry",
        "share",
        "somebody crowds the depositor from one side",
        "the depositor stands exactly in the middle",
    ),
    FeatureWords(
        "front_growth",
        "share",
        "somebody has come up to the depositor",
        "somebody has left the depositor's side",
        resolution=0.008,
    ),
)
_MACHINE: Final = (
    FeatureWords("temperature", "degree Celsius", "the machine is hot", "the machine is cold"),
    FeatureWords(
        "temperature_drift", "degree Celsius a minute", "the machine warms up quickly", "the machine cools down quickly"
    ),
    FeatureWords("supply", "V", "the supply voltage is high", "the supply voltage is low"),
    FeatureWords("supply_dip", "V", "the supply voltage drops under load", "the supply is unnaturally steady"),
    FeatureWords("tilt", "mg", "the cabinet is tilted", "the tilt sensor reads lower than usual"),
    FeatureWords("tilt_range", "mg", "the cabinet is being moved or rocked", "the tilt sensor does not move at all"),
    FeatureWords("vibration", "mg rms", "the cabinet is shaken or drilled", "the vibration sensor reads nothing"),
    FeatureWords("vibration_peak", "mg rms", "a blow against the cabinet", "the vibration sensor reads nothing"),
    FeatureWords("gas", "permille", "gas or smoke at the cabinet", "the gas sensor reads lower than usual"),
    FeatureWords("gas_rise", "permille", "gas or smoke is rising", "the gas reading falls quickly", resolution=1.0),
    FeatureWords("busy", "share", "the board works longer than usual", "the board does nothing"),
    FeatureWords("motor", "mA", "a motor works harder than usual", "a motor runs with hardly any load"),
    FeatureWords(
        "motor_idle",
        "mA",
        "a motor draws current while nothing should move",
        "no idle current at all",
        resolution=2.0,
    ),
    FeatureWords("doors_open", "count", "a door of the cabinet is open", "all doors are closed"),
)


_TRANSACTION: Final = (
    FeatureWords("amount", "log10 units", "an unusually large amount", "hardly any money"),
    FeatureWords("notes", "log2 count", "unusually many notes", "hardly any notes"),
    FeatureWords("mean_note", "log10 units", "unusually large notes", "unusually small notes"),
    FeatureWords("denominations", "count", "an unusual mixture of notes", "notes of one kind only"),
    FeatureWords("refused", "log2 count", "unusually many notes refused", "no note refused"),
    FeatureWords("refused_share", "share", "unusually many of the notes refused", "no note refused"),
    FeatureWords("interval", "log2 s", "notes are fed in very slowly", "notes are fed in very quickly"),
    FeatureWords("haste", "count", "many notes pushed in within seconds", "hardly any note fed in"),
    FeatureWords("dwell", "log2 s", "the deposit takes unusually long", "the deposit has only begun"),
    FeatureWords(
        "corrections", "log2 count", "much hesitation at the screen", "no hesitation at the screen", resolution=0.3
    ),
    FeatureWords("hour_rarity", "log2", "an unusual hour for this kiosk", "a busy hour of this kiosk"),
    FeatureWords("own_day", "log2 count", "many deposits of this depositor within a day", "the first one for days"),
    FeatureWords("own_week", "log2 count", "many deposits of this depositor within a week", "the first one for weeks"),
    FeatureWords(
        "own_day_amount", "log10 units", "this depositor has brought unusually much within a day", "hardly any money"
    ),
    FeatureWords("own_amount_gap", "deviations", "far more than this depositor usually brings", "as usual or less"),
    FeatureWords("kiosk_hour", "log2 count", "an unusual rush at this kiosk", "a quiet hour at this kiosk"),
    FeatureWords("similar", "log2 count", "many deposits of a like amount within hours", "no deposit like it"),
    FeatureWords("stranger", "share", "a depositor who is new here", "a depositor who comes often"),
    FeatureWords(
        "odd_amount",
        "deviations log2",
        "unusually much money at an unusual hour",
        "nothing unusual about amount and hour",
        resolution=0.3,
    ),
)
_WORDS: Final[dict[Stream, tuple[FeatureWords, ...]]] = {
    "scene": _SCENE,
    "machine": _MACHINE,
    "transaction": _TRANSACTION,
}


def describe(stream: Stream) -> tuple[FeatureWords, ...]:
    """Words of a stream's features, in the order of its rows."""
    return _WORDS[stream]


def sidecar(stream: Stream) -> list[dict[str, str]]:
    """The list that is written as `<stream>.features.json` beside a feature table."""
    return [asdict(words) for words in describe(stream)]
