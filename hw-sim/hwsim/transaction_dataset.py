# ruff: noqa: PLR2004 - the habits of made-up people explain themselves where they stand
"""Months of normal deposits at made-up kiosks, to train the product's view of a transaction on.

`OUT/transactions.jsonl`: one deposit a line, in order of time within a kiosk: kiosk, deposit, depositor, at_s (wall
clock), hour (of the day), worth (channel -> minor units), events ([seconds since the beginning, what, channel], what
being read, credited, refused, corrected or confirmed). Kiosks, people and their habits are drawn from one seed.
"""

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

FACES: Final = (100, 500, 1000, 2000, 5000, 10_000)  # minor units; channel 1 is the first
DAY_S: Final = 86_400.0
START_S: Final = 1_780_000_000.0
NOTES_MAX: Final = 40
Event = tuple[float, str, int]


@dataclass(frozen=True)
class Person:
    """Habits of one depositor."""

    log_amount: float  # of major units
    spread: float
    every_days: float
    hour: float
    hour_spread: float
    smallest: int  # index of the smallest face that they usually bring
    pace_s: float
    worn: float  # chance that a note is refused at first


def person(rng: np.random.Generator, busy: tuple[float, float]) -> Person:
    """Somebody who comes to a kiosk whose busy hours are these two."""
    keeper = rng.random() < 0.2  # a shopkeeper
    return Person(
        log_amount=float(rng.normal(6.3 if keeper else 5.7, 0.8)),
        spread=float(rng.uniform(0.25, 0.75)),
        every_days=float(rng.uniform(0.7, 2.5) if keeper else np.clip(rng.lognormal(2.3, 0.8), 1.5, 45)),
        hour=float(rng.choice(busy) + rng.normal(0, 1.5)),
        hour_spread=float(rng.uniform(0.5, 2.5)),
        smallest=int(rng.choice(6, p=[0.1, 0.12, 0.18, 0.2, 0.2, 0.2])),
        pace_s=float(rng.lognormal(0.25, 0.4)),
        worn=float(rng.beta(1.2, 14)),
    )


def notes_of(rng: np.random.Generator, amount: float, smallest: int) -> list[int]:
    """Face indices that come to about `amount` major units, at most NOTES_MAX of them."""
    left, notes = amount * 100, list[int]()
    while left >= FACES[0] and len(notes) < NOTES_MAX:
        fitting = [index for index, face in enumerate(FACES) if face <= left]
        usual = [index for index in fitting if index >= smallest] or fitting[-1:]
        weights = np.array([1.0 + 1.2 * index for index in usual])
        pick = int(rng.choice(usual, p=weights / weights.sum())) if rng.random() < 0.6 else usual[-1]
        notes.append(pick)
        left -= FACES[pick]
        if left < FACES[smallest] * 0.7:
            break
    return notes or [smallest]


def events(rng: np.random.Generator, who: Person, notes: list[int]) -> list[Event]:
    """A deposit at the port and the screen."""
    at_s, made = float(rng.uniform(2.5, 9.0)), list[Event]()
    pace_s = who.pace_s * float(rng.lognormal(0, 0.25))
    for index in notes:
        for _ in range(4):
            at_s += max(0.45, pace_s * float(rng.lognormal(0, 0.4)))
            if rng.random() < 0.03:
                at_s += float(rng.exponential(6.0))
            if rng.random() >= who.worn:
                break
            made += (
                [(at_s, "read", index + 1), (at_s + 0.3, "refused", 0)]
                if rng.random() < 0.5
                else [(at_s, "refused", 0)]
            )
        made += [(at_s, "read", index + 1), (at_s + 0.4, "credited", index + 1)]
    if rng.random() < 0.06:
        made.append((at_s + 1.0, "corrected", 0))
    made.append((at_s + float(rng.lognormal(1.3, 0.6)), "confirmed", 0))
    return made


def deposits(rng: np.random.Generator, kiosk: int, wanted: int) -> Iterator[dict[str, Any]]:
    """The first `wanted` deposits of one kiosk's life."""
    busy = (float(rng.uniform(7.5, 11)), float(rng.uniform(14, 19)))
    people = [person(rng, busy) for _ in range(int(rng.integers(12, 90)))]
    due = [(float(rng.exponential(who.every_days)), number) for number, who in enumerate(people)]
    for count in range(wanted):
        day, number = min(due)
        who = people[number]
        hour = who.hour + float(rng.normal(0, who.hour_spread))
        if rng.random() < 0.02:
            hour = float(rng.uniform(5, 23.5))
        at_s = START_S + math.floor(day) * DAY_S + (hour % 24) * 3600
        next_days = 0.1 if rng.random() < 0.04 else max(0.3, float(rng.exponential(who.every_days)))
        due[due.index((day, number))] = (day + next_days, number)
        amount = math.exp(who.log_amount + float(rng.normal(0, who.spread)))
        yield {
            "kiosk": kiosk,
            "deposit": count,
            "depositor": number,
            "at_s": round(at_s, 1),
            "hour": int(hour % 24),
            "worth": {str(index + 1): face for index, face in enumerate(FACES)},
            "events": [
                [round(t, 2), what, ch] for t, what, ch in events(rng, who, notes_of(rng, amount, who.smallest))
            ],
        }


def write(out: Path, seed: int, kiosks: int, each: int) -> int:
    """Write the file; returns how many deposits are in it."""
    out.mkdir(parents=True, exist_ok=True)
    count = 0
    with (out / "transactions.jsonl").open("w", encoding="utf-8") as file:
        for kiosk in range(kiosks):
            life = list(deposits(np.random.default_rng((seed & 0x7FFFFFFF, kiosk)), kiosk, each))
            for one in sorted(life, key=lambda row: float(row["at_s"])):
                file.write(json.dumps(one) + "\n")
                count += 1
    return count


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `hwsim transactions`."""
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--kiosks", type=int, default=24, help="how many kiosks")
    parser.add_argument("--each", type=int, default=75, help="deposits of each kiosk; the first third is its past")
    parser.add_argument("--seed", type=int, required=True)


def run(args: argparse.Namespace) -> int:
    """Write the data set; returns the process's exit code."""
    count = write(args.out, args.seed, args.kiosks, args.each)
    print(f"{args.out}/transactions.jsonl: {count} deposits of {args.kiosks} kiosks")  # noqa: T201
    return 0
