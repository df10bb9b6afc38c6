"""A deposit for an account that the bank's directory does not list goes on, marked for suspense."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kiosk.core.state import State
from kiosk.guarantee import directory as statement
from kiosk.guarantee.directory import DirectoryKeys
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys
from kiosk.management.directory import TRIES_MAX
from kiosk.management.view import deposit_view
from kiosk.messages import DeliverDirectory, LookUp, Ok, Refused
from tests.guarantee_kit import NOW
from tests.simulation.rig import ACCOUNT, Rig

SIGNER = Ed25519Signer.from_seed(bytes([5] * 32))
KEYS = DirectoryKeys(bytes(range(32)), PublicKeys([SIGNER.public]))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    found = Rig(tmp_path)
    found.directory_keys = KEYS
    found.start()
    yield found
    found.close()


def listing(account: str) -> DeliverDirectory:
    return DeliverDirectory(statement.make("test-0001", 1, {account: "J*** D**"}, KEYS.key, NOW, SIGNER))


async def deposit(rig: Rig, directory: DeliverDirectory | None) -> tuple[Any, Any]:
    """One note is deposited; `account_known` of the screen's view and of the record."""
    if directory is not None:
        assert await rig.desk.handle("uplink", directory) == Ok()
    assert await rig.identify() == Ok()
    view = deposit_view(rig.deposit, None, rig.clock)
    await rig.feed(10_000)
    await rig.touch("done")
    await rig.state(State.REVIEW)
    await rig.touch("confirm")
    await rig.state(State.DONE)
    last = rig.journal.log.record(rig.journal.log.size() - 1)
    assert last.content["outcome"] == "credited"
    return view and view.account_known, last.content["account_known"]


@pytest.mark.parametrize(
    ("directory", "known"),
    [(listing(ACCOUNT), True), (listing("0000111122223337"), False), (None, None)],
    ids=["listed", "not listed", "no directory"],
)
def test_every_record_says_whether_the_account_was_known(
    rig: Rig, directory: DeliverDirectory | None, known: bool | None
) -> None:
    assert rig.run(deposit(rig, directory)) == (known, known)


def test_guessing_accounts_ends_before_a_deposit_begins(rig: Rig) -> None:
    async def guess() -> None:
        await rig.desk.handle("uplink", listing(ACCOUNT))
        for _ in range(TRIES_MAX):
            await rig.desk.handle("terminal", LookUp("0000111122223337"))
        reply = await rig.identify()
        assert isinstance(reply, Refused)
        assert reply.code == "too_many_tries"
        assert rig.deposit.state is State.IDLE

    rig.run(guess())
