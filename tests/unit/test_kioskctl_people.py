"""`kioskctl people`, `approve` and `dispute` as people use them: over a real bus, to a real authority desk."""

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result

from kiosk.bus import BusServer
from kiosk.clock import SystemClock
from kiosk.core.actions import AcceptDevice, ClearDispute, RotateKey
from kiosk.core.disputes import Dispute
from kiosk.core.state import Deposit, RecordDraft
from kiosk.guarantee.credentials import Cost, Credentials, weakness
from kiosk.guarantee.journal import Journal
from kiosk.guarantee.keys import Ed25519Signer
from kiosk.maintenance.session import Exit
from kiosk.management.authority import AuthorityDesk, AuthorityRequest
from kiosk.management.clearing import AcceptValidator, ClearDisputes
from kiosk.management.controller import Controller
from kiosk.management.key_desk import RotateKeys
from kiosk.management.machine import Machine
from kiosk.management.store import InlineRunner
from kiosk.messages import GetKeys, Refused, Reply, Request, Role
from kiosk.processes.kioskctl import main
from tests.guarantee_kit import Kit

DEPOSIT = bytes.fromhex("5b0e") + bytes(14)


class NoDeposits:
    """What the authority desk needs of a controller at which nobody deposits."""

    def __init__(self, journal: Journal) -> None:
        self.journal, self.runner, self.clock = journal, InlineRunner(), SystemClock()
        self.free = True
        self.deposit, self.machine = Deposit(), Machine()

    def recorded(self) -> None:
        pass

    async def record(self, draft: RecordDraft) -> None:
        self.journal.append(draft, self.clock.now_utc())

    @asynccontextmanager
    async def at_rest(self) -> AsyncIterator[bool]:
        yield self.free


class Box:
    """A kiosk's maintenance socket, and somebody who types."""

    def __init__(self, folder: Path, next_record: Ed25519Signer | None = None) -> None:
        kit = Kit()
        kit.keys = dataclasses.replace(kit.keys, next_record=next_record)
        self.journal = Journal(folder / "journal.db", kit.keys, kit.kek, clock_synchronised=lambda: True)
        self.controller = NoDeposits(self.journal)
        credentials = Credentials(kit.kek, cost=Cost(1, 1, 8))
        self.desk = AuthorityDesk(cast("Controller", self.controller), credentials, InlineRunner())
        self.disputes = ClearDisputes(self.journal, InlineRunner())
        self.desk.register(ClearDispute, self.disputes)
        self.desk.register(AcceptDevice, AcceptValidator(cast("Controller", self.controller)))
        self.keys = RotateKeys(self.journal, InlineRunner())
        self.desk.register(RotateKey, self.keys)
        self.bus_dir = folder / "bus"

    async def answer(self, _role: Role, request: Request) -> Reply:
        if isinstance(request, AuthorityRequest):
            return await self.desk.handle(request)
        return await (self.keys if isinstance(request, GetKeys) else self.disputes).listed()

    async def run(self, command: str, *typed: str, prompt: bool = False) -> Result:
        """One command; `typed` are the lines on standard input, at a prompt or with --pin-stdin."""
        pin = [] if prompt or not typed else ["--pin-stdin"]
        arguments = [*command.split(), *pin, "--bus-dir", str(self.bus_dir)]
        given = "".join(f"{line}\n" for line in typed)
        return await asyncio.to_thread(CliRunner().invoke, main, arguments, given)

    async def found(self) -> None:
        result = await self.run("people found anna:supervisor ben:staff carl:technician", "739155", "402867", "918234")
        assert result.exit_code == Exit.OK, result.output


@contextlib.asynccontextmanager
async def box(folder: Path, next_record: Ed25519Signer | None = None) -> AsyncIterator[Box]:
    made = Box(folder, next_record)
    server = BusServer(made.bus_dir, made.answer, {}, single_user=True, on_presence=lambda _role, _clients: None)
    await server.start()
    try:
        yield made
    finally:
        await server.close()
        made.journal.close()


