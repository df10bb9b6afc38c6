"""What of this installation the controller and the watcher both look at: programs, models, where logs go."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, get_args

import firmware_bridge
import kiosk
from kiosk.appraisal.conformal import Levels
from kiosk.appraisal.manifest import ModelError, Stream, read_checked
from kiosk.config import Config
from kiosk.management.installed import Installed, digest
from kiosk.protection import logs

_PACKAGES: Final = tuple(Path(module.__path__[0]) for module in (firmware_bridge, kiosk))


def artifacts_dir(config: Config) -> Path:
    """Where the models are: as configured, in the installed package, or in the source tree."""
    if config.risk.artifacts_dir is not None:
        return config.risk.artifacts_dir
    package = Path(kiosk.__file__).parent
    installed = package / "appraisal" / "artifacts"
    return installed if installed.is_dir() else package.parent / "models" / "artifacts"


def packaged(config: Config) -> tuple[dict[Stream, tuple[str, str]], dict[str, str]]:
    """Version and SHA-256 of the models in the software's package; by stream, and hash or fault of each."""
    found: dict[Stream, tuple[str, str]] = {}
    hashes: dict[str, str] = {}
    for stream in get_args(Stream):
        try:
            manifest = read_checked(artifacts_dir(config) / stream, stream)[0]
        except ModelError as error:
            hashes[stream] = f"none ({error.args[0]})"  # no watcher can judge by that: the check says so
        else:
            found[stream] = manifest.version, manifest.sha256
            hashes[stream] = manifest.sha256
    return found, hashes


def levels_of(config: Config) -> Levels:
    """How many of all normal deposits may be graded so."""
    return Levels(config.risk.false_alarms_medium, min(config.risk.false_alarms_high, config.risk.false_alarms_medium))


def installed(models: Mapping[str, str]) -> Installed:
    """As it is now, to be held against what it is when a deposit ends; `models` as they stand then. Raises OSError."""
    return Installed(lambda: digest(_PACKAGES), digest(_PACKAGES), logs.all_masked, models)
