"""Cells as the networks see them: characters, hashed parts, words with their shapes. All numpy, many cells at once.

`models/cellkinds` trains on what this makes (`python -m kiosk.protection.prepare`), so a change here is a new training.
Shapes: n cells of at most `CHARACTERS_MAX` characters; 0 is padding everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

CHARACTERS_MAX: Final = 64  # of a longer cell the beginning
CODES: Final = 8192  # character ids
PARTS: Final = 32768  # buckets of hashed n-grams
WORDS: Final = 8192  # buckets of hashed words
SHAPES: Final = 256
WORDS_MAX: Final = 32
HEADER_PARTS: Final = 4096
HEADER_CHARACTERS_MAX: Final = 24
STATS: Final = 12
_PLAIN_CODES: Final = 0x600  # Latin, Greek, Cyrillic and their neighbours keep a number of their own; others are hashed
_PRIMES: Final = (1, 8191, 131_071, 524_287)
_CLASS_SPACE, _CLASS_DIGIT, _CLASS_UPPER, _CLASS_LOWER, _CLASS_CYR_UPPER, _CLASS_CYR_LOWER, _CLASS_HAN, _CLASS_SIGN = (
    range(1, 9)
)


def _classes() -> npt.NDArray[np.uint8]:
    table = np.full(1 << 16, _CLASS_SIGN, dtype=np.uint8)
    table[0] = 0
    table[0x20] = _CLASS_SPACE
    table[0x30:0x3A] = _CLASS_DIGIT
    table[0x41:0x5B] = _CLASS_UPPER
    table[0x61:0x7B] = _CLASS_LOWER
    table[0xC0:0x250] = _CLASS_LOWER
    table[0x410:0x430], table[0x401] = _CLASS_CYR_UPPER, _CLASS_CYR_UPPER
    table[0x430:0x460] = _CLASS_CYR_LOWER
    table[0x3400:0xA000] = _CLASS_HAN
    return table


_CLASS_OF: Final = _classes()
# Letters of one word, whatever their case: upper and lower of an alphabet are one class.
_WORD_CLASS: Final = np.array([0, 1, 2, 3, 3, 4, 4, 5, 6], dtype=np.int64)


@dataclass(frozen=True)
class Encoded:
    """`codes` [n, L], `parts` [n, about 4 L], `words` and `shapes` [n, W], `stats` [n, STATS]."""

    codes: Ints
    parts: Ints
    words: Ints
    shapes: Ints
    stats: Floats


def encode(folded: Sequence[str]) -> Encoded:
    """Encode folded cells. Its arrays are as wide as the longest of them needs: sort by length, and batch."""
    points = _points(folded, CHARACTERS_MAX)
    classes = _CLASS_OF[np.minimum(points, 0xFFFF)].astype(np.int64)
    codes = np.where(points < _PLAIN_CODES, points, _PLAIN_CODES + points * 40_503 % (CODES - _PLAIN_CODES))
    words, shapes, tokens = _words(points, classes)
    return Encoded(codes, _parts(points, PARTS, 4), words, shapes, _stats(points, classes, tokens))


def encode_headers(headers: Sequence[str]) -> Ints:
    """Hashed parts of folded headers, [n, about 3 L], L at most HEADER_CHARACTERS_MAX."""
    return _parts(_points([header.lower() for header in headers], HEADER_CHARACTERS_MAX), HEADER_PARTS, 3)


def _points(texts: Sequence[str], most: int) -> Ints:
    """Code points [n, L], L a multiple of 8: few different shapes, so that little memory is asked for anew."""
    longest = min(most, max((len(text) for text in texts), default=1))
    width = max(8, -(-longest // 8) * 8)
    array = np.array(texts, dtype=f"<U{width}")
    return array.view(np.uint32).reshape(len(texts), width).astype(np.int64)


def _parts(points: Ints, buckets: int, longest: int) -> Ints:
    """Hashes of all runs of one to `longest` characters, with a mark at both ends; 0 where there is none."""
    rows, width = points.shape
    lengths = (points != 0).sum(axis=1)
    framed = np.zeros((rows, width + 2), dtype=np.int64)
    framed[:, 0] = 2
    framed[:, 1:-1] = points
    framed[np.arange(rows), lengths + 1] = 3
    found = []
    for size in range(1, longest + 1):
        wide = width + 2 - size + 1
        hashed = np.full((rows, wide), size * 2_654_435_761, dtype=np.int64)
        for at in range(size):
            hashed += framed[:, at : at + wide] * _PRIMES[at]
        hashed ^= hashed >> 15
        hashed *= 2_246_822_519
        hashed ^= hashed >> 13
        inside = framed[:, size - 1 :] != 0
        found.append(np.where(inside, 1 + (hashed & 0x7FFFFFFF) % (buckets - 1), 0))
    return np.concatenate(found, axis=1)


def _words(points: Ints, classes: Ints) -> tuple[Ints, Ints, Ints]:
    """Words and shapes [n, at most WORDS_MAX], how many tokens there are. A Han character is a word of its own."""
    rows, width = points.shape
    kinds = _WORD_CLASS[classes]
    before = np.zeros_like(kinds)
    before[:, 1:] = kinds[:, :-1]
    begins = (kinds > 1) & ((kinds != before) | (kinds == 5) | (kinds == 6))  # noqa: PLR2004 - Han, signs
    place = np.cumsum(begins, axis=1)  # of the token that a character belongs to, from 1
    inside = (kinds > 1) & (place <= WORDS_MAX)
    tokens = place[:, -1]
    wide = min(WORDS_MAX, max(4, -(-int(tokens.max(initial=0)) // 4) * 4))
    flat = ((place - 1) + np.arange(rows)[:, None] * wide)[inside]
    size = rows * wide
    length = np.bincount(flat, minlength=size)
    at = np.arange(width)[None, :] - np.maximum.accumulate(np.where(begins, np.arange(width)[None, :], 0), axis=1)
    capital = (classes == _CLASS_UPPER) | (classes == _CLASS_CYR_UPPER)
    lowered = np.where(capital, points + 32, points)
    digit = kinds == 2  # noqa: PLR2004 - of numbers the length counts, not which one
    weighed = np.where(digit, 7, lowered) * (31 + 2 * at) ** 2
    hashed = np.bincount(flat, weights=weighed[inside].astype(np.float64), minlength=size).astype(np.int64)
    upper = np.bincount(flat, weights=capital[inside], minlength=size).astype(np.int64)
    kind = np.zeros(size, dtype=np.int64)
    kind[flat] = kinds[inside]
    case = np.where(upper == 0, 0, np.where(upper == length, 3, np.where(upper == 1, 1, 2)))
    present = length > 0
    shapes = np.where(present, 1 + (kind * 4 + case) * 8 + np.minimum(length, 8) - 1, 0)
    words = np.where(present, 1 + (hashed * 2_654_435_761 & 0x7FFFFFFF) % (WORDS - 1), 0)
    return words.reshape(rows, wide), shapes.reshape(rows, wide), tokens


def _stats(points: Ints, classes: Ints, tokens: Ints) -> Floats:
    """Length, shares of the eight classes, how many tokens, and whether the cell goes on: all between 0 and 1."""
    rows = len(points)
    length = np.maximum((points != 0).sum(axis=1), 1)
    marked = classes + np.arange(rows)[:, None] * 9
    counts = np.bincount(marked.ravel(), minlength=9 * rows).reshape(rows, 9)  # of each class, padding the first
    found = np.empty((rows, STATS), dtype=np.float32)
    found[:, 0] = np.minimum(length / CHARACTERS_MAX, 1)
    found[:, 1:9] = counts[:, 1:] / length[:, None]
    found[:, 9] = np.minimum(tokens / WORDS_MAX, 1)
    found[:, 10] = length >= CHARACTERS_MAX
    found[:, 11] = np.minimum(counts[:, _CLASS_DIGIT] / 20, 1)
    return found
