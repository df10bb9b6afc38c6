"""The bank's books at the other end of the webhook, which book each key once; and camt.054 files read."""

import base64
import hashlib
import hmac
import json
import threading
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from kiosk.guarantee import files

NS = "{urn:iso:std:iso:20022:tech:xsd:camt.054.001.08}"


class Books:
    """The core-banking system. `before_answer(posting, number)` may answer otherwise, or kill whoever asked."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self.booked: dict[str, dict[str, Any]] = {}
        self.heard: list[str] = []
        self.before_answer: Callable[[dict[str, Any], int], int | None] = lambda _posting, _number: None
        self.url = ""

    def hear(self, headers: dict[str, str], body: bytes) -> int:
        identity, at = headers["webhook-id"], headers["webhook-timestamp"]
        signed = hmac.new(self.secret, f"{identity}.{at}.".encode() + body, hashlib.sha256).digest()
        if headers["webhook-signature"] != "v1," + base64.b64encode(signed).decode():
            return 401
        posting = json.loads(body)
        key = headers["idempotency-key"]
        assert key == identity == posting["key"]
        self.heard.append(key)
        other = self.before_answer(posting, len(self.heard))
        if other is not None and other >= 300:
            return other
        if key in self.booked and self.booked[key] != posting:
            return 409
        self.booked[key] = posting
        return other or 201

    def sums(self, status: str) -> Counter[str]:
        found: Counter[str] = Counter()
        for posting in self.booked.values():
            for entry in posting["entries"]:
                if entry["status"] == status:
                    found[entry["currency"]] += entry["amount_minor"]
        return found


@contextmanager
def books(keys: Path) -> Iterator[Books]:
    """Listening on loopback."""
    found = Books(files.load_key(keys / "webhook.key", "hmac-sha256"))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = found.hear({name.lower(): value for name, value in self.headers.items()}, body)
            try:
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()
            except OSError:
                self.close_connection = True  # whoever asked has been killed

        def handle_one_request(self) -> None:
            with suppress(ConnectionError):  # likewise, between two requests
                super().handle_one_request()
                return
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}/deposits"
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def entries_of(data: bytes) -> list[dict[str, str]]:
    """Every entry of a camt.054 file, its totals held against it on the way."""
    found = []
    for part in ET.fromstring(data).iter(f"{NS}Ntfctn"):  # noqa: S314 - our own file
        account = part.findtext(f"{NS}Acct/{NS}Id/{NS}Othr/{NS}Id") or ""
        rows = [_entry(each, account) for each in part.iter(f"{NS}Ntry")]
        summary = part.find(f"{NS}TxsSummry")
        assert summary is not None
        _adds_up(summary.find(f"{NS}TtlNtries"), rows)
        _adds_up(summary.find(f"{NS}TtlCdtNtries"), rows)
        by_code = summary.findall(f"{NS}TtlNtriesPerBkTxCd")
        for each in by_code:
            code = each.findtext(f"{NS}BkTxCd/{NS}Prtry/{NS}Cd")
            _adds_up(each, [row for row in rows if row["code"] == code])
        assert sum(int(each.findtext(f"{NS}NbOfNtries") or 0) for each in by_code) == len(rows)
        found += rows
    assert len({row["reference"] for row in found}) == len(found)
    return found


def _entry(element: ET.Element, account: str) -> dict[str, str]:
    amount = element.find(f"{NS}Amt")
    assert amount is not None
    cash = sum(_minor(each.findtext(f"{NS}Amt")) for each in element.iter(f"{NS}CshDpst"))
    assert cash in (0, _minor(amount.text))
    return {
        "account": account,
        "reference": element.findtext(f"{NS}NtryRef") or "",
        "amount": amount.text or "",
        "currency": amount.get("Ccy") or "",
        "status": element.findtext(f"{NS}Sts/{NS}Cd") or "",
        "code": element.findtext(f"{NS}BkTxCd/{NS}Prtry/{NS}Cd") or "",
        "deposit": element.findtext(f"{NS}NtryDtls/{NS}TxDtls/{NS}Refs/{NS}EndToEndId") or "",
        "words": element.findtext(f"{NS}AddtlNtryInf") or "",
    }


def _adds_up(total: ET.Element | None, rows: list[dict[str, str]]) -> None:
    assert total is not None
    assert total.findtext(f"{NS}NbOfNtries") == str(len(rows))
    assert _minor(total.findtext(f"{NS}Sum")) == sum(_minor(row["amount"]) for row in rows)


def _minor(text: str | None) -> int:
    return int((text or "0").replace(".", ""))
