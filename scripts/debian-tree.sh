#!/usr/bin/env bash
# A plain Debian userland to install our package into: debian-tree.sh amd64|arm64 makes it once, with what the package
# depends on, and prints where it is. The tree is a pattern: tests copy it, nothing is installed into it.
# Needs root and a Debian mirror. A foreign architecture runs under qemu-user, which the kernel finds by binfmt_misc.
# KIOSK_TREES (default /var/tmp/deposit-kiosk) keeps the trees; `rm -r` it to have them made anew.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'debian-tree: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

arch=${1:-}
case "$arch" in amd64 | arm64) ;; *) fail "usage: debian-tree.sh amd64|arm64" ;; esac
suite=bookworm
trees=${KIOSK_TREES:-/var/tmp/deposit-kiosk}
tree=$trees/$suite-$arch
# What packaging/control depends on, as on any installed Debian or Raspberry Pi OS. openssl: certificates, in the tests.
include=python3,systemd,tzdata,ca-certificates,openssl
[ "$(id -u)" = 0 ] || fail "root is needed for debootstrap, chroot and mounts"

missing=()
command -v debootstrap >/dev/null || missing+=(debootstrap)
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=(debian-archive-keyring)
if [ "$arch" != "$(dpkg --print-architecture)" ] && ! command -v qemu-aarch64-static >/dev/null; then
  missing+=(qemu-user-static)
fi
if [ ${#missing[@]} != 0 ]; then
  say "apt-get install ${missing[*]}"
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "${missing[@]}" >/dev/null
fi

if [ "$arch" != "$(dpkg --print-architecture)" ]; then
  register=/proc/sys/fs/binfmt_misc
  [ -e $register/register ] || mount -t binfmt_misc binfmt_misc $register || fail "this kernel has no binfmt_misc"
  # Flag F: the kernel holds the interpreter open, so that it need not be in the tree.
  [ -e $register/qemu-aarch64 ] || cat /usr/lib/binfmt.d/qemu-aarch64.conf >$register/register
fi

mkdir -p "$trees"
exec 9>"$tree.lock"
flock 9
stamp=$(printf '%s\n' "$suite $include" | sha256sum | cut -d' ' -f1)
if [ "$(cat "$tree/.stamp" 2>/dev/null)" != "$stamp" ]; then
  say "debootstrap $suite for $arch into $tree (minutes; under qemu about ten)"
  rm -rf "$tree" "$tree.new"
  nice -n 15 debootstrap --arch="$arch" --variant=minbase --include="$include" "$suite" "$tree.new" >"$tree.log" 2>&1 \
    || fail "debootstrap failed; see $tree.log"
  rm -rf "$tree.new"/var/cache/apt/archives/*.deb "$tree.new"/var/lib/apt/lists/*
  printf '%s\n' "$stamp" >"$tree.new/.stamp"
  mv "$tree.new" "$tree"
fi
printf '%s\n' "$tree"
