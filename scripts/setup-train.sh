#!/bin/sh
# Install what training needs (CPU torch, onnx, dp-accounting) into the same .venv; the kiosk and `make test` never need it.
set -eu
cd "$(dirname "$0")/.."

python=.venv/bin/python
if [ ! -x "$python" ]; then
    echo "setup-train: no .venv; run 'make setup' first" >&2
    exit 1
fi

check='
import dp_accounting, onnx, torch
assert torch.__version__.split("+")[0] == "2.13.0", f"torch {torch.__version__}, want 2.13.0"
'
if "$python" -c "$check" 2>/dev/null; then
    echo "setup-train: torch, onnx and dp-accounting are in .venv already"
    exit 0
fi

# The wheel named torch on PyPI brings gigabytes of GPU libraries on x86-64. pip prefers a local CPU wheel (2.13.0+cpu)
# where its configuration names one; elsewhere ask for PyTorch's CPU index:
#   PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make setup-train
echo "setup-train: installing torch 2.13.0 (CPU, about 200 MB), onnx and dp-accounting into .venv"
"$python" -m pip install --quiet --disable-pip-version-check "torch==2.13.0" "onnx>=1.19,<2" \
    "dp-accounting>=0.6,<0.7"
"$python" -c "$check"
"$python" -c 'import torch; print("setup-train: torch", torch.__version__, "is ready")'
