"""Texts and statements of the guarantee: made and read again; anything else is refused with the reader's own error."""

import contextlib
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import checkpoint, cosignature, directory, leaf, policy, proof, receipt
from kiosk.guarantee.keys import Ed25519Signer, PublicKey
from kiosk.verifier.reading import sort
from tests.guarantee_kit import KIOSK, Kit

KIT = Kit()
hashes = st.lists(st.binary(min_size=32, max_size=32), max_size=20)
names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
SEEDS = [
    "c2sp.org/tlog-proof@v1\nindex 0\n\n",
    receipt.HEADER + "\n",
    KIT.log_verifier.vkey,
    KIT.record_signer.public.pem.decode(),
    "log a\nwitness a b\ngroup g any a\nquorum g\n",
]
texts = st.text(max_size=120) | st.tuples(st.sampled_from(SEEDS), st.text(max_size=20)).map("".join)


@given(st.integers(0, 10**18), hashes, st.integers(1, 2**53))
def test_proofs_round_trip(index: int, path: list[bytes], size: int) -> None:
    signed = checkpoint.sign(KIOSK, size, bytes(32), KIT.checkpoint_signer)
    assert proof.parse(proof.make(index, path, signed)) == proof.Proof(index, tuple(path), signed)


@given(st.integers(1, 2**53), st.binary(min_size=32, max_size=32))
def test_checkpoints_round_trip(size: int, root: bytes) -> None:
    found = checkpoint.verify(checkpoint.sign(KIOSK, size, root, KIT.checkpoint_signer), KIT.log_verifier)
    assert (found.size, found.root) == (size, root)


@given(
    st.integers(0, 2**40),
    st.sampled_from(["deposit", "receipt", "service", "alert"]),
    st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001 - made aware below
    st.binary(min_size=32, max_size=32),
)
def test_leaf_entries_round_trip(sequence: int, kind: str, moment: datetime, commitment: bytes) -> None:
    minute = leaf.minute(moment.replace(tzinfo=UTC))
    found = leaf.parse(leaf.entry(KIOSK, sequence, kind, minute, commitment))
    assert (found.kiosk, found.sequence, found.kind, found.minute) == (KIOSK, sequence, kind, minute)
    assert found.commitment == commitment


@given(st.integers(1, 2**40), st.dictionaries(st.text("0123456789", min_size=8, max_size=19), names, max_size=8))
def test_directories_round_trip(version: int, accounts: dict[str, str]) -> None:
    key = bytes(range(32))
    now = datetime(2026, 11, 2, tzinfo=UTC)
    made = directory.make(KIOSK, version, accounts, key, now, KIT.record_signer)
    found = directory.verify(made, KIT.record_keys, KIOSK)
    assert found.version == version
    assert all(found.name_of(account, key) == name for account, name in accounts.items())


@given(st.binary(min_size=32, max_size=32))
def test_public_keys_round_trip(seed: bytes) -> None:
    key = Ed25519Signer.from_seed(seed).public
    assert PublicKey.from_pem(key.pem) == key


@given(texts)
def test_any_text_is_refused_with_the_readers_own_error(text: str) -> None:
    with contextlib.suppress(VerificationError):
        proof.parse(text)
    with contextlib.suppress(VerificationError):
        receipt.verify_statement(text, KIOSK, KIT.record_keys)
    with contextlib.suppress(VerificationError):
        receipt.claimed_kiosk(text)
    with contextlib.suppress(VerificationError):
        cosignature.parse_vkey(text)
    with contextlib.suppress(VerificationError):
        cosignature.verify(text, KIT.log_verifier, [])
    with contextlib.suppress(VerificationError, ConfigError):
        sort(text)
    with contextlib.suppress(VerificationError, ConfigError):
        policy.parse(text.encode())
    with contextlib.suppress(ConfigError):
        PublicKey.from_pem(text.encode())
