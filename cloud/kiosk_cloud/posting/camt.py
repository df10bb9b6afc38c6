"""ISO 20022 camt.054.001.08 (BankToCustomerDebitCreditNotification): one file of postings. Pure.

One notification (`Ntfctn`) for each account and currency, with the totals of its entries; entry status BOOK, PDNG or
INFO from the external code list. The bank transaction code is PMNT/CNTR/CDPT (a cash deposit at a counter) for what is
booked and a proprietary one for the rest, so that totals by code keep them apart. Structure: ISO's message definition
of February 2019; a test holds files against its XML schema.
"""

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, TypeVar

from kiosk_cloud.posting.entries import NO_CURRENCY, Entry, Posting, Status, decimal

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"
ISSUER: Final = "deposit-kiosk"
TEXT_MAX: Final = 500
K = TypeVar("K")


@dataclass
class _Group(Generic[K]):
    """The entries of one account in one currency: which postings have them, and their totals by status and reason."""

    keys: list[K] = field(default_factory=list)
    numbers: Counter[tuple[Status, str]] = field(default_factory=Counter)
    amounts: Counter[tuple[Status, str]] = field(default_factory=Counter)


def document(
    message_id: str, made_at: str, keys: Iterable[K], read: Callable[[K], Posting], suspense_account: str
) -> Iterator[bytes]:
    """The file, piece by piece; each posting is read twice, so that no more than one is in memory at any time.

    `message_id` at most 35 characters, `made_at` RFC 3339. The same arguments give the same bytes.
    """
    groups = _by_account(keys, read, suspense_account)
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{NAMESPACE}">\n'.encode()
    yield b"  <BkToCstmrDbtCdtNtfctn>\n"
    head = ET.Element("GrpHdr")
    _text(head, "MsgId", message_id)
    _text(head, "CreDtTm", made_at)
    yield _piece(head, 2)
    for number, (account, currency) in enumerate(sorted(groups), 1):
        group = groups[account, currency]
        yield b"    <Ntfctn>\n"
        yield from (_piece(each, 3) for each in _head(f"{message_id}-{number}", made_at, account, currency, group))
        for key in group.keys:
            posting = read(key)
            for reference, entry in _entries(posting):
                if entry.currency == currency:
                    yield _piece(_entry(made_at, reference, posting, entry), 3)
        yield b"    </Ntfctn>\n"
    yield b"  </BkToCstmrDbtCdtNtfctn>\n</Document>\n"


def _piece(element: ET.Element, level: int) -> bytes:
    """An element as it stands at this depth of the file."""
    ET.indent(element, level=level)
    text: str = ET.tostring(element, encoding="unicode")
    return f"{'  ' * level}{text}\n".encode()


def _by_account(keys: Iterable[K], read: Callable[[K], Posting], suspense: str) -> dict[tuple[str, str], _Group[K]]:
    found: dict[tuple[str, str], _Group[K]] = {}
    for key in keys:
        posting = read(key)
        account = suspense if posting.account_known is False else posting.account
        for entry in posting.entries:
            group = found.setdefault((account, entry.currency), _Group())
            group.numbers[entry.status, entry.reason] += 1
            group.amounts[entry.status, entry.reason] += entry.amount_minor
            if group.keys[-1:] != [key]:
                group.keys.append(key)
    return found


def _entries(posting: Posting) -> Iterator[tuple[str, Entry]]:
    """(entry reference, entry): unique, for a leaf is hashed with its kiosk and place."""
    for number, entry in enumerate(posting.entries, 1):
        yield f"{posting.leaf_hash.hex()[:28]}-{number}", entry


def _head(identity: str, made_at: str, account: str, currency: str, group: _Group[K]) -> Iterator[ET.Element]:
    """What a notification says before its entries."""
    for name, text in (("Id", identity), ("CreDtTm", made_at)):
        element = ET.Element(name)
        element.text = text
        yield element
    holder = ET.Element("Acct")
    _text(ET.SubElement(ET.SubElement(holder, "Id"), "Othr"), "Id", account)
    if currency != NO_CURRENCY:
        _text(holder, "Ccy", currency)
    yield holder
    yield _summary(currency, group)


def _summary(currency: str, group: _Group[K]) -> ET.Element:
    """All entries; they are all credits; then what is booked and each kind of what is not."""
    summary = ET.Element("TxsSummry")
    for name in ("TtlNtries", "TtlCdtNtries"):
        _totals(ET.SubElement(summary, name), group.numbers.total(), group.amounts.total(), currency)
    for status, reason in sorted(group.numbers):
        row = ET.SubElement(summary, "TtlNtriesPerBkTxCd")
        _totals(row, group.numbers[status, reason], group.amounts[status, reason], currency)
        _code(row, status, reason)
    return summary


def _totals(element: ET.Element, count: int, amount_minor: int, currency: str) -> None:
    _text(element, "NbOfNtries", str(count))
    _text(element, "Sum", decimal(amount_minor, currency))


def _entry(made_at: str, reference: str, posting: Posting, entry: Entry) -> ET.Element:
    element = ET.Element("Ntry")
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
    return element


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
