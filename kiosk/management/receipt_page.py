"""What the receipt says on paper, in plain words for the person who takes it home. The words: receipt_words.toml."""

import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Final, Literal

from firmware_bridge.interfaces import Receipt as Page
from firmware_bridge.interfaces import ReceiptQr, ReceiptText
from kiosk.core.money import Claim, sums, unvalued
from kiosk.core.state import Deposit
from kiosk.guarantee.receipt import Receipt

COLUMNS: Final = 48  # of font A on paper 80 mm wide; a Chinese character takes two
WORDS: Final[dict[str, dict[str, str]]] = tomllib.loads(
    (resources.files(__package__) / "receipt_words.toml").read_text(encoding="utf-8")
)
_CLAIMS: Final = (Claim.CREDITED, Claim.RETURNED, Claim.RETAINED, Claim.DISPUTED)
_RULE: Final = ReceiptText("-" * COLUMNS)
_GAP: Final = ReceiptText("")


@dataclass(frozen=True)
class Trust:
    """Who vouches for the log that the receipt stands in, and by which policy file; both may be missing."""

    witnesses: tuple[str, ...] = ()  # of a quorum; nobody: provisional
    policy_sha256: str = ""  # hex


def receipt_page(
    deposit: Deposit,
    receipt: Receipt | None,
    copy: int,
    *,
    place: tuple[str, str],
    language: Literal["en", "zh", "ru"],
    trust: Trust,
) -> Page:
    """The paper of one deposit; `copy` 0 is the original, `place` kiosk and branch.

    Raises ValueError when there is no receipt to print.
    """
    if receipt is None:
        raise ValueError("this deposit has no receipt in the log")
    words, (kiosk, branch) = WORDS[language], place
    at = datetime.fromisoformat(receipt.at).astimezone()
    return Page(
        (
            ReceiptText(words["title"], large=True, bold=True, centred=True),
            *((ReceiptText(words["copy"].format(n=copy), large=True, bold=True, centred=True),) if copy else ()),
            ReceiptText(words["kiosk"].format(branch=branch, kiosk=kiosk), centred=True),
            ReceiptText(f"{at:%Y-%m-%d %H:%M} (UTC{at.isoformat()[-6:]})", centred=True),
            _RULE,
            ReceiptText(row(words["code"], deposit.code)),
            ReceiptText(row(words["account"], deposit.account_masked)),
            *((ReceiptText(row(words["bundle"], deposit.bundle.name)),) if deposit.confirmed else ()),
            _RULE,
            *_amounts(deposit, words),
            _RULE,
            *_trust(trust, words),
            _GAP,
            ReceiptText(words["check"], bold=True, centred=True),
            ReceiptText(words["check_how"]),
            _GAP,
            ReceiptText(words["opening"], bold=True, centred=True),
            ReceiptQr(receipt.opening),
            ReceiptText(words["proof"], bold=True, centred=True),
            ReceiptQr(receipt.proof),
            ReceiptText(words["record"].format(n=receipt.sequence, kiosk=kiosk), centred=True),
            ReceiptText(words["keep"], centred=True),
            _GAP,
        )
    )


def _trust(trust: Trust, words: dict[str, str]) -> Iterator[ReceiptText]:
    """Witnessed or provisional, and what that means; the policy that says who counts."""
    stands = "witnessed" if trust.witnesses else "provisional"
    yield ReceiptText(words[stands], bold=True, centred=True)
    yield ReceiptText(words[f"{stands}_means"].format(names=", ".join(trust.witnesses)))
    if trust.policy_sha256:
        yield ReceiptText(words["policy"].format(sha256=trust.policy_sha256))


def row(label: str, text: str, columns: int = COLUMNS) -> str:
    """Label at the left, text at the right edge of the paper."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in label)
    return f"{label}{text:>{max(columns - len(label) - wide, len(text) + 1)}}"


def _amounts(deposit: Deposit, words: dict[str, str]) -> Iterator[ReceiptText]:
    """By claim, per currency; what was credited stands out."""
    for claim in _CLAIMS:
        for currency, minor in sorted(sums(deposit.notes, claim).items()):
            amount = f"{currency} {minor // 100:,}.{minor % 100:02d}"  # on paper as in the record, in every language
            large = claim is Claim.CREDITED
            text = row(words[str(claim)], amount, COLUMNS // 2 if large else COLUMNS)
            yield ReceiptText(text, large=large, bold=large)
    unknown = unvalued(deposit.notes, Claim.DISPUTED)
    if unknown:
        yield ReceiptText(words["unvalued"].format(n=unknown))
    if sums(deposit.notes, Claim.RETAINED):
        yield ReceiptText(words["suspect"])
    if sums(deposit.notes, Claim.DISPUTED) or unknown:
        yield ReceiptText(words["counting"])
    if deposit.account_known is False:
        yield ReceiptText(words["suspense"])
