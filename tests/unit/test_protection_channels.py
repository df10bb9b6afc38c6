"""The gate: protected data of every kind put into every channel that leaves the kiosk, and none of it found outside.

What is planted is written as people write it: full names, addresses with a street and a number, identifiers with the
word that says what they are where nothing else tells (a date of birth is a date like any other without it).
"""

import asyncio
import io
import json
import logging
import random
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
from click.testing import CliRunner

from cellkinds import identifiers as ids
from cellkinds.columns import TEMPLATES
from cellkinds.people import first_en, given_zh, last_en, russian
from kiosk.appraisal.fusion import Verdict
from kiosk.clock import SystemClock
from kiosk.config import load_config
from kiosk.core import telemetry
from kiosk.core.metrics import METRICS, sample
from kiosk.core.topics import FROM_KIOSK, topic
from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import bundles, evidence
from kiosk.guarantee.sealed_values import SealedValues, open_values
from kiosk.management.controller import Controller
from kiosk.management.files_desk import FilesDesk
from kiosk.messages import Health, LinkReport
from kiosk.monitoring import watcher
from kiosk.observing import exposition
from kiosk.processes.gates import egress_gate
from kiosk.processes.table import PROCESSES
from kiosk.protection import canonical, logs
from kiosk.protection.bundles import usual_gate
from kiosk.protection.catalogue import DEFAULT_PATH, Catalogue
from kiosk.protection.classify import Classifier
from kiosk.protection.egress import Gate
from kiosk.protection.judge import FieldJudge
from kiosk.protection.kinds import KINDS
from kiosk.protection.suspects import Suspects
from kiosk.uplink.uplink import Births, Uplink
from kiosk_cloud.cli import main as cloud
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import provision
from tests.guarantee_kit import Kit
from tests.unit.test_config import MINIMAL
from tests.unit.test_uplink_loop import HandLink
from tests.uplink_kit import KIOSK, KioskSide, plan

PASSING: Final = ("amount", "other")  # by the shipped catalogue, everywhere
Made = Callable[[random.Random], str]


def _by(kind: str, *where: tuple[str, int]) -> list[Made]:
    return [TEMPLATES[kind][script][at] for script, at in where]


def _labelled(word: str, made: Made) -> Made:
    return lambda chance: f"{word} {made(chance)}"


ZH: Final = "王李张刘陈杨赵黄周吴徐孙"
_NAMES: Final[list[Made]] = [
    lambda c: " ".join(russian(c)),
    lambda c: f"{russian(c)[0]} {russian(c)[1][0]}.{russian(c)[2][0]}.",
    lambda c: f"{first_en(c)} {last_en(c)}",
    lambda c: c.choice(ZH) + given_zh(c)[:2],
    lambda c: c.choice(("Sean O'Connor", "Mary Smith-Jones", "John McDonald", "José García")),
]
_ADDRESSES: Final[list[Made]] = [
    lambda c: f"г. Тверь, ул. {c.choice(('Лесная', 'Мира', 'Садовая'))}, д. {c.randint(1, 99)}, кв. {c.randint(1, 99)}",
    lambda c: f"{c.randint(1, 999)} {c.choice(('Oak', 'Maple', 'Church'))} {c.choice(('Street', 'Road', 'Avenue'))}",
    lambda c: f"浙江省杭州市西湖区文化路{c.randint(1, 200)}号{c.randint(1, 9)}幢{c.randint(101, 909)}室",
]
# What is looked for outside is the value without its label.
PLANTED: Final[dict[str, list[Made]]] = {
    "person_name": _NAMES,
    "postal_address": _ADDRESSES,
    **{
        kind: [made for by in TEMPLATES[kind].values() for made in by]
        for kind in ("email", "resident_id_cn", "inn_ru", "ogrn_ru", "snils_ru", "uscc_cn", "iban", "ip_address", "mac_address")
    },
    "bank_card": [made for by in TEMPLATES["bank_card"].values() for made in by],
    "phone": _by("phone", *(("zh", at) for at in range(8)), *(("ru", at) for at in range(8)), ("en", 0), ("en", 2)),
    "passport_ru": [*_by("passport_ru", ("ru", 0), ("ru", 1), ("ru", 3), ("ru", 4)), _labelled("паспорт", ids.passport_ru)],
    "passport_cn": [made for by in TEMPLATES["passport_cn"].values() for made in by],
    "bank_account": [*_by("bank_account", ("zh", 2), ("ru", 0), ("ru", 2), ("ru", 3)), _labelled("account", ids.account_own)],
    "bic": [_labelled("BIC", ids.bic), _labelled("БИК", ids.bik)],
    "birth_date": [_labelled("дата рождения:", lambda c: f"{c.randint(1, 28):02d}.{c.randint(1, 12):02d}.19{c.randint(40, 99)}"),
                   _labelled("born", lambda c: f"19{c.randint(40, 99)}-{c.randint(1, 12):02d}-{c.randint(1, 28):02d}")],
    "vehicle_plate": [lambda c: f"{c.choice('АВЕКМН')}{c.randint(100, 999)}{c.choice('АВЕ')}{c.choice('КМН')}{c.randint(10, 99)}",
                      lambda c: f"京{c.choice('ABC')}{c.randint(10000, 99999)}"],
    "secret": [_labelled("password:", lambda c: f"Hunter{c.randint(1000, 9999)}!x"), _labelled("пароль =", lambda c: f"кот{c.randint(100, 999)}")],
    "device_token": [_labelled("Bearer", lambda c: f"a1B2{c.getrandbits(120):x}"), *_by("device_token", *(("en", at) for at in range(1)))],
}  # fmt: skip
_LABELS: Final = (
    "паспорт ",
    "account ",
    "BIC ",
    "БИК ",
    "дата рождения: ",
    "born ",
    "password: ",
    "пароль = ",
    "Bearer ",
)


