import pytest

from kiosk.errors import VerificationError
from kiosk.guarantee import checkpoint, merkle, note
from kiosk.guarantee.keys import Ed25519Signer
from tests.guarantee_kit import KIOSK, Kit

# The vector of ../shared/protocols/tlog.md.
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
TEXT = "This is an example message.\n"
SIGNATURE = "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
LINE = f"\u2014 example.com/foo {SIGNATURE}\n"
OTHER = f"\u2014 example.com/other {SIGNATURE}\n"


def test_the_published_vector_verifies() -> None:
    verifier = note.parse_vkey(VKEY)
    assert verifier.vkey == VKEY
    found = note.verify(f"{TEXT}\n{LINE}", [verifier])
    assert found == note.Note(TEXT, (verifier,))


@pytest.mark.parametrize(
    "text",
    [
        f"{TEXT}\n{OTHER}{LINE}",
        f"{TEXT}\n{LINE}{OTHER}",
        f"{TEXT}\n{OTHER * 20}{LINE}",
        f"{TEXT}\n{LINE}{LINE}",
    ],
    ids=["unknown first", "unknown after", "twenty unknown", "twice"],
)
def test_lines_of_unknown_keys_are_ignored(text: str) -> None:
    assert note.verify(text.encode(), [note.parse_vkey(VKEY)]).text == TEXT


@pytest.mark.parametrize(
    "data",
    [
        f"{TEXT}\n{OTHER}",
        TEXT,
        f"{TEXT}{LINE}",
        f"{TEXT}\n",
        f"{TEXT}\n{LINE[:-1]}",
        f"{TEXT}\n{LINE.replace(chr(0x2014), '-')}",
        f"{TEXT}\n{LINE.replace('=', '')}",
        f"{TEXT}\n{LINE.replace('aQM=', 'aQN=')}",
        f"{TEXT}\n\u2014  {SIGNATURE}\n",
        f"{TEXT}\n\u2014 a+b {SIGNATURE}\n{LINE}",
        f"{TEXT}\n\u2014 short AAAAAA==\n{LINE}",
        f"{TEXT[:-2]},\n\n{LINE}",
        f"tab\there\n\n{LINE}",
        f"{TEXT}\n{LINE}\n{LINE}",
        f"{TEXT}\n{OTHER * 70}{LINE}",
        "x" * 70_000,
        b"\xff\n\n" + LINE.encode(),
    ],
)
def test_malformed_or_unsigned_notes_are_refused(data: bytes | str) -> None:
    with pytest.raises(VerificationError):
        note.verify(data, [note.parse_vkey(VKEY)])


@pytest.mark.parametrize(
    "vkey",
    ["", "example.com/foo", VKEY.replace("530d903a", "530d903b"), VKEY.replace("+A", "+B"), VKEY[:-4], " +1234+AQ=="],
)
def test_damaged_verifier_keys_are_refused(vkey: str) -> None:
    with pytest.raises(VerificationError):
        note.parse_vkey(vkey)


def test_only_what_can_be_verified_is_signed() -> None:
    signer = Ed25519Signer.generate()
    for text, name in [("no newline", "kiosk"), ("tab\t\n", "kiosk"), ("text\n", "two words"), ("text\n", "")]:
        with pytest.raises(ValueError, match=r"newline|control|name"):
            note.sign(text, name, signer)


def test_a_checkpoint_says_size_and_root() -> None:
    kit = Kit()
    empty = kit.read_checkpoint(kit.records.checkpoint())
    assert empty == checkpoint.Checkpoint("deposit-kiosk/demo-0001", 0, merkle.EMPTY_ROOT)
    leaf = kit.append().leaf_hash
    signed = kit.records.checkpoint()
    assert kit.read_checkpoint(signed.encode()) == checkpoint.Checkpoint("deposit-kiosk/demo-0001", 1, leaf)
    assert note.parse_vkey(kit.log_verifier.vkey) == kit.log_verifier


@pytest.mark.parametrize(
    "text",
    [
        "deposit-kiosk/demo-0001\n01\n{root}\n",
        "deposit-kiosk/demo-0001\n-1\n{root}\n",
        "deposit-kiosk/demo-0001\n\u0661\n{root}\n",
        "deposit-kiosk/demo-0001\n0\n{root}\n",
        "deposit-kiosk/demo-0001\n9999999999999999999\n{root}\n",
        "deposit-kiosk/demo-0001\n1\n{root}\nextension\n",
        "deposit-kiosk/demo-0001\n1\n{root}AAAA\n",
        "deposit-kiosk/demo-0001\n1\n\n",
        "deposit-kiosk/demo-0001\n1\n",
        "deposit-kiosk/demo-0002\n1\n{root}\n",
    ],
)
def test_well_signed_nonsense_is_no_checkpoint(text: str) -> None:
    kit = Kit()
    root = note.encode_base64(bytes(32))
    signed = note.sign(text.format(root=root), checkpoint.origin(KIOSK), kit.checkpoint_signer)
    with pytest.raises(VerificationError):
        kit.read_checkpoint(signed)
