"""The hand-over slip: an exchange record on paper, for the persons who carry the cash. The words: slip_words.toml.

It names staff ids, bundles and sums, and no depositor. Its QR code is the leaf hash of the record, so that paper and
log can be held against each other.
"""

import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib import resources
from typing import Any, Final, Literal

from firmware_bridge.interfaces import Receipt as Page
from firmware_bridge.interfaces import ReceiptQr, ReceiptText
from kiosk.management.receipt_page import COLUMNS, row

WORDS: Final[dict[str, dict[str, str]]] = tomllib.loads(
    (resources.files(__package__) / "slip_words.toml").read_text(encoding="utf-8")
)
_RULE: Final = ReceiptText("-" * COLUMNS)
_BLANK: Final = ReceiptText("")


def slip_page(record: Mapping[str, Any], *, place: tuple[str, str], language: Literal["en", "zh", "ru"]) -> Page:
    """The slip of an exchange record with its `leaf_hash`; `place` is kiosk and branch."""
    words, (kiosk, branch) = WORDS[language], place
    at = datetime.fromisoformat(record["ended_at"]).astimezone()
    return Page(
        (
            ReceiptText(words["title"], large=True, bold=True, centred=True),
            ReceiptText(words["kiosk"].format(branch=branch, kiosk=kiosk), centred=True),
            ReceiptText(row(words["number"], str(record["number"])), bold=True),
            ReceiptText(row(words["ended"], f"{at:%Y-%m-%d %H:%M} (UTC{at.isoformat()[-6:]})")),
            ReceiptText(row(words["started_by"], " + ".join(record["started_by"]))),
            ReceiptText(row(words["ended_by"], " + ".join(record["ended_by"]))),
            _RULE,
            *_items(words["collected"], record["collected"], words),
            *_items(words["missing"], record["missing"], words),
            *_plain(words["foreign"], [f"{each['id']} {each['seal']}" for each in record["foreign"]]),
            *_plain(words["stayed"], [each["id"] for each in record["stayed"]]),
            *_plain(words["removed"], [_container(each) for each in record["removed"]]),
            *_plain(words["inserted"], [_container(each) for each in record["inserted"]]),
            _RULE,
            ReceiptText(row(words["total"], words["notes"].format(n=record["notes"])), bold=True),
            *(ReceiptText(row("", _amount(currency, sum_))) for currency, sum_ in record["amounts"].items()),
            _RULE,
            ReceiptText(words["signature"]),
            _BLANK,
            ReceiptText("____________________    ____________________", centred=True),
            ReceiptText(words["record"].format(n=record["seq"], kiosk=kiosk), centred=True),
            ReceiptText(record["leaf_hash"].hex(), centred=True),
            ReceiptQr(record["leaf_hash"].hex()),
        )
    )


def _items(title: str, items: list[Mapping[str, Any]], words: Mapping[str, str]) -> Iterator[ReceiptText]:
    if items:
        yield ReceiptText(title, bold=True)
    for item in items:
        slot = "" if item["slot"] is None else f", {words['slot'].format(slot=item['slot'])}"
        yield ReceiptText(row(f"{item['id']}{slot}", words["notes"].format(n=item["notes"])), bold=True)
        for cash in item["cash"]:
            value = words["unvalued"] if cash["value"] is None else _amount(cash["currency"], cash["value"])
            suspect = f" ({words['suspect']})" if cash["level"] == "suspect" else ""
            yield ReceiptText(row(f"  {value}{suspect}", f"x {cash['count']}"))
        for claims in (f"{currency}: {_claims(sums)}" for currency, sums in item["claims"].items()):
            yield ReceiptText(f"  {claims}")
        if item["seal"]:
            yield ReceiptText(f"  {words['seal']} {item['seal']}")
        if item["flags"]:
            yield ReceiptText("  ! " + ", ".join(words[f"flag_{flag}"] for flag in item["flags"]), bold=True)


def _plain(title: str, lines: list[str]) -> Iterator[ReceiptText]:
    if lines:
        yield ReceiptText(title, bold=True)
    yield from (ReceiptText(f"  {line}") for line in lines)


def _container(container: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (container["unit"], container["serial"], container["seal"])))


def _amount(currency: str, minor: int) -> str:
    return f"{currency} {minor // 100:,}.{minor % 100:02d}"


def _claims(sums: Mapping[str, int]) -> str:
    return ", ".join(f"{claim} {minor // 100:,}.{minor % 100:02d}" for claim, minor in sums.items())