async def test_the_first_people_and_one_more(tmp_path: Path) -> None:
    async with box(tmp_path) as kiosk:
        assert "nobody is enrolled" in (await kiosk.run("people list")).output
        await kiosk.found()
        asked = await kiosk.run("people enrol gus --role courier --as ben", "402867", "864201", prompt=False)
        assert "waits for supervisor" in asked.output
        assert "kioskctl approve 1" in asked.output
        listed = await kiosk.run("approvals")
        assert "Enrol, staff gus, roles courier" in listed.output
        assert "signed by ben, waits for supervisor; ends in 1" in listed.output
        done = await kiosk.run("approve 1 --as anna", "739155")
        assert done.exit_code == Exit.OK
        assert "signed by ben and anna" in done.output
        people = json.loads((await kiosk.run("people list --json")).output)
        assert {row["staff"]: row["roles"] for row in people}["gus"] == ["courier"]
        changed = await kiosk.run("people pin --as gus", "864201", "271828")
        assert "the PIN is changed" in changed.output
        assert "revoked" not in (await kiosk.run("people list")).output
        await kiosk.run("people revoke gus --as ben", "402867")
        await kiosk.run("approve 2 --as anna", "739155")
        assert "revoked" in (await kiosk.run("people list")).output
        assert "nothing is being asked for" in (await kiosk.run("approvals")).output


async def test_a_pin_is_asked_for_without_showing_it_and_a_new_one_twice(tmp_path: Path) -> None:
    async with box(tmp_path) as kiosk:
        twice = ("739155", "739155", "402867", "402867")
        result = await kiosk.run("people found anna:supervisor ben:staff", *twice, prompt=True)
        assert result.exit_code == Exit.OK, result.output
        assert "New PIN of anna" in result.output
        assert "739155" not in result.output


async def test_refusals_say_why_and_what_to_do(tmp_path: Path) -> None:
    async with box(tmp_path) as kiosk:
        weak = await kiosk.run("people found anna:supervisor ben:staff", "123456", "402867")
        assert weak.exit_code == Exit.FAILED
        assert "must not be a row" in weak.output
        assert "-> Choose another one." in weak.output
        await kiosk.found()
        wrong = await kiosk.run("people revoke carl --as ben --json", "000111")
        assert json.loads(wrong.output) == {
            "error": "This is not the PIN of ben.", "remedy": "Try again.", "exit_code": Exit.NOT_ALLOWED,
            "code": "wrong_pin",
        }  # fmt: skip
        none = await kiosk.run("approve 9 --as ben", "402867")
        assert "there is no open request 9" in none.output
        assert "there is no PIN on standard input" in (await kiosk.run("people pin --as ben", "")).output
        await kiosk.run("people revoke carl --as ben", "402867")
        own = await kiosk.run("approve 1 --as ben", "402867")
        assert "ben has signed this already" in own.output
        assert "-> Somebody else must approve it." in own.output
        assert "request 1 is withdrawn" in (await kiosk.run("withdraw 1 --as anna", "739155")).output
        renewed = await kiosk.run("people renew carl --as ben", "402867", "864201")
        assert "waits for supervisor" in renewed.output


async def test_a_dispute_is_listed_and_cleared(tmp_path: Path) -> None:
    evidence = ["--evidence", "in the retract bin, paid out, voucher 17"]

    async with box(tmp_path) as kiosk:
        assert "nothing is disputed" in (await kiosk.run("dispute list")).output
        with kiosk.journal._transaction():  # noqa: SLF001 - the books of a deposit that ended so
            kiosk.journal._vault.seal_text(DEPOSIT, "79927398713", "account")  # noqa: SLF001
            kiosk.journal.disputes.add(
                (
                    Dispute(DEPOSIT, 2, 5000, "CNY", suspect=False, place="retract", reason="nobody came back"),
                    Dispute(DEPOSIT, 3, None, "", suspect=False, place="retract", reason="more than known"),
                )
            )
        await kiosk.found()
        listed = await kiosk.run("dispute list")
        assert f"{DEPOSIT.hex()}  note   2  50.00 CNY  (retract: nobody came back)" in listed.output
        assert json.loads((await kiosk.run("dispute list --json")).output)["disputes"][1]["value_minor"] is None

        async def clear(*more: str) -> Result:
            arguments = ["dispute", "clear", *more, *evidence, "--as", "ben", "--pin-stdin"]
            where = ["--bus-dir", str(kiosk.bus_dir)]
            return await asyncio.to_thread(CliRunner().invoke, main, [*arguments, *where], "402867\n")

        both = ("--note", "2", "--note", "3=10000:CNY", "--resolution", "returned")
        assert "0 deposits with open disputes begin with ffff" in (await clear("ffff", *both)).output
        assert "x names no note" in (await clear("5b0e", "--note", "x", "--resolution", "bank")).output
        unknown = await clear("5b0e", "--note", "3", "--resolution", "credited")
        assert "of unknown value" in unknown.output
        assert "waits for supervisor" in (await clear("5b0e", *both)).output
        shown = await kiosk.run("approve 1 --as anna", "739155")
        assert "ClearDispute" in shown.output
        assert "resolution returned" in shown.output
        assert "is carried out" in shown.output
        assert "nothing is disputed" in (await kiosk.run("dispute list")).output


