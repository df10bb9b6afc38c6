"""What is in git: sources and small artifacts. A database of a bench once slipped in beside them."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BYTES_MAX = 300_000
NETWORKS_BYTES_MAX = 3_000_000  # the four of models/protection together: sub-words are a table of their own
GRAPH_BYTES_MAX = 640_000  # a model's maps and its generator in one ONNX graph; shared/SOMGAN.md: 40 to 640 kB
NEVER = {".db", ".db-wal", ".db-shm", ".pem", ".key"}


def test_nothing_large_and_nothing_that_a_run_left_is_tracked() -> None:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("NOT CHECKED: this tree is no git clone, or there is no git")
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]  # a clone may belong to another user
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    tracked = [ROOT / name for name in listed.split("\0") if name]
    assert len(tracked) > 100
    present = [path for path in tracked if path.is_file()]
    large = [path for path in present if path.stat().st_size > BYTES_MAX]
    networks = [path for path in present if path.parent == ROOT / "models" / "protection"]
    assert sum(path.stat().st_size for path in networks) < NETWORKS_BYTES_MAX
    large = [path for path in large if path not in networks]
    assert [path.name for path in large if path.suffix != ".onnx" or path.stat().st_size > GRAPH_BYTES_MAX] == []
    assert [path.name for path in present if path.suffix in NEVER] == []
