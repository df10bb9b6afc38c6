"""The page and API of `kiosk-protect`: who may see what, and what is left of a file when its job has ended."""

import asyncio
import json
import os
import sqlite3
import urllib.parse
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from kiosk.clock import SystemClock
from kiosk.errors import ConfigError, VerificationError
from kiosk.protection.catalogue import CatalogueFile
from kiosk_cloud.depositor.limits import Limits as Asking
from kiosk_cloud.depositor.limits import Rate
from kiosk_cloud.protect.web import memory, vault
from kiosk_cloud.protect.web.app import application
from kiosk_cloud.protect.web.common import Parts
from kiosk_cloud.protect.web.pages import COOKIE
from kiosk_cloud.protect.web.queue import Queue
from kiosk_cloud.protect.web.sessions import IDLE_S, LONGEST_S, SESSIONS_MAX, Sessions
from kiosk_cloud.protect.web.settings import Limits, Place
from tests import protect_kit as kit

PASSWORD = "correct horse battery"  # of nobody
OFTEN = Rate(10_000, 0.0001)
JOB_S = 40.0


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Browser:
    """Asks an application as a browser would; keeps its cookie."""

    app: Starlette
    cookie: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: bytes = b"", pieces: int = 1, **headers: str) -> Answer:
        told = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if self.cookie:
            told["cookie"] = f"{COOKIE}={self.cookie}"
        answer = asyncio.run(self._ask(method, path, body, pieces, told))
        if (set_cookie := answer.headers.get("set-cookie")) is not None:
            self.cookie = set_cookie.partition(";")[0].partition("=")[2].strip('"')
        return answer

    async def _ask(self, method: str, path: str, body: bytes, pieces: int, headers: dict[str, str]) -> Answer:
        size = -(-len(body) // pieces) or 1
        chunks = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
        coming = iter([*((chunk, True) for chunk in chunks[:-1]), (chunks[-1], False)])
        stays = asyncio.Event()  # the browser does not go away
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            chunk, more = next(coming, (None, False))
            if chunk is None:
                await stays.wait()
            return {"type": "http.request", "body": chunk, "more_body": more}

        async def send(message: Any) -> None:
            sent.append(message)

        plain, _, query = path.partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "https",
            "path": plain, "raw_path": plain.encode(), "query_string": query.encode(), "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("203.0.113.7", 1), "server": ("test", 443),
        }  # fmt: skip
        await self.app(scope, receive, send)
        start = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], start, b"".join(each.get("body", b"") for each in sent[1:]))

    def form(self, path: str, **fields: str) -> Answer:
        body = urllib.parse.urlencode(fields).encode()
        return self.ask("POST", path, body, content_type="application/x-www-form-urlencoded")

    def sign_in(self, name: str, password: str = PASSWORD) -> Answer:
        return self.form("/sign-in", name=name, password=password)

    def csrf(self) -> str:
        page = self.ask("GET", "/").text
        page = page or self.ask("GET", "/users").text
        return page.partition('name="csrf" value="')[2].partition('"')[0]

    def upload(self, csrf: str, name: str, data: bytes, pieces: int = 7) -> Answer:
        head = f'--xx\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{csrf}\r\n'
        head += f'--xx\r\nContent-Disposition: form-data; name="table"; filename="{name}"\r\n\r\n'
        body = head.encode() + data + b"\r\n--xx--\r\n"
        return self.ask("POST", "/upload", body, pieces, content_type="multipart/form-data; boundary=xx")


class Server:
    def __init__(self, folder: Path) -> None:
        self.place = Place.at(folder)
        with self.place.book() as book:
            for name, role in (("li.hua", "uploader"), ("ivan", "uploader"), ("anna", "reviewer"), ("root", "admin")):
                book.put_user(name, role, PASSWORD)  # type: ignore[arg-type]
        self.limits = Limits(upload_bytes_max=1 << 20)
        self.queue = Queue(self.place, self.limits)
        self.parts = Parts(
            self.place, self.queue, SystemClock(), self.limits, CatalogueFile(),
            signing=Asking(OFTEN, OFTEN), using=Asking(OFTEN, OFTEN),
        )  # fmt: skip
        self.app = application(self.parts)

    def browser(self, name: str) -> Browser:
        browser = Browser(self.app)
        assert browser.sign_in(name).status == 303
        return browser

    def with_token(self, name: str) -> Browser:
        with self.place.book() as book:
            return Browser(self.app, headers={"authorization": f"Bearer {book.new_token(name, 'now')}"})

    def files(self) -> list[str]:
        return sorted(os.listdir(self.place.folder / "files"))  # noqa: PTH208 - parts as well

    def run(self) -> None:
        """All jobs that wait."""
        with self.place.book() as book:
            while (job := book.next_job()) is not None:
                self.queue._one(book, job)  # noqa: SLF001 - the thread's own step


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    cheap = {"n": 1 << 10, "r": 8, "p": 1, "dklen": 32}
    monkeypatch.setattr("kiosk_cloud.protect.web.book._SCRYPT", cheap)  # tests/ui has the real one
    made = Server(tmp_path / "state")
    yield made
    made.queue.stop()


