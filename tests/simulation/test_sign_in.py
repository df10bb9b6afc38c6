"""Signing in at a whole kiosk: two factors, sessions, the code for duress, time delays, with restarts in between."""

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kiosk.core.actions import ExchangeStart, Reset
from kiosk.core.people import Role
from kiosk.guarantee.one_time import STEP_S, code_at
from kiosk.management.sign_in import SignInRules
from kiosk.messages import (
    Asked,
    CarryOut,
    ChangeSecret,
    ConfirmSecondFactor,
    OfferSecondFactor,
    Ok,
    Refused,
    Reply,
    Request,
    RequestAction,
    RequestRenewal,
    SecondFactorOffer,
    SetDuress,
    SignedInAs,
    SignIn,
    SignOut,
)
from tests.simulation.people import PINS, approve, ask, asked, found, people, say
from tests.simulation.rig import Rig

RESET: dict[str, Any] = {"action": "Reset"}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    made.start()
    yield made
    made.close()


def rules(rig: Rig, made: SignInRules) -> None:
    rig.desk.authority._door.rules = made  # noqa: SLF001 - as the process takes them from the configuration


def refusal(reply: object) -> str:
    assert isinstance(reply, Refused), reply
    assert reply.remedy
    return reply.code


def now(rig: Rig) -> int:
    return int(rig.clock.now_utc().timestamp())


async def enrolled(rig: Rig, staff: str) -> bytes:
    """A telephone for this person; its secret."""
    offer = await say(rig, OfferSecondFactor(staff, PINS[staff]))
    assert isinstance(offer, SecondFactorOffer)
    secret = base64.b32decode(offer.text)
    assert f"secret={offer.text}" in offer.uri
    code = code_at(secret, now(rig) - STEP_S)
    assert await say(rig, ConfirmSecondFactor(staff, PINS[staff], code)) == Ok()
    return secret


def restart(rig: Rig) -> None:
    rig.crash_takes_power = False
    rig.die()
    rig.bury()
    rig.start()


def contents(rig: Rig, kind: str) -> list[dict[str, Any]]:
    log = rig.journal.log
    records = (log.record(sequence) for sequence in range(log.size()))
    return [dict(record.content) for record in records if record.kind == kind]


def test_a_code_is_asked_for_and_good_once_also_after_a_restart(rig: Rig) -> None:
    used = ""

    async def play() -> None:
        nonlocal used
        await found(rig)
        secret = await enrolled(rig, "carl")
        assert [each.staff for each in (await people(rig)).people if each.second] == ["carl"]
        assert refusal(await ask(rig, "carl", Reset())) == "wrong_pin"
        used = code_at(secret, now(rig))
        wrong_pin = RequestAction("carl", "000111", RESET, code=used)
        assert refusal(await say(rig, wrong_pin)) == "wrong_pin"
        done = await say(rig, RequestAction("carl", PINS["carl"], RESET, code=used))
        assert isinstance(done, Asked)
        assert done.done
        assert refusal(await say(rig, RequestAction("carl", PINS["carl"], RESET, code=used))) == "wrong_pin"

    rig.run(play())
    restart(rig)

    async def later() -> None:
        assert refusal(await say(rig, SignIn("carl", PINS["carl"], code=used))) == "wrong_pin"

    rig.run(later())


def test_wrong_codes_lock_out_like_wrong_pins_and_restarts_change_nothing(rig: Rig) -> None:
    async def play() -> None:
        await found(rig)
        await enrolled(rig, "carl")
        for _ in range(3):
            assert refusal(await say(rig, SignIn("carl", PINS["carl"], code="000000"))) == "wrong_pin"

    rig.run(play())
    restart(rig)

    async def later() -> None:
        assert refusal(await say(rig, SignIn("carl", PINS["carl"], code="000000"))) == "locked_out"

    rig.run(later())
    assert [each["alert"] for each in contents(rig, "alert")] == ["locked_out"]


def test_a_session_stands_in_for_pin_and_code_and_ends_by_itself(rig: Rig) -> None:
    async def play() -> None:
        await found(rig)
        secret = await enrolled(rig, "carl")
        signed = await say(rig, SignIn("carl", PINS["carl"], code=code_at(secret, now(rig))))
        assert isinstance(signed, SignedInAs)
        assert signed.roles == ("technician",)
        for _ in range(2):
            done = await say(rig, RequestAction("carl", signed.session, RESET))
            assert isinstance(done, Asked), done
            await asyncio.sleep(signed.idle_s - 1)
        assert refusal(await say(rig, RequestAction("ben", signed.session, RESET))) == "signed_out"
        assert refusal(await say(rig, RequestAction("carl", signed.session, RESET))) == "signed_out"
        again = await say(rig, SignIn("carl", PINS["carl"], code=code_at(secret, now(rig))))
        assert isinstance(again, SignedInAs)
        assert refusal(await say(rig, SignIn("carl", again.session))) == "wrong_pin"
        assert await say(rig, SignOut("carl", again.session)) == Ok()
        assert refusal(await say(rig, RequestAction("carl", again.session, RESET))) == "signed_out"
        await asyncio.sleep(2 * STEP_S)
        third = await say(rig, SignIn("carl", PINS["carl"], code=code_at(secret, now(rig))))
        assert isinstance(third, SignedInAs)
        assert await say(rig, ChangeSecret("carl", third.session, "864201")) == Ok()
        assert refusal(await say(rig, RequestAction("carl", third.session, RESET))) == "signed_out"

    rig.run(play())
    assert [each["event"] for each in contents(rig, "people")].count("signed_in") == 3


