"""The tutorial's program in PyTorch: the peer that `dcgan train` is compared with, for its losses and for its speed.

    python bench/pytorch/tutorial.py --data FOLDER --epochs 1 --threads 2

It needs torch and Pillow. Training is the tutorial's, line by line: nn.Sequential, BCELoss, two Adams, and in the
discriminator's second part a gradient of the generator that nobody uses. Around it, three things are fixed so that
another program can follow: the order of the pictures is `torch.randperm(n)` of a generator seeded with seed + epoch
(epochs count from 0), the main generator draws D, G and then the noise of each step and nothing else, and previews have
a generator of their own and leave the running statistics alone.

`--dtype float64` is the same run without float32's rounding: weights, noise and pictures are the float32 numbers of the
plain run, and every operation on them is in double precision. `--channels-last` is the same run with PyTorch's other
kernels, which add in another order. tools/check/losses.py needs both.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools/reference"))
from networks import discriminator, generator  # noqa: E402

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def picture_paths(folder):
    """The pictures below `folder` in the order of torchvision's ImageFolder, with the folder itself before its class
    folders."""
    classes = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    paths = sorted(entry.path for entry in os.scandir(folder) if entry.is_file())
    for name in classes:
        for root, _, names in sorted(os.walk(os.path.join(folder, name), followlinks=True)):
            paths += [os.path.join(root, file) for file in sorted(names)]
    return [path for path in paths if path.lower().endswith(EXTENSIONS)]


class Pictures(Dataset):
    """Resize, ToTensor and Normalize(0.5, 0.5) of torchvision, without torchvision."""

    def __init__(self, folder, size):
        self.paths, self.size = picture_paths(folder), size
        if not self.paths:
            sys.exit(f"{folder}: no pictures in it")

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        with Image.open(self.paths[index]) as image:
            image = image.convert("RGB").resize((self.size, self.size), Image.Resampling.BILINEAR)
        pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(self.size, self.size, 3)
        return (pixels.permute(2, 0, 1).contiguous().float().div(255) - 0.5) / 0.5


def save_grid(pictures, path):
    """4 rows of 8 pictures with a border of 2 pixels, as torchvision's `make_grid` lays them out."""
    n, _, size, _ = pictures.shape
    pixels = pictures.mul(127.5).add(128).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    grid = Image.new("RGB", (8 * (size + 2) + 2, (n + 7) // 8 * (size + 2) + 2))
    for i, one in enumerate(pixels):
        face = Image.frombytes("RGB", (size, size), one.numpy().tobytes())
        grid.paste(face, (2 + i % 8 * (size + 2), 2 + i // 8 * (size + 2)))
    grid.save(path)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, metavar="DIR", help="folder of pictures, flat or with class folders")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-steps", type=int, help="stop after so many steps")
    parser.add_argument("--image-size", type=int, default=64, choices=(32, 64, 128, 256))
    parser.add_argument("--base-channels", type=int, default=64)
    parser.add_argument("--latent-dim", type=int, default=100)
    parser.add_argument("--threads", type=int, help="default: PyTorch's own choice")
    parser.add_argument("--dtype", default="float32", choices=("float32", "float64"), help="precision of all arithmetic")
    parser.add_argument("--channels-last", action="store_true", help="keep pictures and weights in that memory format")
    parser.add_argument("--losses-out", type=Path, metavar="FILE.jsonl", help="one object per step")
    parser.add_argument("--previews", type=Path, metavar="DIR", help="a grid before training and after every epoch")
    parser.add_argument("--save", type=Path, metavar="G.pt", help="write the generator as TorchScript")
    return parser.parse_args()


def main():
    args = arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    d = discriminator(args.image_size, base=args.base_channels)
    g = generator(args.image_size, latent=args.latent_dim, base=args.base_channels)
    # Weights and noise are drawn in float32 whatever the arithmetic: PyTorch's float64 stream has other numbers.
    form = {"dtype": getattr(torch, args.dtype)}
    if args.channels_last:
        form["memory_format"] = torch.channels_last
    d, g = d.to(**form), g.to(**form)
    criterion = nn.BCELoss()
    adam_d = torch.optim.Adam(d.parameters(), lr=2e-4, betas=(0.5, 0.999))
    adam_g = torch.optim.Adam(g.parameters(), lr=2e-4, betas=(0.5, 0.999))
    noise = lambda: torch.randn(args.batch_size, args.latent_dim, 1, 1).to(**form)

    pictures = Pictures(args.data, args.image_size)
    fixed = torch.randn(32, args.latent_dim, 1, 1, generator=torch.Generator().manual_seed(args.seed)).to(**form)

    def preview(epoch):
        if args.previews:
            args.previews.mkdir(parents=True, exist_ok=True)
            with torch.no_grad():
                save_grid(g.eval()(fixed), args.previews / f"epoch-{epoch:04}.png")
            g.train()

    losses_out = open(args.losses_out, "w") if args.losses_out else None
    step_times, load_times, step = [], [], 0
    preview(0)
    for epoch in range(args.epochs):
        order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(args.seed + epoch)).tolist()
        # A DataLoader without a generator of its own would draw from the main one.
        loader = DataLoader(pictures, args.batch_size, sampler=order, generator=torch.Generator())
        d_sum = g_sum = 0.0
        steps = 0
        started = time.perf_counter()
        for real in loader:
            real = real.to(**form)
            loaded = time.perf_counter()
            load_times.append(loaded - started)

            adam_d.zero_grad()
            output = d(real)
            real_loss = criterion(output, torch.ones_like(output))
            real_loss.backward()
            adam_d.step()

            adam_d.zero_grad()
            output = d(g(noise()))
            fake_loss = criterion(output, torch.zeros_like(output))
            fake_loss.backward()
            adam_d.step()

            adam_g.zero_grad()
            output = d(g(noise()))
            g_loss = criterion(output, torch.ones_like(output))
            g_loss.backward()
            adam_g.step()

            losses = {"d_loss_real": real_loss.item(), "d_loss_fake": fake_loss.item(), "g_loss": g_loss.item()}
            step_times.append(time.perf_counter() - loaded)
            d_sum += losses["d_loss_real"] + losses["d_loss_fake"]
            g_sum += losses["g_loss"]
            step, steps = step + 1, steps + 1
            if losses_out:
                print(json.dumps({"step": step, "epoch": epoch + 1} | losses), file=losses_out, flush=True)
            if step == args.max_steps:
                break
            started = time.perf_counter()
        print(f"epoch {epoch + 1}, dloss: {d_sum / steps:.6f}, gloss {g_sum / steps:.6f}", flush=True)
        preview(epoch + 1)
        if step == args.max_steps:
            break
    if losses_out:
        losses_out.close()
    if args.save:
        torch.jit.script(g).save(str(args.save))

    # The first step allocates; later ones show the speed.
    summary = lambda times: "min {:.1f}, median {:.1f}, max {:.1f}".format(
        *(1e3 * f(times[1:] or times) for f in (min, statistics.median, max))
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"ms per step: {summary(step_times)} ({len(step_times)} steps, {torch.get_num_threads()} threads, torch {torch.__version__})")
    print(f"ms per batch to load: {summary(load_times)}")
    print(f"peak memory: {peak / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
