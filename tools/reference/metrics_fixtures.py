"""Writes crates/metrics/tests/fixtures/metrics.json: all measures of two sets of images, computed with PyTorch and
numpy.

    python tools/reference/metrics_fixtures.py

Nothing here is shared with the Rust code: convolutions, unfolding and sorting are PyTorch's, the Fréchet distance, the
kernel distance, precision, recall and authenticity are float64 numpy by their definitions. The images are drawn from
PyTorch's random numbers, so the tests draw them again.
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

FIXTURE = Path(__file__).parents[2] / "crates/metrics/tests/fixtures/metrics.json"


def images(seed, count, size, channels, contrast):
    """N × C × H × W bytes: blocks of a color under noise of single pixels."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256 - contrast, (count, channels, 8, 8), generator=generator)
    coarse = coarse.repeat_interleave(size // 8, 2).repeat_interleave(size // 8, 3)
    fine = torch.randint(0, contrast, (count, channels, size, size), generator=generator)
    return (coarse + fine).to(torch.uint8)


def blur(x):
    kernel = torch.tensor([1.0, 4, 6, 4, 1])
    kernel = (kernel[:, None] * kernel[None]) / 256
    channels = x.shape[1]
    return F.conv2d(F.pad(x, (2,) * 4, mode="reflect"), kernel.expand(channels, 1, 5, 5), groups=channels)


def pyramid(x):
    levels = []
    while x.shape[-1] > 16:
        half = blur(x)[:, :, ::2, ::2]
        levels.append(x - F.interpolate(half, scale_factor=2, mode="bilinear", align_corners=False))
        x = half
    return levels + [x]


def patches(x, generator):
    count, channels, size, _ = x.shape
    rows = torch.randint(0, size - 6, (count, 64), generator=generator)
    columns = torch.randint(0, size - 6, (count, 64), generator=generator)
    unfolded = F.unfold(x, 7).transpose(1, 2)
    places = (rows * (size - 6) + columns)[..., None].expand(-1, -1, unfolded.shape[2])
    chosen = torch.gather(unfolded, 1, places).reshape(-1, channels, 49)
    normalized = (chosen - chosen.mean((0, 2), keepdim=True)) / chosen.std((0, 2), keepdim=True)
    return normalized.reshape(len(chosen), -1)


def sliced_wasserstein(a, b):
    distances = {}
    for x, y in zip(pyramid(a), pyramid(b)):
        generator = torch.Generator().manual_seed(1)
        p, q = patches(x, generator), patches(y, generator)
        repeats = []
        for _ in range(4):
            directions = F.normalize(torch.randn(p.shape[1], 128, generator=generator), dim=0)
            repeats.append((torch.sort(p @ directions, 0)[0] - torch.sort(q @ directions, 0)[0]).abs().mean().item())
        distances[str(x.shape[-1])] = 1000 * float(np.mean(repeats))
    return distances | {"mean": float(np.mean(list(distances.values())))}


def features(x):
    """Mean and deviation of each channel of a network with random weights."""
    torch.manual_seed(0)
    x = x.expand(-1, 3, -1, -1)
    pooled, channels = [], 16
    while x.shape[-1] > 4:
        weight = torch.randn(channels, x.shape[1], 4, 4) * (2 / (x.shape[1] * 16)) ** 0.5
        x = F.leaky_relu(F.conv2d(x, weight, stride=2, padding=1), 0.2)
        pooled += [x.mean((2, 3)), x.std((2, 3))]
        channels = min(2 * channels, 128)
    return torch.cat(pooled, 1).double().numpy()


def frechet(a, b):
    def root(matrix):
        values, vectors = np.linalg.eigh(matrix)
        return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T

    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    cross = root(root(cov_a) @ cov_b @ root(cov_a))
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * cross))


def kernel_distance(a, b):
    def kernel(x, y):
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x):
        values = kernel(x, x)
        return (values.sum() - np.trace(values)) / (len(x) * (len(x) - 1))

    return float(within(a) + within(b) - 2 * kernel(a, b).mean())


def neighbors(real, fake):
    def distances(x, y):
        return np.sqrt(((x[:, None] - y[None]) ** 2).sum(-1))

    to_real, to_fake, across = distances(real, real), distances(fake, fake), distances(real, fake)
    sorted_real = np.sort(to_real, 1)
    radius_real, radius_fake = sorted_real[:, 3], np.sort(to_fake, 1)[:, 3]
    nearest = across.argmin(0)
    return {
        "precision": float((across <= radius_real[:, None]).any(0).mean()),
        "recall": float((across <= radius_fake[None]).any(1).mean()),
        "authenticity": float((across.min(0) > sorted_real[nearest, 1]).mean()),
    }


def main():
    cases = []
    for size, channels, counts in ((64, 3, (40, 30)), (32, 1, (24, 24))):
        sets = [images(7, counts[0], size, channels, 60), images(8, counts[1], size, channels, 90)]
        a, b = (x.float() / 127.5 - 1 for x in sets)
        both = min(counts)
        fa, fb = features(a), features(b)
        cases.append(
            {
                "size": size,
                "channels": channels,
                "counts": counts,
                "swd": sliced_wasserstein(a[:both], b[:both]),
                "fd": frechet(fa, fb),
                "kid": kernel_distance(fa, fb),
                **neighbors(fa, fb),
                "first_features": fa[0].tolist(),
            }
        )
    FIXTURE.parent.mkdir(parents=True, exist_ok=True)
    FIXTURE.write_text(json.dumps({"torch": torch.__version__, "cases": cases}, indent=1) + "\n")


main()
