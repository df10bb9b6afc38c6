"""Both codes of a receipt read from the paper as the printer drew it, at 203 dpi, and from bad pictures of it."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from firmware_bridge.interfaces import Receipt as Page
from firmware_bridge.interfaces import ReceiptQr, ReceiptText
from hwsim.devices.receipt_render import DPI, PRINT_DOTS
from kiosk.guarantee import checkpoint, merkle, policy, receipt
from kiosk.guarantee.cosignature import Cosigner
from kiosk.guarantee.receipt import Receipt
from kiosk.verifier import checking, reading
from tests.bridge_kit import run_virtual
from tests.guarantee_kit import KIOSK, Kit
from tests.receipt_kit import statement
from tests.simulation.test_receipts import Bench

Picture = NDArray[np.uint8]
AT_POSIX_S: Final = 1_790_000_000
WITNESSES: Final = [
    Cosigner(f"{name}.example/witness", Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)))
    for number, name in enumerate(("village", "union"))
]


class Paper(NamedTuple):
    """What was printed, and whom to trust about it."""

    receipt: Receipt
    trusted: policy.Policy
    png: bytes
    policy_file: bytes


@lru_cache(maxsize=4)
def paper(leaves: int, witnesses: int) -> Paper:
    """A real receipt of the last but one record in a log of so many leaves, printed by driver and simulated printer."""
    kit = Kit()
    record = kit.records.record(statement(kit))
    others = [merkle.leaf_hash(number.to_bytes(4)) for number in range(leaves - 2)]
    hashes = [kit.records.record(0).leaf_hash, record.leaf_hash, *others]
    levels = [hashes]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([merkle.node_hash(below[k], below[k + 1]) for k in range(0, len(below) - 1, 2)])
    proof = merkle.inclusion_proof(lambda level, index: levels[level][index], record.sequence, leaves)
    signed = checkpoint.sign(KIOSK, leaves, merkle.root_of(hashes), kit.checkpoint_signer)
    point = kit.read_checkpoint(signed)
    signed += "".join(witness.line(point, AT_POSIX_S) for witness in WITNESSES[:witnesses])
    made = receipt.make(record, proof, signed)
    lines = [f"log {kit.log_verifier.vkey}", policy.record_key_line(KIOSK, kit.record_signer.public)]
    lines += [f"witness w{number} {witness.witness.vkey}" for number, witness in enumerate(WITNESSES)]
    lines += ["group any any w0 w1", "quorum any"]
    file = "\n".join(lines).encode() + b"\n"
    return Paper(made, policy.parse(file), _printed(made), file)


def _printed(made: Receipt) -> bytes:
    found: list[bytes] = []

    async def main() -> None:
        bench = Bench()
        words = [ReceiptText(f"line {number}") for number in range(30)]
        title = ReceiptText("DEPOSIT RECEIPT", large=True, centred=True)
        await bench.driver.print_receipt(
            Page((title, *words, ReceiptQr(made.opening), *words[:2], ReceiptQr(made.proof)))
        )
        found.append(bench.printer.printed[0].png)

    run_virtual(main)
    return found[0]


def dots(png: bytes) -> Picture:
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    return picture.astype(np.uint8)


def blurred(picture: Picture) -> Picture:
    return cv2.GaussianBlur(picture, (0, 0), 1.0).astype(np.uint8)


def turned(picture: Picture, degrees: float = 5.0) -> Picture:
    """Without cutting a corner off."""
    height, width = picture.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    wide, high = int(height * sine + width * cosine) + 1, int(height * cosine + width * sine) + 1
    matrix[:, 2] += (wide - width) / 2, (high - height) / 2
    return cv2.warpAffine(picture, matrix, (wide, high), borderValue=(255,)).astype(np.uint8)


def grey_noise(picture: Picture) -> Picture:
    """A standard deviation of a tenth of the range from black to white."""
    noise = np.random.default_rng(1).normal(0, 25.5, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def specks(picture: Picture) -> Picture:
    """A tenth of the dots black or white, whatever they were."""
    randomness = np.random.default_rng(2)
    spoilt = randomness.random(picture.shape) < 0.1
    return np.where(spoilt, randomness.integers(0, 2, picture.shape) * 255, picture).astype(np.uint8)


LOOKS: Final[dict[str, Callable[[Picture], Picture]]] = {
    "as printed": lambda picture: picture,
    "blurred": blurred,
    "turned by 5 degrees": turned,
    "turned back": lambda picture: turned(picture, -5.0),
    "grey noise": grey_noise,
    "specks": specks,
    "all, grey": lambda picture: grey_noise(blurred(turned(picture))),
    "all, specks": lambda picture: specks(blurred(turned(picture))),
}
LOGS: Final = [(12, 0), (70_000, 1), (70_000, 2)]  # leaves, witnesses on the paper


@pytest.mark.parametrize(("leaves", "witnesses"), LOGS)
@pytest.mark.parametrize("look", LOOKS)
def test_kiosk_verify_reads_both_codes(tmp_path: Path, leaves: int, witnesses: int, look: str) -> None:
    printed = paper(leaves, witnesses)
    photo = tmp_path / "photo.png"
    assert cv2.imwrite(str(photo), LOOKS[look](dots(printed.png)))
    texts = reading.read([photo])
    assert (texts.opening, texts.proof) == (printed.receipt.opening, printed.receipt.proof)
    found = checking.check(texts, printed.trusted)
    assert found.verdict == ("witnessed" if witnesses else "provisional")


@pytest.mark.parametrize(("leaves", "witnesses"), LOGS)
def test_a_decoder_of_other_people_reads_the_bitmap(leaves: int, witnesses: int) -> None:
    """OpenCV's, beside the zxing-cpp that kiosk-verify uses; neither draws our codes."""
    printed = paper(leaves, witnesses)
    found, texts, _, _ = cv2.QRCodeDetectorAruco().detectAndDecodeMulti(dots(printed.png))
    assert found
    assert set(texts) == {printed.receipt.opening, printed.receipt.proof}


@pytest.mark.parametrize(("leaves", "witnesses"), LOGS)
def test_the_codes_lie_on_the_paper_with_room_around_them(leaves: int, witnesses: int) -> None:
    """A module has at least 4 dots (0.5 mm at 203 dpi), and the quiet zone has four modules on either side."""
    printed = paper(leaves, witnesses)
    picture = dots(printed.png)
    assert DPI == 203
    found, _, corners, straight = cv2.QRCodeDetectorAruco().detectAndDecodeMulti(picture)
    assert found
    for each, symbol in zip(corners, straight, strict=True):
        left, right = float(each[:, 0].min()), float(each[:, 0].max())
        module = (right - left) / len(symbol)
        assert module > 3.9
        assert right - left <= PRINT_DOTS
        assert min(left, picture.shape[1] - right) >= 4 * module - 1
