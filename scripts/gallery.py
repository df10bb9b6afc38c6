"""One status for each thing that the touch screen can have to say: for screenshots and for the tests of the screens."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec.structs import replace

from kiosk.messages import (
    Amount,
    BadgeShown,
    BankText,
    BundleAt,
    DenominationCount,
    DepositView,
    LabelView,
    LookedUp,
    NotesAt,
    StaffView,
    Status,
)
from kiosk.terminal.session import Session

ACCOUNT: Final = "0000111122223337"  # made up; the check digit is right
LONG: Final = ("Nobody from the bank asks you to deposit money for them. " * 3)[:80]
LONG_ZH: Final = ("银行工作人员不会要求您为他们存款。" * 10)[:40]
LONG_RU: Final = ("Сотрудники банка не просят вносить деньги за них. " * 3)[:80]
SAID: Final = tuple(
    BankText(kind, code, text)
    for kind in ("safety", "notice")
    for code, text in (("en", LONG), ("zh", LONG_ZH), ("ru", LONG_RU), ("fr", "Pas d'ici"))
    for _ in range(2)
)
OWED: Final = tuple(
    BankText("compensation", code, text)
    for code, text in (
        ("en", "What is lost by our fault is paid back with interest within 5 days."),
        ("zh", "因本行过错造成的损失，五个工作日内连本带息赔付。"),  # noqa: RUF001 - its own comma
        ("ru", "Потерянное по вине банка возвращаем с процентами за 5 рабочих дней."),  # noqa: RUF001 - Cyrillic
    )
)
IDLE: Final = Status(
    kiosk="demo-0001",
    state="idle",
    in_service=True,
    out_of_service_reasons=(),
    deposit=None,
    devices=(),
    scene_grade="low",
    log_size=12,
    log_root="00" * 32,
    outbox_rows=0,
    acknowledged=12,
    deposits_today=3,
    single_user=False,
    clock_synchronised=True,
    config_hash="00" * 32,
    version="0.1.0",
    uptime_s=600.0,
)
_FACES: Final = ((10_000, 7), (5000, 2), (2000, 3), (1000, 1), (500, 2), (100, 4))
COUNTED: Final = tuple(DenominationCount(value, "CNY", count) for value, count in _FACES)
TOTAL: Final = (Amount(sum(value * count for value, count in _FACES), "CNY"),)
KEPT: Final = (Amount(10_000, "CNY"),)
_CROWDED: Final = (
    "somebody crowds the depositor from one side (asymmetry 0.41 share, usually 0.02 to 0.2)",
    "a second head beside the depositor's (second head 0.3 share, usually 0 to 0.1) [map cell 3,4 of 10 x 10]",
)
EMPTY: Final = DepositView(code="482913775610", state="cash_in", account_masked="****3337", notes_left=40)
FULL: Final = replace(EMPTY, counted=COUNTED, total=TOTAL, notes_left=21, notes_at=(NotesAt("escrow", 19),))
STORED: Final = (NotesAt("cabinet", 19),)
BOXED: Final = (NotesAt("retract", 19),)
CREDITED: Final = replace(
    FULL, notes_at=STORED, bundle_id="B00000042", confirmed_at="2026-11-21T08:30:00.125Z", outcome="credited"
)
PRINTED: Final = replace(
    CREDITED,
    receipt="printed",
    receipt_reprints_left=3,
    receipt_qrs=("kiosk-receipt-opening " * 30, "tlog-proof " * 60),
)
_BUNDLES: Final = tuple(
    BundleAt(slot, f"B000000{30 + slot}", notes, labelled=slot not in (3, 12))
    for slot, notes in enumerate((19, 4, 40, 7, 1, 22, 13, 40, 2, 9, 31, 5, 28, 17, 11, 6))
)


@dataclass(frozen=True)
class Picture:
    """A moment: what the controller says, and what was typed."""

    name: str
    status: Status | None
    digits: str = ""
    codes_page: int = 0
    problem: str = ""
    looked_up: LookedUp | None = None
    staff: bool = False
    pin: bool = False  # a badge was shown
    code: bool = False  # and the PIN typed: now the telephone's
    labelling: bool = False  # somebody of the staff wants a label again
    ticket: bool = False  # shown instead of typing
    informed: bool = False
    revealed: bool = False
    options: frozenset[str] = frozenset()
    language: bool = True  # whether one has been chosen
    extra: dict[str, Any] = field(default_factory=dict)

    def session(self, language: str) -> Session:
        """The terminal's memory at that moment."""
        chosen = language if self.language else None
        return Session(
            chosen,
            self.options,
            self.digits,
            self.looked_up,
            1 if self.ticket else 0,
            "badge" if self.staff else "",
            BadgeShown(3, "S-03", second=self.code) if self.pin else None,
            "246813" if self.code else "",
            self.informed,
            self.revealed,
            self.codes_page,
            self.problem,
            labelling=self.labelling,
        )


