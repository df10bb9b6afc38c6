"""Depositors grouped by where on the map their deposits lie, each group described in words. Needs no torch.

A depositor, known by a pseudonym only, is the share of their deposits in each unit of the transaction's map, smoothed
over the map: people who do alike are near each other even when no two of their deposits fall into the same unit. The
roots of shares are grouped (Hellinger distance) by k-means, begun by k-means++ (Arthur and Vassilvitskii, 2007), into
as many groups as are told apart best by silhouettes (Rousseeuw, 1987). Words come from the features' own descriptions.

Depositors of fewer than DEPOSITS_MIN deposits are not grouped, and no group of fewer than GROUP_MIN is described: what
can be said of four people can be said of each of them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from somgan.arrays import Floats, Floats32, Ints, Strings
from somgan.data import read_table
from somgan.errors import ArtifactError, DataError
from somgan.manifest import read_manifest
from somgan.runtime import OnnxModel

DEPOSITS_MIN, GROUP_MIN = 4, 5
GROUPS_MAX = 8
REACH_UNITS = 1.5
ROUNDS_MAX, STARTS = 50, 4
DIFFERENCE_MIN = 0.4  # of the deviation between depositors: less is not worth a word
WORDS_MAX = 4
SILHOUETTE_ROWS_MAX = 2000


@dataclass(frozen=True)
class People:
    """Depositors: pseudonyms [n], number of deposits [n], mean finished deposit [n, d], place on the map [n, k]."""

    names: Strings
    deposits: Ints
    mean: Floats
    place: Floats


def segments(folder: Path, data: Path, count: int | None, seed: int) -> dict[str, Any]:
    """Group the depositors of a feature table on the map of the model in `folder`.

    Raises:
        ArtifactError: the model is damaged or was trained on other features.
        DataError: no pseudonyms, or too few depositors to group.

    """
    manifest, table = read_manifest(folder), read_table(data)
    if tuple(feature["name"] for feature in manifest["features"]) != table.names:
        msg = f"{data}: other features than those of {folder}"
        raise ArtifactError(msg, remedy="Make the table with the same `kiosk features`.")
    people = _people(OnnxModel(folder / manifest["onnx"]), manifest["map"], table.x, table.deposit, _pseudonyms(data))
    if people.names.size < 2 * GROUP_MIN:
        msg = f"{people.names.size} depositors with {DEPOSITS_MIN} deposits or more are too few to group"
        raise DataError(msg, remedy=f"Gather deposits until there are {2 * GROUP_MIN} such depositors.")
    chance = np.random.default_rng(seed)
    wanted = range(2, GROUPS_MAX + 1) if count is None else [count]
    fits = [k for k in wanted if 1 < k <= people.names.size // GROUP_MIN]
    if not fits:
        msg = f"{count} groups of {people.names.size} depositors would be smaller than {GROUP_MIN}"
        raise DataError(msg, remedy=f"Take 2 to {people.names.size // GROUP_MIN} groups.")
    tried = [grouped(people.place, k, chance) for k in fits]
    apart = [silhouette(people.place, groups, chance) for groups in tried]
    best = int(np.argmax(apart))
    return _report(people, tried[best], apart[best], manifest)


def words(report: dict[str, Any]) -> list[str]:
    """Say the report to a person."""
    apart = f"silhouette {report['silhouette']:.2f} (1: far apart, 0: no groups in fact)"
    lines = [f"{report['depositors']} depositors in {len(report['groups'])} groups, {apart}"]
    for number, group in enumerate(report["groups"], 1):
        head = f"{number}: {group['depositors']} depositors ({group['share']:.0%}), {group['deposits']} deposits"
        lines.append(f"{head}; around map cell {tuple(group['cell'])}")
        lines += [f"   {line}" for line in group["words"]]
    if report["ungrouped"]:
        lines.append(f"{report['ungrouped']} depositors with too few deposits, or in groups too small to describe")
    return lines


def grouped(place: Floats, count: int, chance: np.random.Generator) -> Ints:
    """Return the group of each row of `place` [n, k]: the best of STARTS runs of k-means."""
    runs = [_k_means(place, count, chance) for _ in range(STARTS)]
    return min(runs, key=lambda run: run[1])[0]


def silhouette(place: Floats, groups: Ints, chance: np.random.Generator) -> float:
    """Return the mean silhouette of rows in groups, on a sample of them: 1 far apart, 0 not told apart."""
    sample = chance.permutation(place.shape[0])[:SILHOUETTE_ROWS_MAX]
    rows, mine = place[sample], groups[sample]
    distance = np.sqrt(_squares(rows, rows))
    present = np.unique(mine)
    if present.size < 2:  # noqa: PLR2004 - one group is told apart from nothing
        return -1.0
    sizes = np.array([(mine == group).sum() for group in present])
    sums = np.stack([distance[:, mine == group].sum(axis=1) for group in present], axis=1)
    own = np.searchsorted(present, mine)
    at = np.arange(mine.size)
    within = sums[at, own] / np.maximum(1, sizes[own] - 1)
    means = sums / sizes
    means[at, own] = np.inf
    other = means.min(axis=1)
    widths = np.where(sizes[own] > 1, (other - within) / np.maximum(np.maximum(other, within), 1e-12), 0.0)
    return float(widths.mean())


def _pseudonyms(data: Path) -> Strings:
    with np.load(data, allow_pickle=False) as archive:
        if "depositor" not in archive.files or archive["depositor"].shape != archive["deposit"].shape:
            msg = f"{data}: no pseudonym of the depositor at each row"
            raise DataError(msg, remedy="Make the table with `kiosk features --stream transaction`.")
        return np.asarray(archive["depositor"], dtype=np.str_)


def _people(graph: OnnxModel, size: dict[str, int], x: Floats32, deposit: Ints, depositor: Strings) -> People:
    """Take each deposit as its last row shows it, complete, and each depositor as their deposits."""
    _, backwards = np.unique(deposit[::-1], return_index=True)
    last = deposit.size - 1 - backwards
    finished = x[last]
    cells = graph.run(finished).bmu
    names, whose, deposits = np.unique(depositor[last], return_inverse=True, return_counts=True)
    hits = np.zeros((names.size, size["rows"], size["columns"]))
    np.add.at(hits, (whose, cells[:, 0], cells[:, 1]), 1.0)
    for axis in (1, 2):
        steps = np.arange(hits.shape[axis])
        near = np.exp(-((steps[:, None] - steps) ** 2) / (2.0 * REACH_UNITS**2))
        hits = np.moveaxis(np.moveaxis(hits, axis, -1) @ near, -1, axis)
    flat = hits.reshape(names.size, -1)
    sums = np.stack([np.bincount(whose, weights=column, minlength=names.size) for column in finished.T], axis=1)
    kept = deposits >= DEPOSITS_MIN
    place = np.sqrt(flat / flat.sum(axis=1, keepdims=True))
    return People(names[kept], deposits[kept].astype(np.int64), (sums / deposits[:, None])[kept], place[kept])


def _k_means(place: Floats, count: int, chance: np.random.Generator) -> tuple[Ints, float]:
    centres = place[[int(chance.integers(place.shape[0]))]]
    while centres.shape[0] < count:
        far = _squares(place, centres).min(axis=1)
        weight = far / far.sum() if far.sum() > 0 else None
        centres = np.concatenate([centres, place[[int(chance.choice(place.shape[0], p=weight))]]])
    groups = np.full(place.shape[0], -1)
    for _ in range(ROUNDS_MAX):
        squares = _squares(place, centres)
        moved = squares.argmin(axis=1)
        if (moved == groups).all():
            break
        groups = moved
        for group in range(count):
            if (groups == group).any():
                centres[group] = place[groups == group].mean(axis=0)
    return groups.astype(np.int64), float(_squares(place, centres).min(axis=1).sum())


def _squares(rows: Floats, others: Floats) -> Floats:
    cross = rows @ others.T
    squares = (rows**2).sum(axis=1)[:, None] - 2.0 * cross + (others**2).sum(axis=1)
    return np.asarray(np.maximum(squares, 0.0), dtype=np.float64)


def _report(people: People, groups: Ints, apart: float, manifest: dict[str, Any]) -> dict[str, Any]:
    described, left = [], 0
    for group in np.unique(groups):
        mine = groups == group
        if mine.sum() < GROUP_MIN:
            left += int(mine.sum())
            continue
        cell = int((people.place[mine] ** 2).mean(axis=0).argmax())
        described.append(
            {
                "depositors": int(mine.sum()),
                "share": round(float(mine.mean()), 4),
                "deposits": int(people.deposits[mine].sum()),
                "cell": [cell // manifest["map"]["columns"], cell % manifest["map"]["columns"]],
                "words": _words(people.mean[mine], people.mean[~mine], manifest["features"]),
                "pseudonyms": people.names[mine].tolist(),
            }
        )
    described.sort(key=lambda one: -int(one["depositors"]))
    return {
        "stream": manifest["stream"],
        "version": manifest["version"],
        "depositors": int(people.names.size),
        "ungrouped": left,
        "silhouette": round(apart, 4),
        "groups": described,
    }


def _words(mine: Floats, others: Floats, features: list[dict[str, Any]]) -> list[str]:
    """Say what sets a group apart from the others, most of all first."""
    deviation = np.concatenate([mine, others]).std(axis=0)
    here, there = np.median(mine, axis=0), np.median(others, axis=0)
    apart = (here - there) / np.maximum(deviation, 1e-9)
    result = []
    for index in np.argsort(-np.abs(apart), kind="stable")[:WORDS_MAX]:
        if abs(apart[index]) < DIFFERENCE_MIN:
            break
        feature = features[index]
        side, sign = ("words_high", "higher") if apart[index] > 0 else ("words_low", "lower")
        figures = f"{feature['name']} {here[index]:.2f} against {there[index]:.2f} {feature['unit']}"
        result.append(f"{sign} than other depositors, towards '{feature[side]}': {figures}")
    return result or ["no single feature sets this group apart; together they do"]