def _bare(value: str) -> str:
    for label in _LABELS:
        value = value.removeprefix(label)
    return value


def planted(kind: str, each: int = 2) -> list[str]:
    """Values of one kind; of `free_text` sentences that hold others."""
    chance = random.Random(f"channels {kind}")
    if kind == "free_text":
        return [
            f"please call {made(chance)} back"
            for other in ("phone", "email", "bank_card")
            for made in PLANTED[other][:2]
        ]
    return [made(chance) for made in PLANTED[kind] for _ in range(each)]


PROTECTED: Final = [kind for kind in KINDS if kind not in PASSING]
SAID: Final = "the device answered {}, going on"
EVERY: Final = [value for kind in PROTECTED for value in planted(kind, 1)]


def outside(text: str) -> list[str]:
    """What of everything planted can be read in a text."""
    return [value for value in EVERY if _bare(value).removeprefix("please call ").removesuffix(" back") in text]


def test_every_kind_is_planted_or_passes_by_the_catalogue() -> None:
    assert set(PLANTED) | {"free_text", *PASSING} == set(KINDS)
    catalogue = Catalogue.load()
    assert all(catalogue.action(kind, to) == "pass" for to in catalogue.policies for kind in PASSING)  # type: ignore[arg-type]
    stricter = DEFAULT_PATH.read_text(encoding="utf-8").replace('amount = "pass"', 'amount = "mask"')
    gate = usual_gate(Catalogue.parse(stricter.encode()))
    assert gate.text("сумма 1 500,00 руб. and 57元", "log").text == "сумма [amount] and [amount]"


@pytest.mark.parametrize("kind", PROTECTED)
def test_logs(kind: str, logging_as_before: None) -> None:
    stream = io.StringIO()
    logs.set_up(logging.INFO, stream)
    log = logging.getLogger("kiosk.test")
    for value in planted(kind):
        log.info("seen %s, going on", value)
        try:
            raise ValueError(f"refused {value} of today")  # noqa: TRY301 - a traceback is what is tested
        except ValueError:
            log.exception("it failed")
    found = stream.getvalue()
    assert "going on" in found
    assert not [value for value in planted(kind) if _bare(value) in found]


