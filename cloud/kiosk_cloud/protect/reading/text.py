"""Bytes to text and back without a loss: which encoding a file has, and its characters in bounded pieces.

Four encodings come to a bank in tables: UTF-8, UTF-16, GB 18030 (China), Windows-1251 (Russia). Telling only these
apart, on tables of short cells, takes two facts, which is surer than a guess among a hundred. Bytes that are no text in
the encoding become lone surrogates (PEP 383), which `encode` turns back into the same bytes.
"""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kiosk_cloud.protect.tables import InputRefused

SAMPLE_BYTES: Final = 1 << 20
PIECE_BYTES: Final = 1 << 18
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_COMMON_LEADS: Final = range(0xB0, 0xD8)  # GB 2312 level 1: the 3,755 characters in common use
_SYMBOL_LEADS: Final = range(0xA1, 0xAA)  # its punctuation, full-width ASCII, Greek, Cyrillic
_COMMON_SHARE_MIN: Final = 0.7
_NULL_SHARE_MIN: Final = 0.2
_REMEDY: Final = "Say which encoding it has (--encoding), or save it as UTF-8."


def detect(path: Path) -> str:
    """The name of the file's encoding. Raises InputRefused for what is no text in any of ours, OSError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
    for bom, name in _BOMS:
        if sample.startswith(bom):
            return name
    if sample.count(0):
        return _wide(path, sample)
    whole = size <= SAMPLE_BYTES
    if _decodes(sample, "utf-8", whole=whole):
        return "utf-8"
    return "gb18030" if _decodes(sample, "gb18030", whole=whole) and _chinese(sample) else "cp1251"


def _wide(path: Path, sample: bytes) -> str:
    """UTF-16 without its mark: every other byte of Latin text, digits and separators is zero."""
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    name = "utf-16-le" if odd > even else "utf-16-be"
    most, least = max(even, odd), min(even, odd)
    if most < _NULL_SHARE_MIN * len(sample) / 2 or least > most / 10 or not _decodes(sample, name, whole=False):
        raise InputRefused(f"{path} holds zero bytes and is no UTF-16: it is no text", remedy=_REMEDY)
    return name


def _decodes(sample: bytes, encoding: str, *, whole: bool) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample, final=whole)
    except UnicodeDecodeError:
        return False
    return True


def _chinese(sample: bytes) -> bool:
    """Whether the double bytes are characters in common use. Russian words in Windows-1251 make rare ones, or none."""
    doubles = common = at = 0
    while at + 1 < len(sample):
        lead = sample[at]
        if lead < 0x80:  # noqa: PLR2004 - ASCII
            at += 1
        elif 0x30 <= sample[at + 1] <= 0x39:  # noqa: PLR2004 - four bytes: a rare character
            doubles, at = doubles + 1, at + 4
        else:
            common += lead in _COMMON_LEADS or lead in _SYMBOL_LEADS
            doubles, at = doubles + 1, at + 2
    return doubles > 0 and common >= _COMMON_SHARE_MIN * doubles


def errors_of(encoding: str) -> str:
    """The error handler with which the encoding loses nothing."""
    return "surrogatepass" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"


def known(encoding: str) -> str:
    """The codec's own name. Raises InputRefused for one that does not exist or turns text into something else."""
    try:
        found = codecs.lookup(encoding)
    except LookupError as error:
        raise InputRefused(f"no encoding is called {encoding}", remedy="For example: gb18030, cp1251.") from error
    if not found._is_text_encoding:  # noqa: SLF001 - the one place where codecs say so
        raise InputRefused(f"{encoding} is no encoding of text", remedy="For example: gb18030, cp1251.")
    return found.name


class Pieces:
    """A file's text in pieces of bounded size; line ends stay as they are. `bytes_read` is for progress."""

    def __init__(self, path: Path, encoding: str) -> None:
        self.path, self.encoding = path, encoding
        self.bytes_read = 0

    def __iter__(self) -> Iterator[str]:
        """Raises InputRefused when the file ends within a character of two bytes, OSError."""
        decoder = codecs.getincrementaldecoder(self.encoding)(errors_of(self.encoding))
        self.bytes_read = 0
        with self.path.open("rb") as file:
            try:
                first = True
                while data := file.read(PIECE_BYTES):
                    self.bytes_read += len(data)
                    text = decoder.decode(data)
                    if first and self.encoding in ("utf-16-le", "utf-16-be"):
                        text = text.removeprefix("\ufeff")
                    first = first and not text
                    if text:
                        yield text
                if rest := decoder.decode(b"", final=True):
                    yield rest
            except UnicodeDecodeError as error:
                where = f"before byte {self.bytes_read:,}"
                raise InputRefused(
                    f"{self.path} is no {self.encoding} {where}: {error.reason}", remedy=_REMEDY
                ) from error


def encoder(encoding: str) -> codecs.IncrementalEncoder:
    """Turns what `Pieces` gave back into the bytes that it came from.

    The mark at the file's start comes by itself, except for UTF-16 (`mark`).
    """
    return codecs.getincrementalencoder(encoding)(errors_of(encoding))


def mark(path: Path, encoding: str) -> bytes:
    """The UTF-16 mark with which the file begins; of other encodings nothing."""
    with path.open("rb") as file:
        start = file.read(2)
    wide = encoding in ("utf-16-le", "utf-16-be") and start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return start if wide else b""
