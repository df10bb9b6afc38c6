"""The witness as an HTTP service, and the files it is made of: a directory with name, keys, logs and memory.

witness.json     {"name": ..., "logs": [vkey, ...]}
ed25519.key ml-dsa-44.key    0600
state.db         what it has signed
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from kiosk.clock import Clock
from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import checkpoint, cosignature, files, note
from kiosk.guarantee.cosignature import Cosigner
from kiosk.guarantee.rotation import KeyHistory, Span
from kiosk_cloud.files import private_dir, write_private
from kiosk_cloud.witness import protocol
from kiosk_cloud.witness.state import WitnessState

CONFIG: Final = "witness.json"
STATE: Final = "state.db"
KEYS: Final = ((cosignature.ED25519, "ed25519.key"), (cosignature.ML_DSA_44, "ml-dsa-44.key"))
SEED_BYTES: Final = 32
CONNECTIONS_MAX: Final = 64
KEEP_ALIVE_S: Final = 30
OK, NOT_FOUND = 200, 404


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`witness.json`."""

    name: str
    logs: list[str]


@dataclass(frozen=True)
class Witness:
    """All that the service needs, loaded."""

    logs: dict[str, note.Verifier]
    state: WitnessState
    cosigners: tuple[Cosigner, ...]


def init(directory: Path, name: str, logs: list[str], randomness: Callable[[int], bytes] = os.urandom) -> list[str]:
    """Make a witness; returns its vkeys, to be put into policies. Raises ConfigError when there is one already."""
    if not note.name_fits(name):
        raise ConfigError(f"{name!r} cannot name a witness", remedy="Use a name like village.example/witness.")
    _verifiers(logs)
    private_dir(directory)
    WitnessState.create(directory / STATE)  # first: where one was made before, nothing is touched
    for kind, file in KEYS:
        key_type: files.KeyType = "ed25519-seed" if kind == cosignature.ED25519 else "ml-dsa-44-seed"
        files.save_key(directory / file, key_type, randomness(SEED_BYTES))
    write_private(directory / CONFIG, (json.dumps({"name": name, "logs": logs}, indent=1) + "\n").encode())
    return [cosigner.witness.vkey for cosigner in _cosigners(directory, name)]


def load(directory: Path) -> Witness:
    """Raises ConfigError for anything missing, damaged or readable by others."""
    try:
        config = msgspec.json.decode((directory / CONFIG).read_bytes(), type=Config)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{directory / CONFIG}: {error}", remedy="Run `kiosk-cloud witness init` first.") from error
    cosigners = _cosigners(directory, config.name)
    return Witness(_verifiers(config.logs), WitnessState(directory / STATE), cosigners)


def application(witness: Witness, clock: Clock) -> Starlette:
    """POST /add-checkpoint; GET / says whose key this is, GET /checkpoint?origin=... what it has signed last."""

    async def add_checkpoint(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return Response("the request is too long\n", 413, media_type=protocol.TEXT)
        now_posix_s = int(clock.now_utc().timestamp())
        found = await run_in_threadpool(
            protocol.answer, body, witness.logs, witness.state, witness.cosigners, now_posix_s
        )
        return Response(found.body, found.status, headers={"content-type": found.content_type})

    async def about(_: Request) -> Response:
        lines = "".join(f"{cosigner.witness.vkey}\n" for cosigner in witness.cosigners)
        return Response(lines, media_type=protocol.TEXT)

    async def latest(request: Request) -> Response:
        """For monitors: the log's own signature on it is all that they need."""
        origin = request.query_params.get("origin", "")
        note = await run_in_threadpool(witness.state.note, origin) if origin in witness.logs else None
        return Response(note or "", OK if note else NOT_FOUND, media_type=protocol.TEXT)

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/checkpoint", latest, methods=["GET"]),
            Route("/", about, methods=["GET"]),
        ]
    )


def serve(directory: Path, host: str, port: int, clock: Clock) -> None:
    """Until SIGINT or SIGTERM. Raises ConfigError, OSError."""
    witness = load(directory)
    try:
        settings = uvicorn.Config(
            application(witness, clock),
            host=host,
            port=port,
            log_level="warning",
            limit_concurrency=CONNECTIONS_MAX,
            timeout_keep_alive=KEEP_ALIVE_S,
            server_header=False,
        )
        uvicorn.Server(settings).run()
    finally:
        witness.state.close()


async def _body(request: Request) -> bytes | None:
    """At most what a request may have; None when it is longer."""
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > protocol.REQUEST_BYTES_MAX:
                return None
    except ClientDisconnect:
        return b""
    return body


def _cosigners(directory: Path, name: str) -> tuple[Cosigner, ...]:
    try:
        return tuple(Cosigner.load(name, directory / file, kind) for kind, file in KEYS)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _verifiers(vkeys: list[str]) -> dict[str, note.Verifier]:
    try:
        logs = [note.parse_vkey(vkey) for vkey in vkeys]
    except VerificationError as error:
        raise ConfigError(f"a log's key: {error}", remedy="Give vkeys as in checkpoint.vkey.") from error
    named: dict[str, list[note.Verifier]] = {}
    for log in logs:
        named.setdefault(log.name, []).append(log)
    # A kiosk that has rotated its checkpoint key is given with both vkeys: a tree that only grows stays one.
    keys = {name: KeyHistory(Span(each.key) for each in of) for name, of in named.items()}
    return {name: checkpoint.Log.of(name, found) for name, found in keys.items()}
