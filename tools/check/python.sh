#!/usr/bin/env bash
# The Python package: a wheel, installed where there is no Rust; its types, its tests, and those against PyTorch.
# Usage: python.sh PROGRAM FOLDER PYTHON, where PROGRAM is the dcgan to compare with, FOLDER takes environments and the
# wheel, and PYTHON is an interpreter with PyTorch (requirements.txt).
#
# It needs python3 (3.11 or later) with pip 22.3 or later, as install_pytorch.sh.
set -euo pipefail
# Not the file that a link of a virtual environment leads to.
program=$(realpath "$1") folder=$2 torch=$(realpath --no-symlinks "$(command -v "$3")")
root=$(cd "$(dirname "$0")/../.." && pwd)
package=$root/crates/python
requirements=$root/tools/check/python_requirements.txt
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
step() { printf -- '--- %s\n' "$*"; }

pip() { python3 -m pip --python "$1" install --quiet --progress-bar off --retries 5 "${@:2}"; }

if ! cmp --quiet "$requirements" "$folder/venv/installed.txt"; then
    step "install what the tests need"
    rm -rf "$folder/venv"
    python3 -m venv --without-pip "$folder/venv"
    pip "$folder/venv/bin/python" -r "$requirements"
    cp "$requirements" "$folder/venv/installed.txt"
fi
bin=$folder/venv/bin python=$folder/venv/bin/python

step "wheel"
rm -rf "$folder/wheel"
# Into the folder of the release build, so that what both need is compiled once.
"$bin/maturin" build --release --locked --manifest-path "$package/Cargo.toml" \
    --out "$folder/wheel" --interpreter "$python"
wheel=$(echo "$folder"/wheel/dcgan-*-cp310-abi3-*.whl)
pip "$python" --force-reinstall --no-deps "$wheel"

step "fresh environments without Rust"
for version in python3 python3.10 python3.11 python3.12 python3.13 python3.14; do
    # Whichever there are; pyenv has names for versions that it cannot start.
    "$version" -c pass 2>/dev/null || continue
    interpreter=$("$version" -c 'import sys; print(sys.executable)')
    rm -rf "$folder/fresh"
    "$interpreter" -m venv --without-pip "$folder/fresh"
    pip "$folder/fresh/bin/python" "$wheel"
    (cd "$folder" && env -i PATH=/usr/bin:/bin HOME="$folder" fresh/bin/python -W error -c '
import dcgan, shutil, sys
assert shutil.which("cargo") is None
run = dcgan.train(demo=True, max_images=16, image_size=32, base_channels=2, batch_size=8, epochs=1, out="fresh/run")
print(sys.version.split()[0], run.generator, run.generator.faces(range(4)).shape)
')
done

step "types"
cd "$package"
"$bin/ruff" format --check --quiet .
"$bin/ruff" check --quiet .
"$bin/mypy" --strict --python-executable "$python" python/dcgan
(cd "$folder" && "$python" -m mypy.stubtest dcgan)
"$bin/pyright" --pythonpath "$python"

step "tests"
DCGAN=$program "$python" -m pytest -q -p no:cacheprovider tests

step "tests against PyTorch"
# Beside PyTorch's environment, which is left as it is.
rm -rf "$folder/beside"
python3 -m pip install --quiet --progress-bar off --target "$folder/beside" pytest==9.2.0
python3 -m pip install --quiet --progress-bar off --target "$folder/beside" --no-deps "$wheel"
PYTHONPATH=$folder/beside DCGAN=$program "$torch" -m pytest -q -p no:cacheprovider tests/test_torch.py \
    tests/test_examples.py::test_a_torch_module_and_back

step "free-threaded Python"
# A wheel for the stable ABI is none for an interpreter without the GIL, which has another one.
if "$python" -c 'import sysconfig, sys; sys.exit(not sysconfig.get_config_var("Py_GIL_DISABLED"))'; then
    echo "this interpreter has no GIL" >&2 && exit 1
fi
# As pip decides, from release 24.1 on.
"$python" - "$wheel" <<'END'
import pathlib, sys
from packaging.tags import cpython_tags, parse_tag

name = pathlib.Path(sys.argv[1]).name
tags = parse_tag(name.removesuffix(".whl").split("-", 2)[2])
platforms = [tag.platform for tag in tags]
assert not tags.isdisjoint(cpython_tags((3, 13), ["cp313"], platforms)), name
assert tags.isdisjoint(cpython_tags((3, 13), ["cp313t"], platforms)), name
END
echo ok
