#!/bin/sh
# Install the peers of `python -m somgan.benchmark` into .venv; `make setup-train` has put torch there.
set -eu
cd "$(dirname "$0")/.."

python=.venv/bin/python
check='import minisom, pandas, pyod.models.alad, pyod.models.lunar'
if "$python" -c "$check" 2>/dev/null; then
    echo "setup-bench: the peers are in .venv already"
    exit 0
fi
echo "setup-bench: installing requirements/bench.lock into .venv"
"$python" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/bench.lock
"$python" -c "$check"
