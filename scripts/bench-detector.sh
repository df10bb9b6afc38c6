#!/bin/bash
# The SOM-GAN on other people's data, beside its peers: one JSON line a benchmark, kept in run/ and put into the model cards.
#   DATA=../shared/data SEEDS=5 DETECTORS=somgan,knn5 MODELS=models/artifacts scripts/bench-detector.sh
set -euo pipefail
cd "$(dirname "$0")/.."

data=${DATA:-../shared/data}
seeds=${SEEDS:-5}
detectors=${DETECTORS:-somgan,knn5,pyod_knn,lof,iforest,ecod,deep_svdd,lunar,alad,minisom}
models=${MODELS:-models/artifacts}
reports=run/bench-detector
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONPATH=models${PYTHONPATH:+:$PYTHONPATH}

mkdir -p "$reports"
rm -f "$reports"/*.json # a report of an older run beside new ones would be a lie in the card
measure() { # report command...
    echo "bench-detector: $1"
    nice "${PYTHON:-.venv/bin/python}" -m somgan.benchmark "${@:2}" --json >"$reports/$1.part"
    mv "$reports/$1.part" "$reports/$1.json"
    cat "$reports/$1.json"
}
measure tables tables --data "$data/adbench" --seeds "$seeds" --detectors "$detectors"
measure video video --data "$data/ped2" --detectors "$detectors"
measure transactions transactions --data "$data/transactions/transactions.csv.gz" \
    --train 2018-07-25:2018-07-31 --test 2018-08-08:2018-08-14 --detectors "$detectors"
measure ablation ablation --data "$data/adbench" --seeds 1
"${PYTHON:-.venv/bin/python}" -m somgan.benchmark record --reports "$reports" --models "$models"
