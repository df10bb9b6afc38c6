"""The depositor's page: who has the paper sees what the bank holds of it; nobody else learns anything."""

import json
import logging
import re
import urllib.parse
from collections.abc import Iterator
from contextlib import closing
from email import message_from_bytes
from email.policy import default
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kiosk.guarantee import proof, receipt
from kiosk.guarantee.receipt import Receipt
from kiosk.guarantee.seal import SealPrivateKey, SealPublicKey
from kiosk.verifier import checking, reading
from kiosk_cloud.cli import main
from kiosk_cloud.depositor import book, notices, web, words
from kiosk_cloud.depositor.book import ContactBook
from kiosk_cloud.depositor.limits import ADDRESSES_MAX, Limits, Rate, network
from kiosk_cloud.depositor.lookup import Desk
from kiosk_cloud.depositor.notices import MailFolder, Message, Notifier, NotTold
from kiosk_cloud.depositor.web import Parts
from kiosk_cloud.depositor.words import WORDS
from kiosk_cloud.pki import utc_now
from kiosk_cloud.posting import settings as posting_settings
from kiosk_cloud.posting.service import Poster
from kiosk_cloud.provision import provision
from tests.clearing_kit import DEPOSIT, SECOND, Record, story
from tests.uplink_kit import ACCOUNT, KIOSK, KioskSide, deposit_content, plan
from tests.witness_kit import World

EN = WORDS["en"]
ADDRESS = "203.0.113.7"


class Branch:
    """A kiosk that prints receipts, the bank, its witnesses, and the page."""

    def __init__(self, folder: Path) -> None:
        self.done = provision(plan(folder), utc_now())
        self.world = World(self.done, folder)
        self.bank, self.kiosk, self.folder = self.world.bank, self.world.kiosk, folder / "bank"
        self.contacts = ContactBook(self.folder / "contacts.db")
        self.desk = Desk(self.bank.config.store, self.bank.config.mirror, lambda: self.world.policy)
        self.limits = Limits(Rate(1000, 0.001), Rate(10_000, 0.0001))
        self.parts = Parts(
            desk=self.desk,
            contacts=lambda: ContactBook(self.folder / "contacts.db"),
            key=SealPublicKey.load(self.folder / "contact.pub"),
            clock=self.bank.clock,
            accept=("email", "phone"),
            policy=lambda: b"quorum none\n",
        )
        self.mail = self.folder / "notices"

    def deposit(self, content: dict[str, object], *, send: bool = True) -> Receipt:
        """A deposit, and the receipt that comes out of the printer."""
        said = {"account_masked": "****7894", "account_known": True, "outcome": "credited", "bundle": "B1"}
        named = {name: content[name] for name in ("deposit_id", "sums", "disputed_unvalued")}
        first = self.kiosk.records.size()
        envelopes = [self.kiosk.append("deposit", content)]
        about = {"record_seq": first, "record_leaf": self.kiosk.records.record(first).leaf_hash}
        envelopes.append(self.kiosk.append("receipt", {**said, **named, **about}))
        if send:
            self.bank.take(*envelopes)
        records, sequence = self.kiosk.records, first + 1
        return receipt.make(records.record(sequence), records.inclusion(sequence), records.checkpoint())

    def records(self, records: list[Record]) -> None:
        for record in records:
            self.bank.take(self.kiosk.append(*record))

    def witness(self) -> None:
        self.bank.take(self.kiosk.records.checkpoint().encode(), lane="checkpoint")
        self.world.work()

    def post(self) -> None:
        settings = posting_settings.load(self.folder / "posting.toml")
        (self.folder / "posting").mkdir(exist_ok=True)
        Poster(self.bank.store, settings, None, self.bank.clock).round(everything=True)

    def notify(self, mail: Any = None) -> notices.Told:
        channel = mail or MailFolder(self.mail, "deposits@bank.example")
        key = SealPrivateKey.load(self.bank.config.keys / "contact.key")
        return Notifier(self.contacts, self.desk, key, channel, None, self.bank.clock, 365).round()

    async def ask(
        self, path: str = "/", fields: dict[str, str] | None = None, **more: Any
    ) -> tuple[int, dict[str, str], str]:
        """One request: status, headers, and the page as somebody reads it."""
        body = more.get("body", urllib.parse.urlencode({"lang": "en", **(fields or {})}).encode())
        place, _, query = path.partition("?")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET" if fields is None else "POST",
            "scheme": "https",
            "server": ("bank.example", 443),
            "client": (more.get("address", ADDRESS), 1),
            "root_path": "",
            "path": place,
            "raw_path": place.encode(),
            "query_string": query.encode(),
            "headers": [(b"accept-language", more.get("accept", b"en"))],
        }
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await web.application(self.parts, self.limits)(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], headers, unescape(b"".join(each.get("body", b"") for each in sent[1:]).decode())

    def close(self) -> None:
        self.contacts.close()
        self.world.close()


