"""ISO 20022 camt.054.001.08 (BankToCustomerDebitCreditNotification): one file of postings. Pure.

One notification (`Ntfctn`) for each account and currency, with the totals of its entries; entry status BOOK, PDNG or
INFO from the external code list. The bank transaction code is PMNT/CNTR/CDPT (a cash deposit at a counter) for what is
booked and a proprietary one for the rest, so that totals by code keep them apart. Structure: ISO's message definition
of February 2019; a test holds files against its XML schema.
"""

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from kiosk_cloud.posting.entries import NO_CURRENCY, Entry, Posting, decimal

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"
ISSUER: Final = "deposit-kiosk"
TEXT_MAX: Final = 500
_Placed = tuple[str, Posting, Entry]  # entry reference, the posting, one of its entries


def document(message_id: str, made_at: str, postings: Iterable[Posting], suspense_account: str) -> bytes:
    """The file. `message_id` at most 35 characters, `made_at` RFC 3339. The same arguments give the same bytes."""
    root = ET.Element("Document", xmlns=NAMESPACE)
    top = ET.SubElement(root, "BkToCstmrDbtCdtNtfctn")
    head = ET.SubElement(top, "GrpHdr")
    _text(head, "MsgId", message_id)
    _text(head, "CreDtTm", made_at)
    for number, ((account, currency), placed) in enumerate(sorted(_by_account(postings, suspense_account).items()), 1):
        _notification(top, f"{message_id}-{number}", made_at, account, currency, placed)
    ET.indent(root)
    text: str = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _by_account(postings: Iterable[Posting], suspense: str) -> dict[tuple[str, str], list[_Placed]]:
    found: dict[tuple[str, str], list[_Placed]] = {}
    for posting in postings:
        account = suspense if posting.account_known is False else posting.account
        for number, entry in enumerate(posting.entries, 1):
            reference = f"{posting.leaf_hash.hex()[:28]}-{number}"  # unique: a leaf is hashed with its kiosk and place
            found.setdefault((account, entry.currency), []).append((reference, posting, entry))
    return found


def _notification(
    top: ET.Element, identity: str, made_at: str, account: str, currency: str, placed: list[_Placed]
) -> None:
    element = ET.SubElement(top, "Ntfctn")
    _text(element, "Id", identity)
    _text(element, "CreDtTm", made_at)
    holder = ET.SubElement(element, "Acct")
    _text(ET.SubElement(ET.SubElement(holder, "Id"), "Othr"), "Id", account)
    if currency != NO_CURRENCY:
        _text(holder, "Ccy", currency)
    _summary(element, currency, [entry for _, _, entry in placed])
    for reference, posting, entry in placed:
        _entry(element, made_at, reference, posting, entry)


def _summary(parent: ET.Element, currency: str, entries: list[Entry]) -> None:
    """All entries; they are all credits; then what is booked and each kind of what is not."""
    summary = ET.SubElement(parent, "TxsSummry")
    total = sum(entry.amount_minor for entry in entries)
    for name in ("TtlNtries", "TtlCdtNtries"):
        _totals(ET.SubElement(summary, name), len(entries), total, currency)
    numbers = Counter((entry.status, entry.reason) for entry in entries)
    for status, reason in sorted(numbers):
        amount = sum(entry.amount_minor for entry in entries if (entry.status, entry.reason) == (status, reason))
        row = ET.SubElement(summary, "TtlNtriesPerBkTxCd")
        _totals(row, numbers[status, reason], amount, currency)
        _code(row, status, reason)


def _totals(element: ET.Element, count: int, amount_minor: int, currency: str) -> None:
    _text(element, "NbOfNtries", str(count))
    _text(element, "Sum", decimal(amount_minor, currency))


def _entry(parent: ET.Element, made_at: str, reference: str, posting: Posting, entry: Entry) -> None:
    element = ET.SubElement(parent, "Ntry")
    _text(element, "NtryRef", reference)
    _amount(element, "Amt", entry.amount_minor, entry.currency)
    _text(element, "CdtDbtInd", "CRDT")
    _text(ET.SubElement(element, "Sts"), "Cd", entry.status)
    if entry.status == "BOOK":
        _text(ET.SubElement(element, "BookgDt"), "DtTm", made_at)
        _text(ET.SubElement(element, "ValDt"), "DtTm", _moment(posting.value_at))
    _code(element, entry.status, entry.reason)
    details = ET.SubElement(ET.SubElement(element, "NtryDtls"), "TxDtls")
    references = ET.SubElement(details, "Refs")
    _text(references, "EndToEndId", posting.deposit_id.hex())  # what a clearing shares with its deposit
    for name, text in (("KIOSK", posting.kiosk), ("RECORD", str(posting.sequence))):
        if len(text) <= 35:  # noqa: PLR2004 - Max35Text; a longer kiosk id stands in the words below only
            row = ET.SubElement(references, "Prtry")
            _text(row, "Tp", name)
            _text(row, "Ref", text)
    for value, count in entry.notes:
        deposit = ET.SubElement(details, "CshDpst")
        _amount(deposit, "NoteDnmtn", value, entry.currency)
        _text(deposit, "NbOfNotes", str(count))
        _amount(deposit, "Amt", value * count, entry.currency)
    _text(element, "AddtlNtryInf", "; ".join(_words(posting, entry))[:TEXT_MAX])


def _words(posting: Posting, entry: Entry) -> Iterator[str]:
    yield f"{posting.kind} {posting.key}: {entry.reason}"
    if posting.refers_to:
        yield f"clears what was disputed in deposit {posting.refers_to}"
    if entry.unvalued:
        yield f"{entry.unvalued} notes of unknown value"
    if posting.account_known is False:
        yield f"typed account {posting.account} is not in the directory: suspense"
    yield f"kiosk {posting.kiosk} record {posting.sequence} leaf {posting.leaf_hash.hex()}"


def _code(parent: ET.Element, status: str, reason: str) -> None:
    code = ET.SubElement(parent, "BkTxCd")
    if status == "BOOK":
        domain = ET.SubElement(code, "Domn")
        _text(domain, "Cd", "PMNT")
        family = ET.SubElement(domain, "Fmly")
        _text(family, "Cd", "CNTR")
        _text(family, "SubFmlyCd", "CDPT")
    proprietary = ET.SubElement(code, "Prtry")
    _text(proprietary, "Cd", f"{status}-{reason}".upper().replace("_", "-"))
    _text(proprietary, "Issr", ISSUER)


def _amount(parent: ET.Element, name: str, amount_minor: int, currency: str) -> None:
    ET.SubElement(parent, name, Ccy=currency).text = decimal(amount_minor, currency)


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = text


def _moment(text: str) -> str:
    datetime.fromisoformat(text)  # a record's own time; ValueError for a text that is none
    return text
