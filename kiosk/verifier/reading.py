"""From what somebody has - a text file, a photo, scanned strings - to the two texts of a receipt. Believes nothing.

The texts tell by their first line which of the two they are, so their order, other codes in the picture and what a
scanner's app puts around them do not matter.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kiosk.errors import ConfigError
from kiosk.guarantee import proof, receipt

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILE_BYTES_MAX: Final = 32 << 20  # a photo; texts are far below
SIDE_PIXELS_MAX: Final = 12_000
_PICTURES: Final = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"BM")
_BEGINNINGS: Final = re.compile(f"^(?=(?:{re.escape(receipt.HEADER)}|{re.escape(proof.HEADER)})$)", re.MULTILINE)
_SIGNATURE: Final = re.compile(r"[A-Za-z0-9+/=]{64,}$")


@dataclass(frozen=True)
class Texts:
    """The opening and the proof, as scanned."""

    opening: str
    proof: str


def read(sources: Iterable[Path]) -> Texts:
    """The two texts of one receipt, from text files and photos together. Raises ConfigError with a remedy."""
    found: list[str] = []
    for path in sources:
        data = _bytes(path)
        found += _codes(path, data) if data.startswith(_PICTURES) else [_text(path, data)]
    return sort("\n".join(found))


def sort(text: str) -> Texts:
    """The opening and the proof somewhere in `text`. Raises ConfigError when one is missing or there are two."""
    parts = [part for part in _BEGINNINGS.split(text.replace("\r\n", "\n")) if part]
    openings = {_opening(part) for part in parts if part.startswith(receipt.HEADER)}
    proofs = {_proof(part) for part in parts if part.startswith(proof.HEADER)}
    for name, header, these in (("first", receipt.HEADER, openings), ("second", proof.HEADER, proofs)):
        if len(these) != 1:
            what = "is missing" if not these else "is there from two receipts"
            raise ConfigError(
                f"the {name} code of the receipt {what} (its text begins with {header})",
                remedy="Give both codes of one receipt: one photo that shows both, or one file for each.",
            )
    return Texts(openings.pop(), proofs.pop())


def _opening(part: str) -> str:
    return "\n".join(part.split("\n")[:2]).rstrip()


def _proof(part: str) -> str:
    """Up to the last signature line: what a scanner or an editor added behind it is not part of the note.

    A line that ends like a signature is taken for one however it begins, so that a spoilt one is refused, not left out.
    """
    lines = part.split("\n")
    signed = [number for number, line in enumerate(lines) if line.startswith("\u2014 ") or _SIGNATURE.search(line)]
    return "\n".join(lines[: signed[-1] + 1]) + "\n" if signed else part


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ConfigError(f"{path} is larger than {FILE_BYTES_MAX >> 20} MiB", remedy="Give a photo or the texts.")
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", remedy="Name a photo or a text file.") from error


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is neither a text nor a picture", remedy="Give PNG, JPEG, WebP or UTF-8.") from error


def _codes(path: Path, data: bytes) -> list[str]:
    """The texts of the QR codes in a picture."""
    try:
        import cv2  # noqa: PLC0415 - who checks texts needs no picture libraries
        import numpy as np  # noqa: PLC0415
        import zxingcpp  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            "photos cannot be read here", remedy="Install zxing-cpp, or scan the codes with a phone."
        ) from error
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if picture is None or max(picture.shape) > SIDE_PIXELS_MAX:
        raise ConfigError(f"{path} is no picture that can be read", remedy="Give PNG, JPEG, WebP or BMP.")
    qr = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    found: list[str] = []
    for view in _views(picture):
        found += [code.text for code in zxingcpp.read_barcodes(view, formats=qr)]
        if all(any(text.startswith(header) for text in found) for header in (receipt.HEADER, proof.HEADER)):
            break
    return found


def _views(picture: "NDArray[Any]") -> Iterator["NDArray[Any]"]:
    """The picture as it is, then what helps with small modules, specks, and a blurred photo, in this order."""
    import cv2  # noqa: PLC0415 - as above

    yield picture
    if max(picture.shape) <= SIDE_PIXELS_MAX // 2:
        twice = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        yield twice
        yield cv2.medianBlur(twice, 5)
        soft = cv2.GaussianBlur(twice, (0, 0), 3.0)
        yield cv2.addWeighted(twice, 2.5, soft, -1.5, 0.0)
