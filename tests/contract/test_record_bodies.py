"""`kiosk/core/records.cddl` against the records that whole deposits leave behind, and against the code's own words."""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pycddl
import pytest

from kiosk import core, guarantee
from kiosk.core import records
from kiosk.core.state import Deposit, RecordDraft
from kiosk.guarantee import cbor
from kiosk.guarantee import directory as statement
from kiosk.guarantee.directory import DirectoryKeys
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys
from kiosk.messages import DeliverDirectory, Ok
from tests.guarantee_kit import NOW, Kit
from tests.simulation.rig import Rig
from tests.simulation.scripts import SCRIPTS

CORE = Path(core.__file__).parent
GRAMMAR = "\n".join((Path(package.__file__ or "").parent / "records.cddl").read_text() for package in (guarantee, core))
RULES = {"deposit_start": "deposit-start-record", "deposit": "deposit-record", "alert": "alert-record"} | {
    "service": "service-record",
    "exchange": "exchange-record",
    "bundle_count": "bundle-count-record",
    "z_report": "z-report-record",
    "receipt": "receipt-statement",
}
SIGNER = Ed25519Signer.from_seed(bytes([5] * 32))
KEYS = DirectoryKeys(bytes(range(32)), PublicKeys([SIGNER.public]))


@cache
def schema(kind: str) -> pycddl.Schema:
    return pycddl.Schema(f"start = {RULES[kind]}\n{GRAMMAR}")


def fits(content: dict[str, Any]) -> bool:
    try:
        schema(str(content["kind"])).validate_cbor(cbor.encode(content))
    except pycddl.ValidationError:
        return False
    return True


def played(folder: Path, script: str) -> list[dict[str, Any]]:
    """All records of one deposit, a directory delivered before it."""
    rig = Rig(folder)
    rig.directory_keys = KEYS
    rig.start()
    try:

        async def play() -> None:
            directory = statement.make("test-0001", 1, {}, KEYS.key, NOW, SIGNER)
            assert await rig.desk.handle("uplink", DeliverDirectory(directory)) == Ok()
            await SCRIPTS[script](rig)

        rig.run(play())
        log = rig.journal.log
        return [dict(log.record(sequence).content) for sequence in range(log.size())]
    finally:
        rig.close()


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for script in SCRIPTS:
        for content in played(tmp_path_factory.mktemp(script), script):
            found[content["kind"]].append(content)
    return found


def test_every_record_of_whole_deposits_is_in_the_grammar(contents: dict[str, list[dict[str, Any]]]) -> None:
    assert set(contents) >= {"deposit_start", "deposit", "alert", "service"}
    for kind, records_of_kind in contents.items():
        for content in records_of_kind:
            schema(kind).validate_cbor(cbor.encode(content))


def test_a_field_more_or_less_is_not_in_the_grammar(contents: dict[str, list[dict[str, Any]]]) -> None:
    for records_of_kind in contents.values():
        content = records_of_kind[-1]
        assert not fits({**content, "undocumented": 1})
        for name in content:
            if name != "kind" and (content["kind"], name) != ("alert", "deposit_id"):
                assert not fits({key: value for key, value in content.items() if key != name}), name


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "lost"},
        {"account_known": "no"},
        {"confirmed_at": "soon"},
        {"deposit_id": bytes(15)},
        {"disputed_unvalued": -1},
        {"sums": {"CNY": {"credited": 1}}},
        {"notes": [{"n": 1}]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_wrong_values_are_not_in_the_grammar(contents: dict[str, list[dict[str, Any]]], change: dict[str, Any]) -> None:
    content = contents["deposit"][-1]
    assert fits(content)
    assert not fits({**content, **change})


def test_records_outside_deposits_are_in_the_grammar() -> None:
    kit = Kit()
    moment = datetime(2026, 11, 21, 8, 30, tzinfo=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    drafts = [
        records.service("started", {"state": "idle"}),
        records.service("device_accepted", {"device": "validator", "serial": 7}),
        records.service("held_note_given_back", {}),
        records.service("clock_stepped", {"moved_ms": -1500, "now": moment}),
    ]
    for draft in drafts:
        assert fits(_signed(kit, draft)), draft
    assert fits(_signed(kit, records.alert(Deposit(), "cabinet", ("the door is open",))))
    assert not fits(_signed(kit, records.service("started", {"state": "idle", "more": 1})))
    assert not fits(_signed(kit, records.service("unheard_of", {})))


def _signed(kit: Kit, draft: RecordDraft) -> dict[str, Any]:
    body = {key: value for key, value in draft.body.items() if (key, value) != ("deposit_id", b"")}
    kit.append(draft.kind, body)
    return dict(kit.records.record(kit.records.size() - 1).content)


def _sources() -> Iterator[str]:
    for folder in ("core", "management"):
        for path in (CORE.parent / folder).glob("*.py"):
            yield path.read_text()


@pytest.mark.parametrize(
    ("pattern", "what"),
    [(r'\balert\([^"()]+, "([a-z_]+)"', "alert"), (r'\bservice\(\s*"([a-z_]+)"', "service event")],
)
def test_every_name_in_the_code_is_in_the_grammar(pattern: str, what: str) -> None:
    names = {name for text in _sources() for name in re.findall(pattern, text)}
    assert len(names) >= 4
    unknown = sorted(name for name in names if f'"{name}"' not in GRAMMAR)
    assert unknown == [], f"describe each {what} in kiosk/core/records.cddl"


def test_every_outcome_in_the_code_is_in_the_grammar() -> None:
    pattern = r'steps\.close\((?:[^"()]|\([^()]*\))*?, "([a-z_]+)"|outcome(?:=| or )"([a-z_]+)"'
    names = {one or other for text in _sources() for one, other in re.findall(pattern, text)}
    assert {"credited", "nothing_inserted", "jammed"} <= names
    assert sorted(name for name in names if f'"{name}"' not in GRAMMAR) == []
