"""The steps of commissioning in the log of a whole kiosk: from before it, later ones, and of a changed book."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kiosk.core.commissioning import FILE
from kiosk.maintenance import commission_book
from kiosk.management.commissioned import Commissioned
from kiosk.messages import Ok, TakeCommissioning
from tests.simulation.people import say
from tests.simulation.rig import PowerCut, Rig


class Site:
    """A kiosk with its book."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rig = Rig(folder)

    def start(self) -> None:
        self.rig.start()
        self.rig.desk.take_commissioning(Commissioned(self.rig.controller, self.folder / FILE))

    def restart(self) -> None:
        self.rig.crash_takes_power = False
        self.rig.die()
        self.rig.bury()
        self.start()

    def step(self, line: str, *, ok: bool = True) -> None:
        with commission_book.step(self.folder / "kiosk.toml", "pin", "T-0007", {"line": line}) as outcome:
            outcome.result, outcome.ok = f"{line} was moved", ok

    def leaves(self, event: str = "commissioned") -> list[dict[str, Any]]:
        log = self.rig.journal.log
        records = (log.record(sequence) for sequence in range(log.size()))
        return [dict(one.content) for one in records if one.kind == "service" and one.content["event"] == event]

    async def told(self) -> None:
        await self.rig.ready()
        assert await say(self.rig, TakeCommissioning()) == Ok()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.rig.close()


def test_what_was_done_before_there_was_a_log_is_in_it_once(site: Site) -> None:
    site.step("tamper", ok=False)
    site.step("tamper")
    site.start()
    site.rig.run(site.rig.ready())
    site.restart()
    site.step("e_stop")
    site.rig.run(site.told())
    site.rig.run(site.told())
    leaves = site.leaves()
    assert [(leaf["by"], leaf["arguments"]["line"], leaf["ok"]) for leaf in leaves] == [
        ("T-0007", "tamper", False),
        ("T-0007", "tamper", True),
        ("T-0007", "e_stop", True),
    ]
    entries = commission_book.done(site.folder / "kiosk.toml").steps
    assert [leaf["line_sha256"].hex() for leaf in leaves] == [entry.sha256 for entry in entries]
    assert site.leaves("commissioning_doubted") == []


def test_a_book_that_was_changed_or_taken_away_is_on_record_once(site: Site) -> None:
    site.step("tamper")
    site.step("e_stop")
    site.start()
    site.rig.run(site.rig.ready())
    path = site.folder / FILE
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"tamper", b"jammed"))
    for _ in range(2):
        site.rig.run(site.told())
    assert len(site.leaves("commissioning_doubted")) == 2, "what is gone, and why no more is believed"
    path.unlink()
    for _ in range(2):
        site.rig.run(site.told())
    doubts = site.leaves("commissioning_doubted")
    assert len(doubts) == 3
    assert "steps are on record, and the file has others or fewer" in doubts[-1]["why"]


def test_a_power_cut_at_any_write_leaves_each_step_in_the_log_once(tmp_path: Path) -> None:
    for when in ("before-write", "after-write"):
        for write in range(1, 4):
            folder = tmp_path / f"{when}-{write}"
            folder.mkdir()
            site = Site(folder)
            site.step("tamper")
            site.step("e_stop")
            try:
                site.start()
                site.rig.crash_at = (when, site.rig.counts.get(when, 0) + write)
                with pytest.raises(PowerCut):
                    site.rig.run(site.rig.ready())
                site.rig.bury()
                site.start()
                site.rig.run(site.rig.ready())
                assert [leaf["arguments"]["line"] for leaf in site.leaves()] == ["tamper", "e_stop"]
            finally:
                site.rig.close()