def test_who_must_have_a_second_factor_can_only_enrol_it(rig: Rig) -> None:
    async def play() -> None:
        await found(rig)
        rules(rig, SignInRules(second_factor=frozenset({Role.TECHNICIAN})))
        assert refusal(await ask(rig, "carl", Reset())) == "second_factor_needed"
        assert refusal(await say(rig, SignIn("carl", PINS["carl"]))) == "second_factor_needed"
        assert isinstance(await say(rig, SignIn("ben", PINS["ben"])), SignedInAs)
        offer = await say(rig, OfferSecondFactor("carl", PINS["carl"]))
        assert isinstance(offer, SecondFactorOffer)
        assert refusal(await say(rig, ConfirmSecondFactor("carl", PINS["carl"], "000000"))) == "wrong_code"
        await asyncio.sleep(601)
        code = code_at(base64.b32decode(offer.text), now(rig))
        assert refusal(await say(rig, ConfirmSecondFactor("carl", PINS["carl"], code))) == "no_offer"
        secret = await enrolled(rig, "carl")
        signed = await say(rig, SignIn("carl", PINS["carl"], code=code_at(secret, now(rig))))
        assert isinstance(signed, SignedInAs)

    rig.run(play())


def test_two_others_renew_what_somebody_lost(rig: Rig) -> None:
    async def play() -> None:
        await found(rig)
        await enrolled(rig, "carl")
        renewal = await say(rig, RequestRenewal("ben", PINS["ben"], "carl", "271828"))
        assert isinstance(renewal, Asked)
        await approve(rig, "anna", renewal)
        assert not any(each.second for each in (await people(rig)).people)
        assert isinstance(await say(rig, SignIn("carl", "271828")), SignedInAs)

    rig.run(play())


def test_under_duress_all_looks_the_same_and_the_bank_is_told(rig: Rig) -> None:
    async def say_twice(plain: Request, threatened: Request) -> tuple[Reply, Reply, int, int]:
        before = rig.journal.log.size()
        one = await say(rig, plain)
        between = rig.journal.log.size()
        other = await say(rig, threatened)
        return one, other, between - before, rig.journal.log.size() - between

    async def play() -> None:
        await found(rig)
        assert refusal(await say(rig, SetDuress("carl", PINS["carl"], PINS["carl"]))) == "weak_pin"
        assert await say(rig, SetDuress("carl", PINS["carl"], "314159")) == Ok()
        one, other, leaves, leaves_threatened = await say_twice(SignIn("carl", PINS["carl"]), SignIn("carl", "314159"))
        assert isinstance(one, SignedInAs)
        assert isinstance(other, SignedInAs)
        assert (one.roles, one.idle_s) == (other.roles, other.idle_s)
        assert leaves == leaves_threatened == 1
        done = await say(rig, RequestAction("carl", other.session, RESET))
        assert isinstance(done, Asked)
        assert done.done
        assert await say(rig, SetDuress("carl", PINS["carl"], "")) == Ok()
        assert refusal(await say(rig, SignIn("carl", "314159"))) == "wrong_pin"

    rig.run(play())
    (alert,) = [each for each in contents(rig, "alert") if each["alert"] == "duress"]
    assert alert["grade"] == "high"
    assert "carl" in alert["reasons"][0]


def test_a_time_delay_runs_from_the_request_whoever_has_signed(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        await found(rig)
        rules(rig, SignInRules(delays_s={"ExchangeStart": 300}))
        request = await asked(rig, "ben", ExchangeStart(("cabinet",)))
        await asyncio.sleep(100)
        signed = await approve(rig, "anna", request)
        assert isinstance(signed, Asked)
        assert not signed.done
        assert "time delay runs for" in signed.not_yet
        await asyncio.sleep(150)
        early = await say(rig, CarryOut("ben", PINS["ben"], request.number))
        assert isinstance(early, Asked)
        assert not early.done
        await asyncio.sleep(60)
        done = await say(rig, CarryOut("ben", PINS["ben"], request.number))
        assert isinstance(done, Asked)
        assert done.done

    rig.run(play())
