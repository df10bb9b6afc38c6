"""`kiosk-verify`: from a photo or scanned texts to a verdict that a depositor understands."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import segno
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kiosk.guarantee import policy, receipt
from kiosk.guarantee.cosignature import Cosigner
from kiosk.verifier.cli import main
from kiosk.verifier.report import WORDS
from tests.guarantee_kit import KIOSK, Kit
from tests.receipt_kit import made, statement

WITNESS = Cosigner("village.example/witness", Ed25519PrivateKey.from_private_bytes(bytes(32)))
AT = 1_790_000_000


class Desk:
    """A receipt, a policy file and the command."""

    def __init__(self, folder: Path) -> None:
        self.kit = Kit()
        self.folder = folder
        self.receipt = made(self.kit, statement(self.kit))
        self.policy = folder / "policy.txt"
        self.trust("quorum none")

    def trust(self, *lines: str) -> None:
        own = (f"log {self.kit.log_verifier.vkey}", policy.record_key_line(KIOSK, self.kit.record_signer.public))
        self.policy.write_text("\n".join((*own, *lines)) + "\n")

    def witnessed(self) -> str:
        """The proof with the witness's line below it."""
        point = self.kit.read_checkpoint(self.kit.records.checkpoint())
        return self.receipt.proof + WITNESS.line(point, AT)

    def text(self, *texts: str) -> Path:
        path = self.folder / "receipt.txt"
        path.write_text("\n".join(texts))
        return path

    def photo(self) -> Path:
        """Both codes on one picture, as the paper shows them: 3 dots a module."""
        codes = [np.array(list(segno.make(text, error="m", micro=False).matrix_iter(scale=3, border=4)))
                 for text in (self.receipt.opening, self.receipt.proof)]  # fmt: skip
        wide = max(code.shape[1] for code in codes)
        rows = [np.pad(1 - code, ((0, 30), (0, wide - code.shape[1])), constant_values=1) * 255 for code in codes]
        path = self.folder / "photo.png"
        cv2.imwrite(str(path), np.vstack(rows).astype(np.uint8))
        return path

    def run(self, *arguments: str | Path, stdin: str | None = None) -> Result:
        return CliRunner().invoke(main, [*map(str, arguments), "--policy", str(self.policy)], input=stdin)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("language", sorted(WORDS))
def test_a_receipt_without_witnesses_is_provisional_and_says_what_that_means(desk: Desk, language: str) -> None:
    done = desk.run(desk.text(desk.receipt.opening, desk.receipt.proof), "--language", language)
    assert done.exit_code == 0, done.output
    words = WORDS[language]
    assert words["verdict_provisional"] in done.output
    assert words["witnessed_no"][:4] in done.output
    assert words["nobody"] in done.output
    assert "CNY 250.00" in done.output
    assert "****8713" in done.output
    assert "{" not in done.output


def test_a_quorum_of_witnesses_makes_it_witnessed(desk: Desk) -> None:
    desk.trust(f"witness village {WITNESS.witness.vkey}", "quorum village")
    done = desk.run("receipt", desk.text(desk.receipt.opening, desk.witnessed()), "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert told["verdict"] == "witnessed"
    assert told["cosigned"] == [{"witness": WITNESS.witness.name, "at_posix_s": AT}]
    assert told["statement"]["sums"]["CNY"]["credited"] == 25000
    desk.trust("quorum none")  # the same paper, for somebody who trusts nobody
    assert json.loads(desk.run(desk.folder / "receipt.txt", "--json").output)["verdict"] == "provisional"


def test_a_photo_of_the_paper_is_enough(desk: Desk) -> None:
    done = desk.run(desk.photo(), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["sequence"] == 1


def test_texts_come_in_any_order_with_whatever_a_scanner_adds(desk: Desk) -> None:
    pasted = f"Scanned 2 codes:\r\n{desk.receipt.proof}\n\nsome remark\n{desk.receipt.opening}\r\n\r\nbye\r\n"
    done = desk.run("-", stdin=pasted)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("part", ["opening", "proof"])
def test_a_changed_receipt_is_refused_and_the_step_says_why(desk: Desk, part: str) -> None:
    texts = {"opening": desk.receipt.opening, "proof": desk.receipt.proof}
    lines = texts[part].split("\n")
    spoiled, at = (1, 400) if part == "opening" else (2, 20)  # a byte of what is signed, and one of a hash
    lines[spoiled] = lines[spoiled][:at] + ("A" if lines[spoiled][at] != "A" else "B") + lines[spoiled][at + 1 :]
    texts[part] = "\n".join(lines)
    done = desk.run(desk.text(*texts.values()), "--json")
    assert done.exit_code == 1, done.output
    told = json.loads(done.output)
    assert told["verdict"] == "refused"
    assert told["steps"][-1]["step"] == ("signed" if part == "opening" else "logged")
    assert told["steps"][-1]["reason"]
    assert told["statement"] == {}


def test_a_kiosk_that_the_policy_does_not_know_is_refused(desk: Desk) -> None:
    desk.policy.write_text("quorum none\n")
    done = desk.run(desk.text(desk.receipt.opening, desk.receipt.proof))
    assert done.exit_code == 1
    assert WORDS["en"]["verdict_refused"] in done.output


def test_one_code_alone_or_two_receipts_at_once_are_asked_for_again(desk: Desk) -> None:
    alone = desk.run(desk.text(desk.receipt.opening))
    assert alone.exit_code == 2
    assert "second code of the receipt is missing" in alone.output
    other = made(desk.kit, statement(desk.kit))
    both = desk.run(desk.text(desk.receipt.opening, desk.receipt.proof, other.opening))
    assert both.exit_code == 2
    assert "two receipts" in both.output


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x89PNG broken", b""])
def test_a_file_that_is_no_receipt_is_said_to_be_none(desk: Desk, content: bytes) -> None:
    path = desk.folder / "what"
    path.write_bytes(content)
    done = desk.run(path)
    assert done.exit_code == 2
    assert done.output.startswith("kiosk-verify: ")


def test_a_missing_policy_is_said(desk: Desk) -> None:
    desk.policy.unlink()
    done = desk.run(desk.text(desk.receipt.opening, desk.receipt.proof))
    assert (done.exit_code, "policy" in done.output) == (2, True)


def test_vectors_end_with_one_line(tmp_path: Path) -> None:
    good = {"kind": "inclusion", "case": "one", "leafIdx": 0, "treeSize": 1, "proof": [], "wantErr": False}
    hashed = "A" * 43 + "="
    good |= {"leafHash": hashed, "root": hashed}
    path = tmp_path / "cases.jsonl"
    path.write_text("\n".join(json.dumps(case) for case in (good, {**good, "case": "two", "treeSize": 2})))
    done = CliRunner().invoke(main, ["vectors", str(path)])
    assert done.exit_code == 1
    assert json.loads(done.output) == {"cases": 2, "agreed": 1, "disagreed": ["inclusion/two"]}
    path.write_text("nonsense")
    assert CliRunner().invoke(main, ["vectors", str(path)]).exit_code == 2


def test_each_language_says_everything() -> None:
    assert {frozenset(words) for words in WORDS.values()} == {frozenset(WORDS["en"])}
    assert receipt.HEADER  # the first line of code 1
