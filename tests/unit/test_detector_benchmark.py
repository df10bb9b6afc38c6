"""The published protocols: what is trained on, what is judged, and what is refused. Needs no torch and no peer."""

import gzip
import json
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from somgan.arrays import Floats
from somgan.benchmark import histories, protocol, tables, transactions
from somgan.benchmark.__main__ import main
from somgan.manifest import read_manifest
from somgan.metrics import auroc

DAY = histories.DAY_S


def save(folder: Path, name: str, x: Floats, anomalous: int) -> None:
    y = np.zeros(len(x), dtype=np.int64)
    y[:anomalous] = 1
    np.savez(folder / f"{name}.npz", X=x, y=y)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chance = np.random.default_rng(1)
    for name, rows in (("7_Small", 300), ("9_large", 2000)):
        x = chance.normal(size=(rows, 3))
        x[:20] += 6.0
        save(tmp_path, name, x, 20)
    return tmp_path


def test_training_part_is_the_first_half_of_the_normal_rows_standardised(folder: Path) -> None:
    table = {table.name: table for table in protocol.read_folder(folder)}["large"]
    task = protocol.task(table, seed=3)
    assert task.train.shape == (990, 3)
    assert int(task.anomalous.sum()) == 20
    assert task.anomalous.size == 990 + 20
    np.testing.assert_allclose(task.train.mean(axis=0), 0.0, atol=1e-9)
    np.testing.assert_allclose(task.train.std(axis=0), 1.0)
    first = table.x[~table.anomalous][:990]
    np.testing.assert_allclose(task.train * first.std(axis=0) + first.mean(axis=0), first)


def test_small_tables_are_drawn_to_a_thousand_rows_by_seed(folder: Path) -> None:
    table = {table.name: table for table in protocol.read_folder(folder)}["small"]
    one, same, other = (protocol.task(table, seed) for seed in (1, 1, 2))
    assert one.train.shape[0] + one.test.shape[0] == 1000
    np.testing.assert_array_equal(one.test, same.test)
    assert one.test.shape != other.test.shape or not np.array_equal(one.test, other.test)


def test_line_has_the_promised_shape_and_knn_finds_what_is_far(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = {name: {"A": 90.0, "B": 80.0} for name in ("small", "large")}
    (folder / protocol.PUBLISHED_NAME).write_text(json.dumps(listed))
    assert main(["tables", "--data", str(folder), "--detectors", "knn5", "--seeds", "2"]) == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out.splitlines()[-1])
    figures = report["detectors"]["knn5"]
    assert report["tables"] == 2
    assert set(figures["per_table"]) == {"small", "large"}
    assert figures["auroc_mean"] > 0.99
    assert figures["rank_mean"] == 1.0
    assert {"ap_mean", "fit_seconds", "microseconds_per_row"} <= set(figures)
    assert "table 2/2" in captured.err
    assert "0.9000  (published)" in captured.out


def shipped(tmp_path: Path) -> Path:
    source = Path(__file__).parents[2] / "models" / "artifacts" / "machine"
    return Path(shutil.copytree(source, tmp_path / "models" / "machine"))


