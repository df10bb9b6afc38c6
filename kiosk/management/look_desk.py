"""Where people look deeper, try devices and work on the machine; what takes somebody signed in asks who it is."""

from collections.abc import Callable

from kiosk.management import looking
from kiosk.management.authority import AuthorityDesk
from kiosk.management.controller import Controller
from kiosk.management.device_tests import DeviceTests
from kiosk.management.service import ServiceDesk
from kiosk.messages import (
    Confidential,
    GetJournal,
    GetLog,
    GetNotes,
    GetOutbox,
    GetService,
    LinkReport,
    Reply,
    TestDevice,
)

LookRequest = GetNotes | GetService | GetJournal | GetLog | GetOutbox | TestDevice


class LookDesk:
    """Answers `LookRequest`s."""

    def __init__(
        self,
        controller: Controller,
        authority: AuthorityDesk,
        randomness: Callable[[int], bytes],
        link: Callable[[], LinkReport],
    ) -> None:
        self._c = controller
        self._authority = authority
        self._link = link
        self._service = ServiceDesk(controller, authority, randomness)
        controller.at_start.append(self._service.after_restart)
        self._tests = DeviceTests(controller, link)

    async def handle(self, request: LookRequest) -> Reply:
        """Answer one."""
        c = self._c
        if isinstance(request, Confidential):
            refused = await self._authority.admit(request, request.staff, request.secret)
            return refused or await self._signed(request)
        if isinstance(request, GetService):
            return self._service.view()
        return looking.notes_report(c.storage.ledger, c.deposit)

    async def _signed(self, request: GetJournal | GetLog | GetOutbox | TestDevice) -> Reply:
        c = self._c
        match request:
            case GetJournal():
                return await c.runner.run(looking.journal_rows, c.journal, request.rows_max)
            case GetLog():
                return await c.runner.run(looking.log_rows, c.journal, request.rows_max)
            case GetOutbox():
                return await c.runner.run(looking.outbox_view, c.journal, self._link())
            case TestDevice():
                return await self._tests.run(request.device)