@pytest.fixture
def branch(tmp_path: Path) -> Iterator[Branch]:
    with closing(Branch(tmp_path / "run")) as found:
        yield found


def typed(deposit: bytes, sequence: int = 1, kiosk: str = KIOSK) -> dict[str, str]:
    return {"kiosk": kiosk, "sequence": str(sequence), "deposit_id": deposit.hex()}


ONE = (1).to_bytes(16, "big")


async def test_a_provisional_receipt_becomes_a_witnessed_one(branch: Branch) -> None:
    paper = branch.deposit(deposit_content(1))
    status, _, text = await branch.ask("/", {"opening": paper.opening})
    assert status == 200
    for words_ in (EN["received"], EN["provisional"], EN["posted_no"]):
        assert words_ in text
    branch.witness()
    branch.post()
    _, _, text = await branch.ask("/", typed(ONE))
    assert EN["posted_yes"].partition("{")[0] in text
    assert EN["witnessed"].partition("{")[0] in text
    assert "village.example/w" in text
    finding = branch.desk.find(branch.desk.claim(paper.opening))
    assert finding is not None
    assert finding.proof in text
    for newer in (finding.proof, finding.short):
        checked = checking.check(reading.sort(f"{paper.opening}\n{newer}"), branch.world.policy)
        assert checked.verdict == "witnessed"
    assert len(finding.short.encode()) <= receipt.QR_BYTES_MAX
    assert "data:image/svg+xml" in text
    assert proof.parse(finding.short).index == 1


async def test_nothing_of_account_or_money_is_shown(branch: Branch) -> None:
    branch.deposit(deposit_content(1))
    branch.witness()
    _, _, text = await branch.ask("/", typed(ONE))
    words = re.sub(r"data:[^\"']+|[A-Za-z0-9+/=_-]{20,}", "", text)  # hashes and pictures may hold any four digits
    assert KIOSK in words
    for secret in (ACCOUNT, ACCOUNT[-4:], "CNY", "300.00", "30000", "staff-1"):
        assert secret not in words


async def test_who_has_not_the_paper_learns_nothing(branch: Branch) -> None:
    """The same answer, whatever is wrong: no place, no kiosk, no deposit is given away."""
    branch.deposit(deposit_content(1))
    wrong = [
        typed(bytes(16)), typed(ONE, 0), typed(ONE, 2), typed(ONE, 99),
        typed(ONE, kiosk="demo-0002"), typed(ONE, kiosk="../x"),
        {**typed(ONE), "deposit_id": "zz"}, {**typed(ONE), "sequence": "-1"}, {**typed(ONE), "sequence": "9" * 40}, {},
    ]  # fmt: skip
    answers = {await_[0::2] for await_ in [await branch.ask("/", fields) for fields in wrong]}
    assert len(answers) == 1
    ((status, text),) = answers
    assert (status, EN["unknown"] in text) == (404, True)
    for path in ("/contact", "/forget"):
        assert (await branch.ask(path, {**typed(bytes(16)), "contact": "a@b.example"}))[0] == 404
    assert branch.contacts.contacts(0, 10) == []


async def test_what_the_paper_says_may_be_typed_as_people_type(branch: Branch) -> None:
    branch.deposit(deposit_content(1))
    spaced = " ".join(ONE.hex().upper()[at : at + 4] for at in range(0, 32, 4))
    assert (await branch.ask("/", {"kiosk": f" {KIOSK} ", "sequence": "1 ", "deposit_id": spaced}))[0] == 200


async def test_a_receipt_that_the_bank_does_not_have_yet_is_said_to_be_genuine_and_missing(branch: Branch) -> None:
    paper = branch.deposit(deposit_content(1), send=False)
    status, _, text = await branch.ask("/", {"opening": paper.opening})
    assert status == 200
    assert EN["not_received"] in text
    assert EN["contact_field"] not in text
    broken = paper.opening[:100] + ("A" if paper.opening[100] != "A" else "B") + paper.opening[101:]
    status, _, text = await branch.ask("/", {"opening": broken})
    assert status == 400
    assert EN["unreadable"].partition("{")[0] in text


