"""The ways that a deposit can go, each by touches in one language, and where the money must be at its end."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

from tests.ui.depositor import Depositor, Ends

Path = Callable[[Depositor], Awaitable[Ends]]

LIMIT_MINOR: Final = 30_000  # of the stage's kiosk.toml: a deposit of at most 300 yuan
NOTES_MAX: Final = 4  # ... and four notes
DEPOSITS_A_DAY: Final = 1  # ... and the second deposit of a depositor on a day is medium
LABEL_TRIES: Final = 2


async def _fault(one: Depositor, device: str, fault: str, /, **parameters: object) -> None:
    await one.stage.world("/fault", {**parameters, "device": device, "fault": fault})


async def _graded(one: Depositor, grade: str) -> None:
    """Until the watcher says so of what it sees."""

    async def said() -> bool:
        return (await one.stage.status()).scene_grade == grade

    await one.stage.wait(said, "kiosk")


async def limit(one: Depositor) -> Ends:
    """The limit is reached, a further note comes back with its reason, the rest is credited."""
    await one.begins()
    await one.feeds(10_000, 10_000, 10_000)
    await one.sees("insert.limit", "insert.limit_do")
    await one.person.inserts(2000)
    refusal = one.words.catalogue.refusal["limit_amount"]
    await one.person.sees(refusal.what)
    await one.person.sees(refusal.do)
    await one.person.takes()
    await one.touches("insert.done")
    await one.sees("insert.limit")
    await one.confirms()
    await one.amount(LIMIT_MINOR)
    await one.finishes()
    return Ends(credited=LIMIT_MINOR, safe=LIMIT_MINOR)


async def full(one: Depositor) -> Ends:
    """No more notes fit into one bundle; the depositor thinks again and takes all of them back."""
    await one.begins()
    await one.feeds(500, 500)
    await one.person.sees(one.says("insert.room", notes=one.words.notes(NOTES_MAX - 2)))
    await one.person.inserts(500)
    await one.amount(1500)
    await one.person.inserts(500)
    await one.sees("review.title", "review.full")  # nobody has to say that this is all
    await one.amount(2000)
    await one.touches("review.no")
    await one.sees("returning.title", "returning.body")
    for _ in range(NOTES_MAX):
        await one.person.takes()
    await one.sees("result.returned", "result.given_back")
    await one.amount(2000)
    await one.finishes()
    return Ends(returned=2000)


async def walked_away(one: Depositor) -> Ends:
    """Asked whether more time is needed, and once that is so; then nobody is there, and nothing is lost."""
    await one.begins()
    await one.feeds(5000)
    await one.is_asked()
    await one.wants_time()
    await one.sees("insert.title")
    await one.is_asked()
    await one.sees("review.title")
    await one.is_asked()
    await one.person.sees(one.says("resume.safe", notes=one.words.notes(1)))
    await one.sees("place.escrow", "result.retracted", "result.open_amount", "result.bank_clears")
    await one.amount(5000)
    await one.finishes()
    return Ends(disputed=5000, box=5000)


async def jam_in_reach(one: Depositor) -> Ends:
    """A note is stuck in the slot; it is freed, and the depositor comes back with the code."""
    await one.begins()
    await one.feeds(10_000)
    code = await one.code()
    await _fault(one, "validator", "jam", where="unsafe")
    await one.person.inserts(2000)
    await one.sees("jam.title", "obstacle.port")
    await one.person.sees(one.says("jam.body", amount=one.yuan(10_000)))
    await one.picture("port")
    await _freed(one)
    await one.comes_back(code)
    await one.sees("review.title")
    await one.person.takes()  # what was stuck came out at the front
    await one.confirms()
    await one.amount(10_000)
    await one.finishes()
    return Ends(credited=10_000, safe=10_000)


async def jam_beyond_reach(one: Depositor) -> Ends:
    """A note is stuck inside and whoever clears it keeps it: disputed on the screen, and the others are credited."""
    await one.begins()
    await one.feeds(10_000)
    code = await one.code()
    await _fault(one, "validator", "jam", where="safe")
    await one.person.inserts(2000)
    await one.sees("jam.title", "obstacle.validator", "common.keep_code")
    await one.picture("machine")
    await _freed(one, note="take")
    await one.comes_back(code)
    await one.confirms()
    await one.amount(10_000)
    await one.sees("result.open_amount", "result.bank_clears")
    await one.person.sees(one.yuan(2000))
    await one.finishes()
    return Ends(credited=10_000, disputed=2000, safe=10_000)


async def _freed(one: Depositor, note: str = "leave") -> None:
    """A technician clears the validator's path and switches it off and on."""
    await _fault(one, "validator", "clear_jam", note=note)
    await _fault(one, "validator", "restart")


