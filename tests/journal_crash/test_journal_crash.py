"""The proof itself in a short version, and proofs that it sees what it is there to see."""

import json
import random
from pathlib import Path

import pytest

from tests.journal_crash.__main__ import main
from tests.journal_crash.disk import Disk
from tests.journal_crash.images import look, plan
from tests.journal_crash.recording import Recording, prove_complete, record
from tests.journal_crash.trace import BadTrace, Entry, Mark, Sync, SyncDirectory, Truncate, Write
from tests.journal_crash.workload import Mode

FILE = "/disk/file"


def test_no_acknowledged_commit_is_lost_in_any_image(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--deposits", "1", "--images", "350", "--control-images", "350", "--workers", "1"])
    said = capsys.readouterr()
    line = json.loads(said.out)
    assert code == 0, said.err
    assert line["images"] >= 300
    assert line["acknowledged_commits"] >= 25
    assert (line["lost_acknowledged"], line["half_commits"], line["unreadable"]) == (0, 0, 0)
    assert line["control_normal_lost"] > 0


@pytest.mark.parametrize(("mode", "result"), [("split", "half"), ("off", "unreadable")])
def test_what_is_wrong_on_purpose_is_seen(mode: Mode, result: str, tmp_path: Path) -> None:
    recording = record(tmp_path, seed=2, deposits=1, mode=mode)
    findings = list(look(recording, plan(recording, seed=2, images_max=300)))
    assert result in {finding.result for finding in findings}


def test_a_trace_with_a_write_missing_is_refused(tmp_path: Path) -> None:
    recording = record(tmp_path, seed=3, deposits=1)
    writes = [at for at, one in enumerate(recording.operations) if isinstance(one, Write)]
    del recording.operations[writes[-1]]
    with pytest.raises(BadTrace, match=r"journal\.db"):
        prove_complete(recording)


def images_of(disk: Disk, mode: str, seeds: int = 50) -> set[bytes | None]:
    return {disk.image(mode, random.Random(seed)).get(FILE) for seed in range(seeds)}


def test_the_disk_keeps_what_was_synced_and_owes_nothing_else() -> None:
    disk = Disk("/disk")
    disk.apply(Entry(FILE, 0))
    disk.apply(Write(0, 0, b"old!"))
    assert images_of(disk, "everything") == {b"old!"}
    assert images_of(disk, "nothing") == {None}
    disk.apply(Sync(0))
    assert images_of(disk, "names") == {None}  # the data are there, and no name leads to them
    disk.apply(SyncDirectory("/disk"))
    assert images_of(disk, "names") == {b"old!"}
    disk.apply(Write(0, 4, b"new!"))
    disk.apply(Truncate(0, 6))
    assert images_of(disk, "nothing") == {b"old!"}
    assert images_of(disk, "everything") == {b"old!ne"}
    assert images_of(disk, "subset") == {b"old!", b"old!new!", b"old!ne", b"old!\0\0"}
    disk.apply(Mark("nothing to do with the disk"))
    disk.apply(Entry(FILE, None))
    assert images_of(disk, "names") == {b"old!ne"}
    assert images_of(disk, "everything") == {None}


def test_a_torn_write_is_torn_between_sectors() -> None:
    disk = Disk("/disk")
    for one in (Entry(FILE, 0), SyncDirectory("/disk"), Write(0, 0, bytes(1000)), Sync(0)):
        disk.apply(one)
    disk.apply(Write(0, 100, b"x" * 900))
    for image in images_of(disk, "torn"):
        assert image is not None
        assert image[:100] == bytes(100)
        assert len(set(image[100:512])) == 1 or len(set(image[100:512])) > 2  # old, new, or rubbish
    assert {bytes(1000), bytes(100) + b"x" * 412 + bytes(488)} <= images_of(disk, "torn")


def test_a_directory_that_was_not_synced_takes_its_files_along() -> None:
    recording = Recording("/disk", [Entry("/disk/below", None, is_directory=True), Entry("/disk/below/file", 0)])
    disk = Disk(recording.root)
    for one in (*recording.operations, Write(0, 0, b"x"), Sync(0), SyncDirectory("/disk/below")):
        disk.apply(one)
    assert disk.image("nothing", random.Random(0)) == {}
    disk.apply(SyncDirectory("/disk"))
    assert disk.image("nothing", random.Random(0)) == {"/disk/below/file": b"x"}
