"""For any value or message: one encoding, and nothing but the original is accepted."""

from collections.abc import Callable

import cbor2
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kiosk.errors import VerificationError
from kiosk.guarantee import acks, cbor, cose, leaf, merkle, note, seal, verify
from tests.guarantee_kit import DEPOSIT_ID, KIOSK, Kit

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(cbor.INT_MIN, cbor.INT_MAX),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=40),
    st.binary(max_size=40),
)
VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(st.text(max_size=30), inner, max_size=5),
        st.dictionaries(st.integers(0, cbor.INT_MAX), inner, max_size=5),
    ),
    max_leaves=20,
)


def _same(left: object, right: object) -> bool:
    """Equal, and of equal types all the way down (True is not 1, 1.0 is not 1)."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    return type(left) is type(right) and left == right


@given(VALUES)
def test_what_is_encoded_is_decoded(value: object) -> None:
    data = cbor.encode(value)
    assert _same(cbor.decode(data, len(data)), value)


@given(VALUES)
def test_the_encoding_is_rfc_8949s_deterministic_one(value: object) -> None:
    """Against an independent statement of the rule: every map sorted by the bytes of its encoded keys."""

    def check(data: bytes) -> None:
        decoded = cbor2.loads(data)
        if isinstance(decoded, dict):
            keys = [cbor2.dumps(key, canonical=True) for key in decoded]
            assert keys == sorted(keys)
        for item in decoded.values() if isinstance(decoded, dict) else decoded if isinstance(decoded, list) else ():
            check(cbor.encode(item))

    check(cbor.encode(value))
    assert cbor.encode(value) == cbor2.dumps(value, canonical=True)


@given(st.dictionaries(st.text(max_size=10), st.integers(0, 99), min_size=2, max_size=6), st.randoms())
def test_the_order_in_which_a_map_was_built_does_not_matter(value: dict[str, int], random: object) -> None:
    keys = list(value)
    random.shuffle(keys)  # type: ignore[attr-defined]  # hypothesis' Random
    assert cbor.encode({key: value[key] for key in keys}) == cbor.encode(value)


@given(st.binary(max_size=64))
def test_whatever_is_accepted_is_its_own_encoding(data: bytes) -> None:
    try:
        value = cbor.decode(data, 64)
    except VerificationError:
        return
    assert cbor.encode(value) == data


@given(
    st.dictionaries(st.text(max_size=5), _SCALARS, min_size=2, max_size=6)
    | st.dictionaries(st.integers(0, 300), _SCALARS, min_size=2, max_size=6),
    st.data(),
)
def test_a_map_is_accepted_in_the_order_of_its_keys_only(value: dict[object, object], data: st.DataObject) -> None:
    keys = data.draw(st.permutations(list(value)))
    for written in ({key: value[key] for key in keys}, [{key: value[key] for key in keys}]):
        encoded = cbor2.dumps(written)  # as it stands
        try:
            cbor.decode(encoded, len(encoded))
        except VerificationError:
            assert encoded != cbor.encode(written)
        else:
            assert encoded == cbor.encode(written)


def test_keys_that_python_calls_equal_are_told_apart() -> None:
    assert cbor.decode(cbor.encode({0: "a", 1: "b"}), 16) == {0: "a", 1: "b"}
    for key in (b"\xf4", b"\xf9\x00\x00", b"\x20"):  # false, 0.0, -1
        with pytest.raises(VerificationError):
            cbor.decode(b"\xa2" + key + b"\x61a\x01\x61b", 16)


@given(VALUES, st.data())
def test_no_changed_byte_decodes_to_the_same_value(value: object, data: st.DataObject) -> None:
    encoded = bytearray(cbor.encode(value))
    position = data.draw(st.integers(0, len(encoded) - 1))
    encoded[position] ^= data.draw(st.integers(1, 255))
    try:
        other = cbor.decode(bytes(encoded), len(encoded))
    except VerificationError:
        return
    assert not _same(other, value)


class Messages:
    """One message of each kind, and what a verifier takes from it."""

    def __init__(self) -> None:
        kit = self.kit = Kit()
        content = {"deposit_id": DEPOSIT_ID, "account": "6217000010001234567", "sums": {"CNY": {"credited": 100}}}
        done = kit.append("deposit", content)
        self.record = kit.receive(done.envelope)
        self.data = {
            "envelope": done.envelope,
            "cose": self.record.cose,
            "leaf": self.record.leaf_entry,
            "salt": self.record.salt,
            "acknowledgement": kit.ack([done.envelope]),
            "checkpoint": kit.records.checkpoint().encode(),
        }

    def verified(self, kind: str, data: bytes) -> object:
        """What is believed after reading `data`."""
        kit, record = self.kit, self.record
        parts = {"salt": record.salt, "leaf": record.leaf_entry, "cose": record.cose} | {kind: data}
        read: dict[str, Callable[[], object]] = {
            "envelope": lambda: kit.receive(data),
            "acknowledgement": lambda: acks.verify(data, kit.ack_keys, KIOSK),
            "checkpoint": lambda: kit.read_checkpoint(data),
        }
        again = lambda: verify.verify_record(KIOSK, parts["salt"], parts["leaf"], parts["cose"], kit.record_keys)  # noqa: E731
        return read.get(kind, again)()


MESSAGES = Messages()


@pytest.mark.parametrize("kind", MESSAGES.data)
def test_every_changed_bit_is_refused_or_changes_nothing(kind: str) -> None:
    good = MESSAGES.data[kind]
    believed = MESSAGES.verified(kind, good)
    bits = (0, 7) if kind == "envelope" else range(8)  # an open costs 0.2 ms
    for position in range(len(good)):
        for bit in bits:
            changed = bytearray(good)
            changed[position] ^= 1 << bit
            try:
                assert MESSAGES.verified(kind, bytes(changed)) == believed
            except VerificationError:
                continue


@pytest.mark.parametrize("kind", MESSAGES.data)
def test_every_truncation_and_extension_is_refused(kind: str) -> None:
    good = MESSAGES.data[kind]
    for length in range(len(good)):
        with pytest.raises(VerificationError):
            MESSAGES.verified(kind, good[:length])
    for extra in (b"\0", b"\n", b"\xf6", good):
        with pytest.raises(VerificationError):
            MESSAGES.verified(kind, good + extra)


@pytest.mark.parametrize("kind", MESSAGES.data)
@given(data=st.data())
def test_no_other_bytes_are_believed(kind: str, data: st.DataObject) -> None:
    good = MESSAGES.data[kind]
    begin = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(begin, min(len(good), begin + 8)))
    changed = good[:begin] + data.draw(st.binary(max_size=8)) + good[end:]
    if changed == good:
        return
    with pytest.raises(VerificationError):
        MESSAGES.verified(kind, changed)


@given(st.binary(max_size=200))
def test_noise_is_refused_and_never_crashes(data: bytes) -> None:
    for kind in MESSAGES.data:
        with pytest.raises(VerificationError):
            MESSAGES.verified(kind, data)
    with pytest.raises(VerificationError):
        seal.read_header(data)
    with pytest.raises(VerificationError):
        note.parse_vkey(data.decode("latin-1"))


class Forger:
    """Signs and seals with the right keys whatever it is given: only content can give it away."""

    def __init__(self) -> None:
        self.kit, self.record = MESSAGES.kit, MESSAGES.record

    def cose(self, fields: object) -> bytes:
        protected = cbor.encode(fields)
        signature = self.kit.record_signer.sign(cose.to_be_signed(protected, b"payload"))
        return b"\xd2" + cbor.encode([protected, {}, b"payload", signature])

    def acknowledgement(self, fields: object) -> bytes:
        return cose.sign1(cbor.encode(fields), self.kit.ack_signer, cose.ACKNOWLEDGEMENT_TYPE)

    def envelope(self, leaf_entry: bytes, signed: bytes) -> bytes:
        return seal.seal(
            kiosk=KIOSK,
            sequence=0,
            leaf_hash=merkle.leaf_hash(leaf_entry),
            salt=self.record.salt,
            leaf_entry=leaf_entry,
            cose=signed,
            recipient=self.kit.seal_key.public,
        )

    def envelope_of(self, content: object) -> bytes:
        signed = cose.sign1(cbor.encode(content), self.kit.record_signer, cose.RECORD_TYPE)
        found = leaf.parse(self.record.leaf_entry)
        commitment = leaf.commitment(self.record.salt, signed)
        return self.envelope(leaf.entry(KIOSK, 0, found.kind, found.minute, commitment), signed)


FORGER = Forger()
FREE = {"at", "root", "clock_synchronised", "checkpoint"}  # fields that may hold other values of the same form


def _one_field_changed(fields: object, data: st.DataObject) -> object:
    """A copy of a map or array with one field replaced by any other value."""
    other = data.draw(VALUES)
    if isinstance(fields, dict):
        key = data.draw(st.sampled_from([key for key in fields if key not in FREE]))
        assume(not _same(fields[key], other))
        return {**fields, key: other}
    assert isinstance(fields, list)
    place = data.draw(st.integers(0, len(fields) - 1))
    assume(not _same(fields[place], other))
    return [*fields[:place], other, *fields[place + 1 :]]


@given(st.data())
def test_well_signed_messages_with_another_field_are_refused(data: st.DataObject) -> None:
    kit, record = FORGER.kit, FORGER.record
    protected = cbor.decode(cose.parse(record.cose).protected, 512)
    with pytest.raises(VerificationError):
        cose.verify1(FORGER.cose(_one_field_changed(protected, data)), kit.record_keys, cose.RECORD_TYPE)
    ack = cbor.decode(cose.parse(MESSAGES.data["acknowledgement"]).payload, acks.ACK_BYTES_MAX)
    with pytest.raises(VerificationError):
        acks.verify(FORGER.acknowledgement(_one_field_changed(ack, data)), kit.ack_keys, KIOSK)
    header = {key: record.content[key] for key in verify.HEADER_FIELDS}
    with pytest.raises(VerificationError):
        kit.receive(FORGER.envelope_of(_one_field_changed(header, data)))


@given(st.data())
def test_well_sealed_structures_with_another_field_are_refused(data: st.DataObject) -> None:
    kit, record = FORGER.kit, FORGER.record
    entry = cbor.decode(record.leaf_entry, leaf.ENTRY_BYTES_MAX)
    with pytest.raises(VerificationError):
        kit.receive(FORGER.envelope(cbor.encode(_one_field_changed(entry, data)), record.cose))
    envelope = cbor.decode(MESSAGES.data["envelope"], seal.ENVELOPE_BYTES_MAX)
    with pytest.raises(VerificationError):
        kit.receive(cbor.encode(_one_field_changed(envelope, data)))


@given(VALUES)
def test_any_value_well_signed_is_refused(value: object) -> None:
    kit = FORGER.kit
    with pytest.raises(VerificationError):
        kit.receive(FORGER.envelope_of(value))
    with pytest.raises(VerificationError):
        kit.receive(FORGER.envelope(cbor.encode(value), FORGER.record.cose))
    with pytest.raises(VerificationError):
        cose.verify1(FORGER.cose(value), kit.record_keys, cose.RECORD_TYPE)
    with pytest.raises(VerificationError):
        acks.verify(FORGER.acknowledgement(value), kit.ack_keys, KIOSK)


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=80), st.text("ab./-\u6c34", min_size=1)
)
def test_signed_notes_round_trip(line: str, name: str) -> None:
    signer = MESSAGES.kit.checkpoint_signer
    verifier = note.Verifier(name, signer.public)
    text = line + "\n"
    assert note.verify(note.sign(text, name, signer), [verifier]).text == text
    assert note.parse_vkey(verifier.vkey) == verifier


def test_true_is_not_one_in_an_acknowledgement_of_the_first_record() -> None:
    """Found by the property above: in Python `True == 1`, and it survives being encoded again."""
    kit = FORGER.kit
    fields = cbor.decode(cose.parse(MESSAGES.data["acknowledgement"]).payload, acks.ACK_BYTES_MAX)
    assert isinstance(fields, dict)
    for name in ("sequence", "tree_size", "v"):
        forged = {**fields, "sequence": 1, "tree_size": 1, name: True}
        with pytest.raises(VerificationError):
            acks.verify(FORGER.acknowledgement(forged), kit.ack_keys, KIOSK)
