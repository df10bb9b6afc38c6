"""sd_notify(3): a process says that it is ready, to systemd or to `kiosk up`, whoever started it."""

import os
import socket


def notify(state: str) -> None:
    """Send `state` (e.g. `READY=1`) to the socket in NOTIFY_SOCKET; without one there is nobody to tell."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.sendto(state.encode(), address)


def ready(status: str = "") -> None:
    """The process does its work from here on; `status` is a line for people."""
    notify(f"READY=1\nSTATUS={status}" if status else "READY=1")
