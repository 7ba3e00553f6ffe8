#!/usr/bin/env bash
# Proves that the two examples print the tutorial's numbers, and that a program which only draws needs few crates.
# It needs cargo.
set -euo pipefail
cd "$(dirname "$0")/../.."

expect() {
    local example=$1 expected=$2 printed
    printed=$(cargo run --quiet --locked --example "$example")
    echo "$printed"
    if [[ $printed != *"$expected"* ]]; then
        printf 'example %s does not print\n%s\n' "$example" "$expected" >&2
        exit 1
    fi
}

expect transposed_conv "\
  [2.0, 3.0, 0.0, 0.0]
  [4.0, 5.0, 0.0, 0.0]
  [4.0, 6.0, 6.0, 9.0]
  [8.0, 10.0, 12.0, 15.0]"

# x = torch.rand(1, 3, 64, 64) after torch.manual_seed(42): x.mean((0, 2, 3)) and x.std((0, 2, 3)) of PyTorch 2.11 to
# four decimals, then those of nn.BatchNorm2d(3)(x). The last digits are the summation's.
printed=$(cargo run --quiet --locked --example batch_norm)
echo "$printed"
awk '
    function near(a, b) { return a - b < 1e-4 && b - a < 1e-4 }
    BEGIN {
        split("0.4967 0.5018 0.4979 0 0 0", mean)
        split("0.2864 0.2907 0.2887 1.0001 1.0001 1.0001", deviation)
    }
    { wrong += !near($6, mean[NR]) || !near($10, deviation[NR]) }
    END { exit wrong > 0 || NR != 6 }
' <<<"$printed" || { echo "example batch_norm does not print PyTorch's numbers" >&2; exit 1; }

# The library without training: what its documentation says it needs, and none of the large crates.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cargo run --quiet --locked -p dcgan --no-default-features --example draw -- \
    crates/formats/tests/fixtures/generator-scripted-2.11.pt "$folder/faces.png"
[[ $(head -c 4 "$folder/faces.png") == $'\x89PNG' ]]
crates() { # the crates that dcgan needs with these options, itself left out
    cargo tree --locked -p dcgan "$@" -e normal --prefix none | sed 's/ (.*//' | sort -u | grep -v '^dcgan v'
}
few=$(crates --no-default-features) all=$(crates)
if grep -E '^(plotters|dejavu|clap|jpeg-decoder|image-webp|gif|tar|toml|nalgebra|dcgan-(data|train|metrics|settings)) ' <<<"$few"; then
    echo "dcgan without default features needs crates that it has no use for" >&2
    exit 1
fi
documented="needs $(wc -l <<<"$few") other crates instead of $(wc -l <<<"$all")"
if ! sed 's|^//! ||' crates/dcgan/src/lib.rs | tr '\n' ' ' | grep -q "$documented"; then
    echo "crates/dcgan/src/lib.rs does not say that the library without training $documented" >&2
    exit 1
fi
echo "without training, dcgan $documented"
