#!/usr/bin/env bash
# Sees to it that Open MPI and what its bindings are built with are there. It needs root and Debian, or the packages
# libopenmpi-dev, openmpi-bin and libclang-dev from elsewhere.
set -euo pipefail

if ! command -v mpirun >/dev/null || ! command -v mpicc >/dev/null || ! ldconfig -p | grep 'libclang-.*\.so' >/dev/null; then
    bash "$(dirname "$0")/install_debian.sh" libopenmpi-dev openmpi-bin libclang-dev
fi