# State -> seconds left, seconds altogether.
_WAITS: Final = {
    "consenting": (50.0, 60.0),
    "cash_in": (42.0, 60.0),
    "review": (85.0, 120.0),
    "returning": (21.0, 30.0),
    "suspended": (95.0, 120.0),
    "done": (52.0, 60.0),
}


def _of(deposit: DepositView, state: str, **changes: Any) -> Status:  # noqa: ANN401 - fields of the view
    left_s, total_s = _WAITS.get(state, (None, None))
    deposit = replace(deposit, state=state, deadline_s=left_s, deadline_total_s=total_s)
    return replace(IDLE, state=state, deposit=replace(deposit, **changes))


def pictures() -> Iterator[Picture]:
    """All of them."""
    yield from _before()
    yield from _cash_in()
    yield from _held_up()
    yield from _credited()
    yield from _results()


def _before() -> Iterator[Picture]:
    known = LookedUp(account_masked="****3337", name_masked="王**", known=True, directory_version=3)
    unknown = replace(known, name_masked=None, known=False)
    yield Picture("starting", None)
    yield Picture(
        "out-of-service",
        replace(
            IDLE,
            in_service=False,
            out_of_service_reasons=("no straps are left", "validator: it does not answer (0.5 s)"),
        ),
        language=False,
    )
    reasons = ("an exchange is open [4: cabinet]", "the cabinet door is open")
    handed = replace(IDLE, in_service=False, out_of_service_reasons=reasons)
    yield Picture("out-of-service-exchange", handed, language=False)
    yield Picture("attract", IDLE, language=False)
    yield Picture("attract-options", IDLE, language=False, options=frozenset({"contrast", "speech"}))
    yield Picture("attract-bank-texts", replace(IDLE, bank_texts=SAID), language=False)
    yield from _staff(replace(IDLE, tickets=True))
    yield Picture("identify", IDLE, digits=ACCOUNT[:10])
    yield Picture("identify-mistake", IDLE, digits=ACCOUNT[:-1] + "4", problem="check_digit")
    reading = replace(IDLE, tickets=True)
    yield Picture("identify-ticket", reading)
    for problem in ("unreadable", "foreign", "early", "expired", "used"):
        yield Picture(f"identify-ticket-{problem}", reading, problem=f"ticket_{problem}")
    yield Picture("account-ticket", reading, looked_up=known, ticket=True)
    yield Picture("account", IDLE, digits=ACCOUNT, looked_up=known)
    yield Picture("account-unknown", IDLE, digits=ACCOUNT, looked_up=unknown)
    yield Picture("account-no-directory", IDLE, digits=ACCOUNT, looked_up=replace(unknown, directory_version=None))
    yield Picture("before", IDLE, digits=ACCOUNT, looked_up=known, informed=True)
    yield Picture("before-compensation", replace(IDLE, bank_texts=OWED), digits=ACCOUNT, looked_up=known, informed=True)
    yield Picture("prepare", _of(EMPTY, "watching"))
    yield Picture("consent", _of(EMPTY, "consenting"))


def _staff(idle: Status) -> Iterator[Picture]:
    view = StaffView("S-03", ("duty_on", "collect"), bundles=17)
    busy = replace(idle, on_duty="S-03")
    yield Picture("badge", idle, staff=True)
    yield Picture("badge-foreign", idle, staff=True, problem="badge_foreign")
    yield Picture("badge-no-camera", IDLE, staff=True)
    yield Picture("pin", idle, staff=True, pin=True, digits="246813")
    yield Picture("pin-code", idle, staff=True, pin=True, code=True, digits="314")
    yield Picture("pin-wrong", idle, staff=True, pin=True, problem="wrong_pin")
    yield Picture("staff", replace(idle, staff=view))
    yield Picture("staff-duty-only", replace(busy, staff=replace(view, offers=("duty_off",), whole=False)))
    asked = replace(view, asked="start", asked_by="K-17", offers=("duty_off", "approve", "withdraw"))
    yield Picture("staff-approve", replace(busy, staff=asked))
    yield Picture("staff-approve-end", replace(busy, staff=replace(asked, asked="end", exchange=4, emptied=True)))
    yield Picture("staff-open", replace(busy, staff=replace(view, exchange=4, offers=("duty_off", "emptied"))))
    out = replace(view, exchange=4, emptied=True, offers=("duty_off", "end"))
    yield Picture("staff-out", replace(busy, staff=out))
    yield from _labels(replace(busy, staff=replace(out, labels=_BUNDLES)))


def _labels(handing: Status) -> Iterator[Picture]:
    staff = handing.staff
    assert staff is not None
    yield Picture("staff-labels", handing)
    yield Picture("staff-label-hangs", handing, problem="label_hangs")
    yield Picture("label", handing, labelling=True)
    yield Picture("label-found", handing, labelling=True, digits="12")
    yield Picture("label-none", handing, labelling=True, digits="17")
    for stands in ("printing", "printed", "failed"):
        label = LabelView("B00000042", 2, stands)
        yield Picture(f"label-{stands}", replace(handing, staff=replace(staff, label=label)), labelling=True)


