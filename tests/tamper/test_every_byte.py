"""A change of any byte of what is signed, stored or printed is refused, or leaves content and verdict as they were."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import acks, checkpoint, directory, leaf, merkle, policy, proof, tiles, verify
from kiosk.guarantee.cosignature import Cosigner
from kiosk.guarantee.tiles import Mirror
from kiosk.verifier import checking, reading
from tests.guarantee_kit import KIOSK, NOW, Kit
from tests.receipt_kit import made, statement
from tests.tamper.changes import survivors

LEAVES = 12
WITNESS = Cosigner("village.example/witness", Ed25519PrivateKey.from_private_bytes(bytes(32)))
AT_POSIX_S = 1_790_000_000
CONTENT = {"deposit_id": bytes(range(16)), "account": "6222021234567894", "sums": {"CNY": {"credited": 12_000}}}


@pytest.fixture(scope="module")
def kit() -> Kit:
    made_kit = Kit()
    for _ in range(LEAVES - 2):
        made_kit.append("deposit", CONTENT)
    statement(made_kit)  # two records
    return made_kit


def test_a_record_on_the_wire(kit: Kit) -> None:
    assert survivors(kit.records.envelope(0), kit.receive, slow=True) == []


@pytest.mark.parametrize("part", ["salt", "leaf_entry", "cose"])
def test_a_record_as_it_is_kept(kit: Kit, part: str) -> None:
    record = kit.records.record(0)
    parts = {"salt": record.salt, "leaf_entry": record.leaf_entry, "signed": record.cose}
    name = "signed" if part == "cose" else part

    def look(data: bytes) -> verify.VerifiedRecord:
        return verify.verify_record(KIOSK, **{**parts, name: data}, keys=kit.record_keys)

    assert survivors(parts[name], look) == []


def test_a_leaf_in_the_log(kit: Kit) -> None:
    proved, root = kit.records.inclusion(3), kit.records.root()

    def look(entry: bytes) -> leaf.Leaf:
        merkle.verify_inclusion(3, LEAVES, leaf.leaf_hash(entry), proved, root)
        return leaf.parse(entry)

    assert survivors(kit.records.entry(3), look) == []


@pytest.mark.parametrize("path", ["tile/0/000.p/12", "tile/entries/000.p/12"])
def test_a_tile(kit: Kit, path: str) -> None:
    entries = list(kit.records.entries())
    files = {
        "tile/0/000.p/12": b"".join(map(merkle.leaf_hash, entries)),
        "tile/entries/000.p/12": tiles.bundle(entries),
    }
    point = kit.read_checkpoint(kit.records.checkpoint())

    def look(data: bytes) -> list[bytes]:
        """As an auditor reads a mirror."""
        mirror = Mirror(LEAVES, {**files, path: data}.__getitem__)
        found = list(mirror.entries())
        if mirror.root() != point.root:
            raise VerificationError("the tiles do not make the root that was signed")
        verify.verify_log(KIOSK, found, [point])
        return found

    assert survivors(files[path], look) == []


def test_a_tile_of_the_second_level() -> None:
    hashes = [merkle.leaf_hash(bytes([n % 256, n // 256])) for n in range(tiles.WIDTH + 1)]
    full = b"".join(hashes[: tiles.WIDTH])
    above = tiles.above(full)
    files = {"tile/0/000": full, "tile/0/001.p/1": hashes[-1], "tile/1/000.p/1": above}
    root = merkle.root_of(hashes)

    def look(data: bytes) -> bytes:
        mirror = Mirror(tiles.WIDTH + 1, {**files, "tile/1/000.p/1": data}.__getitem__)
        proved = merkle.inclusion_proof(mirror.node, tiles.WIDTH, tiles.WIDTH + 1)
        merkle.verify_inclusion(tiles.WIDTH, tiles.WIDTH + 1, hashes[-1], proved, root)
        return mirror.root()

    assert survivors(above, look) == []


def test_a_checkpoint(kit: Kit) -> None:
    assert survivors(kit.records.checkpoint().encode(), kit.read_checkpoint) == []


def test_an_acknowledgement(kit: Kit) -> None:
    root, cosigned = kit.records.root(), kit.records.checkpoint()
    signed = acks.make(KIOSK, LEAVES, root, NOW, kit.ack_signer, cosigned)
    assert survivors(signed, lambda data: acks.verify(data, kit.ack_keys, KIOSK)) == []


def test_an_account_directory(kit: Kit) -> None:
    signed = directory.make(KIOSK, 1, {"79927398713": "J*** D**"}, bytes(32), NOW, kit.ack_signer)
    assert survivors(signed, lambda data: directory.verify(data, kit.ack_keys, KIOSK)) == []


def test_a_proof_from_the_paper(kit: Kit) -> None:
    sequence = LEAVES - 1
    leaf_hash = kit.records.record(sequence).leaf_hash
    text = made(kit, sequence).proof.encode()

    def look(data: bytes) -> checkpoint.Checkpoint:
        try:
            return proof.verify(data.decode(), leaf_hash, sequence, kit.log_verifier)[0]
        except UnicodeDecodeError as error:
            raise VerificationError("not UTF-8") from error

    assert survivors(text, look) == []


@pytest.mark.parametrize(
    ("cosigned", "quorum"), [(True, True), (False, True), (True, False)], ids=["witnessed", "provisional", "no-quorum"]
)
def test_a_receipt_as_kiosk_verify_reads_it(kit: Kit, tmp_path: Path, cosigned: bool, quorum: bool) -> None:
    paper = made(kit, LEAVES - 1)
    point = kit.read_checkpoint(kit.records.checkpoint())
    text = f"{paper.opening}\n{paper.proof}{WITNESS.line(point, AT_POSIX_S) if cosigned else ''}".encode()
    trusted = policy.parse(
        f"log {kit.log_verifier.vkey}\n{policy.record_key_line(KIOSK, kit.record_signer.public)}\n"
        f"witness village {WITNESS.witness.vkey}\nquorum {'village' if quorum else 'none'}\n".encode()
    )
    expected = "witnessed" if cosigned and quorum else "provisional"

    def look(data: bytes) -> tuple[str, dict[str, object]]:
        try:
            found = checking.check(reading.sort(data.decode("utf-8-sig")), trusted)
        except UnicodeDecodeError as error:
            raise ConfigError("no text") from error
        if found.verdict == "refused":
            raise VerificationError(found.steps[-1].reason)
        return found.verdict, found.content

    assert look(text)[0] == expected
    unread = survivors(text, look, slow=True)
    if not (cosigned and not quorum):  # else the witness's line is nobody's business
        assert len(unread) <= 2  # the line ends between and behind the texts
