#!/usr/bin/env bash
# browser.sh setup: sees to it that the browser tests have Node.js 20 or newer and their packages.
# browser.sh run [FILE...]: runs them, all or those named, against target/release/sightglass.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

root=$PWD
major() { node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/'; }
# Debian 12's Node.js is 18; playwright-core asks for 20.
if ! have npm || ! at_least 20 "$(major)"; then
    scripts/wheels.sh node
    PATH=$PWD/deps/node/bin:$PATH
    npm() { node "$root/deps/node/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
fi

cd tests/browser

case $1 in
setup)
    # npm writes node_modules/.package-lock.json last.
    if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
        say "npm ci in tests/browser"
        npm ci --no-audit --no-fund >&2
    fi
    ;;
run)
    shift
    if [ $# -eq 0 ]; then set -- *.test.*js; fi
    # One file at a time: two browsers beside a detector on two cores would test each other's patience.
    exec node --test --test-reporter=spec --test-concurrency=1 --test-timeout=600000 "$@"
    ;;
esac
