#!/bin/bash
# Train the networks that tell protected data: generated columns -> the product's own encoding -> models/protection.
# The same seeds make the same data and, on the same machine, the same graphs. About six minutes of one idle core.
#   FIRST_CELLS=150000 SECOND_CELLS=80000 VALIDATION_CELLS=25000 EPOCHS=5 OUT=models/protection scripts/train-protection.sh [FEEDBACK.jsonl ...]
# FEEDBACK: labelled columns ({"header", "values", "kinds"} a line) of a bank's own, added to what all networks learn from.
set -euo pipefail
cd "$(dirname "$0")/.."

first=${FIRST_CELLS:-150000} second=${SECOND_CELLS:-80000} validation=${VALIDATION_CELLS:-25000} epochs=${EPOCHS:-5}
out=${OUT:-models/protection}
export OMP_NUM_THREADS=1 PYTHONHASHSEED=0
python=${PYTHON:-.venv/bin/python}
work=$(mktemp -d "${TMPDIR:-/tmp}/kiosk-protection.XXXXXX")
trap 'rm -rf "$work"' EXIT

started=$SECONDS
make_cells() { # name seed cells
    nice "$python" -m cellkinds generate --seed "$2" --cells "$3" --out "$work/$1.jsonl"
    [ "$1" = validation ] || [ ${#feedback[@]} = 0 ] || cat "${feedback[@]}" >>"$work/$1.jsonl"
    [ "$1" = validation ] || nice "$python" -m kiosk.protection.prepare "$work/$1.jsonl" "$work/$1.npz"
}
feedback=("$@")
make_cells first 1 "$first"
make_cells second 2 "$second"
make_cells validation 3 "$validation"
kinds=$("$python" -c 'from kiosk.protection.kinds import KINDS; print(len(KINDS))')
nice "$python" -m cellkinds train --first "$work/first.npz" --second "$work/second.npz" --kinds "$kinds" --epochs "$epochs" --out "$out"
nice "$python" -m kiosk.protection.weigh "$out" "$work/validation.jsonl" \
    --training "{\"first_cells\": $first, \"second_cells\": $second, \"epochs\": $epochs, \"seed\": 1, \"feedback_files\": ${#feedback[@]}}"
echo "train-protection: $out after $((SECONDS - started)) s, $(cat "$out"/*.onnx | wc -c) bytes of graphs"
