"""Pictures of a terminal: sound SVG with all of the text, no control characters, nothing loaded from elsewhere."""

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.terminal_picture import COLUMNS, svg


def text_of(picture: str) -> list[str]:
    root = ET.fromstring(picture)  # noqa: S314 - our own
    return ["".join(row.itertext()) for row in root.iter("{http://www.w3.org/2000/svg}text")]


def test_colours_and_weight_end_where_the_terminal_says() -> None:
    picture = svg("\x1b[1mname\x1b[0m \x1b[31mdown\x1b[0m rest <&>\r\n\x1b[2Kdone\x1b[?25h", "a <status>")
    assert text_of(picture) == ["name down rest <&>", "done"]
    assert '<tspan font-weight="bold">name</tspan>' in picture
    assert re.search(r'<tspan fill="#\w{6}">down</tspan> rest', picture)
    assert 'aria-label="a &lt;status&gt;"' in picture


def test_long_lines_are_wrapped() -> None:
    assert [len(row) for row in text_of(svg("x" * (COLUMNS + 5), ""))] == [COLUMNS, 5]


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=300))
def test_all_of_the_text_is_in_it(line: str) -> None:
    assert "".join(text_of(svg(f"\x1b[32m{line}\x1b[0m", ""))).rstrip() == line.rstrip()


@pytest.mark.parametrize("name", ["http://", "url(", "<image", "@import", "href"])
def test_it_loads_nothing(name: str) -> None:
    assert name not in svg("text", "label").replace("http://www.w3.org/2000/svg", "")