async def test_what_cannot_be_done_now_is_carried_out_later(tmp_path: Path) -> None:
    async with box(tmp_path) as kiosk:
        await kiosk.found()
        kiosk.controller.free = False
        waiting = await kiosk.run("accept-device validator 815 --as carl", "918234")
        assert "cannot be done now: A deposit is under way." in waiting.output
        assert "kioskctl carry-out 1" in waiting.output
        kiosk.controller.free = True
        done = await kiosk.run("carry-out 1 --as carl --json", "918234")
        assert json.loads(done.output.splitlines()[-1])["done"] is True
        assert kiosk.journal.memory("validator_serial") == "815"


async def test_another_answer_is_an_error(tmp_path: Path) -> None:
    async def refuse(_role: Role, _request: Request) -> Reply:
        return Refused("unknown_request", "old controller", "Upgrade it.")

    server = BusServer(tmp_path, refuse, {}, single_user=True, on_presence=lambda _role, _clients: None)
    await server.start()
    result: Any = await asyncio.to_thread(CliRunner().invoke, main, ["people", "list", "--bus-dir", str(tmp_path)])
    await server.close()
    assert result.exit_code == Exit.FAILED
    assert "-> Upgrade it." in result.output


@pytest.mark.parametrize("secret", ["12345", "112112", "123456", "fedcba", "Ben.77", "x" * 129])
def test_a_secret_that_is_none(secret: str) -> None:
    assert weakness("ben.77", secret)


def test_verifiers_are_salted_peppered_and_not_the_secret() -> None:
    kit = Kit()
    credentials = Credentials(kit.kek, cost=Cost(1, 1, 8))
    one, other = credentials.make("739155"), credentials.make("739155")
    assert one.verifier != other.verifier
    assert credentials.matches("739155", one)
    assert not credentials.matches("739156", one)
    assert not Credentials(bytes(32), cost=Cost(1, 1, 8)).matches("739155", one)
    assert Credentials(kit.kek).matches("739155", one), "a verifier keeps its own parameters"


async def test_a_key_is_shown_and_changed_by_two_people(tmp_path: Path) -> None:
    new = Ed25519Signer.from_seed(b"\x31" * 32)
    async with box(tmp_path, new) as kiosk:
        await kiosk.found()
        shown = (await kiosk.run("keys show")).output.splitlines()
        assert [line.split()[0] for line in shown] == ["record", "record", "checkpoint"]
        assert shown[1].endswith(f"{new.kid.hex()}  new, has signed nothing yet")
        asked = await kiosk.run("keys rotate record --as carl", "918234")
        assert "waits for supervisor" in asked.output
        assert new.kid.hex() in (await kiosk.run("approvals")).output
        done = await kiosk.run("approve 1 --as anna", "739155")
        assert "carried out" in done.output
        rows = json.loads((await kiosk.run("keys show --json")).output)
        assert [(row["kid"], row["end"]) for row in rows][1] == (new.kid.hex(), None)
        assert "signed from leaf 0" in (await kiosk.run("keys show")).output
        none = await kiosk.run("keys rotate record --as carl", "918234")
        assert none.exit_code == Exit.FAILED
        assert "no new record key" in none.output
