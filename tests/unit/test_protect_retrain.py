"""`kiosk-protect retrain`: corrections move the fusion's weights, and nothing is written that is not better."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from kiosk.protection.classify import Classifier, Column
from kiosk.protection.kinds import KINDS
from kiosk.protection.networks import MANIFEST, default_folder, read_manifest
from kiosk_cloud.protect import retraining
from kiosk_cloud.protect.cli import main
from kiosk_cloud.protect.web.settings import Place
from tests import protect_kit as kit

CARD, ACCOUNT = KINDS.index("bank_card"), KINDS.index("bank_account")
DATES = [f"{day:02d}.03.1990" for day in range(1, 9)]


@pytest.fixture
def mistaken(tmp_path: Path) -> Path:
    """The package's networks, with weights that believe of cards those who do not know them."""
    folder = tmp_path / "models"
    shutil.copytree(default_folder(), folder)
    manifest = read_manifest(folder)
    weights = {name: list(of) for name, of in manifest.weights.items()}
    for name, of in weights.items():
        of[CARD] = 0.95 if name in ("letters", "parts") else 0.02
        of[ACCOUNT] = 0.95 if name == "checks" else 0.02  # Luhn's digit alone
    (folder / MANIFEST).write_bytes(
        msgspec.json.encode(
            msgspec.structs.replace(manifest, weights={name: tuple(of) for name, of in weights.items()})
        )
    )
    return folder


def corrected(place: Place, count: int, right: str = "bank_card") -> None:
    with place.book() as book:
        for number in range(count):
            said = {"value": kit.card(number), "column": "", "around": DATES, "said": "other", "right": right}
            assert book.add_feedback("job", f"0.{number}.1", "anna", json.dumps(said).encode(), "now")


def retrain(*arguments: str | Path) -> Any:
    return CliRunner().invoke(main, ["retrain", *map(str, arguments)])


def told_cards(models: Path) -> int:
    """How many of 30 cards that were never corrected are told, each among dates."""
    columns = [Column((kit.card(number), *DATES), "") for number in range(100, 130)]
    return sum(verdicts[0].kind == "bank_card" for verdicts in Classifier.load(models).cells(columns))


def test_corrections_are_learnt_and_told(tmp_path: Path, mistaken: Path) -> None:
    place = Place.at(tmp_path / "state")
    corrected(place, 30)
    before = told_cards(mistaken)
    out, export = tmp_path / "new", tmp_path / "feedback.jsonl"
    common = ("--dir", place.folder, "--models", mistaken)
    told = json.loads(retrain(*common, "--json").stdout)
    assert told["right_after"] > told["right_before"]
    assert not out.exists()
    twin = tmp_path / "state" / "twin"
    assert retrain(*common, "--out", twin).exit_code == 0
    done = retrain(*common, "--out", out, "--export", export, "--forget")
    assert (twin / MANIFEST).read_bytes() == (out / MANIFEST).read_bytes(), "the same feedback, the same weights"
    assert done.exit_code == 0, done.output
    assert "  checks on bank_card: 0.020 -> " in done.stdout
    assert told_cards(out) > before
    assert read_manifest(out).version in done.stdout
    assert read_manifest(out).sha256 == read_manifest(mistaken).sha256
    rows = [json.loads(line) for line in export.read_text().splitlines()]
    assert rows[0] == {"header": "", "values": [kit.card(0)], "kinds": ["bank_card"]}
    assert export.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(tmp_path)) == ["feedback.jsonl", "models", "new", "state"]  # noqa: PTH208 - names are enough
    again = retrain(*common, "--out", out)
    assert again.exit_code == 2
    assert "there is no feedback" in again.stderr


def test_what_is_no_better_is_not_written(tmp_path: Path) -> None:
    place = Place.at(tmp_path / "state")
    corrected(place, 3, right="vehicle_plate")  # nobody should believe this
    done = retrain("--dir", place.folder, "--out", tmp_path / "new", "--forget")
    assert done.exit_code == 1
    assert "No other weights are better" in done.stdout
    assert not (tmp_path / "new").exists()
    with place.book() as book:
        assert len(book.feedback()) == 3


def test_the_cells_around_hold_their_verdicts() -> None:
    weights = retraining.weights_of(None)
    around = tuple(kit.card(number) for number in range(40))
    wrong = [retraining.Correction(kit.card(50 + n), "card", around, "bank_card", "ogrn_ru") for n in range(30)]
    found = retraining.refit(Classifier.load(), weights, wrong)
    assert found.kept >= retraining.KEPT_MIN
