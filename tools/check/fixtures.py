"""Proves that the committed fixtures are what the scripts in tools/reference write.

    python tools/check/fixtures.py

It needs torch, numpy, pillow and safetensors in the versions of requirements.txt. The scripts run on a copy of tools/
in a temporary folder and write there; every file that comes out is compared with its committed namesake. The reverse
does not hold: some of PyTorch's files were written by older and newer versions.

Bytes have to be the same, with three exceptions. Numbers may differ by the last bit of a float32 (1.2e-7 of their
value) and by 1e-12 of the tensor's largest value, because on another processor float64 sums differ in their last bits
before they are rounded to float32. TorchScript files hold a random id and attributes in no fixed order, state_dicts in
the old layout addresses, so their tensors are compared. And the measures of sets of images may differ by 1e-5 of their
value.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import torch
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ("rng", "layer", "train", "pillow", "model_file", "metrics")
LAST_BIT = 1.2e-7
CANCELLED = 1e-12
# PyTorch's power iterations of spectral norm are float32: 16 of them differ by a few last bits of the largest value
# between processors.
POWER_ITERATION = ("._u", "._v")
POWER_ITERATION_BITS = 4
# Measures of sets of images: distances, counted or sorted, of float32 features that differ by a few last bits between
# processors.
MEASURES = 1e-5
# The kernel distance is a small difference of means of values near 1.
KERNEL_DISTANCE = 1e-7
# BCELoss of a saturated float32 sigmoid: one last bit there moves the loss by percents.
DEPENDS_ON_PROCESSOR = "bce.extreme.tutorial_"


def numbers_agree(a, b, of_largest=CANCELLED):
    """Whether two tensors are the same up to the last bit of a float32, and to a part of their largest value."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if not a.is_floating_point():
        return torch.equal(a, b)
    a, b = a.double(), b.double()
    largest = b.abs().max() if b.numel() else 0.0
    return torch.equal(a, b) or bool(((a - b).abs() <= LAST_BIT * b.abs() + of_largest * largest).all())


def tensors_agree(a, b):
    names = [name for name in a if not name.startswith(DEPENDS_ON_PROCESSOR)]
    part = {name: POWER_ITERATION_BITS * LAST_BIT if name.endswith(POWER_ITERATION) else CANCELLED for name in names}
    return a.keys() == b.keys() and all(numbers_agree(a[name], b[name], part[name]) for name in names)


def numbers(line):
    """The words of a line, those that are numbers as such."""

    def word(text):
        try:
            return float(text)
        except ValueError:
            return text

    return [word(text) for text in line.split()]


def texts_agree(a, b):
    """Line by line, but for comments, which name the processor."""
    a, b = ([numbers(line) for line in text.splitlines() if not line.startswith("#")] for text in (a, b))

    def same(x, y):
        if isinstance(x, float) and isinstance(y, float):
            return numbers_agree(torch.tensor([x], dtype=torch.float64), torch.tensor([y], dtype=torch.float64))
        return x == y

    return len(a) == len(b) and all(len(x) == len(y) and all(map(same, x, y)) for x, y in zip(a, b))


def same(a, b):
    """Nested dicts and lists of tensors in the same order and with the same values."""
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return numbers_agree(a, b) if isinstance(a, torch.Tensor) else a == b


def measures_agree(a, b):
    """Nested objects and lists with the same names and strings, and numbers that are nearly the same."""
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(measures_agree(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(measures_agree, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= MEASURES * abs(b) + KERNEL_DISTANCE
    return a == b


def agree(made, committed):
    if made.read_bytes() == committed.read_bytes():
        return True
    match made.suffix:
        case ".safetensors":
            return tensors_agree(load_file(made), load_file(committed))
        case ".json":
            return measures_agree(json.loads(made.read_text()), json.loads(committed.read_text()))
        case ".txt":
            return texts_agree(made.read_text(), committed.read_text())
        case ".pt":
            made, committed = (torch.jit.load(path).state_dict() for path in (made, committed))
            return same(made, committed)
        case ".pth":
            return same(*(torch.load(path, weights_only=True) for path in (made, committed)))
    return False


def main():
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        shutil.copytree(ROOT / "tools", copy / "tools")
        for script in SCRIPTS:
            command = [sys.executable, "-W", "ignore", str(copy / f"tools/reference/{script}_fixtures.py")]
            result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if result.returncode:
                sys.exit(f"{result.stdout}\n{script}_fixtures.py failed")
        made = sorted(path for path in copy.glob("crates/*/tests/fixtures/*"))
        wrong = []
        for path in made:
            committed = ROOT / path.relative_to(copy)
            if not committed.exists() or not agree(path, committed):
                wrong.append(path.relative_to(copy))
    for path in wrong:
        print(f"FAIL  {path} is not what its script writes")
    print(f"{len(made) - len(wrong)} of {len(made)} fixtures come out as they are committed")
    sys.exit(bool(wrong) or not made)


if __name__ == "__main__":
    main()
