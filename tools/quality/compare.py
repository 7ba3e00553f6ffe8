"""Compares training options by two distances between generated and real pictures. docs/quality.md has the results.

    python tools/quality/compare.py DCGAN WORK NAME=FOLDER[:PICTURES] ... [--seeds 0 1] [--only REGEX]

It needs torch, numpy and pillow. For every data set (PICTURES of its folder are trained on), every variant below and every seed it trains
small networks (32 × 32 pixels), draws 2,000 pictures with `dcgan generate --seeds`, and compares them with 2,000 pictures of the whole folder.
What is there already is not done again. Results go to WORK/results.json and, as a table, to stdout.

There is no pretrained network here, so these are no FIDs, and only numbers from this script can be compared with each other:

* FD, the Fréchet distance (Heusel et al. 2017) between Gaussians fitted to features of a fixed network with random weights: three
  convolutions of stride 2 with LeakyReLU, each layer averaged over the picture. Random features see colours, textures and coarse shapes and
  know nothing of faces (Naeem et al. 2020 show that they rank generative models nevertheless).
* SWD, the sliced Wasserstein distance between patches of 7 × 7 pixels at two levels of the Laplacian pyramid (Karras et al. 2018), times 1000.

"real" is what 2,000 other real pictures get: the best that can be expected.
"""

import argparse
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

SIZE, COUNT = 32, 2000
COMMON = ("--image-size 32 --base-channels 16 --latent-dim 64 --batch-size 32 --max-steps 600 --epochs 1000 --threads 1 --quiet").split()
VARIANTS = {
    "tutorial": "",
    "recalibrate": "--recalibrate",
    "ema": "--ema=0.995",
    "label smoothing": "--label-smoothing 0.1",
    "lr-d 4e-4, lr-g 1e-4": "--lr-d 4e-4 --lr-g 1e-4",
    "lr-d 1e-4, lr-g 4e-4": "--lr-d 1e-4 --lr-g 4e-4",
    "least squares": "--loss least-squares",
    "hinge": "--loss hinge",
    "augment translation": "--augment translation",
    "augment all": "--augment colour,translation,cutout",
    "init normal": "--init normal",
    "ema + label smoothing": "--ema=0.995 --label-smoothing 0.1",
    "ema + hinge": "--ema=0.995 --loss hinge",
    "ema + least squares": "--ema=0.995 --loss least-squares",
    "ema + augment translation": "--ema=0.995 --augment translation",
    "ema + augment all": "--ema=0.995 --augment colour,translation,cutout",
}


def pictures(folder, start, count):
    """`count` pictures as N × 3 × SIZE × SIZE in [-1, 1], evenly spaced over the folder, from the `start`-th."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    paths = paths[start :: max(1, len(paths) // count)][:count]
    images = [Image.open(path).convert("RGB").resize((SIZE, SIZE), Image.BILINEAR) for path in paths]
    return torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2).float() / 127.5 - 1


def features(images):
    generator = torch.Generator().manual_seed(0)
    x, pooled = images, []
    for out_channels in (32, 64, 128):
        fan_in = x.shape[1] * 16
        weight = torch.randn(out_channels, x.shape[1], 4, 4, generator=generator) * (2 / fan_in) ** 0.5
        x = F.leaky_relu(F.conv2d(x, weight, stride=2, padding=1), 0.2)
        pooled.append(x.mean(dim=(2, 3)))
    return torch.cat(pooled, 1).double().numpy()


def frechet(a, b):
    def square_root(matrix):
        values, vectors = np.linalg.eigh(matrix)
        return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T

    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = square_root(cov_a)
    cross = square_root(root @ cov_b @ root)
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * cross))


def sliced_wasserstein(a, b):
    distances = []
    for level in range(2):
        sides = []
        for images in (a, b):
            small = F.avg_pool2d(images, 2)
            detail = images - F.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False) if level == 0 else images
            generator = torch.Generator().manual_seed(1)
            patches = F.unfold(detail, 7).permute(0, 2, 1)
            chosen = torch.randint(0, patches.shape[1], (len(images), 8), generator=generator)
            patches = torch.gather(patches, 1, chosen[:, :, None].expand(-1, -1, patches.shape[2])).reshape(-1, 3, 49)
            patches = (patches - patches.mean(dim=(0, 2), keepdim=True)) / patches.std(dim=(0, 2), keepdim=True)
            directions = torch.randn(147, 256, generator=generator)
            sides.append((patches.reshape(-1, 147) @ (directions / directions.norm(dim=0))).sort(0).values)
        distances.append(float((sides[0] - sides[1]).abs().mean()))
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return 1000 * sum(distances) / len(distances)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dcgan")
    parser.add_argument("work", type=Path)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.work.mkdir(parents=True, exist_ok=True)
    results_path = args.work / "results.json"
    results = json.loads(results_path.read_text()) if results_path.exists() else {}
    variants = {name: options for name, options in VARIANTS.items() if re.search(args.only, name)}
    sets = []
    for data in args.data:
        name, folder = data.split("=")
        folder, _, limit = folder.partition(":")
        real = pictures(folder, 0, COUNT)
        sets.append((name, folder, limit, real, features(real)))
        other = pictures(folder, 1, COUNT)
        results.setdefault(f"{name}|real|0", [frechet(features(other), sets[-1][4]), sliced_wasserstein(other, real)])
    for seed in args.seeds:
        for variant, options in variants.items():
            for name, folder, limit, real, real_features in sets:
                key = f"{name}|{variant}|{seed}"
                if key in results:
                    continue
                run = args.work / key.replace("|", "-").replace(" ", "_").replace(",", "")
                limits = ["--max-images", limit] if limit else []
                command = [args.dcgan, "train", folder, *limits, *COMMON, "--seed", str(seed), "--out", str(run), *options.split()]
                subprocess.run(command, check=True)
                subprocess.run([args.dcgan, "generate", str(run), "--seeds", f"0-{COUNT - 1}", "--out", str(run / "faces")], check=True,
                               stderr=subprocess.DEVNULL)
                fakes = pictures(run / "faces", 0, COUNT)
                results[key] = [frechet(features(fakes), real_features), sliced_wasserstein(fakes, real)]
                results_path.write_text(json.dumps(results, indent=1))
                print(key, *(f"{value:.4g}" for value in results[key]), flush=True)

    header = " | ".join(f"{name} FD | SWD" for name, *_ in sets)
    print(f"\n| variant | {header} |\n|---|{'---|' * 2 * len(sets)}")
    for variant in ["real", *variants]:
        cells = []
        for name, *_ in sets:
            values = np.array([value for key, value in results.items() if key.rsplit("|", 1)[0] == f"{name}|{variant}"])
            cells += [f"{mean:.3g} ± {spread:.2g}" for mean, spread in zip(values.mean(0), (values.max(0) - values.min(0)) / 2)] if len(values) else ["", ""]
        print(f"| {variant} | {' | '.join(cells)} |")


main()
