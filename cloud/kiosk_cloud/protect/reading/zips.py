"""Whether a zip may be expanded: every member is inflated and counted before anything else reads it.

What the directory says of sizes is not believed; `zipfile` itself stops at a member's stated size.
"""

import zipfile
import zlib
from pathlib import Path
from typing import Final

from kiosk_cloud.protect.tables import InputRefused

MEMBERS_MAX: Final = 5000
EXPANDED_BYTES_MAX: Final = 2 << 30
RATIO_MAX: Final = 200  # sheets of repeated cells reach some 50, deflate's limit is 1,032
SMALL_BYTES: Final = 8 << 20  # what may have any ratio
_PIECE: Final = 1 << 20
_REMEDY: Final = "If it can be trusted, save it in parts, or as csv."


def check(path: Path) -> None:
    """Raises InputRefused for a zip that is broken, encrypted or expands beyond what a workbook may."""
    size = path.stat().st_size
    expanded = 0
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MEMBERS_MAX:
                raise InputRefused(f"{path} has {len(members):,} members", remedy=_REMEDY)
            _allowed(path, size, sum(member.file_size for member in members))
            for member in members:
                with archive.open(member) as file:
                    while piece := file.read(_PIECE):
                        expanded += len(piece)
                        _allowed(path, size, expanded)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        if isinstance(error, InputRefused):
            raise
        raise InputRefused(f"{path} is broken: {error}") from error


def _allowed(path: Path, size: int, expanded: int) -> None:
    if expanded > EXPANDED_BYTES_MAX or expanded > max(SMALL_BYTES, RATIO_MAX * size):
        raise InputRefused(
            f"{path} would expand from {size:,} to {expanded:,} bytes or more: a zip bomb", remedy=_REMEDY
        )