def _cash_in() -> Iterator[Picture]:
    yield Picture("insert-final", _of(FULL, "cash_in", each_note_final=True))
    yield Picture("insert-empty", _of(EMPTY, "cash_in"))
    yield Picture("insert", _of(FULL, "cash_in"))
    yield Picture("insert-moving", _of(FULL, "stacking", grade="low"))
    yield Picture("insert-purging", _of(FULL, "purging", grade="low"))
    yield Picture("insert-limit", _of(FULL, "cash_in", room=(Amount(0, "CNY"),)))
    yield Picture("insert-over-limit", _of(FULL, "cash_in", last_refusal="limitOverAmount"))
    yield Picture("insert-full", _of(FULL, "cash_in", last_refusal="limitOverTotalItems", notes_left=0))
    yield Picture("insert-refused", _of(FULL, "cash_in", last_refusal="graph_fail", deadline_s=12.0))
    yield Picture("insert-suspect", _of(FULL, "cash_in", retained=KEPT))
    yield Picture("insert-watched", _of(FULL, "cash_in", grade="medium", reasons=_CROWDED))
    yield Picture("insert-revealed", _of(FULL, "cash_in", grade="medium", reasons=_CROWDED), revealed=True)
    yield Picture("review-watched", _of(FULL, "review", grade="medium", reasons=_CROWDED))
    yield Picture("closing-port-high", _of(FULL, "settling", grade="high", reasons=_CROWDED))
    yield Picture("closing-port", _of(FULL, "settling"))
    yield Picture("review", _of(FULL, "review"))
    yield Picture("review-hurry", _of(FULL, "review", deadline_s=12.0, retained=KEPT))
    yield Picture("review-full", _of(FULL, "review", notes_left=0))
    yield Picture("review-empty", _of(EMPTY, "review"))
    yield Picture("returning", _of(FULL, "returning", returned=(Amount(13_000, "CNY"),)))


def _held_up() -> Iterator[Picture]:
    yield Picture("resume", _of(FULL, "suspended"), digits="482913")
    yield Picture("resume-mistake", _of(FULL, "suspended"), problem="wrong_code")
    scattered = (NotesAt("validator", 1), NotesAt("escrow", 17), NotesAt("retract", 1))
    yield Picture("resume-scattered", _of(FULL, "suspended", notes_at=scattered))
    yield Picture("resume-none", _of(EMPTY, "suspended"))
    yield Picture("jam", _of(FULL, "jammed", obstacle="port"))
    yield Picture("jam-inside", _of(FULL, "jammed", obstacle="validator"))
    yield Picture("held", _of(CREDITED, "storing", obstacle="gate"))
    yield Picture("held-belt", _of(CREDITED, "collecting", obstacle="transport"))
    yield Picture("held-door", _of(CREDITED, "realigning", obstacle="door"))
    yield Picture("held-kept", _of(FULL, "retracting", obstacle="board"))
    yield Picture("trouble", replace(_of(FULL, "cash_in"), devices_connected=False))
    yield Picture("retracting", _of(FULL, "retracting"))


def _credited() -> Iterator[Picture]:
    yield Picture("bundling", _of(CREDITED, "strapping"))
    yield Picture("bundling-record", _of(CREDITED, "closing"))
    yield Picture("finishing", _of(EMPTY, "closing", outcome="returned"))
    yield Picture("printing", _of(CREDITED, "receipt", receipt="pending"))


def _results() -> Iterator[Picture]:
    yield Picture("result", _of(PRINTED, "done", grade="low"))
    yield Picture("result-witnessed", _of(PRINTED, "done", grade="low", receipt_witnessed=True))
    yield Picture("result-masked", _of(PRINTED, "done", grade="medium", reasons=_CROWDED, retained=KEPT))
    yield Picture("result-no-paper", _of(PRINTED, "done", grade="low", receipt="failed"))
    yield Picture("receipt", _of(PRINTED, "done"), codes_page=1)
    yield Picture("result-medium", _of(PRINTED, "done", grade="medium", reasons=_CROWDED, retained=KEPT), revealed=True)
    yield Picture("result-suspense", _of(CREDITED, "done", grade="low", account_known=False))
    yield Picture("result-returned", _of(EMPTY, "done", grade="low", outcome="returned", returned=TOTAL))
    yield Picture(
        "result-retracted", _of(EMPTY, "done", grade="low", outcome="retracted", disputed=TOTAL, notes_at=BOXED)
    )
    yield Picture("result-jammed", _of(EMPTY, "done", outcome="jammed", disputed=TOTAL, disputed_unvalued=1))
    yield Picture("result-unclear", _of(EMPTY, "done", outcome="interrupted", disputed=KEPT))
    yield Picture("result-nothing", _of(EMPTY, "done", outcome="nothing_inserted"))
    yield Picture("result-high", _of(EMPTY, "done", outcome="refused_risk", grade="high", reasons=_CROWDED))
