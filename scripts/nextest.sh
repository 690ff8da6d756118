#!/usr/bin/env bash
# nextest.sh ARGS: cargo nextest run ARGS, after fetching cargo-nextest where it is missing. It runs each test in a process
# of its own and ends those that hang (.config/nextest.toml), which cargo test does not.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

if ! cargo nextest --version >/dev/null 2>&1; then
    say "building cargo-nextest, once; this takes some minutes"
    cargo install --locked --version 0.9.143 cargo-nextest ||
        die "cargo-nextest could not be built. Get it from https://nexte.st, or run the tests by: cargo test --locked"
fi
exec cargo nextest run "$@"