def test_log_lines_do_what_the_policy_of_their_destination_says(logging_as_before: None) -> None:
    changed = DEFAULT_PATH.read_text(encoding="utf-8").replace(
        '[policies.log]\ndefault = "mask"',
        '[policies.log]\ndefault = "mask"\nphone = "stop"\nip_address = "pass"\nemail = "tokenise"',
    )
    stream = io.StringIO()
    logs.set_up(logging.INFO, stream)
    logs.use(usual_gate(Catalogue.parse(changed.encode())))
    log = logging.getLogger("kiosk.test")
    for line in ("call +7 912 345-67-89", "from 10.1.2.3 came li@bank.example", "li@bank.example again"):
        log.warning(line)
    lines = stream.getvalue().splitlines()
    assert lines[0].endswith(
        "WARNING kiosk.protection.egress: 1 fields on their way to log were stopped, the last for: phone"
    )
    assert lines[1].endswith("WARNING [stopped]")
    assert "from 10.1.2.3 came [email~" in lines[2]
    assert lines[3].endswith(lines[2].partition("came ")[2] + " again")


def test_canonical_lines(logging_as_before: None) -> None:
    out = io.StringIO()
    for value in EVERY:
        fault: dict[str, canonical.Scalar] = {
            "at": "2026-11-21T08:30:00.125Z",
            "alert": "device",
            "device": "board",
            "why": value,
        }
        canonical.say("fault", fault, stream=out, environ={})
    assert out.getvalue().count('"device": "board"') == len(EVERY)
    assert not outside(out.getvalue())


@pytest.fixture(scope="module")
def networks() -> Gate:
    """As the watcher has it."""
    return usual_gate(judge=FieldJudge(Classifier.load(), Suspects(), release=0.85))


def test_captions(networks: Gate) -> None:
    for gate, values in ((usual_gate(), EVERY), (networks, EVERY[::4])):
        for value in values:
            verdict = Verdict("scene", 0.9, 0.01, "high", (1, 2), (f"seen: {value}",), "ab" * 32)
            seen = cast("Any", SimpleNamespace(verdicts=(verdict,), faults=(), silent=()))
            (told,) = watcher._streams(seen, gate)  # noqa: SLF001 - what a report is made of
            assert "[" in told.reasons[0]
            assert not outside(told.reasons[0]), value


def test_a_name_that_no_form_tells_apart_from_a_thing_is_told_by_the_networks(networks: Gate) -> None:
    """`Suspects` hides both; the networks know which is which."""
    said, thing = "the lady is Margaret Thompson", "the broker said: Quota Exceeded"
    assert networks.text(said, "caption").text in ("the lady is [person_name]", "[person_name]")
    assert usual_gate().text(said, "caption").text == "the lady is [person_name]"
    assert networks.text(thing, "caption").text == thing
    assert usual_gate().text(thing, "caption").text == "the broker said: [person_name]"
    assert "Connor" not in networks.text("taken by Sean O'Connor", "caption").text, "of which they are not sure"


class Telling:
    """A controller that tells this health and nothing else."""

    def __init__(self) -> None:
        self.reasons: tuple[str, ...] = ()

    async def request(self, _: object) -> Health:
        samples = (sample("kiosk_in_service", 0), sample("kiosk_device_state", 1, "board", "down"))
        return Health("2026-11-21T08:30:00.125Z", in_service=False, reasons=self.reasons, samples=samples)


def _uplink(gate: Gate | None) -> tuple[Uplink, Telling, HandLink]:
    bus, link = Telling(), HandLink()
    link.up = True
    return Uplink("demo-0001", cast("Any", bus), link, SystemClock(), gate=gate), bus, link


def test_telemetry_and_the_birth_message() -> None:
    uplink, bus, link = _uplink(None)
    births = Births("demo-0001", SystemClock(), usual_gate())
    for value in EVERY:
        bus.reasons = (SAID.format(value), value)
        asyncio.run(uplink._tell_health())  # noqa: SLF001 - one round of the loop
        births.describe(value, "0123456789abcdef" * 4)
        assert not outside(births.online().decode())
        assert not outside(births.will()[1].decode())
    assert len(link.announced) == len(EVERY)
    for name, payload, _ in link.announced:
        assert name == topic("demo-0001", "telemetry")
        assert not outside(payload.decode())
        telemetry.decoded(payload, "demo-0001")


