"""The people of a branch, at the kiosk's maintenance socket."""

from typing import Any, Final

import msgspec

from kiosk.core.actions import AnyAction, ClearDispute, ClearedNote, Resolution
from kiosk.messages import (
    ApproveAction,
    Asked,
    FoundPeople,
    GetDisputes,
    GetPeople,
    NewPerson,
    Ok,
    People,
    Reply,
    Request,
    RequestAction,
    RequestView,
)
from tests.simulation.rig import Rig

PINS: Final = {"anna": "739155", "ben": "402867", "carl": "918234", "dora": "665093", "fay": "157380"}
ROLES: Final = {"anna": "supervisor", "ben": "staff", "carl": "technician", "dora": "courier", "fay": "supervisor"}


async def say(rig: Rig, request: Request) -> Reply:
    return await rig.desk.handle("maintenance", request)


async def found(rig: Rig) -> None:
    everybody = tuple(NewPerson(staff, (ROLES[staff],), pin) for staff, pin in PINS.items())
    assert await say(rig, FoundPeople(everybody)) == Ok()


async def ask(rig: Rig, staff: str, action: AnyAction, pin: str = "") -> Reply:
    plain: dict[str, Any] = msgspec.to_builtins(action, builtin_types=(bytes,))
    return await say(rig, RequestAction(staff, pin or PINS[staff], plain))


async def asked(rig: Rig, staff: str, action: AnyAction) -> Asked:
    reply = await ask(rig, staff, action)
    assert isinstance(reply, Asked), reply
    return reply


async def approve(rig: Rig, staff: str, what: Asked | RequestView, pin: str = "") -> Reply:
    return await say(rig, ApproveAction(staff, pin or PINS[staff], what.number, what.content))


async def people(rig: Rig) -> People:
    reply = await say(rig, GetPeople())
    assert isinstance(reply, People)
    return reply


async def clear_all(rig: Rig, resolution: Resolution = "returned") -> ClearDispute:
    """The clearing of every disputed note of one deposit, not yet asked for."""
    reply: Any = await say(rig, GetDisputes())
    rows = [row for row in reply.disputes if row.deposit_id == reply.disputes[0].deposit_id]
    notes = tuple(ClearedNote(row.n) for row in rows)
    return ClearDispute(rows[0].deposit_id, notes, resolution, "counted from the retract bin, voucher 17")
