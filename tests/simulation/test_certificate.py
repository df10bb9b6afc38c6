"""A client certificate that ends soon: the bank hears of it once, and status goes on saying so."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from kiosk.clock import rfc3339
from kiosk.messages import GetStatus, LinkReport, Status
from tests.simulation.rig import Rig

FIRST, SECOND = "11" * 32, "22" * 32


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    found = Rig(tmp_path)
    found.start()
    yield found
    found.close()


async def connected(rig: Rig, sha256: str, ends_in: timedelta) -> None:
    report = LinkReport(True, "broker:8883", sha256, rfc3339(rig.clock.now_utc() + ends_in))
    await rig.desk.handle("uplink", report)


async def looked(rig: Rig) -> tuple[str, ...]:
    """The uplink asks for something, as it does every minute; then somebody looks at status."""
    await rig.desk.handle("uplink", GetStatus())
    seen = await rig.desk.handle("maintenance", GetStatus())
    assert isinstance(seen, Status)
    return tuple(words for words in seen.warnings if "certificate" in words)


def alerts(rig: Rig) -> list[str]:
    log = rig.journal.log
    contents = [log.record(at).content for at in range(log.size())]
    return [each["reasons"][0] for each in contents if each["kind"] == "alert" and each["alert"] == "certificate"]


def test_it_is_said_once_to_the_bank_and_in_status_until_another_one_is_taken(rig: Rig) -> None:
    async def play() -> None:
        await rig.ready()
        assert await looked(rig) == ()
        await connected(rig, FIRST, timedelta(days=30, seconds=20))
        assert await looked(rig) == ()
        await rig.clock.sleep(21)
        first, second = await looked(rig), await looked(rig)
        assert "ends at" in first[0]
        assert first == second
        assert alerts(rig) == list(first)

    rig.run(play())
    rig.bury()
    rig.start()

    async def later() -> None:
        await rig.ready()
        assert len(await looked(rig)) == 1  # nobody has connected since
        assert len(alerts(rig)) == 1
        await connected(rig, SECOND, timedelta(days=300))
        assert await looked(rig) == ()
        await connected(rig, FIRST, timedelta(days=3))
        assert len(await looked(rig)) == 1

    rig.run(later())
