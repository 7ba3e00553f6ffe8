#!/usr/bin/env bash
# Looks for undefined behavior in the kernels with Miri, on tests of small sizes. Miri knows the portable code only,
# without SIMD.
#
#   tools/check/miri.sh [TEST...]     the tests whose names contain one of these words
#
# Installs the nightly component miri with rustup if it is missing. Takes minutes, and so is not part of run.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! cargo +nightly miri --version >/dev/null 2>&1; then
    rustup toolchain install nightly --profile minimal --component miri,rust-src
fi
[[ $# -gt 0 ]] || set -- small_sizes refused memory:: bias::
MIRIFLAGS=-Zmiri-disable-isolation \
    cargo +nightly miri test --locked --target-dir target/miri -p dcgan-kernels --lib -- "$@"
