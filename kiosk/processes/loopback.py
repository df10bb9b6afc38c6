"""HTTP for this machine alone: a listening socket on loopback, and uvicorn within a process's own loop."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn
from starlette.applications import Starlette

from kiosk.errors import ConfigError

CONNECTIONS_MAX: Final = 32


class QuietServer(uvicorn.Server):
    """uvicorn inside our own loop: signals are the process entry's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def server(app: Starlette, *, message_bytes_max: int = 256) -> QuietServer:
    """A server for few clients on this machine; `message_bytes_max` of one WebSocket message."""
    return QuietServer(
        uvicorn.Config(
            app,
            ws="websockets-sansio",
            ws_max_size=message_bytes_max,
            limit_concurrency=CONNECTIONS_MAX,
            log_level="warning",
            log_config=None,  # through the gate of this process's own log (kiosk.protection)
            access_log=False,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
    )


def listening(setting: str, host: str, port: int) -> socket.socket:
    """A socket that listens there; raises `ConfigError` about `setting` when somebody else does."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        message = f"{setting}: cannot listen on {host}:{port}: {error.strerror}"
        raise ConfigError(message, remedy=f"Choose another {setting}, or end what uses this one.") from error
