"""The bank changes its own keys: announced to each kiosk, taken over when all have answered; old words still hold."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kiosk.core.commands import SetBankKey
from kiosk.guarantee import acks, bank_keys, commands, rotation
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys
from kiosk.messages import DeliverStatement
from kiosk_cloud import cli
from kiosk_cloud.commanding.queue import Queue
from kiosk_cloud.keyring import Keyring
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import provision
from kiosk_cloud.verify import verify_store
from tests.desk_kit import DeskBus
from tests.uplink_kit import KIOSK, Bank, plan

UNTIL = "2027-11-01T00:00:00+08:00"


class House:
    """A bank, a second signer, and a kiosk's real desk and journal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done = provision(plan(folder), utc_now())
        self.bank, self.desk = Bank(self.done), DeskBus(self.done)

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(cli.main, [*words], input="y\n")

    def did(self, *words: str) -> str:
        result = self.run(*words)
        assert result.exit_code == 0, result.output
        return result.output

    def keys(self, *words: str) -> Result:
        return self.run("keys", *words, "--config", str(self.done.bank_config))

    def second_signs(self, number: int) -> bytes:
        config, file = ("--config", str(self.done.bank_config)), ("--file", str(self.folder / "c.cbor"))
        self.did("command", "export", *config, "--kiosk", KIOSK, "--number", str(number), *file)
        self.did("command", "sign", *file, "--key", str(self.folder / "second" / "second.key"))
        self.did("command", "import", *config, *file)
        return (self.folder / "c.cbor").read_bytes()

    async def obeys(self, data: bytes) -> None:
        """The kiosk carries a command out, and the bank gets the record of it."""
        await self.desk.request(DeliverStatement("command", data))
        self.send()

    def send(self) -> list[bytes]:
        log = self.desk.journal.log
        answers = self.bank.take(*(log.envelope(at) for at in range(log.acknowledged(), log.size())))
        return [each.payload for each in answers if each.topic.endswith("/ack")]

    def begin_again(self) -> None:
        """Another receiver process."""
        self.bank.store.close()
        self.bank = Bank(self.done)

    def close(self) -> None:
        self.bank.store.close()
        self.desk.journal.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with closing(House(tmp_path)) as found:
        yield found


async def changed(house: House, purpose: str, number: int) -> bytes:
    """The whole way; the kid of the new key."""
    said = house.keys("successor", purpose, "--until", UNTIL)
    assert said.exit_code == 0, said.output
    assert f"{KIOSK}: command {number} names {purpose} key" in said.output
    early = house.keys("take-over", purpose)
    assert early.exit_code == 2
    assert f"{KIOSK} would not believe key" in early.output
    await house.obeys(house.second_signs(number))
    done = house.keys("take-over", purpose)
    assert done.exit_code == 0, done.output
    house.begin_again()
    return house.bank.keyring.own(purpose).kid  # type: ignore[arg-type]


async def test_the_bank_acknowledges_by_another_key_and_the_kiosk_believes_it(house: House) -> None:
    log = house.desk.journal.log
    before = house.bank.keyring.ack
    kid = await changed(house, "ack", 1)
    assert kid != before.kid
    house.did("command", "give", "in-service", "--kiosk", KIOSK, "--config", str(house.done.bank_config))
    command = Queue(house.bank.store).message(KIOSK, 2)
    assert command is not None
    await house.desk.request(DeliverStatement("command", command))
    (ack,) = house.send()
    assert acks.verify(ack, PublicKeys([house.bank.keyring.ack.public]), KIOSK).sequence == log.size()
    house.desk.journal.acknowledge(ack)
    assert log.acknowledged() == log.size()
    report = verify_store(house.bank.config.store, house.bank.config.keys)
    assert report.ok, report.failures  # acknowledgements by either key


async def test_the_bank_commands_by_another_key_twice_over(house: House) -> None:
    first = house.bank.keyring.command.kid
    second = await changed(house, "command", 1)
    third = await changed(house, "command", 2)
    assert len({first, second, third}) == 3
    listed = json.loads(house.did("command", "list", "--json", "--config", str(house.done.bank_config)))
    assert [row["state"] for row in listed["commands"]] == ["done", "done"]
    kept = house.bank.keyring.commanders.bank
    assert {key.kid for key in kept} == {first, second, third}
    names = {path.name for path in house.bank.config.keys.glob("command*")}
    assert names == {"command.key", f"command-{first.hex()[:16]}.pub", f"command-{second.hex()[:16]}.pub"}
    pinned = (house.done.kiosk_keys / "bank_command.pub").read_bytes()
    again = provision(plan(house.folder), utc_now())  # the kiosk follows from the key that it pins
    assert (again.kiosk_keys / "bank_command.pub").read_bytes() == pinned
    other = provision(plan(house.folder, "demo-0002"), utc_now())
    assert Keyring(house.bank.config.keys).command.public.pem == (other.kiosk_keys / "bank_command.pub").read_bytes()


def test_nothing_is_taken_over_that_was_not_announced(house: House) -> None:
    done = house.keys("take-over", "ack")
    assert done.exit_code == 2
    assert "there is no next ack key" in done.output


def test_a_kiosk_can_be_left_behind_by_name(house: House) -> None:
    assert house.keys("successor", "ack", "--until", UNTIL).exit_code == 0
    assert house.keys("take-over", "ack", "--without", "demo-0009").exit_code == 2
    assert house.keys("take-over", "ack", "--without", KIOSK).exit_code == 0


async def test_what_only_the_new_key_has_signed_is_refused(house: House) -> None:
    """Somebody with the next key, and both who sign commands, but not the present key."""
    thief, until = Ed25519Signer.generate(), "2027-11-01T00:00:00.000Z"
    said = bank_keys.draft(KIOSK, "ack", 1, until, Ed25519Signer.generate(), thief)
    only_new = SetBankKey("ack", rotation.der(thief.public), until, said.by_new, said.by_new)
    now = house.bank.clock.now_utc().replace(year=2027)
    second = Ed25519Signer.load(house.folder / "second" / "second.key")
    payload = commands.order(KIOSK, 1, only_new, utc_now(), now)
    await house.obeys(commands.sign(payload, house.bank.keyring.command, second))
    log = house.desk.journal.log
    assert log.record(0).content["outcome"] == "refused"
    assert thief.kid not in {key.kid for key in log.bank_acks}