def test_telemetry_follows_the_banks_catalogue_and_not_only_the_shipped_one() -> None:
    stricter = DEFAULT_PATH.read_text(encoding="utf-8").replace('free_text = "mask"', 'free_text = "stop"')
    uplink, bus, link = _uplink(usual_gate(Catalogue.parse(stricter.encode())))
    bus.reasons = ("the board said li@bank.example", "li@bank.example", "door open")
    asyncio.run(uplink._tell_health())  # noqa: SLF001
    assert json.loads(link.announced[0][1])["reasons"] == ["[stopped]", "[email]", "door open"]


def test_metrics_have_no_place_for_a_text() -> None:
    for metric in METRICS.values():
        for value in EVERY:
            if metric.labels:
                with pytest.raises(ValueError, match="kiosk_"):
                    sample(metric.name, 1.0, *[value] * len(metric.labels))
    assert not outside(exposition.text([sample("kiosk_in_service", 1)]).decode())


def test_topics_and_the_names_of_processes_and_their_files(tmp_path: Path) -> None:
    """A kiosk's id is all of a topic that is chosen freely, and it stands in clear in envelopes and leaves as well."""
    path = tmp_path / "kiosk.toml"
    for value in [_bare(each) for kind in PROTECTED for each in planted(kind, 1)][::2]:
        if kind_alone(value):
            path.write_text(MINIMAL.replace("demo-0001", json.dumps(value, ensure_ascii=False)[1:-1]), encoding="utf-8")
            with pytest.raises(ConfigError):
                egress_gate(load_config(path))
    for lane in FROM_KIOSK:
        assert not outside(topic("demo-0001", lane))
    assert not outside(" ".join(process.name for process in PROCESSES))


def kind_alone(value: str) -> bool:
    """Whether its form alone tells what it is: no password, date or bank's code is told without the word before it."""
    return any(
        value == _bare(made)
        for kind in PROTECTED
        if kind not in ("secret", "birth_date", "bic", "bank_account", "passport_ru", "free_text", "device_token")
        for made in planted(kind, 1)
    )


def test_the_clear_parts_of_records() -> None:
    kit = Kit()
    for kind in PROTECTED:
        values = planted(kind, 1)
        kit.append("alert", {"alert": kind, "why": values, "deposit_id": bytes(16)})
    sealed = b"".join(kit.records.envelope(number) + kit.records.entry(number) for number in range(kit.records.size()))
    assert not [value for value in EVERY if _bare(value).encode() in sealed]
    assert not outside(kit.records.checkpoint())


def test_evidence_and_the_names_of_its_files() -> None:
    key = Kit().seal_key
    for value in EVERY:
        content = f"a still of {value}".encode()
        for piece, data in evidence.pieces(content):
            message = evidence.seal_chunk("demo-0001", piece, data, key.public)
            assert _bare(value).encode() not in message
            assert piece.sha256.hex() not in value


@pytest.fixture
def desk(tmp_path: Path) -> FilesDesk:
    kit = Kit()
    controller = SimpleNamespace(journal=SimpleNamespace(log=kit.records))
    return FilesDesk(
        cast("Controller", controller), cast("Any", None), cast("Any", None), tmp_path,
        status=dict, link=lambda: LinkReport(connected=False, detail=""), configuration={},
    )  # fmt: skip


def _bundle_of(values: Sequence[str]) -> dict[str, Any]:
    return {"journal": [{"body": SAID.format(value), "deep": [{"note": value, value: 1}]} for value in values]}


