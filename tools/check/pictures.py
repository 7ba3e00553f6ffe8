"""Proves that `dcgan generate` draws from a TorchScript file what PyTorch draws from it.

    python tools/check/pictures.py DCGAN FILE.pt [FILE.pt ...]

It needs torch, numpy and pillow, the program DCGAN and generators of any size. From the noise of `torch.manual_seed(S);
torch.randn(n, latent, 1, 1)` both draw a sheet, and single faces from noise of their own; PyTorch through
`torch.jit.load(FILE).eval()`.

A byte of ours is a value of ours rounded, so it may be half a step from PyTorch's value on the scale of 0 to 255, and
further by what two programs that sum in other orders differ in: 1e-4 of a picture in [-1, 1] is 0.013. That is asked
for, and stricter than "within one step".
"""

import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image

SEED, FACES = 5, 44  # more than are computed at a time, and the last row of the sheet is not full
SINGLES = (0, 7, 70000)
COLUMNS, PADDING = 8, 2
LIMIT = 0.5 + 1e-4 * 127.5


def expected(net, noise):
    """PyTorch's pictures, N × H × W × C on the scale of 0 to 255."""
    with torch.no_grad():
        return ((net(noise) + 1) * 127.5).permute(0, 2, 3, 1).double().numpy()


def read(path):
    """A PNG as H × W × C."""
    pixels = np.asarray(Image.open(path), dtype=np.float64)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def faces_of(sheet, count, size):
    for i in range(count):
        top, left = (PADDING + at * (size + PADDING) for at in divmod(i, COLUMNS))
        yield sheet[top : top + size, left : left + size]


def largest_difference(ours, theirs):
    ours = np.stack(list(ours))
    assert ours.shape == theirs.shape, f"{ours.shape} and {theirs.shape}"
    return np.abs(ours - theirs).max()


def generate(dcgan, model, *options):
    result = subprocess.run([dcgan, "generate", model, "--force", "--scale", "1", *options], stderr=subprocess.PIPE, text=True)
    if result.returncode:
        sys.exit(f"dcgan generate {model}: {result.stderr.strip()}")


def check(dcgan, model, folder):
    net = torch.jit.load(model).eval()
    latent = next(net.parameters()).shape[0]
    noise = lambda seed, count: torch.randn(count, latent, 1, 1, generator=torch.Generator().manual_seed(seed))

    sheet, singles = folder / "sheet.png", folder / "faces"
    generate(dcgan, model, "-n", str(FACES), "--seed", str(SEED), "--out", sheet)
    generate(dcgan, model, "--seeds", ",".join(map(str, SINGLES)), "--out", singles)

    theirs = expected(net, noise(SEED, FACES))
    size = theirs.shape[1]
    on_sheet = largest_difference(faces_of(read(sheet), FACES, size), theirs)
    alone = largest_difference(
        (read(singles / f"seed-{seed:04}.png") for seed in SINGLES),
        expected(net, torch.cat([noise(seed, 1) for seed in SINGLES])),
    )
    # What this script could not tell apart it could not prove.
    other = largest_difference(faces_of(read(sheet), FACES, size), expected(net, noise(SEED + 1, FACES)))
    ok = on_sheet <= LIMIT and alone <= LIMIT and other > 3 * LIMIT
    print(
        f"{'ok  ' if ok else 'FAIL'}  {model}: {FACES} faces on a sheet differ by {on_sheet:.4f} of 255 at most, {len(SINGLES)} single"
        f" faces by {alone:.4f}, allowed {LIMIT:.4f}; from another seed's by {other:.1f}"
    )
    return ok


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    warnings.filterwarnings("ignore")
    dcgan, *models = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        results = []
        for number, model in enumerate(models):
            place = Path(folder, str(number))
            place.mkdir()
            results.append(check(dcgan, model, place))
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
