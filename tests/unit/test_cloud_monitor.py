"""The monitor: whatever is deleted, reordered, truncated, restored, altered or shown to some only is an alarm."""

import http.server
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kiosk.guarantee import checkpoint, merkle, policy, proof, tiles
from kiosk.guarantee.keys import Ed25519Signer, PublicKeys
from kiosk.guarantee.tiles import Tile
from kiosk_cloud.cli import main
from kiosk_cloud.mirror import LogMirror
from kiosk_cloud.monitor import sources
from kiosk_cloud.monitor.following import Monitor, Watched
from kiosk_cloud.monitor.state import MonitorState
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import provision
from kiosk_cloud.store import Store
from tests.uplink_kit import KIOSK, HandClock, KioskSide, plan
from tests.witness_kit import World

ORIGIN = f"deposit-kiosk/{KIOSK}"
START = 300  # leaves: one full tile and a partial one


class Watch:
    """A bank with its mirror, and somebody who watches it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World(provision(plan(folder), utc_now()), folder)
        self.keys = folder / "kiosk" / "keys"
        assert self.world.bank.config.mirror is not None
        self.mirror = self.world.bank.config.mirror
        self.log = self.mirror / KIOSK
        self.clock = HandClock()
        self.state = folder / "monitor.db"
        self.places = [str(self.mirror)]
        self.notes: list[tuple[str, str]] = []
        (folder / "watched.txt").write_text(self.world.policy_file)

    def grow(self, count: int) -> None:
        self.world.grow(count)
        self.world.work()

    def monitor(self, **changes: Any) -> Monitor:
        """As a new process begins."""
        watched = Watched(
            mirrors=lambda kiosk: [sources.source(place, kiosk) for place in self.places],
            claims=lambda _kiosk: self.notes,
            **changes,
        )
        return Monitor(lambda: self.world.policy, watched, MonitorState(self.state), self.clock)

    def kinds(self) -> list[str]:
        with closing(MonitorState(self.state)) as state:
            return [alarm.kind for alarm in state.alarms()]

    def look(self, **changes: Any) -> list[str]:
        self.monitor(**changes).round()
        return self.kinds()

    def fork(self, size: int) -> str:
        """What a kiosk signs that tells somebody another story."""
        signer = Ed25519Signer.load(self.keys / "checkpoint.key")
        return checkpoint.sign(KIOSK, size, merkle.leaf_hash(b"another story"), signer)

    def run(self, *arguments: str) -> Result:
        fixed = ["--state", str(self.state), "--policy", str(self.folder / "watched.txt"), "--mirror", self.places[0]]
        return CliRunner().invoke(main, ["monitor", "run", *fixed, "--json", *arguments])

    def close(self) -> None:
        self.world.close()


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """A log of START leaves, made once; each test gets a copy of its mirror."""
    with closing(Watch(tmp_path_factory.mktemp("watch"))) as found:
        found.grow(START)
        yield found


@pytest.fixture
def watch(grown: Watch, tmp_path: Path) -> Watch:
    """The same bank as somebody sees who has a mirror of their own: changes touch the copy only."""
    copy: Watch = Watch.__new__(Watch)
    copy.__dict__.update(grown.__dict__)
    copy.mirror = tmp_path / "mirror"
    shutil.copytree(grown.mirror, copy.mirror)
    copy.log, copy.state, copy.places, copy.notes = copy.mirror / KIOSK, tmp_path / "monitor.db", [str(copy.mirror)], []
    copy.clock = HandClock()
    return copy


def test_a_good_mirror_is_verified_from_its_first_leaf_and_says_nothing(watch: Watch) -> None:
    assert watch.look() == []
    with closing(MonitorState(watch.state)) as state:
        assert (state.tree(ORIGIN).size, state.tree(ORIGIN).root()) == (START, watch.world.kiosk.records.root())
    assert watch.look() == []


Harm = Callable[[Watch], None]


def spoil(path: str, at: int, xor: int = 1) -> Harm:
    def harm(watch: Watch) -> None:
        data = bytearray((watch.log / path).read_bytes())
        data[at] ^= xor
        (watch.log / path).write_bytes(bytes(data))

    return harm


def reorder(watch: Watch) -> None:
    path = watch.log / Tile(-1, 0).path
    entries = tiles.unbundle(path.read_bytes(), 256)
    entries[7], entries[8] = entries[8], entries[7]
    path.write_bytes(tiles.bundle(entries))


def leave_out(watch: Watch) -> None:
    """An entry is gone and the rest moves up."""
    path = watch.log / Tile(-1, 0).path
    entries = tiles.unbundle(path.read_bytes(), 256)
    later = tiles.unbundle((watch.log / Tile(-1, 1, START - 256).path).read_bytes(), START - 256)
    path.write_bytes(tiles.bundle([*entries[:7], *entries[8:], later[0]]))


def truncate(watch: Watch) -> None:
    path = watch.log / Tile(-1, 1, START - 256).path
    path.write_bytes(path.read_bytes()[:-1])


def delete(path: str) -> Harm:
    return lambda watch: (watch.log / path).unlink()


def other_key(watch: Watch) -> None:
    signer = Ed25519Signer.generate()
    (watch.log / "checkpoint").write_text(checkpoint.sign(KIOSK, START, watch.world.kiosk.records.root(), signer))


def strange_cosignature(watch: Watch) -> None:
    path = watch.log / "checkpoint"
    lines = path.read_text().split("\n")
    line = next(number for number, each in enumerate(lines) if "village" in each)
    lines[line] = lines[line][:-9] + ("AAAA" if lines[line][-9:-5] != "AAAA" else "BBBB") + lines[line][-5:]
    path.write_text("\n".join(lines))


HARMS: dict[str, tuple[Harm, str]] = {
    "an old entry altered": (spoil(Tile(-1, 0).path, 40), "altered"),
    "an old tile altered": (spoil(Tile(0, 0).path, 40), "altered"),
    "a tile above altered": (spoil(Tile(1, 0, 1).path, 3), "altered"),
    "a partial tile altered": (spoil(Tile(0, 1, START - 256).path, 5), "altered"),
    "two entries reordered": (reorder, "reordered"),
    "an entry left out": (leave_out, "reordered"),
    "a bundle cut off": (truncate, "altered"),
    "a bundle deleted": (delete(Tile(-1, 0).path), "deleted"),
    "a tile deleted": (delete(Tile(0, 0).path), "deleted"),
    "the checkpoint deleted": (delete("checkpoint"), "deleted"),
    "a checkpoint of another key": (other_key, "unsigned"),
    "a cosignature spoiled": (strange_cosignature, "unsigned"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_whatever_happens_to_a_verified_mirror_is_an_alarm(watch: Watch, harm: str) -> None:
    assert watch.look() == []
    spoiled, kind = HARMS[harm]
    spoiled(watch)
    found = watch.look()
    assert kind in found
    assert watch.look() == found  # said once, open until a person settles it


@pytest.mark.parametrize("harm", [name for name in HARMS if HARMS[name][1] in ("altered", "reordered")])
def test_a_monitor_that_begins_now_sees_it_as_well(watch: Watch, harm: str) -> None:
    HARMS[harm][0](watch)
    assert watch.look() != []


def rebuilt(watch: Watch, size: int, change: bool) -> None:
    """A mirror made again from other leaves, in itself without a flaw, signed by the kiosk's own key."""
    entries = watch.world.bank.store.entries(KIOSK, 0, size)
    if change:
        with closing(KioskSide(watch.keys)) as twin:
            twin.deposit(99_999)
            twin_entry = twin.records.record(0).leaf_entry
        entries = [twin_entry, *entries[1:]]
    tree = merkle.CompactRange()
    for entry in entries:
        tree.append(merkle.leaf_hash(entry))
    shutil.rmtree(watch.log)

    class Rows:
        def entries(self, _kiosk: str, first: int, count: int) -> list[bytes]:
            return entries[first : first + count]

    signer = Ed25519Signer.load(watch.keys / "checkpoint.key")
    signed = checkpoint.sign(KIOSK, size, tree.root(), signer)
    rows: Any = Rows()
    LogMirror(watch.log, watch.world.log_key).grow(rows, KIOSK, size, signed.encode())


