"""What the receipt says on paper, in plain words for the person who takes it home."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from firmware_bridge.interfaces import Receipt as Page
from firmware_bridge.interfaces import ReceiptQr, ReceiptText
from kiosk.core.money import Claim, sums, unvalued
from kiosk.core.state import Deposit
from kiosk.guarantee.receipt import PROVISIONAL, Receipt

WIDTH: Final = 48  # characters of font A on paper 80 mm wide
_LABEL: Final = 16
_CLAIMS: Final = {
    Claim.CREDITED: "CREDITED",
    Claim.RETURNED: "given back",
    Claim.RETAINED: "kept as suspect",
    Claim.DISPUTED: "in dispute",
}
_RULE: Final = ReceiptText("-" * WIDTH)
_GAP: Final = ReceiptText("")
_CHECK: Final = (
    "Scan both codes and give the two texts to a receipt checker. It needs this kiosk's public keys, which are posted "
    "at the branch, and asks neither the bank nor the kiosk. Code 1 is what the kiosk signed, code 2 proves that it "
    "stands in the kiosk's log."
)


def receipt_page(deposit: Deposit, receipt: Receipt | None, copy: int, kiosk: str, branch: str) -> Page:
    """The paper of one deposit; `copy` 0 is the original. Raises ValueError when there is no receipt to print."""
    if receipt is None:
        raise ValueError("this deposit has no receipt in the log")
    at = datetime.fromisoformat(receipt.at).astimezone()
    return Page(
        (
            ReceiptText("DEPOSIT RECEIPT", large=True, bold=True, centred=True),
            *((ReceiptText(f"COPY {copy}", large=True, bold=True, centred=True),) if copy else ()),
            ReceiptText(f"{branch}, kiosk {kiosk}", centred=True),
            ReceiptText(f"{at:%Y-%m-%d %H:%M} (UTC{at.isoformat()[-6:]})", centred=True),
            _RULE,
            _row("Deposit code", deposit.code),
            _row("Account", deposit.account_masked),
            *((_row("Bundle", deposit.bundle.name),) if deposit.confirmed else ()),
            _RULE,
            *_amounts(deposit),
            _RULE,
            ReceiptText("PROVISIONAL", bold=True, centred=True),
            ReceiptText(PROVISIONAL),
            _GAP,
            ReceiptText("Check it at home", bold=True, centred=True),
            ReceiptText(_CHECK),
            _GAP,
            ReceiptText("1  what the kiosk signed", bold=True, centred=True),
            ReceiptQr(receipt.opening),
            ReceiptText("2  its place in the kiosk's log", bold=True, centred=True),
            ReceiptQr(receipt.proof),
            ReceiptText(f"Record {receipt.sequence} of {kiosk}", centred=True),
            ReceiptText("Keep it: it is evidence, not a means of payment.", centred=True),
            _GAP,
        )
    )


def _row(label: str, text: str) -> ReceiptText:
    return ReceiptText(f"{label:<{_LABEL}}{text:>{WIDTH - _LABEL}}")


def _amounts(deposit: Deposit) -> Iterator[ReceiptText]:
    """By claim, per currency; what was credited stands out."""
    for claim, words in _CLAIMS.items():
        for currency, minor in sorted(sums(deposit.notes, claim).items()):
            amount = f"{currency} {minor // 100:,}.{minor % 100:02d}"
            if claim is Claim.CREDITED:
                yield ReceiptText(f"{words:<{_LABEL // 2}}{amount:>{(WIDTH - _LABEL) // 2}}", large=True, bold=True)
            else:
                yield _row(words, amount)
    unknown = unvalued(deposit.notes, Claim.DISPUTED)
    if unknown:
        yield ReceiptText(f"In dispute besides: {unknown} note(s) whose value is not known.")
    if sums(deposit.notes, Claim.RETAINED):
        yield ReceiptText("Notes kept as suspect are not credited; their value is as printed on them, unverified.")
    if sums(deposit.notes, Claim.DISPUTED) or unknown:
        yield ReceiptText("Two people of the bank will count what is in dispute. Keep this paper until then.")
    if deposit.account_known is False:
        yield ReceiptText("The account is not in this branch's directory: the bank holds the money for it until found.")
