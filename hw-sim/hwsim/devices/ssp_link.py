"""The device's end of an SSP link: sequence flag, stored reply, encryption (ssp.md 2.2, 7.4, 7.5)."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from hwsim.config import SspProfile
from hwsim.devices.link_faults import LinkFaults
from hwsim.devices.ssp_codes import Generic
from hwsim.devices.ssp_crypto import STEX, Session, WrongCount, WrongKey
from hwsim.devices.ssp_frame import Frame, FrameDecoder

SYNC: Final = 0x11
ADDRESS: Final = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply's plain data. `secret`: it tells of credit. `then` runs after the reply has left."""

    data: bytes
    secret: bool = False
    then: Callable[[], None] | None = None


class Link:
    """Frames in, replies out. `execute(data, encrypted)` is called once for each new command."""

    def __init__(
        self,
        session: Session,
        profile: SspProfile,
        rng: Random,
        execute: Callable[[bytes, bool], Reply],
        send: Callable[[bytes, Callable[[], None] | None], None],
        faults: LinkFaults,
    ) -> None:
        self.session = session
        self._faults = faults
        self._profile = profile
        self._rng = rng
        self._execute = execute
        self._send = send
        self._decoder = FrameDecoder()
        self._flag: int | None = None  # of the last accepted command
        self._stored = b""
        self._dead = False  # profile bad_key="silent": out of service until reset

    def feed(self, data: bytes) -> None:
        for frame in self._decoder.feed(data):
            if frame.address == ADDRESS and not self._dead:
                self._frame(frame)

    def _frame(self, frame: Frame) -> None:
        if frame.data == bytes((SYNC,)):  # accepted whatever the stored flag is
            self._answer(frame, SYNC, Reply(bytes((Generic.OK,))), encrypted=False)
            return
        if frame.flag == self._flag:
            # A retransmission is answered before it is decrypted: its count is old by now.
            if not self._faults.loses(0):
                self._send(self._stored, None)
            return
        encrypted = frame.data[0] == STEX
        try:
            command = self.session.open(frame.data[1:]) if encrypted else frame.data
        except WrongCount:
            return
        except WrongKey:
            if self._profile.bad_key == "silent":
                self._dead = True
            else:
                self._answer(frame, 0, Reply(bytes((Generic.KEY_NOT_SET,))), encrypted=False)
            return
        if not command:
            return
        self._answer(frame, command[0], self._execute(command, encrypted), encrypted=encrypted)

    def _answer(self, frame: Frame, command: int, reply: Reply, *, encrypted: bool) -> None:
        data = reply.data
        hide = reply.secret and self._profile.plain_credit == "encrypt" and self.session.ready
        if encrypted or hide:
            data = self.session.seal(data, self._rng.randbytes)
        self._flag = frame.flag
        self._stored = Frame(frame.address, frame.flag, data).encode()
        if self._faults.loses(command):
            if reply.then is not None:
                reply.then()
            return
        self._send(self._faults.spoil(self._stored), reply.then)
