"""Spoken guidance: what a screen says and which keys it takes, read aloud by espeak-ng on this machine.

Nothing leaves the machine, and the words come from the screen itself, so that no screen can be forgotten.
"""

import asyncio
import contextlib
import shutil
from collections import OrderedDict
from html.parser import HTMLParser
from typing import Final

ESPEAK: Final = "espeak-ng"
WORDS_PER_MINUTE: Final = 140  # slow: for somebody who hears this machine for the first time
SPEAK_S_MAX: Final = 10.0
KEPT_MAX: Final = 16  # recordings; screens come again
CHARACTERS_MAX: Final = 1500
_BLOCKS: Final = frozenset({"h1", "p", "li", "td", "tr", "dt", "dd", "div", "section", "header", "footer", "button"})


class _Said(HTMLParser):
    """The text of a fragment in reading order: sentences first, then every button with its key."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.buttons: list[tuple[str, str]] = []  # key, words
        self._button: list[str] | None = None
        self._key = ""
        self._quiet = 0  # how many open elements keep quiet

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if self._quiet or "data-quiet" in given:
            self._quiet += tag not in ("br", "path", "rect", "circle")
            return
        if tag == "button":
            self._button = [given.get("aria-label") or ""]
            self._key = given.get("data-key") or "" if "disabled" not in given else ""
        elif tag in _BLOCKS:
            self.told.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if self._quiet:
            self._quiet -= 1
        elif tag == "button" and self._button is not None:
            if self._key:
                self.buttons.append((self._key, _plain(self._button)))
            self._button = None
        elif tag in _BLOCKS:
            self.told.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._quiet:
            (self._button if self._button is not None else self.told).append(data)


def _plain(parts: list[str]) -> str:
    return " ".join(" ".join(parts).split())


def spoken(fragment: str, keys: dict[str, str]) -> str:
    """The words of a screen, a sentence a line; `keys` has the name of each key as the language calls it.

    What the fragment marks with `data-quiet` is left out: the keypad, and figures that nobody else shall hear.
    """
    said = _Said()
    said.feed(fragment)
    sentences = [line for line in (" ".join(each.split()) for each in "".join(said.told).splitlines()) if line]
    ways = [f"{words}: {keys.get(key, key)}" for key, words in said.buttons]
    return "\n".join((*sentences, *ways))[:CHARACTERS_MAX]


class Voice:
    """Makes recordings; the last few are kept."""

    def __init__(self, program: str | None = None) -> None:
        self._program = shutil.which(ESPEAK) if program is None else program
        self._kept: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()

    @property
    def can_speak(self) -> bool:
        """Whether there is a synthesiser; without one, guidance is not offered."""
        return bool(self._program)

    async def recording(self, voice: str, text: str) -> bytes:
        """The text as WAV, in a voice of espeak-ng; empty when it cannot be made."""
        if not self._program or not text:
            return b""
        async with self._one_at_a_time:
            if (voice, text) not in self._kept:
                self._kept[voice, text] = await _made(self._program, voice, text)
                while len(self._kept) > KEPT_MAX:
                    self._kept.popitem(last=False)
            self._kept.move_to_end((voice, text))
            return self._kept[voice, text]

    def forget(self) -> None:
        """Recordings may name amounts: none outlives its depositor."""
        self._kept.clear()


async def _made(program: str, voice: str, text: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(program, "--stdin", "--stdout", "-b", "1", "-v", voice, "-s", str(WORDS_PER_MINUTE)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(SPEAK_S_MAX):
            recorded, _ = await process.communicate(text.encode())
    except TimeoutError:
        recorded = b""
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return recorded
