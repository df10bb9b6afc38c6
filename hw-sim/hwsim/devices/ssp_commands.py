"""What each SSP command does on this validator (ssp.md section 5)."""

from collections.abc import Callable
from typing import Final

from hwsim.devices.ssp_accept import Acceptor
from hwsim.devices.ssp_body import Body, Phase
from hwsim.devices.ssp_codes import COMMANDS, PV_LISTS, Ev, Generic
from hwsim.devices.ssp_crypto import Session
from hwsim.devices.ssp_events import Event
from hwsim.devices.ssp_identity import Identity
from hwsim.devices.ssp_layout import LayoutError, Values, layout
from hwsim.devices.ssp_link import Reply
from hwsim.devices.ssp_payout import Payout, Work
from hwsim.devices.ssp_store import STACKER, STORE, Denomination, Held, amounts

OK: Final = bytes((Generic.OK,))
NOT_NOW: Final = bytes((Generic.CANNOT_PROCESS,))
OUT_OF_RANGE: Final = bytes((Generic.PARAMETER_OUT_OF_RANGE,))
FAIL: Final = bytes((Generic.FAIL,))
KEYLESS: Final = frozenset({0x11, 0x4A, 0x4B, 0x4C})
POLLS: Final = frozenset({0x07, 0x56})
REAL: Final = 0x58
TEST: Final = 0x19
NOT_ENOUGH: Final = 1
CANNOT_PAY_EXACTLY: Final = 2
PAYOUT_DISABLED: Final = 4
INHIBIT_BYTES: Final = (2, 3, 4)

Handler = Callable[[Values], bytes]


