"""Staff at the screen: who stands there, who is on duty, the hand-over of the cabinet's cash, and labels for it.

Decides nothing about rights: signing in, requests and approvals go through the authority desk like everybody's. The
session that badge and PIN opened is kept here, for one person at a time, and ends when they leave or stand still.
Who is on duty is durable, and on record when it changes; every deposit names them.
"""

from collections.abc import Iterator
from typing import Final, Literal

from kiosk.core import actions
from kiosk.core.records import service
from kiosk.core.state import State
from kiosk.guarantee import badge
from kiosk.management.authority import AuthorityDesk
from kiosk.management.controller import Controller
from kiosk.management.reprint import HANGS, Reprints
from kiosk.management.sign_in import Shown
from kiosk.management.storage_desk import StorageDesk
from kiosk.messages import (
    ApproveAction,
    Asked,
    BundleAt,
    BundleView,
    ExchangeStep,
    Ok,
    Refused,
    Reply,
    ReprintLabel,
    RequestAction,
    RequestView,
    SignedInAs,
    SignOut,
    StaffAct,
    StaffDo,
    StaffLeave,
    StaffSignIn,
    StaffView,
    WithdrawAction,
)

STILL_S: Final = 120.0  # without an act; the screen itself asks earlier
BADGE_S: Final = 120.0  # from the badge to its PIN
ON_DUTY: Final = "on_duty"  # in the journal's memory
CABINET: Final = "cabinet"
_ASKS: Final[dict[str, Literal["start", "end"]]] = {"ExchangeStart": "start", "ExchangeEnd": "end"}
StaffRequest = StaffSignIn | StaffDo | ReprintLabel | StaffLeave


class Present:
    """Who stands at the screen."""

    def __init__(self, staff: str, signed: SignedInAs, now_s: float, *, whole: bool) -> None:
        """`whole`: also by the second factor, where one is asked for. Otherwise there is no session behind it."""
        self.staff, self.session, self.roles, self.used_s = staff, signed.session, frozenset(signed.roles), now_s
        self.whole = whole
        self.done: StaffAct | str = ""


