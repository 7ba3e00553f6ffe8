#!/usr/bin/env bash
# Makes a Python environment with what requirements.txt lists. Usage: install_pytorch.sh FOLDER
#
# It needs python3 (3.11 or later) with pip 22.3 or later; the venv module's ensurepip, which Debian packs apart, is not
# needed.
set -euo pipefail
folder=$1
requirements=$(dirname "$0")/requirements.txt

if cmp --quiet "$requirements" "$folder/installed.txt"; then
    echo "$folder is up to date"
    exit
fi
rm -rf "$folder"
python3 -m venv --without-pip "$folder"
# A download of gigabytes may break off; what has arrived is in pip's cache. Without compiling all modules: Python
# compiles those that are used.
for attempt in 1 2 3; do
    if python3 -m pip --python "$folder/bin/python" install --no-compile --progress-bar off --retries 5 \
        -r "$requirements"; then
        cp "$requirements" "$folder/installed.txt"
        exec "$folder/bin/python" -c "import torch; print('PyTorch', torch.__version__, torch.backends.cpu.get_cpu_capability())"
    fi
    echo "attempt $attempt has failed" >&2
    sleep $((attempt * 20))
done
exit 1
