"""Spoken guidance: every screen has words and keys to be heard; nobody hears what he did not ask for."""

import io
import wave

import pytest

from kiosk.clock import SystemClock
from kiosk.terminal.render import House, Renderer
from kiosk.terminal.screens import screen
from kiosk.terminal.session import Session
from kiosk.terminal.speech import KEPT_MAX, Voice, spoken
from kiosk.terminal.words import words_of
from scripts.gallery import ACCOUNT, IDLE, Picture, pictures
from tests.unit.test_terminal_service import place
from tests.unit.test_terminal_words import LANGUAGES

PICTURES = tuple(pictures())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_every_screen_is_told_with_its_keys_and_without_the_account_number(picture: Picture, language: str) -> None:
    renderer = Renderer(House(LANGUAGES, language, speech=True))
    session = picture.session(language)
    html = renderer.fragment(screen(picture.status, session, None, LANGUAGES), picture.status, session)
    _, said = renderer.said(html, session)
    assert said
    assert "<" not in said
    assert ACCOUNT[:8] not in said.replace(" ", "")
    keys = words_of(language).catalogue.text["key"]
    assert all(key in keys or key in "0123456789" for key in _keys(html))


def _keys(html: str) -> set[str]:
    return {part.split('"')[0] for part in html.split('data-key="')[1:]}


def test_what_is_marked_quiet_is_not_told_and_a_disabled_button_has_no_key() -> None:
    html = (
        "<main><h1>Is this right?</h1><p data-quiet>884 <b>yuan</b></p><p>Look.</p>"
        '<button data-key="Enter">Yes</button><button data-key="*" disabled>More</button></main>'
    )
    assert spoken(html, {"Enter": "green key"}) == "Is this right?\nLook.\nYes: green key"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_voice_is_made_on_this_machine(language: str) -> None:
    voice = Voice()
    assert voice.can_speak
    words = words_of(language)
    recorded = await voice.recording(words.catalogue.voice, words.text("attract.title"))
    with wave.open(io.BytesIO(recorded)) as sound:
        assert sound.getframerate() >= 16_000
    assert len(recorded) > 10_000
    assert await voice.recording(words.catalogue.voice, "") == b""


async def test_the_voice_keeps_few_recordings_and_forgets_them() -> None:
    voice = Voice("/bin/cat")  # says what it is asked to say
    for number in range(KEPT_MAX + 1):
        await voice.recording("en", str(number))
    assert len(voice._kept) == KEPT_MAX  # noqa: SLF001 - a bound
    voice.forget()
    assert not voice._kept  # noqa: SLF001
    assert not Voice("").can_speak


async def test_only_who_asked_is_spoken_to_and_the_next_person_is_not() -> None:
    async with place(SystemClock()) as at, at.browser() as person:
        at.terminal._voice = Voice()  # noqa: SLF001 - the real one
        assert await at.terminal.speech() == b""
        await person.touches("attract", "option:speech")
        await person.sees("speech")
        assert (await at.terminal.speech())[:4] == b"RIFF"
        await person.touches("attract", "language:en")
        await person.sees('data-screen="identify"')
        await person.touches("identify", "leave")
        await person.sees('data-screen="attract"')
        assert await at.terminal.speech() == b""


def test_without_a_synthesiser_nobody_is_offered_speech() -> None:
    html = Renderer(House(("en",), "en")).fragment(screen(IDLE, Session(), None, ("en",)), IDLE, Session())
    assert "option:large" in html
    assert "option:speech" not in html