def test_a_job_from_upload_to_removal_and_what_is_left_of_it(server: Server) -> None:
    browser = server.browser("li.hua")
    data = kit.csv_bytes(kit.people(30))
    answer = browser.upload(browser.csrf(), "клиенты.csv", data)
    assert answer.status == 303
    job = answer.headers["location"].rpartition("/")[2]
    assert server.files() == [f"{job}.upload"]
    kept = (server.place.folder / "files" / f"{job}.upload").read_bytes()
    assert b"4276" not in kept
    assert b"people" not in kept
    waiting = browser.ask("GET", f"/jobs/{job}")
    assert "Waiting for its turn" in waiting.text
    assert browser.ask("GET", f"/jobs/{job}/table").status == 404
    server.run()
    assert server.files() == [f"{job}.{part}" for part in ("cells", "html", "report", "review", "tagged")]
    left = [path.name for path in memory.DEFAULT.glob(f"{memory.prefix(server.place.folder)}*")]
    assert left == []
    page = browser.ask("GET", f"/jobs/{job}").text
    assert kit.card(1000) not in page  # the report has shapes only
    assert "клиенты.csv" in page
    tagged = browser.ask("GET", f"/jobs/{job}/files/tagged")
    assert tagged.body.count(b"bank_card: card") == 30
    assert "attachment" in tagged.headers["content-disposition"]
    everything = b"".join(
        path.read_bytes() for path in server.place.folder.rglob("*") if path.is_file() and path.name != "protect.key"
    )
    assert kit.card(1000).encode() not in everything
    assert "клиенты".encode() not in everything
    assert browser.form(f"/jobs/{job}/remove", csrf=browser.csrf()).status == 303
    assert server.files() == []
    assert browser.ask("GET", f"/jobs/{job}").status == 404


def test_roles_see_what_is_theirs(server: Server) -> None:
    mine = server.with_token("li.hua")
    job = mine.ask("POST", "/api/jobs", kit.csv_bytes(kit.people(5)), x_file_name="a.csv").json()["id"]
    server.run()
    other, reviewer, admin = server.browser("ivan"), server.browser("anna"), server.browser("root")
    for path in (f"/jobs/{job}", f"/jobs/{job}/table", f"/jobs/{job}/files/cells", f"/jobs/{job}/cell/0.1.2"):
        assert reviewer.ask("GET", path).status == 200
        assert other.ask("GET", path).status == 404
        assert admin.ask("GET", path).status == 404
        assert Browser(server.app).ask("GET", path).headers["location"] == "/sign-in"
    assert admin.ask("GET", "/users").status == 200
    assert reviewer.ask("GET", "/users").status == 403
    assert reviewer.form("/users", csrf=reviewer.csrf(), name="eve", role="admin", password=PASSWORD).status == 403
    csrf = admin.csrf() or admin.ask("GET", "/users").text.partition('name="csrf" value="')[2].partition('"')[0]
    assert admin.upload(csrf, "a.csv", b"a,b\n").status == 403
    assert server.with_token("ivan").ask("GET", f"/api/jobs/{job}").status == 404
    assert server.with_token("ivan").ask("DELETE", f"/api/jobs/{job}").status == 404
    assert mine.ask("GET", f"/api/jobs/{job}").json()["grade"] in {"C2", "C3"}
    assert mine.ask("GET", f"/api/jobs/{job}/files/report").json()["tables"][0]["rows"] == 5
    assert mine.ask("GET", f"/api/jobs/{job}/files/review").status == 404
    place, right = "0.2.1", "person_name"
    assert reviewer.form(f"/jobs/{job}/cell/{place}", csrf="forged", kind=right).status == 403
    assert reviewer.form(f"/jobs/{job}/cell/{place}", csrf=reviewer.csrf(), kind="nonsense").status == 400
    for _ in range(2):  # the last word on a cell counts
        assert reviewer.form(f"/jobs/{job}/cell/{place}", csrf=reviewer.csrf(), kind=right).status == 303
    with server.place.book() as book:
        (said,) = map(json.loads, book.feedback())
    assert (said["value"], said["column"], said["right"]) == ("Иванов 1", "name", "person_name")
    assert len(said["around"]) == 4
    assert "Иванов".encode() not in (server.place.folder / "protect.db").read_bytes()
    assert mine.ask("DELETE", f"/api/jobs/{job}").json() == {"removed": job}
    assert server.files() == []