@pytest.mark.parametrize(
    ("size", "change", "kind"), [(200, False, "rollback"), (START, True, "fork"), (START, True, "altered")]
)
def test_an_old_copy_or_a_history_rewritten_by_the_kiosk_itself_is_noticed(
    watch: Watch, size: int, change: bool, kind: str
) -> None:
    assert watch.look() == []
    rebuilt(watch, size, change)
    assert kind in watch.look()


def test_the_mirror_grows_and_only_what_is_new_is_read(tmp_path: Path) -> None:
    with closing(Watch(tmp_path)) as watch:
        watch.grow(257)
        monitor = watch.monitor()
        monitor.round()
        watch.grow(5)
        (watch.log / Tile(-1, 0).path).unlink()
        assert monitor.round().sizes == {ORIGIN: 262}
        assert watch.kinds() == []
        watch.clock.advance(25 * 3600)
        monitor.round()
        assert watch.kinds() == ["deleted"]  # once a day from the first leaf


def test_two_stories_signed_by_the_kiosk_are_a_fork_whoever_shows_them(watch: Watch) -> None:
    assert watch.look() == []
    watch.notes = [("a receipt", watch.fork(120))]  # of a size that the mirror never had a checkpoint of
    assert watch.look() == ["fork"]
    assert watch.look() == ["fork"]
    with closing(MonitorState(watch.state)) as state:
        (alarm,) = state.alarms()
        assert checkpoint.verify(alarm.evidence, watch.world.log_key).size == 120


def test_the_second_code_of_a_good_receipt_changes_nothing(watch: Watch) -> None:
    root = watch.world.kiosk.records.root()
    signer = Ed25519Signer.load(watch.keys / "checkpoint.key")
    good = checkpoint.sign(KIOSK, START, root, signer)
    watch.notes = [("receipt", proof.make(3, (), good)), ("another log", "deposit-kiosk/x\n1\nAAAA\n\n")]
    assert watch.look() == []
    watch.notes = [("receipt", good.replace("\u2014", "-"))]
    assert watch.look() == ["unsigned"]


