"""Every state has its screen, in every language, drawn from the status alone and taking only its own touches."""

import dataclasses
import re
from html.parser import HTMLParser
from importlib import resources

import msgspec
import pytest
from msgspec.structs import replace

from kiosk.config.schema import TimingConfig
from kiosk.core.state import State
from kiosk.core.terms import BankTiming
from kiosk.messages import BankText, Status
from kiosk.terminal.render import House, Renderer
from kiosk.terminal.screens import ACTIONS, SCREEN_OF, STEP_OF, URGENT_S, Deadline, Screen, grouped, screen
from kiosk.terminal.session import Session
from kiosk.terminal.words import words_of
from scripts.gallery import ACCOUNT, FULL, IDLE, TOTAL, Picture, pictures

LANGUAGES = ("zh", "en", "ru")
PAGE_BYTES_MAX = 150_000  # with script and style
PHONE = "0000 123 4567"
RENDERER = Renderer(House(LANGUAGES, "zh", PHONE))
PICTURES = tuple(pictures())
each_picture = pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
each_language = pytest.mark.parametrize("language", LANGUAGES)


class Looked(HTMLParser):
    """What matters of a fragment: its buttons, and anything that the content security policy would stop."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.acts: list[str] = []
        self.keys: list[str] = []  # of those that have one
        self.forbidden: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if "data-act" in attributes and "disabled" not in attributes:
            self.acts.append(attributes["data-act"] or "")
            self.keys += [attributes["data-key"] or ""] if "data-key" in attributes else []
        self.forbidden += [name for name in attributes if name.startswith("on") or name in ("style", "src", "href")]
        if tag in ("script", "style", "iframe", "form", "img", "link"):
            self.forbidden.append(tag)


def shown(picture: Picture, language: str) -> tuple[Screen, str]:
    session, status = picture.session(language), picture.status
    deposit = status.deposit if status is not None else None
    deadline = Deadline(deposit.deadline_s, 60.0) if deposit is not None and deposit.deadline_s else None
    chosen = screen(status, session, deadline, LANGUAGES)
    return chosen, RENDERER.fragment(chosen, status, session)


def named(name: str) -> Picture:
    return next(picture for picture in PICTURES if picture.name == name)


def test_terms_of_compensation_are_shown_before_a_deposit_and_not_on_the_first_screen() -> None:
    said = (
        BankText("compensation", "en", "What <we> lose, we pay back."),
        BankText("compensation", "fr", "Pas d'ici."),
        BankText("safety", "en", "Take your time."),
    )
    before, first = (named(name) for name in ("before", "attract"))
    for picture, there in ((before, True), (first, False)):
        _, html = shown(dataclasses.replace(picture, status=replace(IDLE, bank_texts=said)), "en")
        assert ("What &lt;we&gt; lose, we pay back." in html) is there
        assert "Pas d" not in html
        assert ("Take your time." in html) is not there
    assert 'class="compensation"' not in shown(before, "en")[1]


def test_the_page_is_light_on_every_screen() -> None:
    static = sum(len(file.read_bytes()) for file in (resources.files("kiosk.terminal") / "static").iterdir())
    heaviest = max(
        len(RENDERER.page(shown(picture, language)[1], language).encode())
        for picture in PICTURES
        for language in LANGUAGES
    )
    assert static + heaviest < PAGE_BYTES_MAX


def test_every_wait_for_a_depositor_warns_before_it_ends() -> None:
    timing = TimingConfig()
    for wait_s in (timing.idle_s, timing.confirm_s, timing.resume_s, timing.take_s, timing.result_s):
        assert Deadline(URGENT_S, wait_s).urgent
    for name in BankTiming.__struct_fields__:  # the bank may set no shorter one
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({name: URGENT_S}, BankTiming)
        said = getattr(msgspec.convert({name: 30}, BankTiming), name)
        assert Deadline(URGENT_S, said).urgent


def test_every_state_of_the_table_has_a_screen_and_a_step_where_one_is_shown() -> None:
    assert set(SCREEN_OF) | {State.IDLE} == set(State)
    bundling = {state for state, name in SCREEN_OF.items() if name == "bundling"}
    assert bundling | {State.CLOSING, State.RECEIPT} == set(STEP_OF)


def test_the_gallery_shows_every_screen() -> None:
    names = {shown(picture, "en")[0].name for picture in PICTURES}
    assert names == {*SCREEN_OF.values(), *ACTIONS, "starting", "out_of_service", "attract", "trouble", "held"}


@each_language
@each_picture
def test_a_screen_offers_exactly_the_touches_that_it_takes(picture: Picture, language: str) -> None:
    chosen, html = shown(picture, language)
    offered = Looked(html).acts
    assert len(offered) == len(set(offered))
    assert set(offered) <= set(chosen.actions)
    left_out = set(chosen.actions) - set(offered)
    may_be_left_out = {"more_time", "leave", "confirm", "option:speech", *(f"language:{code}" for code in LANGUAGES)}
    assert left_out <= may_be_left_out
    assert f'lang="{language}"' in html


@each_picture
def test_everything_can_be_done_by_keypad_alone(picture: Picture) -> None:
    _, html = shown(picture, "en")
    looked = Looked(html)
    assert len(looked.keys) == len(set(looked.keys)) == len(looked.acts)
    assert set(looked.keys) <= {*"0123456789*+-/", "Enter", "Escape", "Backspace"}


@each_language
@each_picture
def test_nothing_on_a_screen_needs_an_exception_from_the_content_security_policy(
    picture: Picture, language: str
) -> None:
    _, html = shown(picture, language)
    assert Looked(html).forbidden == []
    assert "http" not in html


@each_language
@each_picture
def test_the_whole_account_number_is_nowhere_but_where_it_is_typed(picture: Picture, language: str) -> None:
    chosen, html = shown(picture, language)
    if chosen.name != "identify":
        assert ACCOUNT not in html
        assert grouped(ACCOUNT) not in html


@each_language
def test_whoever_finds_a_suspended_deposit_learns_nothing_of_it(language: str) -> None:
    _, html = shown(named("resume-mistake"), language)
    for told in (words_of(language).amounts(TOTAL), FULL.account_masked, FULL.code, grouped(FULL.code)):
        assert told not in html


@each_language
def test_insert_and_review_show_each_denomination_and_the_total(language: str) -> None:
    words = words_of(language)
    for name in ("insert", "review"):
        _, html = shown(named(name), language)
        for row in FULL.counted:
            assert f"<td>{words.amount(row.value_minor, row.currency)}</td>" in html
            assert words.amount(row.value_minor * row.count, row.currency) in html
        assert f"<b>{words.amounts(TOTAL)}</b>" in html


@each_language
def test_a_result_has_amount_receipt_number_bundle_and_date(language: str) -> None:
    _, html = shown(named("result"), language)
    for told in (words_of(language).amounts(TOTAL), grouped(FULL.code), "B00000042", "2026", FULL.account_masked):
        assert told in html


def test_risk_is_told_with_its_reasons() -> None:
    assert "有人从一侧挤靠存款人" in shown(named("result-high"), "zh")[1]
    assert "Somebody crowds the depositor from one side." in shown(named("result-high"), "en")[1]
    assert "asymmetry" not in shown(named("result-high"), "en")[1]


def test_out_of_service_says_why_and_whom_to_call_in_every_language() -> None:
    _, html = shown(named("out-of-service"), "en")
    for told in ("捆钞纸带用完了", "no more paper straps", PHONE, IDLE.kiosk):
        assert told in html
    alone = Renderer(House(("en",), "en"))
    session = Session("en")
    status = Status(**{name: getattr(IDLE, name) for name in IDLE.__struct_fields__} | {"in_service": False})
    html = alone.fragment(screen(status, session, None, ("en",)), status, session)
    assert "Please ask the shop" in html


def test_hurry_is_said_in_words_and_only_where_there_was_time_to_spare() -> None:
    assert not Deadline(60, 120).urgent
    assert Deadline(20, 120).urgent
    assert not Deadline(5, 20).urgent
    assert "More time?" in shown(named("review-hurry"), "en")[1]


def test_what_a_bank_or_a_machine_says_cannot_become_markup() -> None:
    found = named("account").looked_up
    assert found is not None
    evil = Picture("evil", IDLE, looked_up=type(found)("****1", "<script>alert(1)</script>", True, 1))
    _, html = shown(evil, "en")
    assert "&lt;script&gt;" in html
    assert Looked(html).forbidden == []


def test_the_page_holds_the_screen_and_two_files_of_our_own() -> None:
    page = RENDERER.page(shown(named("attract"), "en")[1], None)
    assert re.findall(r'(?:src|href)="([^"]+)"', page) == ["/static/terminal.css", "/static/terminal.js"]
    assert 'data-screen="attract"' in page


def test_the_bank_speaks_on_the_first_screen_in_each_language_notices_first_and_not_in_html() -> None:
    said = (
        BankText("safety", "en", "<b>Take</b> your time."),
        BankText("notice", "en", "Closed today."),
        BankText("notice", "en", "Third and too many."),
        BankText("notice", "fr", "Pas d'ici."),
    )
    status = replace(IDLE, bank_texts=said)
    html = RENDERER.fragment(screen(status, Session(), None, LANGUAGES), status, Session())
    assert "Closed today." in html
    assert "Third" not in html  # no room
    assert "<b>" not in html
    assert "Pas" not in html


@each_language
@pytest.mark.parametrize("name", ["insert-watched", "review-watched", "result-masked"])
def test_amounts_are_masked_while_somebody_may_look_on(name: str, language: str) -> None:
    words, picture = words_of(language), named(name)
    chosen, html = shown(picture, language)
    amounts = [words.amounts(TOTAL), *(words.amount(row.value_minor * row.count, row.currency) for row in FULL.counted)]
    assert [amount for amount in amounts if f">{amount}<" in html] == []
    assert "reveal" in chosen.actions
    seen, html = shown(dataclasses.replace(picture, revealed=True), language)
    assert f"<b>{words.amounts(TOTAL)}</b>" in html
    assert "reveal" not in seen.actions
    assert "reveal" not in shown(named("review"), language)[0].actions


def test_a_silent_sensor_masks_nothing() -> None:
    picture = named("review")
    status = picture.status
    assert status is not None
    assert status.deposit is not None
    deposit = replace(status.deposit, grade="medium", reasons=("nothing is heard of the machine",))
    quiet = dataclasses.replace(picture, status=replace(status, deposit=deposit))
    assert not shown(quiet, "en")[0].masked


def test_medium_says_what_was_noticed_and_high_who_was_told() -> None:
    assert "Somebody crowds the depositor" in shown(named("insert-watched"), "en")[1]
    html = shown(named("closing-port-high"), "en")[1]
    assert "Your money is safe" in html
    assert "The bank is told" in html
    assert "Somebody crowds the depositor" in html


def test_the_heaviest_page_with_all_that_it_loads_is_under_150_kb() -> None:
    static = sum(len(file.read_bytes()) for file in (resources.files("kiosk.terminal") / "static").iterdir())
    pages = [RENDERER.page(shown(picture, language)[1], language) for picture in PICTURES for language in LANGUAGES]
    assert static + max(len(page.encode()) for page in pages) < 150_000