async def jam_on_the_belt(one: Depositor) -> Ends:
    """After the credit a note is stuck on the belt: the depositor need not wait, and it goes on when it is cleared."""
    await one.begins()
    await one.feeds(10_000)
    await one.touches("insert.done")
    await one.sees("review.title")
    await _fault(one, "board", "jam", place="transport", stubborn=True)
    await one.touches("review.yes")
    await one.sees("held.credited", "obstacle.transport", "held.need_not_wait")
    await one.picture("machine")
    await one.person.sees(one.yuan(10_000))
    await _fault(one, "board", "clear_jam")
    await one.sees("result.credited")
    await one.amount(10_000)
    await one.finishes()
    return Ends(credited=10_000, safe=10_000)


async def danger_before(one: Depositor) -> Ends:
    """High before the port opens: it stays shut, nothing is taken, and the bank is told."""
    await one.identifies()
    await one.stage.scene({"lens": "covered"})
    await _graded(one, "high")
    await one.touches("before.begin")
    await one.sees("result.refused_risk", "risk.result_high")
    await one.person.sees(one.words.reason("the camera's lens is covered"))
    await one.stage.scene({"lens": "clear"})
    await one.finishes()
    await _graded(one, "low")
    return Ends()


async def danger_during(one: Depositor) -> Ends:
    """High with notes inside: the port closes, a hand in it is asked away, the money is safe, and the bank is told."""
    await one.begins()
    await one.feeds(10_000)
    await one.stage.scene({"lens": "covered", "hand": True})
    await one.sees("closing_port.title", "closing_port.body", "risk.insert_high", "risk.told")
    await one.stage.scene({"hand": False})
    await one.sees("review.title", "risk.closed_high", "risk.told")
    await one.amount(10_000)
    await one.confirms()
    await one.sees("risk.result_high")
    await one.person.sees(one.words.reason("the camera's lens is covered"))
    await one.amount(10_000)
    await one.stage.scene({"lens": "clear"})
    await one.finishes()
    await _graded(one, "low")
    return Ends(credited=10_000, safe=10_000)


async def medium(one: Depositor) -> Ends:
    """The second deposit of the day: what was noticed, amounts masked until touched, credited all the same."""
    await one.begins()
    await one.feeds(1000)
    await one.touches("insert.done")
    await one.confirms()
    await one.finishes()
    await one.begins()
    await one.person.inserts(2000)
    await one.sees("risk.insert_medium", "risk.reveal")
    assert one.yuan(2000) not in await one.person.text()
    await one.touches("risk.reveal")
    await one.person.sees(one.yuan(2000))
    await one.touches("insert.done")
    await one.sees("review.title", "risk.insert_medium")
    await one.confirms()
    await one.sees("risk.result_medium")
    status = await one.stage.status()
    assert status.deposit is not None
    assert status.deposit.grade == "medium"
    await one.person.sees(one.words.reasons(status.deposit.reasons, 1)[0])
    await one.finishes()
    return Ends(credited=3000, safe=3000)


async def label_fails(one: Depositor) -> Ends:
    """Each label tears off: the bundle is stored without one, and the credit waits for nothing."""
    await one.begins()
    await one.feeds(5000)
    await one.touches("insert.done")
    await one.sees("review.title")
    await _fault(one, "board", "label_fails", count=LABEL_TRIES)
    await one.touches("review.yes")
    await one.sees("bundling.title", "result.credited")
    await one.amount(5000)
    await one.finishes()
    return Ends(credited=5000, safe=5000)


async def suspect(one: Depositor) -> Ends:
    """A suspect note is kept, the paper of the receipt runs out, and the machine says why it takes no more."""
    await one.begins()
    await one.feeds(5000)
    await one.person.inserts(10_000, "suspect")
    await one.person.sees(one.says("risk.suspect_kept", amount="#").partition("#")[0])
    await one.stage.wait(one.takes_notes, "kiosk")
    await _fault(one, "receipt", "paper_out")
    await one.touches("insert.done")
    await one.confirms()
    await one.sees("receipt.failed", "result.suspect")
    await one.touches("receipt.show")
    await one.sees("receipt.title")
    await one.touches("receipt.back")
    await one.touches("result.finish")
    await one.sees("out_of_service.title")
    await one.person.sees(one.words.reason("the receipt printer is not ready"))
    await _fault(one, "receipt", "paper_loaded")
    await one.sees("attract.title")
    return Ends(credited=5000, retained=10_000, safe=5000, box=10_000)


PATHS: Final[Mapping[str, Path]] = MappingProxyType(
    {
        each.__name__: each
        for each in (
            limit,
            full,
            jam_in_reach,
            jam_beyond_reach,
            jam_on_the_belt,
            danger_before,
            danger_during,
            medium,
            label_fails,
            suspect,
            walked_away,
        )
    }
)
