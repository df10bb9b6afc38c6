"""Checkpoints and cosignatures: Go's sumdb/note and, for ML-DSA-44, @noble/post-quantum."""

from collections.abc import Iterator, Sequence

from kiosk.errors import VerificationError
from kiosk.guarantee import checkpoint, cosignature, note
from kiosk.guarantee.cosignature import Witness
from kiosk.guarantee.keys import Ed25519Signer
from tests.interop.case import Case, Tampering, base64
from tests.interop.world import World


def go_note(world: World) -> Iterator[Case]:
    """Each checkpoint by itself and with the witness's lines; changed ones, others' keys, spoilt forms."""
    tampering = Tampering()
    stranger = note.Verifier(world.keys.checkpoint.name, Ed25519Signer.from_seed(bytes(32)).public)
    ed25519 = world.cosigners[0]
    for stop in world.stops:
        plain, cosigned = stop.checkpoint.encode(), (stop.checkpoint + stop.cosignatures).encode()
        where = f"checkpoint of {stop.size}"
        yield _note(world, where, plain, good=True)
        yield _note(world, f"{where}, cosigned", cosigned, ed25519, good=True)
        yield _note(world, f"{where}, one bit changed", tampering.flip(plain), good=False)
        yield _note(world, f"{where}, one bit of its text", tampering.flip(cosigned, 0, cosigned.index(b"\n\n")))
        line = cosigned[len(plain) :].splitlines(keepends=True)[0]
        yield _note(world, f"{where}, one bit of the cosignature", tampering.flip_within(cosigned, line), ed25519)
        yield _note(world, f"{where}, not cosigned", plain, ed25519)
        yield _note(world, f"{where}, another key of that name", plain, log=stranger)
    first, last = world.stops[0].checkpoint, world.stops[-1].checkpoint
    yield _note(
        world, "signature of another checkpoint", (last.partition("\n\n")[0] + first[first.index("\n\n") :]).encode()
    )
    yield _note(world, "without its last newline", last[:-1].encode())
    yield _note(world, "with a control character", last.replace("\n", "\n\x01", 1).encode())


def _note(
    world: World, what: str, data: bytes, *cosigners: Witness, log: note.Verifier | None = None, good: bool = False
) -> Case:
    log = log or world.keys.checkpoint
    question = {"note": base64(data), "vkeys": [log.vkey, *(each.vkey for each in cosigners)]}
    says = data.decode().partition("\n\n")[0] + "\n" if good else None
    return Case(what, question, lambda: _ours(data, log, cosigners), good, says)


def noble(world: World) -> Iterator[Case]:
    """The witness's cosignature of type 0x06 under each checkpoint."""
    tampering = Tampering()
    witness = world.cosigners[1]
    for stop in world.stops:
        data = (stop.checkpoint + stop.cosignatures).encode()
        where = f"checkpoint of {stop.size}"
        yield _ml_dsa(world, where, data, witness, good=True)
        line = stop.cosignatures.splitlines(keepends=True)[1].encode()
        yield _ml_dsa(world, f"{where}, one bit of the cosignature", tampering.flip_within(data, line), witness)
        other = world.stops[0 if stop.size > 1 else 1]
        swapped = (other.checkpoint + stop.cosignatures).encode()
        yield _ml_dsa(world, f"{where}, cosignature under another", swapped, witness)


def _ml_dsa(world: World, what: str, data: bytes, witness: Witness, *, good: bool = False) -> Case:
    question = {"note": base64(data), "vkey": witness.vkey}
    return Case(what, question, lambda: _ours(data, world.keys.checkpoint, [witness]), good)


def _ours(data: bytes, log: note.Verifier, cosigners: Sequence[Witness]) -> checkpoint.Checkpoint:
    point, cosigned = cosignature.verify(data, log, cosigners)
    if len(cosigned) != len(cosigners):
        raise VerificationError("not everybody has signed")
    return point
