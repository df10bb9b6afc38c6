#!/usr/bin/env bash
# Renews the locks from pyproject.toml; called by `make lock`. uv is only ever needed here.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ ! -x .venv/bin/uv ]; then
  echo "lock: installing uv into .venv"
  .venv/bin/python -m pip --disable-pip-version-check install --quiet uv
fi
# --universal: one lock for aarch64 and x86-64, Python 3.11 and newer. torch is a matter of setup-train.
compile() { .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 "$@"; }
compile --extra sim --extra hsm --extra cloud --extra protect --extra dev pyproject.toml --output-file requirements/all.lock "${@}"
# What a kiosk in the field gets, as a Debian package (scripts/deb.py): no simulator, no tests.
compile --extra hsm --constraint requirements/all.lock pyproject.toml --output-file requirements/kiosk.lock "${@}"
compile requirements/build.in --constraint requirements/all.lock --output-file requirements/build.lock "${@}"
# Peers for benchmarks: beside what is installed already, torch as ever a matter of setup-train.
compile --extra bench --constraint requirements/all.lock pyproject.toml --output-file requirements/bench.lock "${@}"
if grep -E '^(torch|triton|nvidia)' requirements/*.lock; then
  echo "lock: torch must not be needed at run time or by the tests" >&2
  exit 1
fi
grep -c '^[a-z]' requirements/all.lock | xargs printf 'lock: %s packages in requirements/all.lock\n'
