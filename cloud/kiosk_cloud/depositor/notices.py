"""What happened to deposits whose depositors left a contact, and telling them: each event once, by mail or webhook.

An event is queued before anything is sent; its number names the mail file and is the webhook's idempotency key, so a
crash between sending and marking writes the same file, or repeats the same key.
"""

import json
import logging
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Final, Protocol

from kiosk.clock import Clock, rfc3339
from kiosk.errors import VerificationError
from kiosk.guarantee.seal import SealPrivateKey
from kiosk_cloud.depositor import book
from kiosk_cloud.depositor.book import ContactBook, Notice
from kiosk_cloud.depositor.lookup import Claim, Desk
from kiosk_cloud.depositor.words import LANGUAGES, Language, event, say
from kiosk_cloud.files import private_dir, write_private
from kiosk_cloud.posting.webhook import Unreachable, Webhook

log = logging.getLogger(__name__)

BATCH: Final = 200
AGAIN_S: Final = 60.0
AGAIN_S_MAX: Final = 6 * 3600.0
ID_CHARACTERS: Final = 8  # of the deposit id, in a message that travels in clear


class NotTold(ConnectionError):
    """This notice could not be handed over now."""


@dataclass(frozen=True)
class Message:
    """One notice in words. `contact` is in clear."""

    key: str
    contact: str
    language: str
    subject: str
    text: str


class Channel(Protocol):
    """Hands a message over."""

    def tell(self, message: Message, now_posix_s: int) -> None:
        """Raises NotTold."""


@dataclass(frozen=True)
class MailFolder:
    """One .eml file (RFC 5322) for each notice, for a mail server to pick up."""

    folder: Path
    sender: str

    def tell(self, message: Message, now_posix_s: int) -> None:  # noqa: ARG002 - a mail server dates it
        """Write the file, whole or not at all."""
        if "@" not in message.contact:
            raise NotTold("this contact cannot be reached by mail")
        mail = EmailMessage(policy=SMTP)
        mail["From"], mail["To"], mail["Subject"] = self.sender, message.contact, message.subject
        mail["Message-ID"] = f"<{message.key}@{self.sender.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        write_private(private_dir(self.folder) / f"{message.key}.eml", mail.as_bytes())


@dataclass(frozen=True)
class Gateway:
    """The bank's own way to telephones, as a signed webhook."""

    webhook: Webhook

    def tell(self, message: Message, now_posix_s: int) -> None:
        """POST it. Raises NotTold."""
        body = {
            "contact": message.contact,
            "language": message.language,
            "subject": message.subject,
            "text": message.text,
        }
        try:
            answer = self.webhook.post(message.key, json.dumps(body, ensure_ascii=False).encode(), now_posix_s)
        except Unreachable as error:
            raise NotTold(str(error)) from error
        if answer.error:
            raise NotTold(f"the gateway answered {answer.status}")


@dataclass(frozen=True)
class Told:
    """What one round did."""

    queued: int
    told: int
    left: int
    forgotten: int


class Notifier:
    """`round` once, or from time to time."""

    def __init__(
        self,
        contacts: ContactBook,
        desk: Desk,
        key: SealPrivateKey,
        mail: Channel | None,
        gateway: Channel | None,
        clock: Clock,
        keep_days: int,
    ) -> None:
        self._contacts = contacts
        self._desk = desk
        self._key = key
        self._mail = mail
        self._gateway = gateway
        self._clock = clock
        self._keep = timedelta(days=keep_days)

    def round(self) -> Told:
        """Forget what is too old, queue what is new, tell what waits."""
        now = self._clock.now_utc()
        forgotten = self._contacts.forget_before(rfc3339(now - self._keep))
        queued = self._queue(rfc3339(now))
        told = self._tell()
        return Told(queued, told, self._contacts.left(), forgotten)

    def _queue(self, now: str) -> int:
        queued = after = 0
        while contacts := self._contacts.contacts(after, BATCH):
            found = []
            for contact in contacts:
                finding = self._desk.find(Claim(contact.kiosk, contact.sequence, contact.deposit_id))
                found += [(contact.id, name) for name in (finding.events if finding else ())]
            queued += self._contacts.queue(found, now)
            after = contacts[-1].id
        return queued

    def _tell(self) -> int:
        told = 0
        while notices := self._contacts.waiting(self._clock.now_utc().timestamp(), BATCH):
            for notice in notices:
                told += self._try(notice)
        return told

    def _try(self, notice: Notice) -> bool:
        now = self._clock.now_utc()
        try:
            message = self._message(notice)
            self._channel(message.contact).tell(message, int(now.timestamp()))
        except (NotTold, VerificationError, OSError) as error:
            pause_s = min(AGAIN_S_MAX, AGAIN_S * 2 ** min(notice.attempts, 16))
            log.warning("notice %d was not handed over: %s", notice.id, error)  # never the contact
            self._contacts.failed(notice.id, str(error), now.timestamp() + pause_s)
            return False
        self._contacts.done(notice.id, rfc3339(now))
        return True

    def _channel(self, contact: str) -> Channel:
        channel = self._mail if self._mail is not None and "@" in contact else self._gateway
        if channel is None:
            raise NotTold("no channel reaches this contact")
        return channel

    def _message(self, notice: Notice) -> Message:
        contact = notice.contact
        language: Language = next((each for each in LANGUAGES if each == contact.language), "zh")
        finding = self._desk.find(Claim(contact.kiosk, contact.sequence, contact.deposit_id))
        if finding is None:
            raise NotTold("its deposit is not in the store any more")
        deposit = contact.deposit_id.hex()[:ID_CHARACTERS]
        lines = (
            say(language, "notice_body", deposit=deposit),
            event(language, notice.event, finding),
            say(language, "notice_end"),
        )
        subject = say(language, "notice_subject", deposit=deposit)
        return Message(
            f"notice-{notice.id}", book.opened(contact, self._key), contact.language, subject, "\n\n".join(lines)
        )
