"""The judge of `make test-interop`: whoever says something else than they should is told of."""

from typing import Any

import pytest

from kiosk.errors import VerificationError
from tests.interop import peers
from tests.interop.case import Case
from tests.interop.verdicts import LEAST, Tally, judge


def _refuse() -> None:
    raise VerificationError("no")


def _judged(monkeypatch: pytest.MonkeyPatch, *cases: Case, accepted: bool, says: object = "x") -> Tally:
    def ask(name: str, questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"accepted": accepted, "says": says} for _ in questions]

    monkeypatch.setattr(peers, "ask", ask)
    tally = Tally()
    judge("peer", cases, tally)
    return tally


def _case(*, good: bool, ours: bool) -> Case:
    return Case("a case", {}, (lambda: None) if ours else _refuse, good, says="x")


@pytest.mark.parametrize(("good", "theirs", "ours"), [(True, True, True), (False, False, False)])
def test_agreement_counts(monkeypatch: pytest.MonkeyPatch, good: bool, theirs: bool, ours: bool) -> None:
    tally = _judged(monkeypatch, _case(good=good, ours=ours), accepted=theirs)
    assert (tally.accepted, tally.tampered_refused, tally.wrong) == (int(good), int(not good), [])
    assert not tally.holds  # one is not twenty


@pytest.mark.parametrize("good", [True, False])
@pytest.mark.parametrize(("theirs", "ours"), [(True, False), (False, True)])
def test_disagreement_is_told(monkeypatch: pytest.MonkeyPatch, good: bool, theirs: bool, ours: bool) -> None:
    tally = _judged(monkeypatch, _case(good=good, ours=ours), accepted=theirs)
    assert len(tally.wrong) == 1
    assert "a case" in tally.wrong[0]
    assert not tally.holds


@pytest.mark.parametrize("good", [True, False])
def test_agreeing_on_the_wrong_thing_is_told(monkeypatch: pytest.MonkeyPatch, good: bool) -> None:
    assert _judged(monkeypatch, _case(good=good, ours=not good), accepted=not good).wrong


def test_reading_something_else_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _judged(monkeypatch, _case(good=True, ours=True), accepted=True, says="y").wrong


def test_enough_of_both_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    tally = Tally(LEAST, LEAST)
    assert tally.holds
    assert not Tally(LEAST, LEAST - 1).holds


def test_a_peer_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(peers.COMMANDS, "go-note", ["/nowhere/go-note"])
    with pytest.raises(peers.PeerFailed, match="go-note"):
        peers.ask("go-note", [{}])
