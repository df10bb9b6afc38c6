#!/usr/bin/env bash
# Everything that `make demo` and `make test` share: Debian packages that are missing, .venv with the locked
# dependencies, this project in it. Needs Python 3.11 or newer, make, and root or sudo. Called by `make setup`.
#
# The stamp .stamps/setup says for which inputs this was completed; with the same inputs there is nothing to do.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# --- one at a time, and only when something changed -------------------------------------------------------

mkdir -p .stamps
exec 9>.stamps/lock
flock 9

pick_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      command -v "$candidate"
      return
    fi
  done
}
python=$(pick_python)
[ -n "$python" ] || fail "no Python 3.11 or newer found; install one (Debian: apt-get install python3) or set PYTHON=/path/to/it"

# What was set up, and where: a virtual environment does not move.
inputs=$({ pwd; "$python" -V; cat scripts/setup.sh scripts/vendor.py pyproject.toml requirements/all.lock requirements/build.lock; } | sha256sum | cut -d' ' -f1)
if [ -x .venv/bin/python ] && [ "$(cat .stamps/setup 2>/dev/null)" = "$inputs" ] && [ -x /usr/sbin/mosquitto ] && [ -x /usr/bin/chromium ] && [ -x /usr/bin/softhsm2-util ] && [ -x /usr/bin/espeak-ng ]; then
  exit 0
fi
rm -f .stamps/setup
started=$SECONDS

# --- Debian packages ---------------------------------------------------------------------------------------

missing=()
need() { say "missing: $1 ($2)"; missing+=("$1"); }
has_venv() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }
if [ ! -x .venv/bin/python ] && ! has_venv; then
  need "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" "makes .venv"
fi
[ -x /usr/sbin/mosquitto ] || need mosquitto "the MQTT broker of the demo; started by the demo itself, not as a service"
command -v mosquitto_sub >/dev/null || need mosquitto-clients "listens in on the broker, in tests"
command -v mbpoll >/dev/null || need mbpoll "a Modbus master that we did not write reads the board, in tests"
if ! command -v gcc >/dev/null || [ ! -e /usr/include/stdio.h ]; then
  need gcc "builds the layer that loses unsynced writes, and on x86-64 eSSP6, the validator maker's own host, for tests"
  missing+=(libc6-dev)
fi
[ -x /usr/bin/chromium ] || need chromium "shows the touch screen, in tests; no other browser is downloaded"
[ -e /usr/share/doc/fonts-noto-cjk ] || need fonts-noto-cjk "the touch screen's Chinese, in tests and pictures"
[ -e /usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf ] || need fonts-dejavu-core "the touch screen's Russian, in tests and pictures"
command -v espeak-ng >/dev/null || need espeak-ng "reads the touch screen aloud to whoever asks for it, on this machine alone"
command -v systemd-analyze >/dev/null || need systemd "systemd-analyze checks our units, in tests"
command -v softhsm2-util >/dev/null || need softhsm2 "a token in software: keys that never leave it sign records, in tests"
[ -e /usr/share/zoneinfo/Asia/Shanghai ] || need tzdata "the branch's time zone, for business dates"
command -v xmllint >/dev/null || need libxml2-utils "xmllint holds our camt.054 files against ISO 20022's schema, in tests"
[ -e /etc/ssl/certs/ca-certificates.crt ] || need ca-certificates "pip's way to the package index"

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

install_packages() {
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    fail "root or sudo is needed once; or let an administrator run: apt-get install ${missing[*]}"
  fi
  command -v apt-get >/dev/null || fail "this is no Debian; install these some other way: ${missing[*]}"
  # Nothing that we install shall start a service on somebody's machine. A policy that is there already stays.
  local policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
  fi
  say "apt-get install ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "${missing[@]}" >/dev/null
  # Its package enables the service for the next boot: we brought it, so we keep it off.
  case " ${missing[*]} " in
    *" mosquitto "*) if command -v systemctl >/dev/null; then as_root systemctl disable mosquitto >/dev/null 2>&1 || true; fi ;;
  esac
}
[ ${#missing[@]} = 0 ] || install_packages
has_venv || [ -x .venv/bin/python ] || fail "$python still cannot make virtual environments (module ensurepip)"

# --- .venv -------------------------------------------------------------------------------------------------

if [ -e .venv ] && ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  say ".venv does not run here any more: making it anew"
  rm -rf .venv
fi
if [ ! -e .venv ]; then
  say "making .venv with $("$python" -V)"
  "$python" -m venv .venv
fi
pip() { .venv/bin/python -m pip --disable-pip-version-check "$@"; }
say "installing the locked dependencies, by hash (a few minutes the first time)"
pip install --quiet --require-hashes --requirement requirements/build.lock
# eSSP6 comes as source: built with the locked setuptools, so that nothing unlocked is fetched for it.
pip install --quiet --no-build-isolation --require-hashes --requirement requirements/all.lock
say "fetching what the tests need of other people's files, by hash"
.venv/bin/python -m scripts.vendor
say "installing this project, editable"
pip install --quiet --no-deps --no-build-isolation --no-index --editable .

printf '%s\n' "$inputs" >.stamps/setup
say "complete in $((SECONDS - started)) s"
