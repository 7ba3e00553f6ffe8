#!/usr/bin/env bash
# Looks for undefined behavior in the kernels with Miri, on tests of small sizes. Miri interprets the portable code
# only, without SIMD.
#
#   tools/check/miri.sh [TEST...]     the tests whose names contain one of these words
#
# By default: the thread pool, memory, biases, and convolutions by all algorithms on small sizes. Needs rustup, from
# which it installs the nightly component miri. Without them it says so and is content.
set -euo pipefail
cd "$(dirname "$0")/../.."

has_miri() { cargo +nightly miri --version >/dev/null 2>&1; }

if ! has_miri; then
    rustup component add --toolchain nightly miri rust-src >/dev/null 2>&1 ||
        rustup toolchain install nightly --profile minimal --component miri,rust-src >/dev/null 2>&1 || true
fi
if ! has_miri; then
    echo "SKIPPED: no Miri here. Install it with: rustup toolchain install nightly --component miri,rust-src"
    exit 0
fi
[[ $# -gt 0 ]] || set -- pool:: memory:: bias:: small_sizes refused
MIRIFLAGS=-Zmiri-disable-isolation \
    cargo +nightly miri test --locked --target-dir target/miri -p dcgan-kernels --lib --test conv -- "$@"
