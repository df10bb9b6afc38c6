"""Every word on every screen comes out of a catalogue: in a language that nobody speaks, no plain word is left."""

import re

import pytest

import kiosk.terminal.render
from kiosk.terminal.render import House, Renderer
from kiosk.terminal.screens import screen
from scripts.gallery import IDLE, Picture, pictures
from tests.unit.pseudo import ASCII_WORD, pseudo

# What is no word of ours: names, what a bank or a device says, and the signs of a QR code's drawing.
OTHERS = (
    *(IDLE.kiosk, "Validator: it does not answer", "Nov"),
    *("Somebody crowds the depositor from one side", "A second head beside the depositor&#39;s"),
)


@pytest.mark.parametrize("picture", tuple(pictures()), ids=lambda picture: picture.name)
def test_no_word_is_left_out_of_the_catalogues(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    words = pseudo()
    monkeypatch.setattr(kiosk.terminal.render, "words_of", lambda _: words)
    session = picture.session("en")
    html = Renderer(House(("en",), "en", "0000 123 4567", speech=True)).fragment(
        screen(picture.status, session, None, ("en",)), picture.status, session
    )
    html = re.sub(r'<p class="(safety|notice|compensation)".*?</p>', "", html, flags=re.DOTALL)  # the bank's own words
    for said in OTHERS:
        html = html.replace(said, "")
    told = re.sub(r"<[^>]*>", " ", html)
    labels = " ".join(re.findall(r'aria-label="([^"]*)"', html)).replace("QR", "")
    assert ASCII_WORD.findall(told) + ASCII_WORD.findall(labels) == []
