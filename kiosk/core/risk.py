"""Hard rules of risk, above every detector: they need no model and cannot be argued away by one."""

from collections.abc import Iterable

from kiosk.core.facts import Assessment, Grade, Stage

WATCHER_SILENT = "the watcher did not answer in time"
_LENS: dict[str, tuple[Grade, str]] = {
    "clear": ("low", ""),
    "covered": ("high", "the camera's lens is covered"),
    "frozen": ("high", "the camera's picture does not change any more"),
    "looped": ("high", "the camera shows pictures that it has shown before"),
    "absent": ("medium", "there is no picture from the camera"),
}
_ORDER: dict[Grade, int] = {"low": 0, "medium": 1, "high": 2}


def worst(grades: Iterable[Grade]) -> Grade:
    """The highest of these grades; low when there are none."""
    return max(grades, key=_ORDER.__getitem__, default="low")


def judge(
    grade: Grade, reasons: tuple[str, ...], lens: str, hazards: tuple[str, ...] = ()
) -> tuple[Grade, tuple[str, ...]]:
    """The detector's grade under the hard rules: a hazard of the cabinet or a blinded camera outranks it."""
    lens_grade, lens_reason = _LENS.get(lens, ("medium", f"the camera reports {lens}"))
    hazard_grade: Grade = "high" if hazards else "low"
    said = tuple(filter(None, (*hazards, lens_reason, *reasons)))
    return worst((grade, lens_grade, hazard_grade)), said


def silent(stages: Iterable[Stage], hazards: tuple[str, ...] = ()) -> tuple[Assessment, ...]:
    """What counts when the watcher says nothing: medium, or high with a hazard."""
    grade: Grade = "high" if hazards else "medium"
    return tuple(Assessment(stage, grade, (*hazards, WATCHER_SILENT)) for stage in stages)
