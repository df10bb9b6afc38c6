"""Proofs and tiles: Go's sumdb/tlog."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from kiosk.errors import VerificationError
from kiosk.guarantee import checkpoint, merkle, receipt, tiles
from kiosk.guarantee.tiles import Mirror
from kiosk.guarantee.verify import verify_log
from tests.interop.case import Case, Tampering, base64
from tests.interop.world import SIZE, Stop, World
from tests.uplink_kit import KIOSK

TILES_OF: Final = (1, 255, 256, 257, 512, 600)


def go_tlog(world: World) -> Iterator[Case]:
    """Inclusion, consistency, receipts' proofs, and the folder of tiles that the bank publishes."""
    tampering = Tampering()
    for before, stop in zip(world.stops, world.stops[1:], strict=False):
        yield from _inclusions(world, stop, before.size, tampering)
        yield from _consistencies(world, before, stop, tampering)
    yield from _receipts(world, tampering)
    for stop in world.stops:
        if stop.size in TILES_OF:
            yield from _tiles(world, stop, tampering)


def _inclusions(world: World, stop: Stop, index: int, tampering: Tampering) -> Iterator[Case]:
    entry = world.kiosk.records.entry(index)
    proof = world.kiosk.records.inclusion(index, stop.size)
    inclusion = partial(_inclusion, index=index, size=stop.size, root=stop.root)
    where = f"leaf {index} of {stop.size}"
    yield inclusion(where, entry, proof, good=True)
    yield inclusion(f"{where}, entry changed", tampering.flip(entry), proof)
    yield inclusion(f"{where}, a hash changed", entry, [*proof[:-1], tampering.flip(proof[-1])])
    yield inclusion(f"{where}, root changed", entry, proof, root=tampering.flip(stop.root))
    yield inclusion(f"{where}, a hash too many", entry, [*proof, bytes(32)])
    yield inclusion(f"{where}, a hash too few", entry, proof[:-1])
    yield inclusion(f"{where}, said to be another", entry, proof, index=index - 1)


def _inclusion(
    what: str, entry: bytes, proof: Sequence[bytes], *, index: int, size: int, root: bytes, good: bool = False
) -> Case:
    question = {"kind": "inclusion", "index": index, "size": size, "root": base64(root), "entry": base64(entry)}
    question["proof"] = [base64(each) for each in proof]
    ours = partial(merkle.verify_inclusion, index, size, merkle.leaf_hash(entry), proof, root)
    return Case(what, question, ours, good)


def _consistencies(world: World, old: Stop, new: Stop, tampering: Tampering) -> Iterator[Case]:
    proof = world.kiosk.records.consistency(old.size, new.size)
    consistency = partial(_consistency, sizes=(old.size, new.size), roots=(old.root, new.root))
    where = f"{old.size} to {new.size}"
    yield consistency(where, proof, good=True)
    yield consistency(f"{where}, a hash changed", [tampering.flip(proof[0]), *proof[1:]])
    yield consistency(f"{where}, new root changed", proof, roots=(old.root, tampering.flip(new.root)))
    yield consistency(f"{where}, old root changed", proof, roots=(tampering.flip(old.root), new.root))
    yield consistency(f"{where}, a hash too many", [*proof, bytes(32)])
    yield consistency(f"{where}, a hash too few", proof[:-1])


def _consistency(
    what: str, proof: Sequence[bytes], *, sizes: tuple[int, int], roots: tuple[bytes, bytes], good: bool = False
) -> Case:
    question = {
        "kind": "consistency",
        "old_size": sizes[0],
        "size": sizes[1],
        "proof": [base64(each) for each in proof],
    }
    question |= {"old_root": base64(roots[0]), "root": base64(roots[1])}
    return Case(what, question, partial(merkle.verify_consistency, *sizes, *roots, proof), good)


def _receipts(world: World, tampering: Tampering) -> Iterator[Case]:
    signed = world.stops[-1].checkpoint
    for sequence in world.receipts:
        record = world.kiosk.records.record(sequence)
        paper = receipt.make(record, world.kiosk.records.inclusion(sequence, SIZE), signed)
        proof = partial(_proof, world, paper.opening, sequence)
        yield proof(f"receipt {sequence}", paper.proof, good=True)
        spoilt = tampering.flip(paper.proof.encode()).decode("latin-1")
        yield proof(f"receipt {sequence}, one bit of its proof", spoilt)
    first, second = (
        receipt.make(world.kiosk.records.record(one), world.kiosk.records.inclusion(one), signed)
        for one in world.receipts[:2]
    )
    yield _proof(world, first.opening, world.receipts[0], "receipt with another's proof", second.proof)


def _proof(world: World, opening: str, sequence: int, what: str, text: str, *, good: bool = False) -> Case:
    log = world.keys.checkpoint
    question = {"kind": "proof", "index": sequence, "text": text, "vkey": log.vkey}
    question["entry"] = base64(world.kiosk.records.entry(sequence))
    return Case(what, question, lambda: receipt.check(opening, text, log, world.keys.records), good)


def _tiles(world: World, stop: Stop, tampering: Tampering) -> Iterator[Case]:
    files = {tile.path: world.mirror.read(tile.path) for tile in tiles.layout(stop.size)}
    yield _folder(f"tiles of {stop.size}", stop, files, good=True)
    for path, data in files.items():
        yield _folder(f"tiles of {stop.size}, one bit of {path}", stop, files | {path: tampering.flip(data)})
        yield _folder(f"tiles of {stop.size}, {path} cut short", stop, files | {path: data[:-1]})
    yield _folder(f"tiles of {stop.size}, root changed", replace(stop, root=tampering.flip(stop.root)), files)


def _folder(what: str, stop: Stop, files: dict[str, bytes], *, good: bool = False) -> Case:
    question = {"kind": "tiles", "size": stop.size, "root": base64(stop.root)}
    coded = {path: base64(data) for path, data in files.items()}
    return Case(what, {**question, "files": coded}, lambda: _read(stop, files.__getitem__), good)


def _read(stop: Stop, fetch: Callable[[str], bytes]) -> None:
    """As an auditor reads a mirror: every entry, and every hash of every tile."""
    mirror = Mirror(stop.size, fetch)
    entries = list(mirror.entries())
    verify_log(KIOSK, entries, [checkpoint.Checkpoint(checkpoint.origin(KIOSK), stop.size, stop.root)])
    if mirror.root() != stop.root:
        raise VerificationError("the tiles do not make this root")
    for index, entry in enumerate(entries):
        leaf = merkle.leaf_hash(entry)
        merkle.verify_inclusion(
            index, stop.size, leaf, merkle.inclusion_proof(mirror.node, index, stop.size), stop.root
        )
