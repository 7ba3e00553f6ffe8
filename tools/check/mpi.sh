#!/usr/bin/env bash
# Training on several ranks: installs Open MPI if it is not there, builds the program with MPI in the profile of the
# tests, and runs mpi.py.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=target/check

bash tools/check/install_mpi.sh

# A plain build must not need MPI.
if cargo tree --locked -p dcgan-cli --edges normal,build | grep -w 'mpi' >&2; then
    echo 'MPI is in the tree of a plain build' >&2
    exit 1
fi

mkdir -p "$work"
cargo build --locked -p dcgan-cli
cp target/debug/dcgan "$work/dcgan-plain"
cargo build --locked -p dcgan-cli --features mpi
cp target/debug/dcgan "$work/dcgan-mpi"
cargo clippy --locked -p dcgan-cli -p dcgan-transport-mpi --features dcgan-cli/mpi --all-targets -- -D warnings
cargo test --locked -p dcgan-transport-mpi
python3 tools/check/mpi.py "$work/dcgan-mpi" "$work/dcgan-plain" "$work/mpi"
