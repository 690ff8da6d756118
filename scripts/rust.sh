#!/usr/bin/env bash
# rust.sh: is there a cargo that is new enough for Cargo.toml? Rust is not installed behind anyone's back.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
how="Get it from https://rustup.rs: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
have cargo || die "Rust $wanted or newer is needed, and there is no cargo here. $how"
found=$(rustc --version | cut -d ' ' -f 2)
at_least "$wanted" "$found" || die "Rust $wanted or newer is needed, this is $found. With rustup: rustup update stable. $how"