def test_reports_reach_the_card_and_leave_the_graph_alone(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, reports = shipped(tmp_path), tmp_path / "reports"
    before = read_manifest(model)
    reports.mkdir()
    assert main(["tables", "--data", str(folder), "--detectors", "knn5", "--seeds", "1", "--json"]) == 0
    (reports / "tables.json").write_text(capsys.readouterr().out)
    words = ["record", "--reports", str(reports), "--models", str(model.parent)]
    assert main(words) == 0
    after = read_manifest(model)
    assert after.pop("benchmark")["labelled tables"]["knn5"]["auroc_mean"] > 0.99
    before.pop("benchmark", None)
    assert after == before
    assert "| knn5 |" in (model / "card.md").read_text()


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"detectors": {}}', '{"detectors": {"a": {"b": "c"}}}'])
def test_what_is_no_report_reaches_no_card(
    tmp_path: Path, text: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    model = shipped(tmp_path)
    before = (model / "card.md").read_bytes()
    if text is not None:
        (tmp_path / "tables.json").write_text(text)
    assert main(["record", "--reports", str(tmp_path), "--models", str(model.parent)]) == 2
    assert "make bench-detector" in capsys.readouterr().err
    assert (model / "card.md").read_bytes() == before


def test_ranks_share_ties() -> None:
    one, two, three = (
        {"t": {"auroc": a, "ap": 0.0, "fit_seconds": 0.0, "microseconds_per_row": 0.0}} for a in (1, 1, 0)
    )
    places = tables.summary({"a": one, "b": two, "c": three})["detectors"]
    assert [places[name]["rank_mean"] for name in "abc"] == [1.5, 1.5, 3.0]


def broken(folder: Path) -> None:
    (folder / "1_broken.npz").write_bytes(b"PK\x03\x04 nothing")


def without_labels(folder: Path) -> None:
    np.savez(folder / "1_x.npz", X=np.zeros((9, 2)))


def infinite(folder: Path) -> None:
    save(folder, "1_inf", np.full((20, 2), np.inf), 2)


def normal_only(folder: Path) -> None:
    save(folder, "1_normal", np.zeros((20, 2)), 0)


def misshapen(folder: Path) -> None:
    np.savez(folder / "1_shape.npz", X=np.zeros((9, 2)), y=np.zeros(8))


@pytest.mark.parametrize("make", [lambda _: None, broken, without_labels, infinite, normal_only, misshapen])
def test_folders_that_are_no_benchmark_are_refused_with_a_remedy(
    tmp_path: Path, make: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path)
    assert main(["tables", "--data", str(tmp_path), "--detectors", "knn5"]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_an_unknown_detector_is_named_with_those_there_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", "--data", str(folder), "--detectors", "knn5,magic"]) == 2
    error = capsys.readouterr().err
    assert "'magic'" in error
    assert "minisom" in error


def shop(days: int) -> list[tuple[float, int, int, float, bool]]:
    """Forty cards buy three times a day for about 50; in the last days card 3 spends tenfold, terminal 7 is bad."""
    chance = np.random.default_rng(5)
    rows = []
    for day in range(days):
        for place in range(120):
            card, terminal = place % 40, int(chance.integers(0, 10))
            stolen = card == 3 and day >= days - 7
            bad = terminal == 7 and day >= days - 16
            amount = float(chance.normal(50, 10)) * (10 if stolen else 1)
            rows.append((day * DAY + place * 600.0, card, terminal, amount, stolen or bad))
    return rows


def test_features_know_nothing_of_the_future_or_of_labels_too_young() -> None:
    rows = shop(30)
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    time_s, card, terminal, amount, fraud = columns
    whole = histories.table(time_s, (card, terminal), amount, fraud)
    part = 120 * 20
    np.testing.assert_array_equal(
        whole[:part], histories.table(time_s[:part], (card[:part], terminal[:part]), amount[:part], fraud[:part])
    )
    late = np.where(time_s > time_s[-1] - histories.FEEDBACK_DELAY_S, ~fraud, fraud)
    np.testing.assert_array_equal(whole, histories.table(time_s, (card, terminal), amount, late))
    blind = histories.table(time_s, (card, terminal), amount, None)
    np.testing.assert_array_equal(blind, whole[:, : len(histories.BEHAVIOUR)])
    last = time_s >= 29 * DAY
    assert auroc(whole[last, 1], card[last] == 3) == 1.0
    assert auroc(whole[last, 3], terminal[last] == 7) == 1.0


def test_a_fraud_that_the_amount_explains_says_nothing_against_the_terminal() -> None:
    past = histories.Histories()
    for day in range(30):
        past.learn(day * DAY, 1, 1, 50.0, fraud=False)
    past.learn(30 * DAY, 1, 2, 900.0, fraud=True)
    past.learn(30 * DAY, 1, 3, 50.0, fraud=True)
    clean, guilty = (past.features(38 * DAY, 1, terminal, 50.0)[3] for terminal in (2, 3))
    assert clean == 0.0
    assert guilty > 0.2


def test_card_precision_takes_found_cards_off_the_list() -> None:
    day = np.array([1, 1, 1, 2, 2, 2])
    card = np.array([1, 1, 2, 1, 2, 3])
    fraud = np.array([True, False, False, True, False, True])
    score = np.array([9.0, 1.0, 5.0, 9.0, 5.0, 4.0])
    # Day 1: card 1 is found. Day 2: it is off the list; of cards 2 and 3 the top one is 2, and clean.
    assert transactions.card_precision(score, fraud, card, day, per_day=1) == 0.5
    assert transactions.card_precision(score, fraud, card, day, per_day=2) == 0.5


def test_transactions_end_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = date(2018, 6, 1)
    lines = ["time,customer,terminal,amount,fraud"]
    for time_s, card, terminal, amount, fraud in shop(30):
        day = start + timedelta(days=int(time_s // DAY))
        clock = int(time_s % DAY)
        stamp = f"{day} {clock // 3600:02}:{clock % 3600 // 60:02}:{clock % 60:02}"
        lines.append(f"{stamp},{card},{terminal},{amount:.2f},{int(fraud)}")
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    days = ["--train", "2018-06-08:2018-06-14", "--test", "2018-06-24:2018-06-30"]
    assert main(["transactions", "--data", str(path), *days, "--detectors", "knn5", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["detectors"]["knn5"]["auroc"] > 0.95
    assert report["detectors_without_feedback"]["knn5"]["auroc"] < report["detectors"]["knn5"]["auroc"]
    assert 0.0 <= report["detectors"]["knn5"]["card_precision_100"] <= 1.0


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "time,customer,terminal,amount,fraud\nnever,1,1,1,0\n"])
def test_other_files_are_no_transactions(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.csv").write_text(text)
    days = ["--train", "2018-06-01:2018-06-02", "--test", "2018-06-03:2018-06-03"]
    assert main(["transactions", "--data", str(tmp_path / "t.csv"), *days, "--detectors", "knn5"]) == 2
    assert "columns" in capsys.readouterr().err
