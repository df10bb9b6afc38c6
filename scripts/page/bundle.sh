#!/usr/bin/env bash
# Bundles other people's code for the verification page into kiosk/verifier/page_parts/peers.js: 60 kB, kept in the repository
# so that building the page needs no npm. Run it to take a newer release; package-lock.json pins every byte by hash.
set -euo pipefail
cd "$(dirname "$0")"
page=../../kiosk/verifier/page_parts
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
node_modules/.bin/esbuild peers.js --bundle --minify --format=iife --target=es2022 --charset=utf8 \
  --legal-comments=none --log-level=warning --outfile=$page/peers.js
{
  echo "peers.js is made of these packages (npm), bundled by scripts/page/bundle.sh:"
  for package in qr @noble/post-quantum @noble/hashes @noble/curves; do
    printf '\n==== %s %s ====\n\n' "$package" "$(node -p "require('./node_modules/$package/package.json').version")"
    cat "node_modules/$package/LICENSE-MIT" 2>/dev/null || cat "node_modules/$package/LICENSE"
  done
} >$page/peers.LICENSES.txt
sha256sum $page/peers.js
