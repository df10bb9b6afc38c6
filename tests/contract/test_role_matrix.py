"""Every command typed by every role, and every message on every socket: allowed or refused as the tables say.

The authority desk, its table and its journal are real; what a command only looks at first is answered as told, so that
each comes to the question whether this person may.
"""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast, get_args

import click
import pytest
from click.testing import CliRunner, Result
from msgspec import inspect

from kiosk.bus import BusClient, BusServer
from kiosk.clock import SystemClock
from kiosk.core import access
from kiosk.core import actions as a
from kiosk.core.people import Role
from kiosk.core.state import Deposit, RecordDraft
from kiosk.guarantee.credentials import Cost, Credentials
from kiosk.guarantee.journal import Journal
from kiosk.maintenance import roles
from kiosk.maintenance.cli import build
from kiosk.maintenance.session import Exit
from kiosk.management.authority import AuthorityDesk, AuthorityRequest
from kiosk.management.controller import Controller
from kiosk.management.files_desk import FilesDesk, FilesRequest
from kiosk.management.look_desk import LookDesk, LookRequest
from kiosk.management.machine import Machine
from kiosk.management.store import InlineRunner
from kiosk.messages import (
    ALLOWED,
    ApproveAction,
    CalibrationPlan,
    Confidential,
    Disputes,
    DisputeView,
    ExchangeView,
    FoundPeople,
    GetDisputes,
    GetKeys,
    GetStatus,
    GetUnits,
    Keys,
    KeyView,
    LinkReport,
    NewPerson,
    Ok,
    PlanCalibration,
    PlanSetting,
    Refused,
    Reply,
    Request,
    RequestEnrolment,
    SettingPlan,
    StagedModel,
    StageModel,
    Status,
    Units,
)
from kiosk.messages import Role as BusRole
from kiosk.processes.kioskctl import main
from tests.guarantee_kit import Kit
from tests.unit.test_kioskctl import IDLE

DOCS: Final = Path(__file__).parents[2] / "docs" / "kioskctl.md"
PIN: Final = "402867"
STAFF: Final = {role: f"T-{role}" for role in Role}
UNITS: Final = Units((), ExchangeView(1, "", ("a", "b"), (), (), (), (), (), (), bytes(32)), (), 0, (), "2026-11-22", 0)
LOOKS: Final[dict[type[Any], Reply]] = {
    GetStatus: IDLE,
    GetUnits: UNITS,
    PlanSetting: SettingPlan("timing.confirm_s", "120", "90", two_people=False),
    GetKeys: Keys((KeyView("record", bytes(32), "EdDSA", None),)),
    GetDisputes: Disputes((DisputeView(bytes(16), 1, 100, "CNY", suspect=False, place="retract", reason=""),)),
    StageModel: StagedModel("scene", 1, "v", "ab" * 32, bytes(32), 0),
    PlanCalibration: CalibrationPlan("scene", "ab" * 32, 1, 300, (), bytes(32), (), 1.0, 2.0, 1.0, 2.0),
}
# What each command is given beyond who speaks; every PIN that it might ask for is typed.
ARGUMENTS: Final[dict[str, str]] = {
    "people found": "anna:supervisor",
    "people enrol": "new --role courier",
    "people revoke": "gus",
    "people renew": "gus",
    "approve": "1",
    "carry-out": "2",
    "withdraw": "2",
    "accept-device": "validator 7",
    "dispute clear": f"{bytes(16).hex()} --note 1 --resolution bank --evidence twelve-letters",
    "keys rotate": "record",
    "model install": "BUNDLE",
    "model rollback": "scene --to 0",
    "model calibrate": "scene",
    "exchange start": "--unit cabinet",
    "exchange take": "B00000001",
    "exchange miss": "B00000001",
    "exchange remove": "cabinet",
    "exchange insert": "cabinet --serial 1",
    "count post": "B00000001 --cash 1x100:CNY",
    "service jog": "lamp",
    "service clear": "--found 0",
    "test": "bank",
    "watch": "--count 1 status",
    "set value": "timing.confirm_s 90",
    "backup": "OUT",
    "bundle make": "OUT",
    "capture": "board OUT --seconds 1",
    "replay": "BUNDLE",
    "bundle verify": "BUNDLE",
    "restore": "BUNDLE",
    "decode ssp": "--sender host",
    "commission pins": "--by T-1 --seconds 1 --config OUT",
    "commission camera": "--by T-1 --seconds 3 --config OUT",
    "commission calibration": "--by T-1 --config OUT",
    "commission golden": "--by T-1 --config OUT",
}  # fmt: skip


