"""The model card in markdown, written from the manifest alone so that the two cannot disagree."""

from typing import Any

TEMPLATE = """# SOM-GAN, {stream} stream, version {version}

Says how unusual one row of {stream} features is, and grades a deposit by the most unusual moment it had. It is
advice to the appraisal, which adds hard rules; it never decides about money.

## What it is

Four views of the row (standardised, by range, whitened, rank), a {rows} x {columns} self-organising map per view, a
denoising generator with a discriminator, calibrated surprise summed over the parts {parts}. Input `x` float32 [n,
{d}] raw units; outputs `score` (nats), `bmu` (row, column), `nearest_normal` (raw units), `discriminator`
(probability of real), `view_scores`. ONNX opset {opset}, {size_bytes} bytes, {row_microseconds:.0f} microseconds a
row at the median where it was trained; onnxruntime and torch differ by at most {difference_max:.1e} on {probes}
real, noisy and extreme rows.

## Data

{data}: {rows_all} rows of {deposits} deposits without danger, seed {seed}. {fit} deposits trained the layers,
{tails} the fusion's tails, {calibrate} the grades; no deposit is in two sets. Made by the simulator: real cabinets
differ, so calibrate in the field before believing the rates.

## Grades

Split-conformal over whole deposits: the p-value compares the maximum of the smoothed score ({smoothing_rows} rows)
with {calibrate} held-out deposits; medium at p <= {alpha_medium}, high at p <= {alpha_high}. The promise is a
false-alarm rate per deposit, for deposits like those of the calibration (similar length, light, machine); it is not
a promise to find a danger. {reach}

## Quality

| measure | value | good is |
|---|---|---|
| quantisation error (standard deviations, held out) | {quantisation_error:.3f} | low |
| topographic error | {topographic_error:.3f} | low, below 0.1 reads well |
| trustworthiness | {trustworthiness:.3f} | near 1 |
| dead units | {dead_units:.3f} | near 0 |
| discriminator AUROC, real against generated | {discriminator_auroc:.3f} | near 0.5 |
{evaluation}{benchmark}
## Features

| feature | unit | normal from | to | high means | low means |
|---|---|---|---|---|---|
{features}

## Limits

{privacy} NaN and
infinities are not for this model: the caller must refuse them. A frozen input looks normal to it if the frozen row
was normal. The discriminator output is a check of synthetic rows, no anomaly score.

Made by `{command}`. SHA-256 of model.onnx: `{sha256}`.
"""


def card(manifest: dict[str, Any]) -> str:
    """Write the card of a manifest."""
    calibration, training, quality, graph = (manifest[key] for key in ("calibration", "training", "quality", "graph"))
    samples = len(calibration["deposit_max_scores"])
    return TEMPLATE.format(
        stream=manifest["stream"],
        version=manifest["version"],
        rows=manifest["map"]["rows"],
        columns=manifest["map"]["columns"],
        parts=", ".join(manifest["parts"]),
        d=len(manifest["features"]),
        opset=manifest["opset"],
        probes=graph["probe_rows"],
        data=training["data"],
        rows_all=training["rows"],
        deposits=training["deposits"],
        seed=training["seed"],
        command=training["command"],
        sha256=manifest["sha256"],
        reach=_reach(samples, calibration["alpha_high"]),
        privacy=_privacy(manifest.get("privacy")),
        evaluation=_evaluation(manifest.get("evaluation")),
        benchmark=_benchmark(manifest.get("benchmark")),
        features="\n".join(_feature_line(feature) for feature in manifest["features"]),
        **{key: graph[key] for key in ("size_bytes", "row_microseconds", "difference_max")},
        **{key: training[key] for key in ("fit", "tails", "calibrate")},
        **{key: calibration[key] for key in ("smoothing_rows", "alpha_medium", "alpha_high")},
        **{key: _number(value) for key, value in quality.items()},
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _reach(samples: int, alpha_high: float) -> str:
    if samples + 1 < 1.0 / alpha_high:
        return f"**With {samples} calibration deposits p cannot fall to {alpha_high}: this model never says high.**"
    return f"With {samples} calibration deposits the smallest possible p is {1.0 / (samples + 1):.4f}."


def _feature_line(feature: dict[str, Any]) -> str:
    cells = (feature[key] for key in ("name", "unit", "normal_low", "normal_high", "words_high", "words_low"))
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _privacy(promise: dict[str, Any] | None) -> str:
    if promise is None:
        return "No differential privacy: the map's units are means of training rows and can be read from this file."
    return "\n".join(
        [
            f"Differential privacy: epsilon {promise['epsilon']:g}, delta {promise['delta']:g}, for",
            f"{promise['unit']} ({promise['neighbours']}). Covered: {', '.join(promise['covers'])}.",
            f"Not covered: {'; '.join(promise['not_covered'])}. Quality, ranges and golden rows above and in the",
            "manifest are those of the model's own synthetic rows. Grades lie rather too low: noise in the",
            "calibration is allowed for on the side of fewer false alarms.",
        ]
    )


def _evaluation(report: dict[str, Any] | None) -> str:
    if report is None:
        return ""
    lines = [
        "",
        f"Detection on {report['deposits']} other deposits ({report['normal']} normal), never seen in training or",
        f"calibration: AUROC per deposit {report['auroc_deposit']}, AP {report['ap_deposit']}; false alarms",
        f"{report['false_alarm_medium']} at medium, {report['false_alarm_high']} at high.",
        "This stream alone: a kiosk that watches k streams divides both levels by k.",
        "",
        "| danger | deposits | AUROC | medium or high | high |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {kind} | {row['n']} | {row['auroc']} | {row['medium_or_high']} | {row['high']} |"
        for kind, row in report["detection"].items()
    ]
    return "\n".join([*lines, ""])


def _benchmark(reports: dict[str, dict[str, Any]] | None) -> str:
    """Tables of what `make bench-detector` measured: of the method, on data that is not this model's."""
    if not reports:
        return ""
    lines = ["", "## The method on other people's data", ""]
    lines += ["Not this model: the same code, fitted to public data by the settings of `benchmark/ours.py`.", ""]
    for title, rows in reports.items():
        columns = list(next(iter(rows.values())))
        lines += [f"| {title} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
        for name, row in rows.items():
            lines.append(f"| {name} | {' | '.join(f'{row[key]:.4g}' for key in columns)} |")
        lines.append("")
    return "\n".join(lines)
