#!/usr/bin/env bash
# Installs Debian's packages, which needs root: install_debian.sh PACKAGE...
#
# Checks run side by side, but only one may install at a time.
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p target/check
exec 9>target/check/install_debian.lock
flock 9
apt-get -o Acquire::Retries=3 update -qq 9>&-
DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 install -qq --yes --no-install-recommends "$@" >/dev/null 9>&-
