"""The controller's bus: one Unix socket per role, typed msgpack messages (`kiosk.messages`).

The controller serves (`BusServer`); watcher, uplink, terminal and maintenance shell connect (`BusClient`,
or `run_with_reconnect` for those that live as long as the machine). DESIGN.md section 2 has the why.
"""

from kiosk.bus.client import BusClient, run_with_reconnect
from kiosk.bus.frames import socket_path
from kiosk.bus.server import BusServer, Handler

__all__ = ["BusClient", "BusServer", "Handler", "run_with_reconnect", "socket_path"]
