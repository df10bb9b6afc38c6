"""A masked name keeps little of any name, whatever its script."""

import unicodedata
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from kiosk.guarantee.directory import NAME_BYTES_MAX
from kiosk_cloud.masking import CHARACTERS_MAX, MASK, masked_name

HAN = st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF)
LETTERS = st.characters(categories=["Lu", "Ll"], max_codepoint=0x52F)
WORDS = st.text(LETTERS, min_size=1, max_size=12)


@given(st.lists(WORDS, min_size=1, max_size=4))
def test_of_each_word_at_most_the_first_letter_is_left(words: list[str]) -> None:
    masked = masked_name(" ".join(words)).split()
    kept = unicodedata.normalize("NFC", " ".join(words)).split()
    assert len(masked) == len(kept)
    for word, shown in zip(kept, masked, strict=True):
        assert shown == (word[0] + MASK * (len(word) - 1) if len(word) > 1 else MASK)


@given(st.text(HAN, min_size=1, max_size=20))
def test_of_a_han_name_at_most_two_characters_are_left_and_never_all(name: str) -> None:
    masked = masked_name(name)
    assert len(masked) == len(name)
    assert 1 <= masked.count(MASK) >= len(name) - 2
    assert all(shown in (MASK, real) for shown, real in zip(masked, name, strict=True))


@given(st.text(max_size=CHARACTERS_MAX + 5))
def test_any_text_is_masked_to_something_printable_or_refused(text: str) -> None:
    with suppress(ValueError):
        masked = masked_name(text)
        assert MASK in masked
        assert masked.isprintable()
        assert len(masked) <= CHARACTERS_MAX
        assert len(masked.encode()) <= 4 * NAME_BYTES_MAX