class Kiosk:
    """A maintenance socket, served on a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.bus_dir = folder / "bus"
        kit = Kit()
        self.journal = Journal(folder / "journal.db", kit.keys, kit.kek, clock_synchronised=lambda: True)
        self.runner, self.clock = InlineRunner(), SystemClock()
        self.deposit, self.machine, self.at_start = Deposit(), Machine(), []  # type: ignore[var-annotated]
        self.desk = AuthorityDesk(cast("Controller", self), Credentials(kit.kek, cost=Cost(1, 1, 8)), InlineRunner())
        link = LinkReport(connected=False, detail="")
        self.looks = LookDesk(cast("Controller", self), self.desk, bytes, lambda: link)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.server = BusServer(self.bus_dir, self.answer, {}, single_user=True)
        self.on_loop(self.server.start())
        self.files = FilesDesk(
            cast("Controller", self), self.desk, InlineRunner(), folder / "made",
            status=self.status, link=lambda: link, configuration={},
        )  # fmt: skip
        for moving in (a.ServiceEnter, a.ServiceLeave, a.ServiceMove, a.ClearJam):
            self.desk._performers.pop(moving)  # noqa: SLF001 - nothing to move: `not_here` for those who may
        everybody = tuple(NewPerson(staff, (str(role),), PIN) for role, staff in STAFF.items())
        more = (NewPerson("anna", ("supervisor",), PIN), NewPerson("gus", ("courier",), PIN))
        assert self.on_loop(self.desk.handle(FoundPeople((*everybody, *more)))) == Ok()
        for number, new in ((1, "first"), (2, "second")):
            asked = self.on_loop(self.desk.handle(RequestEnrolment("anna", PIN, new, ("courier",), PIN)))
            assert asked.number == number

    def recorded(self) -> None:
        pass

    async def record(self, draft: RecordDraft) -> None:
        self.journal.append(draft, self.clock.now_utc())

    async def status(self) -> Status:
        return IDLE

    devices = SimpleNamespace(ports={})  # nothing to listen to

    async def answer(self, _: BusRole, request: Request) -> Reply:
        if isinstance(request, AuthorityRequest):
            return await self.desk.handle(request)
        if isinstance(request, LookRequest) and isinstance(request, Confidential):
            return await self.looks.handle(request)
        if isinstance(request, FilesRequest):
            return await self.files.handle(request)
        return LOOKS.get(type(request), Refused("not_here", "nothing of that here", "none"))

    def on_loop(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def close(self) -> None:
        self.on_loop(self.server.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
        self.journal.close()


@pytest.fixture(scope="module")
def kiosk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kiosk]:
    made = Kiosk(tmp_path_factory.mktemp("roles"))
    yield made
    made.close()


def everything(group: click.Group, path: str = "") -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        here = f"{path} {name}".strip()
        found |= everything(command, here) if isinstance(command, click.Group) else {here: command}
    return found


COMMANDS: Final = everything(main) | everything(build((), inside=True))


def typed(kiosk: Kiosk, path: str, staff: str | None, folder: Path) -> Result:
    bundle = folder / "bundle"
    bundle.write_bytes(b"x")
    words = (
        path.split()
        + ARGUMENTS.get(path, "").replace("BUNDLE", str(bundle)).replace("OUT", str(folder / f"out-{staff}")).split()
    )
    options = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    place = len(path.split())
    given = ["--bus-dir", str(kiosk.bus_dir)] if "--bus-dir" in options else []
    given += ["--as", staff] if staff is not None and "--as" in options else []
    given += ["--pin-stdin"] if "--pin-stdin" in options else []
    given += ["--json"] if "--json" in options else []
    return CliRunner().invoke(main, [*words[:place], *given, *words[place:]], f"{PIN}\n" * 4)


def refused_by_role(result: Result) -> bool:
    told = [json.loads(line) for line in result.output.splitlines() if line.startswith("{")]
    gate = any(
        one.get("code") == "wrong_role" and ("may not do this" in one["error"] or "may not ask" in one["error"])
        for one in told
    )
    assert not any(one.get("code") in ("wrong_pin", "locked_out", "unknown_person") for one in told), result.output
    return gate


def test_every_command_is_in_the_table_and_no_other() -> None:
    assert set(COMMANDS) == set(roles.COMMANDS)


def test_the_page_has_the_table() -> None:
    text = DOCS.read_text()
    begin, end = "<!-- roles: made by `python -m kiosk.maintenance.roles`; do not edit -->\n", "<!-- end of roles -->"
    assert text[text.index(begin) + len(begin) : text.index(end)].strip() == roles.page().strip()


@pytest.mark.parametrize("path", sorted(set(COMMANDS) - {"shell", "restore"}))  # restore: test_backups.py
def test_every_role_is_allowed_or_refused_as_the_table_says(kiosk: Kiosk, tmp_path: Path, path: str) -> None:
    takes = roles.COMMANDS[path]
    asks = takes.asks()
    # The auditor first: an approval by somebody who may is the end of its request.
    may = {role for role in reversed(Role) if not refused_by_role(typed(kiosk, path, STAFF[role], tmp_path))}
    assert may == (set(Role) if asks is None or path == "sign-in" else set(asks)), path
    if asks is not None and path != "model calibrate":
        nobody = typed(kiosk, path, None, tmp_path)
        assert nobody.exit_code in (Exit.USAGE, Exit.FAILED), "somebody must say who they are"


def test_the_auditor_sees_everything_and_changes_nothing() -> None:
    auditor = Role.AUDITOR
    for path, takes in roles.COMMANDS.items():
        asks = takes.asks()
        if takes.changes:
            own = path in ("people pin", "people second-factor", "people duress")
            assert own or asks is None or auditor not in asks, path
        elif path != "test":
            assert asks is None or auditor in asks, path


SAMPLES: Final = {
    "number": 99,
    "content": bytes(32),
    "device": "bank",
    "first_code": "000000",
    "kind": "backup",
    "sha256": "ab" * 32,
    "part": 0,
    "seconds": 1,
    "action": {"action": "Reset"},
}


def signed_message(name: str, staff: str) -> Request:
    kind: Any = next(one for one in get_args(Request) if one.__name__ == name)
    fields = {field: SAMPLES[field] for field in kind.__struct_fields__ if field in SAMPLES}
    if "new_secret" in kind.__struct_fields__:
        fields["new_secret"] = PIN
    return cast("Request", kind(staff=staff, secret=PIN, **fields))


@pytest.mark.parametrize("name", sorted(access.SIGNED))
def test_every_signed_message_by_every_role(kiosk: Kiosk, name: str) -> None:
    async def may(role: Role) -> bool:
        reply = await kiosk.answer("maintenance", signed_message(name, STAFF[role]))
        gate = isinstance(reply, Refused) and reply.code == "wrong_role"
        return not gate or (name == "DryRun" and "may not ask" in cast("Refused", reply).message)

    assert {role for role in Role if kiosk.on_loop(may(role))} == access.SIGNED[name]


def test_every_message_that_carries_a_secret_is_in_the_table_or_is_an_action() -> None:
    by_seats = {"RequestAction", "RequestEnrolment", "RequestRenewal"}
    # Nobody is enrolled yet; a known session may end; at the screen a badge says who it is, and `SignIn` follows.
    without = {"FoundPeople", "SignOut", "StaffSignIn"}
    secretive = {one.__name__ for one in get_args(Request) if issubclass(one, Confidential)}
    assert secretive == set(access.SIGNED) | by_seats | without


# --- sockets ------------------------------------------------------------------------------------------


def valid(kind: type[Any]) -> Any:
    """A message of this kind that its types allow; the bus looks at its kind alone."""
    return _valid(inspect.type_info(kind))


def _valid(info: Any) -> Any:  # noqa: C901, PLR0911 - one for each type
    match info:
        case inspect.StructType():
            return info.cls(**{field.name: _valid(field.type) for field in info.fields if field.required})
        case inspect.IntType() | inspect.FloatType():
            return info.ge or 0
        case inspect.StrType():
            return "ab" * 32 if info.pattern else "x" * (info.min_length or 0)
        case inspect.BytesType():
            return bytes(info.min_length or 0)
        case inspect.BoolType():
            return False
        case inspect.LiteralType():
            return info.values[0]
        case inspect.TupleType():
            return tuple(_valid(item) for item in info.item_types)
        case inspect.VarTupleType():
            return tuple(_valid(info.item_type) for _ in range(info.min_length or 0))
        case inspect.DictType():
            return {}
        case inspect.UnionType():
            return _valid(info.types[0])
    return None


@pytest.mark.parametrize("role", get_args(BusRole))
async def test_every_socket_takes_its_own_messages_and_refuses_all_others(tmp_path: Path, role: BusRole) -> None:
    heard: list[str] = []

    async def handler(_: BusRole, request: Request) -> Reply:
        heard.append(type(request).__name__)
        return Ok()

    server = BusServer(tmp_path, handler, {}, single_user=True)
    await server.start()
    try:
        for kind in get_args(Request):
            message = valid(kind)
            client = await BusClient.connect(tmp_path, role)
            reply = await client.request(message)
            await client.close()
            refused = isinstance(reply, Refused) and reply.code == "not_allowed"
            assert refused is (kind not in ALLOWED[role]), (role, kind.__name__, reply)
        assert set(heard) == {one.__name__ for one in ALLOWED[role]} - {"Subscribe"}
    finally:
        await server.close()


def test_nobody_else_approves() -> None:
    assert all(ApproveAction not in ALLOWED[role] for role in get_args(BusRole) if role != "maintenance")
    assert GetStatus in ALLOWED["maintenance"]
