"""What the bank's terms may not say though every type holds."""

import pytest

from kiosk.core.terms import TEXT_CHARACTERS_MAX, Terms, Words, problem


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("a" * TEXT_CHARACTERS_MAX, True),
        ("\u043f" * TEXT_CHARACTERS_MAX, True),
        ("\u94f6" * (TEXT_CHARACTERS_MAX // 2), True),
        ("\u94f6" * (TEXT_CHARACTERS_MAX // 2) + "a", False),
    ],
    ids=["Latin", "Cyrillic", "Chinese", "too wide"],
)
def test_a_text_is_no_wider_than_its_place_on_the_screen(text: str, fits: bool) -> None:
    for kind in ("safety", "notice", "compensation"):
        assert (problem(Terms(texts=(Words(kind, "zh", text),))) == "") is fits