def test_forms_of_others_and_wrong_passwords(server: Server) -> None:
    browser = server.browser("li.hua")
    assert "__Host-" in COOKIE
    assert browser.upload("forged", "a.csv", b"a,b\n1,2\n").status == 403
    assert browser.upload(browser.csrf(), "", b"").status == 400
    assert browser.upload(browser.csrf(), "big.csv", b"x" * (1 << 20) + b"y").status == 413
    garbled = browser.ask("POST", "/upload", b"--xx\r\nrubbish", content_type="multipart/form-data; boundary=xx")
    assert garbled.status == 400
    assert browser.ask("POST", "/upload", b"a=b", content_type="text/plain").status == 400
    assert server.files() == []
    assert browser.form("/sign-out", csrf="").status == 403
    assert browser.form("/sign-out", csrf=browser.csrf()).status == 303
    assert browser.ask("GET", "/").headers["location"] == "/sign-in"
    wrong = [("li.hua", "x" * 12), ("nobody", PASSWORD), ("", ""), ("li.hua", PASSWORD + "x")]
    answers = {Browser(server.app).sign_in(*each).body for each in wrong}
    assert len(answers) == 1
    cross = Browser(server.app, headers={"sec-fetch-site": "cross-site"})
    assert cross.sign_in("li.hua").status == 403
    assert Browser(server.app).ask("GET", "/api/jobs", authorization="Bearer wrong").status == 401
    cookie = Browser(server.app).sign_in("li.hua").headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"))


def test_guessing_passwords_is_slowed_down(server: Server) -> None:
    parts = Parts(
        server.place, server.queue, SystemClock(), server.limits, CatalogueFile(), signing=Asking(Rate(2, 60.0))
    )
    browser = Browser(application(parts))
    assert [browser.sign_in("li.hua", "wrong" * 3).status for _ in range(3)] == [403, 403, 429]


def test_a_new_password_ends_sessions_and_tokens(server: Server) -> None:
    browser, token, admin = server.browser("ivan"), server.with_token("ivan"), server.browser("root")
    csrf = admin.ask("GET", "/users").text.partition('name="csrf" value="')[2].partition('"')[0]
    short = admin.form("/users", csrf=csrf, what="put", name="ivan", role="uploader", password="short")
    assert short.status == 400
    assert admin.form("/users", csrf=csrf, what="put", name="ivan", role="uploader", password=PASSWORD).status == 200
    assert browser.ask("GET", "/").headers["location"] == "/sign-in"
    assert token.ask("GET", "/api/jobs").status == 401
    assert "The last administrator stays" in admin.form("/users", csrf=csrf, what="remove", name="root").text
    made = admin.form("/users", csrf=csrf, what="token", name="ivan").text
    secret = made.partition('class="token">')[2].partition("<")[0]
    assert Browser(server.app, headers={"authorization": f"Bearer {secret}"}).ask("GET", "/api/jobs").status == 200


def test_a_file_that_cannot_be_read_fails_and_is_removed(server: Server) -> None:
    mine = server.with_token("li.hua")
    job = mine.ask("POST", "/api/jobs", b"PK\x03\x04 no zip", x_file_name="%D0%B0.xlsx").json()["id"]
    server.run()
    state = mine.ask("GET", f"/api/jobs/{job}").json()
    assert state["state"] == "failed"
    assert state["file"] == "а.xlsx"  # noqa: RUF001 - Cyrillic
    assert "table.xlsx is broken" in state["error"]
    assert str(memory.DEFAULT) not in state["error"]
    assert server.files() == []