def test_a_larger_tree_that_no_mirror_shows_is_withheld_after_a_while(watch: Watch) -> None:
    watch.notes = [("a witness", watch.fork(START + 50))]
    monitor = watch.monitor(grace_s=3600.0)
    monitor.round()
    assert watch.kinds() == []
    watch.clock.advance(3700)
    monitor.round()
    assert watch.kinds() == ["withheld"]


def test_a_mirror_that_falls_silent_or_has_no_quorum_is_an_alarm_only_after_a_while(watch: Watch) -> None:
    watch.places.append("http://127.0.0.1:1/mirror")
    lines = (watch.log / "checkpoint").read_text().split("\n")
    (watch.log / "checkpoint").write_text("\n".join(line for line in lines if ".example/w" not in line))
    monitor = watch.monitor()
    monitor.round()
    assert watch.kinds() == []
    watch.clock.advance(3700)
    monitor.round()
    assert sorted(watch.kinds()) == ["silent", "unwitnessed"]


def test_two_mirrors_that_differ_are_a_fork(watch: Watch, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(watch.mirror, other)
    watch.log = other / KIOSK
    rebuilt(watch, START, change=True)
    watch.places.append(str(other))
    assert "fork" in watch.look()


def test_what_the_bank_acknowledged_is_compared(watch: Watch) -> None:
    with closing(Store(watch.world.bank.config.store, read_only=True)) as store:
        good = store.newest_ack(KIOSK)
    assert good is not None
    keys = PublicKeys([watch.world.bank.keyring.ack.public])
    assert watch.look(acks=lambda _kiosk: [good[1]], ack_keys=keys) == []
    with closing(KioskSide(watch.keys)) as twin:
        twin.deposit(5)
        from kiosk.guarantee import acks  # noqa: PLC0415 - beside its use

        other = acks.make(KIOSK, 1, twin.records.root(), watch.clock.now_utc(), watch.world.bank.keyring.ack)
    assert watch.look(acks=lambda _kiosk: [other], ack_keys=keys) == ["fork"]


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """Any static server."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_mirror_behind_a_url_is_enough(watch: Watch) -> None:
    with site(watch.mirror) as url:
        watch.places = [url]
        assert watch.look() == []
        (watch.log / Tile(-1, 1, START - 256).path).unlink()
        assert watch.look() == ["deleted"]


def test_the_command_says_what_it_found_and_stays_alarmed_until_somebody_settles_it(watch: Watch) -> None:
    done = watch.run()
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == {"logs": {ORIGIN: START}, "new_alarms": 0, "open_alarms": 0}
    (watch.mirror / "paper.txt").write_text(watch.fork(7))
    again = watch.run("--note", str(watch.mirror / "paper.txt"))
    assert again.exit_code == 1
    first, last = (json.loads(line) for line in again.output.splitlines())
    assert (first["alarm"]["kind"], last["open_alarms"]) == ("fork", 1)
    assert watch.run().exit_code == 1
    show = ["monitor", "alarms", "--state", str(watch.state)]
    assert "fork" in CliRunner().invoke(main, show).output
    assert CliRunner().invoke(main, [*show, "--settle", "1"]).exit_code == 2  # nobody says why
    settled = CliRunner().invoke(main, [*show, "--settle", "1", "--why", "anna: a test of ours"])
    assert settled.exit_code == 0, settled.output
    assert "anna" in CliRunner().invoke(main, [*show, "--all"]).output
    assert watch.run().exit_code == 0


def test_a_witness_that_was_shown_another_story_is_heard(watch: Watch, tmp_path: Path) -> None:
    """A fork between kiosk and witness: the mirror alone is without a flaw."""
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "checkpoint").write_text(watch.fork(77))
    with site(tmp_path) as url:
        lines = watch.world.policy_file.replace("https://village.example/w/", f"{url}/w")
        policy_file = tmp_path / "policy.txt"
        for silent in ("union", "press"):
            lines = lines.replace(f"https://{silent}.example/w/", f"{url}/{silent}")
        policy_file.write_text(lines)
        done = watch.run("--policy", str(policy_file))
        assert done.exit_code == 0, done.output
        asked = watch.run("--policy", str(policy_file), "--witnesses")
    assert asked.exit_code == 1
    alarm = json.loads(asked.output.splitlines()[0])["alarm"]
    assert (alarm["kind"], f"{url}/w" in alarm["reason"]) == ("fork", True)


def test_the_banks_own_store_is_compared_when_it_is_given(watch: Watch) -> None:
    store, key = watch.world.bank.config.store, watch.keys / "bank_ack.pub"
    done = watch.run("--store", str(store), "--ack-key", str(key))
    assert done.exit_code == 0, done.output
    watch.world.bank.take(watch.fork(START - 1).encode(), lane="checkpoint")
    assert watch.run("--store", str(store), "--ack-key", str(key)).exit_code == 1


def test_a_policy_names_what_is_watched(watch: Watch) -> None:
    assert [key.name for key in policy.parse(watch.world.policy_file.encode()).logs] == [ORIGIN]