class StaffDesk:
    """One for the desk."""

    def __init__(self, controller: Controller, authority: AuthorityDesk, storage: StorageDesk) -> None:
        self._c, self._authority, self._storage = controller, authority, storage
        self._reprints = Reprints(controller)
        self._badge: tuple[int, str, float] | None = None
        self._present: Present | None = None
        self._duty: str | None = None

    # --- who is it ----------------------------------------------------------------------------------------

    async def shown(self, number: int, found: badge.Badge) -> bool:
        """A badge was held up; whether whom it names is asked for a one-time code, too."""
        self._badge = number, found.staff, self._c.clock.monotonic_s()
        people = await self._authority.people()
        return any(each.staff == found.staff and each.second for each in people.people)

    async def handle(self, request: StaffRequest) -> Reply:
        """Answer one."""
        if isinstance(request, StaffSignIn):
            reply = await self._sign_in(request)
        elif isinstance(request, StaffDo):
            reply = await self._do(request.act)
        elif isinstance(request, ReprintLabel):
            reply = await self._label(request.bundle)
        else:
            await self._leave()
            reply = Ok()
        self._c.announce()
        return reply

    async def _sign_in(self, request: StaffSignIn) -> Reply:
        number, staff, at_s = self._badge or (0, "", 0.0)
        if number != request.number or self._c.clock.monotonic_s() - at_s > BADGE_S:
            return Refused("no_badge", "No badge was shown just now.", "Show the badge again.")
        if self._c.deposit.state not in (State.IDLE, State.DONE):
            return Refused("not_now", "A deposit is under way.", "Wait until it has ended.")
        reply = await self._authority.at_screen(Shown(staff, request.secret, request.code, "screen"))
        if isinstance(reply, Refused):
            return reply
        await self._leave()
        self._present = Present(staff, reply[0], self._c.clock.monotonic_s(), whole=reply[1])
        return Ok()

    async def _leave(self) -> None:
        present, self._present, self._badge = self._present, None, None
        if present is not None:
            await self._authority.handle(SignOut(present.staff, present.session))

    # --- what they do -------------------------------------------------------------------------------------

    async def _do(self, act: StaffAct) -> Reply:
        present = await self._still_there()
        view = await self.view()
        if present is None or view is None or act not in view.offers:
            return Refused("not_now", "This is not possible now.", "Look at the screen.")
        present.used_s = self._c.clock.monotonic_s()
        reply = await self._carry_out(act, present)
        if isinstance(reply, Refused):
            return reply
        present.done = act if not isinstance(reply, Asked) or reply.done else f"{act}_asked"
        return Refused("not_yet", reply.not_yet, reply.remedy) if isinstance(reply, Asked) and reply.not_yet else Ok()

    async def _carry_out(self, act: StaffAct, present: Present) -> Reply:
        staff, session = present.staff, present.session
        match act:
            case "duty_on":
                return await self._duty_is(staff, staff)
            case "duty_off":
                return await self._duty_is("", staff)
            case "collect":
                return await self._authority.handle(
                    RequestAction(staff, session, {"action": "ExchangeStart", "units": [CABINET]})
                )
            case "emptied":
                return await self._storage.handle(ExchangeStep("remove", CABINET, ""))
            case "end":
                return await self._end(present)
            case "approve" | "withdraw":
                return await self._second(act, present)

    async def _end(self, present: Present) -> Reply:
        if await self._reprints.hangs():  # no bundle of the next deposit would get its label
            return HANGS
        open_ = self._storage.view().exchange
        assert open_ is not None, "it is offered only while one is open"
        end = {"action": "ExchangeEnd", "exchange": open_.number, "steps_sha256": open_.digest}
        return await self._authority.handle(RequestAction(present.staff, present.session, end))

    async def _label(self, bundle: str) -> Reply:
        present, view = await self._still_there(), await self.view()
        if present is None or view is None or all(bundle != each.bundle for each in view.labels):
            return Refused("not_now", "This label cannot be printed now.", "Look at the screen.")
        present.used_s = self._c.clock.monotonic_s()
        return await self._reprints.order(bundle, present.staff)

    async def _second(self, act: StaffAct, present: Present) -> Reply:
        waiting = await self._waiting()
        if waiting is None:
            return Refused("no_request", "Nothing waits any more.", "Look at the screen.")
        if act == "withdraw":
            return await self._authority.handle(WithdrawAction(present.staff, present.session, waiting.number))
        approve = ApproveAction(present.staff, present.session, waiting.number, waiting.content)
        return await self._authority.handle(approve)

    async def _duty_is(self, staff: str, by: str) -> Reply:
        before = await self.on_duty()
        draft = service("duty", {"staff": staff, "before": before, "by": by})
        now = self._c.clock.now_utc()
        await self._c.runner.run(self._c.journal.remember, ON_DUTY, staff, draft, now)
        self._duty = staff
        self._c.recorded()
        return Ok()

    # --- what is seen -------------------------------------------------------------------------------------

    async def on_duty(self) -> str:
        """Who is responsible now, if they are still enrolled; empty: nobody has signed on."""
        if self._duty is None:
            self._duty = await self._c.runner.run(self._c.journal.memory, ON_DUTY) or ""
        if not self._duty:
            return ""
        people = await self._authority.people()
        return self._duty if any(each.staff == self._duty and each.active for each in people.people) else ""

    async def _still_there(self) -> Present | None:
        present = self._present
        if present is not None and self._c.clock.monotonic_s() - present.used_s > STILL_S:
            await self._leave()
        return self._present

    async def _waiting(self) -> RequestView | None:
        """The beginning or end of a hand-over that waits for its second person; the newest."""
        people = await self._authority.people()
        found = [each for each in people.requests if each.action["action"] in _ASKS and each.waits_for]
        return found[-1] if found else None

    async def view(self) -> StaffView | None:
        """For the screen; None while nobody of the staff stands there."""
        present = await self._still_there()
        if present is None:
            return None
        stored = self._storage.view()
        cabinet = next(unit for unit in stored.units if unit.name == CABINET)
        waiting = await self._waiting()
        open_ = stored.exchange
        emptied = open_ is not None and any(each.startswith(CABINET) for each in open_.removed)
        offers = _second_word(present, waiting)
        if waiting is None and present.roles.intersection(actions.CASH):
            offers = _next_step(open_ is not None, emptied, len(cabinet.bundles))
        if not present.whole:
            offers = ()
        on_duty, last = await self.on_duty(), self._reprints.last
        responsible = present.whole and on_duty == present.staff
        holds = open_ is not None and waiting is None and CABINET in open_.units
        return StaffView(
            staff=present.staff,
            offers=(*_duty(present, on_duty), *offers),
            asked_by=waiting.signers[0] if waiting else "",
            asked="" if waiting is None else _ASKS[waiting.action["action"]],
            bundles=len(cabinet.bundles),
            exchange=0 if open_ is None else open_.number,
            emptied=emptied,
            done=str(present.done),
            labels=tuple(map(_label_of, cabinet.bundles)) if responsible and holds else (),
            label=last if last is not None and any(last.bundle == each.id for each in cabinet.bundles) else None,
            whole=present.whole,
        )


def _label_of(bundle: BundleView) -> BundleAt:
    labelled = "unlabelled" not in bundle.flags or "relabelled" in bundle.flags
    return BundleAt(bundle.slot, bundle.id, bundle.notes, labelled)


def _duty(present: Present, on_duty: str) -> Iterator[StaffAct]:
    if present.roles.intersection(actions.STAFF_OR_SUPERVISOR):
        yield "duty_off" if on_duty == present.staff else "duty_on"


def _second_word(present: Present, waiting: RequestView | None) -> tuple[StaffAct, ...]:
    if waiting is None:
        return ()
    if present.staff in waiting.signers:
        return ("withdraw",)
    return ("approve", "withdraw") if present.roles.intersection(waiting.waits_for) else ()


def _next_step(open_: bool, emptied: bool, bundles: int) -> tuple[StaffAct, ...]:  # noqa: FBT001 - said once, above
    if open_:
        return ("end",) if emptied else ("emptied",)
    return ("collect",) if bundles else ()
