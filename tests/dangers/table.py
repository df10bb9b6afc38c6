"""`python -m tests.dangers.table --out F.npz`: what only the books can show, as a labelled table of transactions.

Normal deposits and the dangers of money.py, row by row as the controller would tell them, for `somgan evaluate` and for
attacks on the transaction's model. No model was trained on deposits drawn by these rules.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from kiosk.core.transaction import Session, features
from kiosk.monitoring.feature_words import describe, sidecar
from tests.dangers.money import WORTH, money

KINDS = ("structuring", "odd_hour", "stuffing")


def table(each: int, normal: int, seed: int) -> dict[str, np.ndarray[Any, Any]]:
    """`each` deposits of every kind of danger and `normal` others."""
    plan = ["normal"] * normal + [kind for kind in KINDS for _ in range(each)]
    x: list[tuple[float, ...]] = []
    owner: list[int] = []
    what: list[str] = []
    for deposit, kind in enumerate(plan):
        one = money(np.random.default_rng((seed, deposit)), kind)
        session = Session(tuple(WORTH.items()), 0.0)
        begins_s = one.begins.timestamp()
        for at_s, fact in one.events:
            session = session.heard(fact, at_s)
            x.append(features(session, one.own, one.kiosk, now_s=at_s, wall_s=begins_s + at_s, hour=one.begins.hour))
            owner.append(deposit)
            what.append(kind)
    return {
        "X": np.array(x, np.float32),
        "deposit": np.array(owner, np.int64),
        "names": np.array([words.name for words in describe("transaction")]),
        "what": np.array(what),
        "y": (np.array(what) != "normal").astype(np.int64),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the .npz to write")
    parser.add_argument("--each", type=int, default=60, help="deposits of each danger")
    parser.add_argument("--normal", type=int, default=300, help="normal deposits")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    np.savez_compressed(options.out, **table(options.each, options.normal, options.seed))  # type: ignore[arg-type]
    words = json.dumps(sidecar("transaction"), indent=1, ensure_ascii=False)
    options.out.with_name(f"{options.out.stem}.features.json").write_text(words + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