def test_a_job_that_takes_too_much_ends_alone(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = server.with_token("li.hua")
    job = mine.ask("POST", "/api/jobs", b"a,b\n1,2\n", x_file_name="a.csv").json()["id"]
    monkeypatch.setattr(server.queue, "_limits", Limits(job_memory_bytes_max=64 << 20))
    server.run()
    assert mine.ask("GET", f"/api/jobs/{job}").json()["state"] == "failed"
    assert server.files() == []


def test_a_restart_clears_up_and_goes_on(server: Server) -> None:
    mine = server.with_token("li.hua")
    first = mine.ask("POST", "/api/jobs", kit.csv_bytes(kit.people(3)), x_file_name="a.csv").json()["id"]
    with server.place.book() as book:
        assert book.next_job() is not None  # the server dies while it runs
        assert book.next_job() is None
    files = server.place.folder / "files"
    for name in (f".{first}.tagged.part", f"{first}.cells", "0123abcd.upload"):
        (files / name).write_bytes(b"left behind")
    orphan = memory.DEFAULT / f"{memory.prefix(server.place.folder)}{first}-x"
    orphan.mkdir()
    other = memory.DEFAULT / f"{memory.prefix(server.place.folder / 'other')}{first}-x"
    other.mkdir()  # of a server that works beside this one
    again = Queue(server.place, server.limits)
    again.start()
    try:
        for _ in range(int(JOB_S * 10)):
            if mine.ask("GET", f"/api/jobs/{first}").json()["state"] == "done":
                break
            again._stopping.wait(0.1)  # noqa: SLF001 - a wait that a test may end
    finally:
        again.stop()
    assert mine.ask("GET", f"/api/jobs/{first}").json()["state"] == "done"
    assert not orphan.exists()
    other.rmdir()
    assert server.files() == [f"{first}.{part}" for part in ("cells", "html", "report", "review", "tagged")]
    with closing(sqlite3.connect(server.place.folder / "protect.db", isolation_level=None)) as db:
        db.execute("UPDATE jobs SET until = 0")
    with server.place.book() as book:
        again._forget(book)  # noqa: SLF001 - the thread's own step
    assert server.files() == []


def test_the_vault_gives_back_what_was_written_and_nothing_else(tmp_path: Path) -> None:
    kept = vault.Vault(tmp_path / "v", bytes(32))
    for size in (0, 1, vault.CHUNK_BYTES - 1, vault.CHUNK_BYTES, vault.CHUNK_BYTES + 1, 3 * vault.CHUNK_BYTES):
        data = os.urandom(size)
        kept.write("a.upload", [data[:5], data[5:]])
        assert b"".join(kept.read("a.upload")) == data
    path = kept.path("a.upload")
    whole = path.read_bytes()
    chunk = vault.CHUNK_BYTES + 16
    flipped = bytearray(whole)
    flipped[-1] ^= 1
    swapped = whole[:48] + whole[48 + chunk : 48 + 2 * chunk] + whole[48 : 48 + chunk] + whole[48 + 2 * chunk :]
    for spoilt in (bytes(flipped), whole[: 48 + chunk], whole[:-chunk], swapped, whole[:20], b"", whole + b"x"):
        path.write_bytes(spoilt)
        with pytest.raises(VerificationError):
            list(kept.read("a.upload"))
    kept.path("b.upload").write_bytes(whole)  # another name is another key
    with pytest.raises(VerificationError):
        list(kept.read("b.upload"))
    writer = kept.writer("c.upload")
    writer.write(b"half")
    writer.abandon()
    assert not kept.path("c.upload").exists()
    assert kept.names() == ["a.upload", "b.upload"]
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(ConfigError):
        vault.key_file(tmp_path / "key")


def test_sessions_end() -> None:
    sessions = Sessions()
    value = sessions.begin("li.hua", 0.0)
    assert sessions.get(value, IDLE_S) is not None
    assert sessions.get(value, 2 * IDLE_S + 1) is None
    value, now = sessions.begin("li.hua", 0.0), 0.0
    while now < LONGEST_S:
        assert sessions.get(value, now) is not None
        now += IDLE_S
    assert sessions.get(value, now + 1) is None
    first = sessions.begin("a", 0.0)
    for number in range(SESSIONS_MAX):
        sessions.begin(str(number), 0.0)
    assert sessions.get(first, 0.0) is None


def test_a_memory_folder_on_a_disk_is_refused(tmp_path: Path) -> None:
    memory.check(memory.DEFAULT)
    with pytest.raises(ConfigError, match="not in memory"):
        memory.check(Path("/"))


def test_one_server_at_a_time_has_a_folder(tmp_path: Path) -> None:
    place = Place.at(tmp_path / "state")
    with place.alone(), pytest.raises(ConfigError, match="another server uses"):
        place.alone()
    place.alone().close()
