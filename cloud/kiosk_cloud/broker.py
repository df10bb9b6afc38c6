"""mosquitto's configuration: mutual TLS 1.3, user name = common name, an access list per kiosk.

A kiosk may publish only below its own prefix and read only what the bank addresses to it; the bank the reverse.
"""

import getpass
from collections.abc import Iterable
from pathlib import Path

from kiosk.core import topics

BANK_USER = "bank"


def acl(kiosks: Iterable[str]) -> str:
    """The access list file; whoever is not in it may do nothing."""
    lines = ["# Written by `kiosk-cloud provision`; changes are lost."]
    holder = ""
    for log in sorted(kiosks, key=lambda each: (topics.kiosk_of(each), each)):  # a kiosk, then its later logs
        if topics.kiosk_of(log) != holder:
            holder = topics.kiosk_of(log)
            lines += ["", f"user {holder}"]
        lines += [f"topic write {topics.topic(log, lane)}" for lane in topics.FROM_KIOSK]
        lines += [f"topic read {topics.topic(log, lane)}" for lane in topics.TO_KIOSK]
    lines += ["", f"user {BANK_USER}"]
    lines += [f"topic read {topics.every(lane)}" for lane in topics.FROM_KIOSK]
    lines += [f"topic write {topics.every(lane)}" for lane in topics.TO_KIOSK]
    return "\n".join(lines) + "\n"


def configuration(*, host: str, port: int, pki: Path, directory: Path) -> str:
    """mosquitto.conf for one listener; `directory` holds the access list and the persistent sessions."""
    return f"""\
# Written by `kiosk-cloud provision`; changes are lost.
# Started as root, mosquitto would change to its own user and could not read the private files.
user {getpass.getuser()}
per_listener_settings false
allow_anonymous false
acl_file {directory / "acl"}

listener {port} {host}
protocol mqtt
cafile {pki / "ca.pem"}
certfile {pki / "broker.pem"}
keyfile {pki / "broker.key"}
tls_version tlsv1.3
require_certificate true
use_identity_as_username true

# Sessions of receivers and retained messages survive a restart; records do not depend on it.
persistence true
persistence_location {directory}/
autosave_interval 60
persistent_client_expiration 14d

# Bounds. A record's envelope stays well below one packet; the kiosk resends what a full queue drops.
max_packet_size 1048576
max_inflight_messages 20
max_queued_messages 2000
max_keepalive 120

log_dest stderr
log_type error
log_type warning
log_type notice
log_type information
connection_messages true
"""