class Commands:
    """Executes one plain command at a time."""

    def __init__(
        self,
        body: Body,
        session: Session,
        acceptor: Acceptor,
        payout: Payout,
        restart: Callable[[], None],
        contact: Callable[[], None],
    ) -> None:
        self._body = body
        self._session = session
        self._acceptor = acceptor
        self._payout = payout
        self._restart = restart
        self._contact = contact  # restarts the poll watchdog
        self._secret_rng = body.world.rng("validator/key")
        identity = Identity(body)
        self._handlers: dict[int, Handler] = {
            **identity.handlers(),
            **self._control(),
            **self._store_commands(),
            **self._escrow_commands(),
        }

    def execute(self, data: bytes, encrypted: bool) -> Reply:  # noqa: FBT001 - a property of the packet
        """The reply to one command; `Reply.secret` when it tells of credit."""
        code, arguments = data[0], data[1:]
        refusal = self._refusal(code, encrypted=encrypted)
        if refusal is not None:
            return Reply(refusal)
        self._contact()
        if code in POLLS:
            return self._wrong_count() if arguments else self._poll(code, encrypted=encrypted)
        self._acceptor.restart_window()
        try:
            values = layout(COMMANDS[code].layout_at(self._body.pv)).decode(arguments)
        except LayoutError:
            return self._wrong_count()
        answer = self._handlers[code](values)
        restarts = code in {0x01, 0x61} and answer == OK
        return Reply(answer, then=self._restart if restarts else None)

    def _refusal(self, code: int, *, encrypted: bool) -> bytes | None:
        mode = self._body.profile.encryption
        if mode == "enforced" and not encrypted and code not in KEYLESS:
            return bytes((Generic.KEY_NOT_SET,))
        if code not in COMMANDS or (code not in self._handlers and code not in POLLS):
            return bytes((Generic.COMMAND_NOT_KNOWN,))
        if mode != "off" and COMMANDS[code].encrypted and not encrypted:
            return OUT_OF_RANGE if self._session.ready else bytes((Generic.KEY_NOT_SET,))
        return None

    @staticmethod
    def _wrong_count() -> Reply:
        return Reply(bytes((Generic.WRONG_PARAMETER_COUNT,)))

    # --- poll ------------------------------------------------------------------------------------------

    def _poll(self, code: int, *, encrypted: bool) -> Reply:
        body = self._body
        self._acceptor.polled()
        with_ack = code == 0x56  # noqa: PLR2004
        withheld = (
            not encrypted
            and body.profile.encryption != "off"
            and (body.profile.plain_credit == "withhold" or not self._session.ready)
        )
        if withheld and any(body.events.credits()):
            return Reply(OK)
        data, codes = body.events.poll(self._states(with_ack=with_ack), body.pv, with_ack=with_ack)
        self._acceptor.shown(codes)
        self._acceptor.try_draw()
        self._payout.advance()
        return Reply(OK + data, secret=Ev.CREDIT in codes)

    def _states(self, *, with_ack: bool) -> list[Event]:
        body = self._body
        states = [] if body.initialising else self._acceptor.states() + self._payout.states()
        if body.stacker_full:
            states.append(Event(Ev.STACKER_FULL))
        if body.stacker_removed:
            states.append(Event(Ev.CASHBOX_REMOVED))
        if body.path_open:
            states.append(Event(Ev.PATH_OPEN))
        if body.initialising and with_ack:
            states.append(Event(Ev.INITIALISING))
        if (body.profile.disabled_repeats and not body.enabled) or body.out_of_order:
            states.append(Event(Ev.DISABLED))
        return states

    # --- session and acceptance ------------------------------------------------------------------------

    def _control(self) -> dict[int, Handler]:
        return {
            0x01: lambda _: OK,
            0x02: self._set_inhibits,
            0x06: self._set_version,
            0x08: lambda _: OK if self._acceptor.reject_by_host() else NOT_NOW,
            0x09: self._disable,
            0x0A: self._enable,
            0x18: self._hold,
            0x4A: lambda v: OK if self._session.set_generator(v["prime"]) else OUT_OF_RANGE,
            0x4B: lambda v: OK if self._session.set_modulus(v["prime"]) else OUT_OF_RANGE,
            0x4C: self._exchange_keys,
            0x57: self._acknowledge,
            0x60: self._set_fixed_key,
            0x61: lambda _: OK if not self._body.store.held else NOT_NOW,
        }

    def _set_inhibits(self, values: Values) -> bytes:
        bits = bytes.fromhex(values["bits"])
        if len(bits) not in INHIBIT_BYTES:
            return bytes((Generic.WRONG_PARAMETER_COUNT,))
        known = (1 << len(self._body.dataset.channels)) - 1
        self._body.inhibits = int.from_bytes(bits, "little") & known
        if not self._body.inhibits:
            self._body.events.post(Ev.CHANNELS_DISABLED)
        self._acceptor.try_draw()
        return OK

    def _set_version(self, values: Values) -> bytes:
        if not 4 <= values["version"] <= self._body.profile.pv_max:  # noqa: PLR2004 - oldest in the sheet
            return FAIL
        self._body.pv = values["version"]
        return OK

    def _disable(self, _: Values) -> bytes:
        was = self._body.enabled
        self._body.enabled = False
        if was and not self._body.profile.disabled_repeats:
            self._body.events.post(Ev.DISABLED)
        return OK

    def _enable(self, _: Values) -> bytes:
        if self._body.jammed or self._body.initialising:
            return NOT_NOW
        self._body.enabled = True
        self._acceptor.try_draw()
        return OK

    def _hold(self, _: Values) -> bytes:
        held = self._body.path.phase is Phase.ESCROW
        return OK if held else bytes((self._body.profile.hold_without_note,))

    def _exchange_keys(self, values: Values) -> bytes:
        key = self._session.exchange(values["key"], self._secret_rng.getrandbits(63))
        return FAIL if key is None else OK + key.to_bytes(8, "little")

    def _acknowledge(self, _: Values) -> bytes:
        credited, found = self._body.events.credits()[1], self._body.events.found_at_power_up()
        if not self._body.events.acknowledge():
            return NOT_NOW
        self._body.announce("acknowledged", credits=len(credited), at_power_up=found)
        self._acceptor.try_draw()
        self._payout.advance()
        return OK

    def _set_fixed_key(self, values: Values) -> bytes:
        self._session.fixed_key = values["key"]
        return OK

    # --- store -----------------------------------------------------------------------------------------

    def _store_commands(self) -> dict[int, Handler]:
        return {
            0x22: lambda _: self._levels(),
            0x33: self._payout_amount,
            0x35: self._level,
            0x38: lambda _: OK if self._payout.halt() else NOT_NOW,
            0x3B: self._set_route,
            0x3C: self._get_route,
            0x3F: lambda _: self._empty(Work.EMPTY),
            0x46: self._payout_by_denomination,
            0x52: lambda _: self._empty(Work.SMART_EMPTY),
            0x53: lambda _: self._empty_report(),
            0x5B: lambda _: self._set_payout(on=False),
            0x5C: lambda _: self._set_payout(on=True),
        }

    def _busy(self) -> bytes | None:
        """F5 with the busy byte while anything moves."""
        if self._payout.busy or self._body.path.phase is not Phase.IDLE or self._body.initialising:
            return NOT_NOW + bytes((self._body.profile.busy_code,))
        return None

    def _denomination(self, values: Values) -> Denomination | None:
        """The denomination named by a command, if the dataset has it. Below PV 6 no country is given."""
        if "country" in values:
            wanted = (values["value"], values["country"])
            return wanted if wanted in self._body.dataset.denominations else None
        return next((d for d in self._body.dataset.denominations if d[0] == values["value"]), None)

    def _levels(self) -> bytes:
        store = self._body.store
        rows = tuple((store.level(d), *d) for d in self._body.dataset.denominations)
        return OK + layout("levels:levels").encode({"levels": rows})

    def _level(self, values: Values) -> bytes:
        denomination = self._denomination(values)
        if denomination is None:
            return NOT_NOW
        return OK + self._body.store.level(denomination).to_bytes(2, "little")

    def _set_route(self, values: Values) -> bytes:
        denomination = self._denomination(values)
        if denomination is None or values["route"] not in {STORE, STACKER}:
            return OUT_OF_RANGE
        if self._body.pv < PV_LISTS:  # the value alone names every denomination of that value
            for other in self._body.dataset.denominations:
                if other[0] == denomination[0]:
                    self._body.store.routes[other] = values["route"]
        self._body.store.routes[denomination] = values["route"]
        return OK

    def _get_route(self, values: Values) -> bytes:
        denomination = self._denomination(values)
        if denomination is None:
            return OUT_OF_RANGE
        return OK + bytes((self._body.store.routes.get(denomination, STACKER),))

    def _set_payout(self, *, on: bool) -> bytes:
        busy = self._busy()
        if busy is not None:
            return busy
        self._body.payout_enabled = on
        return OK

    def _empty(self, work: Work) -> bytes:
        busy = self._busy()
        if busy is not None:
            return busy
        if self._body.store.escrow:  # notes that still belong to the depositor
            return NOT_NOW + bytes((self._body.profile.busy_code,))
        if self._body.jammed:
            return NOT_NOW
        self._payout.start(work, self._body.store.held)
        return OK

    def _empty_report(self) -> bytes:
        counts: dict[Denomination, int] = {}
        for channel in self._payout.last_empty:
            counts[channel.denomination] = counts.get(channel.denomination, 0) + 1
        rows = tuple((count, *denomination) for denomination, count in counts.items())
        return OK + layout("levels:levels unknown:u4").encode({"levels": rows, "unknown": 0})

    def _payout_amount(self, values: Values) -> bytes:
        """Largest notes first; only what can be paid exactly."""
        denomination_country = values.get("country")
        rest = values["value"]
        chosen: list[Held] = []
        free = [held for held in reversed(self._body.store.held) if not held.escrow]
        for held in sorted(free, key=lambda held: -held.channel.value_minor):
            same = denomination_country in {None, held.channel.country}
            if same and held.channel.value_minor <= rest:
                chosen.append(held)
                rest -= held.channel.value_minor
        stored = sum(h.channel.value_minor for h in free if denomination_country in {None, h.channel.country})
        why = NOT_ENOUGH if stored < values["value"] else CANNOT_PAY_EXACTLY
        return self._pay(chosen if rest == 0 else None, why, values.get("option", REAL))

    def _payout_by_denomination(self, values: Values) -> bytes:
        if self._body.pv < PV_LISTS:
            return OUT_OF_RANGE
        chosen: list[Held] = []
        for count, value, country in values["notes"]:
            if (value, country) not in self._body.dataset.denominations:
                return OUT_OF_RANGE
            of_it = [h for h in reversed(self._body.store.held) if h.channel.denomination == (value, country)]
            of_it = [held for held in of_it if not held.escrow]
            if len(of_it) < count:
                return self._pay(None, NOT_ENOUGH, values["option"])
            chosen += of_it[:count]
        return self._pay(chosen, NOT_ENOUGH, values["option"])

    def _pay(self, chosen: list[Held] | None, why: int, option: int) -> bytes:
        if option not in {REAL, TEST}:
            return OUT_OF_RANGE
        busy = self._busy()
        if busy is not None:
            return busy
        if not self._body.payout_enabled:
            return NOT_NOW + bytes((PAYOUT_DISABLED,))
        if not chosen:
            return NOT_NOW + bytes((why,))
        if option == REAL:
            self._payout.start(Work.RETURN, chosen)
        return OK

    # --- bunch escrow: section 5.5, choices as in hwsim/README.md ----------------------------------------

    def _escrow_commands(self) -> dict[int, Handler]:
        return {
            0x76: lambda _: self._cancel(),
            0x77: lambda _: self._commit(),
            0x78: lambda _: self._escrow_value(),
            0x79: lambda _: OK + bytes((self._body.store.escrow_size,)),
            0x7A: self._set_escrow_size,
        }

    def _cancel(self) -> bytes:
        busy = self._busy()
        if busy is not None:
            return busy
        escrow = self._body.store.escrow
        if self._body.jammed or (not escrow and self._body.profile.empty_escrow_refusal == "f5"):
            return NOT_NOW
        self._payout.start(Work.RETURN, escrow[::-1])
        return OK

    def _commit(self) -> bytes:
        busy = self._busy()
        if busy is not None:
            return busy
        store = self._body.store
        store.commit()
        self._body.announce("committed", notes=len(store.held))
        surplus = store.escrow_size - store.free
        if surplus > 0:
            self._payout.start(Work.MAKE_ROOM, store.held[:surplus])
        return OK

    def _escrow_value(self) -> bytes:
        value = amounts(held.channel for held in self._body.store.escrow)
        return OK + layout("amounts:amounts").encode({"amounts": value})

    def _set_escrow_size(self, values: Values) -> bytes:
        store = self._body.store
        if self._body.enabled or store.escrow or self._payout.busy:
            return NOT_NOW
        if values["size"] > store.capacity:
            return OUT_OF_RANGE
        store.escrow_size = values["size"]
        return OK
