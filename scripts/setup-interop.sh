#!/usr/bin/env bash
# What `make test-interop` needs beside `make setup`: Go with x/mod from Debian, the verifiers from npm as locked in
# tests/interop/node/package-lock.json (by hash, without their install scripts), and our two Go programs built.
# The stamp says for which inputs this was completed; with the same inputs there is nothing to do.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup-interop: %s\n' "$*"; }
fail() { printf 'setup-interop: %s\n' "$*" >&2; exit 1; }

built=.stamps/interop
node=tests/interop/node
gopath=/usr/share/gocode
mkdir -p $built
exec 9>.stamps/lock
flock 9

inputs=$({ pwd; cat scripts/setup-interop.sh $node/package.json $node/package-lock.json tests/interop/go/*/main.go; } | sha256sum | cut -d' ' -f1)
if [ "$(cat $built/stamp 2>/dev/null)" = "$inputs" ] && [ -x $built/go-note ] && [ -x $built/go-tlog ] && [ -d $node/node_modules ]; then
  exit 0
fi
rm -f $built/stamp
started=$SECONDS

missing=()
command -v go >/dev/null || missing+=(golang-go)                                  # builds the two verifiers
[ -d $gopath/src/golang.org/x/mod/sumdb ] || missing+=(golang-golang-x-mod-dev)  # sumdb/note and sumdb/tlog
command -v node >/dev/null || missing+=(nodejs)                                   # 18 or newer: WebCrypto
command -v npm >/dev/null || missing+=(npm)
if [ ${#missing[@]} != 0 ]; then
  command -v apt-get >/dev/null || fail "this is no Debian; install these some other way: ${missing[*]}"
  as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
  say "apt-get install ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "${missing[@]}" >/dev/null
fi

say "npm ci, as locked"
npm --prefix $node ci --ignore-scripts --no-audit --no-fund --silent
say "building the Go verifiers"
for name in note tlog; do
  GO111MODULE=off GOPATH=$gopath GOFLAGS= go build -o "$built/go-$name" "./tests/interop/go/$name"
done

printf '%s\n' "$inputs" >$built/stamp
say "complete in $((SECONDS - started)) s"
