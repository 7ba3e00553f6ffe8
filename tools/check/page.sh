#!/usr/bin/env bash
# The web page in a real browser: bash tools/check/page.sh DCGAN
#
# DCGAN is the program. Needs node with npm, and Debian's chromium, which is installed if it is missing and this runs as
# root. Packages of npm and the screenshots go to target/check/page. The status is 1 if anything was wrong.
set -euo pipefail
cd "$(dirname "$0")/../.."

dcgan=$(realpath "${1:?name the program: bash tools/check/page.sh target/release/dcgan}")
work=target/check/page
mkdir -p "$work"

if ! command -v chromium >/dev/null; then
    # Chinese letters for the screenshots.
    bash tools/check/install_debian.sh chromium fonts-noto-cjk
fi
if ! command -v npm >/dev/null; then
    bash tools/check/install_debian.sh nodejs npm
fi
cp tools/check/page.mjs "$work/page.mjs"
npm install --silent --no-audit --no-fund --prefix "$work" playwright-core@1.65.1 axe-core@4.14.1
exec node "$work/page.mjs" "$dcgan" "$work" "$(command -v chromium)"
