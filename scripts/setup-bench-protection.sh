#!/bin/sh
# The peers of `make bench-protection` in a virtual environment of their own: their dependencies (spaCy and more) are none of ours.
# No language models are downloaded. DataProfiler brings TensorFlow (600 MB) and has one of its own: DATAPROFILER=1 to have it, too.
set -eu
cd "$(dirname "$0")/.."

folder=.cache/bench-protection
if [ -n "${DATAPROFILER:-}" ] && [ ! -x "$folder-dp/bin/python" ]; then
    .venv/bin/python -m venv "$folder-dp"
    "$folder-dp/bin/pip" install --quiet --disable-pip-version-check "dataprofiler[ml]==0.14.0"
fi
if [ -x "$folder/bin/python" ] && "$folder/bin/python" -c 'import argus_redact, presidio_analyzer' 2>/dev/null; then
    echo "setup-bench-protection: the peers are in $folder already"
    exit 0
fi
.venv/bin/python -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check "argus-redact==0.8.22" "presidio-analyzer==2.2.366"
"$folder/bin/python" -c 'import argus_redact, presidio_analyzer'
echo "setup-bench-protection: argus-redact and Presidio are in $folder"