def test_the_support_bundle(desk: FilesDesk) -> None:
    written = desk._gated("demo-0001", _bundle_of(EVERY), set())  # noqa: SLF001 - what is signed then
    data = bundles.make({"kiosk": "demo-0001"}, written, Kit().record_signer.public.pem, lambda data: data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["manifest.cose", "record-key.pem", "journal.json"]
        assert not outside(archive.read("journal.json").decode())
        assert not outside(archive.read("manifest.cose").decode())


def test_what_is_encrypted_in_a_bundle_is_read_by_the_bank_alone(desk: FilesDesk, tmp_path: Path) -> None:
    changed = DEFAULT_PATH.read_text(encoding="utf-8").replace(
        "[policies.bundle]", '[policies.bundle]\nbank_account = "encrypt"\nphone = "encrypt"'
    )
    desk._catalogue = tmp_path / "own.toml"  # noqa: SLF001
    desk._catalogue.write_text(changed, encoding="utf-8")  # noqa: SLF001
    said = ["call +7 912 345-67-89 about 40817810099910004312", "again +79123456789", "mail li@bank.example"]
    written = desk._gated("demo-0001", {"journal": said}, set())  # noqa: SLF001
    first, again, mail = written["journal"]
    token = first.split("[phone!")[1].split("]")[0]
    assert again == f"again [phone!{token}]"
    assert mail.startswith("mail [email~")
    bank = Kit().seal_key
    opened = open_values(
        written["sealed"],
        "demo-0001",
        lambda key_id: bank if key_id == bank.public.key_id else pytest.fail("another key"),
    )
    assert opened[f"phone!{token}"] == "+7 912 345-67-89"
    assert sorted(opened.values()) == ["+7 912 345-67-89", "40817810099910004312"]
    with pytest.raises(VerificationError, match="another kiosk"):
        open_values(written["sealed"], "demo-0002", lambda _: bank)
    moved = {
        "recipient": written["sealed"]["recipient"],
        "values": {"phone!x": written["sealed"]["values"][f"phone!{token}"]},
    }
    with pytest.raises(VerificationError, match="changed"):
        open_values(moved, "demo-0001", lambda _: bank)
    for broken in (
        {},
        {"recipient": "zz", "values": {}},
        {"recipient": "00", "values": {"a": "*"}},
        {"recipient": "00", "values": []},
    ):
        with pytest.raises(VerificationError, match="no file of sealed values"):
            open_values(broken, "demo-0001", lambda _: bank)


def test_the_bank_opens_what_is_sealed_in_a_bundle_of_its_own_kiosk_alone(tmp_path: Path) -> None:
    done = provision(plan(tmp_path / "run"), utc_now())
    kiosk = KioskSide(done.kiosk_keys)
    sealed = SealedValues(KIOSK, kiosk.records.bank_seal)
    sealed.keep("phone!abc", "+7 912 345-67-89")
    records = kiosk.records

    def made(name: str, files: dict[str, Any]) -> str:
        data = bundles.make(
            {"kiosk": KIOSK}, files, records.record_key.pem, lambda data: records.vouch(data, bundles.TYPE)
        )
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    out = tmp_path / "values.json"
    common = ("--config", str(done.bank_config), "--out", str(out))
    said = CliRunner().invoke(cloud, ["unseal", made("a.zip", {"sealed": sealed.file()}), *common])
    assert said.exit_code == 0, said.output
    assert json.loads(out.read_text()) == {"phone!abc": "+7 912 345-67-89"}
    assert out.stat().st_mode & 0o777 == 0o600
    assert "912" not in said.output
    assert (
        "nothing in this bundle is sealed"
        in CliRunner().invoke(cloud, ["unseal", made("b.zip", {"journal": []}), *common]).output
    )
    stranger = Kit().records
    records = stranger
    said = CliRunner().invoke(cloud, ["unseal", made("c.zip", {"sealed": sealed.file()}), *common])
    assert said.exit_code == 3
    assert "no record key" in said.output
    kiosk.close()


def test_a_value_that_cannot_be_sealed_does_not_leave() -> None:
    class Full:
        def keep(self, token: str, value: str) -> None:
            raise ValueError("full")

    changed = DEFAULT_PATH.read_text(encoding="utf-8").replace(
        "[policies.bundle]", '[policies.bundle]\nphone = "encrypt"'
    )
    gate = Gate(Catalogue.parse(changed.encode()), bytes(32), vault=Full())
    assert gate.text("call +7 912 345-67-89", "bundle").text == "[withheld]"
    assert (
        Gate(Catalogue.parse(changed.encode()), bytes(32)).text("call +7 912 345-67-89", "bundle").text
        == "call [phone]"
    )
    assert (
        Gate(Catalogue.parse(changed.encode()), vault=Full()).text("call +7 912 345-67-89", "bundle").text
        == "call [phone]"
    )
