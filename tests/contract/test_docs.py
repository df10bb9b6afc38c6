"""Documentation that tests enforce: a page, command, option or topic that nobody described fails here.

Others of the kind: settings (tests/unit/test_settings.py), state diagrams (tests/unit/test_core_diagram.py), fields of
records (test_record_bodies.py), links (test_project.py).
"""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from kiosk.core import topics
from kiosk.processes.kioskctl import main as kioskctl
from kiosk_cloud.cli import main as kiosk_cloud
from kiosk_cloud.protect.cli import main as kiosk_protect

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def commands(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command below `group` with its name as it is typed."""
    if isinstance(group, click.Group):
        for name, command in group.commands.items():
            yield from commands(command, (*path, name))
    else:
        yield " ".join(path), group


def test_the_index_lists_every_page() -> None:
    index = (DOCS / "README.md").read_text()
    linked = {(DOCS / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)", index)}
    pages = {page.resolve() for page in DOCS.rglob("*.md")} - {(DOCS / "README.md").resolve()}
    assert pages - linked == set()


@pytest.mark.parametrize(("name", "command"), list(commands(kioskctl)), ids=str)
def test_every_command_of_kioskctl_is_described(name: str, command: click.Command) -> None:
    text = (DOCS / "kioskctl.md").read_text()
    assert re.search(rf"^\| `{re.escape(name)}[ `]", text, re.MULTILINE), f"docs/kioskctl.md: {name}"
    assert command.help, name
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.name}"
            assert parameter.opts[0] in text, f"docs/kioskctl.md: {name} {parameter.opts[0]}"


@pytest.mark.parametrize(("name", "command"), list(commands(kiosk_cloud)), ids=str)
def test_every_command_of_the_bank_is_described(name: str, command: click.Command) -> None:
    text = (ROOT / "cloud" / "README.md").read_text()
    assert re.search(rf"^\| `kiosk-cloud {re.escape(name)}[ `]", text, re.MULTILINE), f"cloud/README.md: {name}"
    assert command.help, name
    assert all(parameter.help for parameter in command.params if isinstance(parameter, click.Option)), name


@pytest.mark.parametrize(("name", "command"), list(commands(kiosk_protect)), ids=str)
def test_every_command_for_tables_is_described(name: str, command: click.Command) -> None:
    text = (DOCS / "protect.md").read_text()
    assert re.search(rf"^\| `kiosk-protect {re.escape(name)}[ `]", text, re.MULTILINE), f"docs/protect.md: {name}"
    assert command.help, name
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.name}"
            assert parameter.opts[0] in text, f"docs/protect.md: {name} {parameter.opts[0]}"


def test_every_topic_is_described_with_its_direction() -> None:
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| ([^|]+)\|", (DOCS / "mqtt.md").read_text(), re.MULTILINE))
    assert set(rows) == {*topics.FROM_KIOSK, *topics.TO_KIOSK}
    assert {lane for lane, sender in rows.items() if sender.startswith("bank")} == set(topics.TO_KIOSK)


def test_retained_topics_are_said_to_be() -> None:
    rows = re.findall(r"^\| `([a-z]+)` \| [^|]+\| \d, (yes|no) \|", (DOCS / "mqtt.md").read_text(), re.MULTILINE)
    assert {lane for lane, retained in rows if retained == "yes"} == topics.RETAINED