async def test_a_receipt_that_contradicts_the_store_is_evidence(branch: Branch) -> None:
    branch.deposit(deposit_content(1))
    with closing(KioskSide(branch.done.kiosk_keys)) as twin:  # the kiosk's disk was copied
        envelope = twin.append("deposit", deposit_content(2))
        assert envelope
        about = {"record_seq": 0, "record_leaf": twin.records.record(0).leaf_hash}
        content = deposit_content(2)
        named = {name: content[name] for name in ("deposit_id", "sums", "disputed_unvalued")}
        said = {"account_masked": "****7894", "account_known": True, "outcome": "credited", "bundle": "B1"}
        twin.append("receipt", {**said, **named, **about})
        other = receipt.make(twin.records.record(1), twin.records.inclusion(1), twin.records.checkpoint())
    for _ in range(2):
        _, _, text = await branch.ask("/", {"opening": other.opening})
        assert EN["contradicted"] in text
    assert branch.contacts.evidence(KIOSK, 1) == 1


async def test_a_contact_is_sealed_and_told_once_of_each_event(
    branch: Branch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    deposit, *clearing = story(SECOND)
    branch.deposit(deposit[1])
    branch.post()
    fields = {**typed(DEPOSIT), "contact": "li.hua@mail.example", "lang": "zh"}
    _, _, text = await branch.ask("/contact", fields)
    assert WORDS["zh"]["left"] in text
    assert b"li.hua" not in b"".join(path.read_bytes() for path in branch.folder.glob("contacts.db*"))
    assert branch.notify() == notices.Told(0, 0, 0, 0)  # the dispute stood on the page already
    branch.records(clearing)
    branch.post()
    assert branch.notify() == notices.Told(1, 1, 0, 0)
    assert branch.notify() == notices.Told(0, 0, 0, 0)
    (path,) = branch.mail.glob("*.eml")
    mail = message_from_bytes(path.read_bytes(), policy=default)
    assert mail["To"] == "li.hua@mail.example"
    body = mail.get_body()
    assert body is not None
    said = body.get_content()
    assert words.cleared("zh", str(2 + len(clearing) - 1), "not_found") in said
    assert DEPOSIT.hex()[:8] in said
    assert DEPOSIT.hex() not in said  # who reads the mail has not the paper
    assert "li.hua" not in caplog.text


async def test_a_fork_of_the_kiosks_log_is_told(branch: Branch) -> None:
    branch.deposit(deposit_content(1))
    await branch.ask("/contact", {**typed(ONE), "contact": "+86 138 0000 0000"})
    with closing(KioskSide(branch.done.kiosk_keys)) as twin:
        branch.bank.take(twin.deposit(7))
    told: list[Message] = []

    class Gateway:
        def tell(self, message: Message, now_posix_s: int) -> None:
            told.append(message)

    gateway = Gateway()
    key = SealPrivateKey.load(branch.bank.config.keys / "contact.key")
    for _ in range(2):
        Notifier(branch.contacts, branch.desk, key, None, gateway, branch.bank.clock, 365).round()
    assert [(each.contact, EN["fork"] in each.text) for each in told] == [("+86 138 0000 0000", True)]
    _, _, text = await branch.ask("/", typed(ONE))
    assert EN["fork"] in text


async def test_a_notice_that_cannot_be_sent_is_tried_again_under_the_same_name(branch: Branch) -> None:
    branch.deposit(deposit_content(1))
    await branch.ask("/contact", {**typed(ONE), "contact": "a@b.example"})
    wrong = {**deposit_content(1), "deposit_id": ONE}
    branch.bank.take(branch.kiosk.append("deposit", wrong))  # the same id again: a fork
    keys: list[str] = []

    class Out:
        def tell(self, message: Message, now_posix_s: int) -> None:
            keys.append(message.key)
            raise NotTold("out of order")

    assert branch.notify(Out()) == notices.Told(1, 0, 1, 0)
    assert branch.notify(Out()) == notices.Told(0, 0, 1, 0)  # not before its time
    branch.bank.clock.advance(61)
    assert branch.notify() == notices.Told(0, 1, 0, 0)
    assert [path.stem for path in branch.mail.glob("*.eml")] == keys


async def test_contacts_are_few_removable_and_forgotten_in_time(branch: Branch) -> None:
    branch.deposit(deposit_content(1))
    for number in range(book.CONTACTS_MAX):
        assert EN["left"] in (await branch.ask("/contact", {**typed(ONE), "contact": f"a{number}@b.example"}))[2]
    assert EN["contact_full"] in (await branch.ask("/contact", {**typed(ONE), "contact": "x@b.example"}))[2]
    assert EN["forgotten"].format(count=3) in (await branch.ask("/forget", typed(ONE)))[2]
    await branch.ask("/contact", {**typed(ONE), "contact": "x@b.example"})
    branch.bank.clock.advance(366 * 86_400)
    assert branch.notify().forgotten == 1


@pytest.mark.parametrize(
    "contact",
    ["", "x", "a@b", "a@b.example\nBcc: c@d.example", "<b>@x.example", "12", "a b@c.example", "\u5f20@b.example"],
)
async def test_what_nobody_could_be_reached_by_is_not_kept(branch: Branch, contact: str) -> None:
    branch.deposit(deposit_content(1))
    assert (await branch.ask("/contact", {**typed(ONE), "contact": contact}))[0] == 400
    assert branch.contacts.contacts(0, 10) == []


async def test_one_address_is_slowed_down_and_others_are_not(branch: Branch) -> None:
    branch.deposit(deposit_content(1))
    branch.limits = Limits(Rate(3, 10.0), Rate(100, 0.1))
    answers = [await branch.ask("/", typed(ONE)) for _ in range(5)]
    assert [status for status, _, _ in answers] == [200, 200, 200, 429, 429]
    assert answers[-1][1]["retry-after"] == "10"
    assert (await branch.ask("/", typed(ONE), address="198.51.100.1"))[0] == 200
    assert (await branch.ask("/"))[0] == 200  # the empty form costs nothing
    branch.bank.clock.advance(10)
    assert (await branch.ask("/", typed(ONE)))[0] == 200


async def test_no_address_can_be_given_a_larger_body_or_a_script(branch: Branch) -> None:
    assert (await branch.ask("/", {}, body=b"x" * (web.BODY_BYTES_MAX + 1)))[0] == 413
    assert (await branch.ask("/", {}, body=b"&".join([b"a=b"] * 50)))[0] == 413
    branch.deposit(deposit_content(1))
    for fields in (None, typed(ONE), {"opening": "<script>alert(1)</script>"}):
        status, headers, _ = await branch.ask("/", fields)
        assert status in (200, 400)
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "script-src" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"


async def test_it_speaks_three_languages(branch: Branch) -> None:
    for language, word in (
        ("zh", "\u67e5\u8be2"),
        ("en", "Look it up"),
        ("ru", "\u041f\u043e\u0441\u043c\u043e\u0442\u0440\u0435\u0442\u044c"),
    ):
        assert word in (await branch.ask(f"/?lang={language}"))[2]
    assert "Look it up" in (await branch.ask("/", accept=b"fr-FR,fr;q=0.9,en;q=0.8"))[2]
    assert {frozenset(each) for each in WORDS.values()} == {frozenset(EN)}


def test_everybody_together_is_bounded_and_so_is_the_memory() -> None:
    limits = Limits(Rate(1, 1.0), Rate(5, 1.0))
    waits = [limits.wait_s(f"2001:db8:{number:x}::1", 0.0) for number in range(6)]
    assert [wait > 0 for wait in waits] == [False] * 5 + [True]
    big = Limits(Rate(1, 1.0), Rate(10**9, 1.0))
    for number in range(ADDRESSES_MAX + 50):
        big.wait_s(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
    assert len(big._full_at_s) == ADDRESSES_MAX  # noqa: SLF001 - the bound is the point
    assert network("2001:db8:1:2:3::4") == network("2001:db8:1:2::9") != network("2001:db8:1:3::9")
    assert network("::ffff:192.0.2.1") == network("192.0.2.1")


async def test_the_page_for_phones_and_the_policy_are_served(branch: Branch, tmp_path: Path) -> None:
    (tmp_path / "verify.html").write_text("<p>verify</p>")
    branch.parts = Parts(**{**branch.parts.__dict__, "verify_page": tmp_path / "verify.html"})
    assert "<p>verify</p>" in (await branch.ask("/verify"))[2]
    assert (await branch.ask("/policy.txt"))[2] == "quorum none\n"
    assert 'href="/verify"' in (await branch.ask("/"))[2]


def test_the_command_tells_and_says_so(branch: Branch) -> None:
    branch.deposit(deposit_content(1))
    key = SealPublicKey.load(branch.folder / "contact.pub")
    branch.contacts.add(KIOSK, 1, ONE, "ru", book.seal("a@b.example", KIOSK, ONE, key), (), "2026-11-21T08:30:00.000Z")
    branch.bank.take(branch.kiosk.append("deposit", deposit_content(1)))
    done = CliRunner().invoke(main, ["depositor", "notify", "--config", str(branch.folder / "bank.toml"), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == {"queued": 1, "told": 1, "left": 0, "forgotten": 0}
    (branch.folder / "depositor.toml").write_text('accept = ["phone"]\nmail = "x"\n')
    refused = CliRunner().invoke(main, ["depositor", "notify", "--config", str(branch.folder / "bank.toml")])
    assert refused.exit_code == 2, refused.output
