"""A DCGAN's training step in PyTorch: as the tutorial writes it, and as fast as it can be made on a CPU.

    python bench/pytorch/train.py --variant tutorial --threads 2
    python bench/pytorch/train.py --variant fastest --threads 2

Both learn from the same random pictures, which lie in memory as the float tensors that a DataLoader would give; both
draw their noise within the step, as training does. `fastest` computes nothing that the tutorial throws away, and each
of its other means has a switch, so that anyone can see what it gains; bench/README.md has what we measured. `--compile`
is off by default because the best of its modes did no better:

    python bench/pytorch/train.py --variant fastest --no-channels-last
    python bench/pytorch/train.py --variant fastest --compile

The other options of `fastest` are those of `dcgan train`'s presets: an average of G's weights, DiffAugment's translation
of all that D sees, and R3GAN's loss of pairs with its two penalties, for a D without batch norm:

    python bench/pytorch/train.py --variant fastest --batch-size 32 --base-channels 32 --ema 0.995 --translate
    python bench/pytorch/train.py --variant fastest --batch-size 32 --base-channels 32 --relativistic --penalty 0.5
"""

import argparse
import ctypes
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, pad, softplus

sys.path.append(str(Path(__file__).resolve().parents[1]))
import timing  # noqa: E402
from networks import discriminator, generator  # noqa: E402

# Batches of pictures that take turns.
BATCHES = 4


def translate(pictures):
    """DiffAugment's translation, as in its authors' DiffAugment_pytorch.py."""
    n, _, height, width = pictures.shape
    most = [int(side * 0.125 + 0.5) for side in (height, width)]
    shifts = [torch.randint(-m, m + 1, (n, 1, 1)) for m in most]
    image, y, x = torch.meshgrid(torch.arange(n), torch.arange(height), torch.arange(width), indexing="ij")
    y = torch.clamp(y + shifts[0] + 1, 0, height + 1)
    x = torch.clamp(x + shifts[1] + 1, 0, width + 1)
    padded = pad(pictures, [1, 1, 1, 1])
    return padded.permute(0, 2, 3, 1).contiguous()[image, y, x].permute(0, 3, 1, 2)


def tutorial_step(d, g, images, noise):
    """bench/pytorch/tutorial.py without its files: BCELoss, fakes that are not detached, nothing frozen."""
    criterion = nn.BCELoss()
    adam_d = torch.optim.Adam(d.parameters(), lr=2e-4, betas=(0.5, 0.999))
    adam_g = torch.optim.Adam(g.parameters(), lr=2e-4, betas=(0.5, 0.999))

    def step(index):
        adam_d.zero_grad()
        output = d(images[index % BATCHES])
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
        return real_loss.item(), fake_loss.item(), g_loss.item()

    return step


def fastest_step(d, g, images, noise, args):
    """The same three updates without the gradients that nobody uses."""
    d = d[:-2].append(nn.Flatten())  # logits: the sigmoid is in the loss
    if args.channels_last:
        d, g = d.to(memory_format=torch.channels_last), g.to(memory_format=torch.channels_last)
        images = [batch.contiguous(memory_format=torch.channels_last) for batch in images]
    adam = lambda net: torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=args.fused_adam)
    adam_d, adam_g = adam(d), adam(g)
    average = [parameter.detach().clone() for parameter in g.parameters()]

    def d_loss(pictures, target):
        logits = d(translate(pictures) if args.translate else pictures)
        return binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))

    def g_loss(z):
        return d_loss(g(z), 1.0)

    def pair_loss(upper, lower):
        return softplus(lower - upper).mean()

    def both_d_loss(reals, fakes):
        pictures = torch.cat([reals, fakes])
        pictures = translate(pictures) if args.translate else pictures
        pictures.requires_grad_(args.penalty > 0)
        logits = d(pictures)
        loss = pair_loss(*logits.chunk(2))
        if args.penalty:
            gradient, = torch.autograd.grad(logits.sum(), pictures, create_graph=True)
            loss = loss + args.penalty / 2 * gradient.square().sum() / len(reals)
        return loss

    def pair_g_loss(z, reals):
        shown = translate if args.translate else lambda pictures: pictures
        with torch.no_grad():
            real = d(shown(reals))
        return pair_loss(d(shown(g(z))), real)

    draw = g
    if args.compile:
        # One graph each: G alone, D with its loss, and G with D and the loss.
        draw, d_loss, g_loss = (torch.compile(f, mode=args.compile_mode) for f in (draw, d_loss, g_loss))

    def update_average():
        if args.ema:
            with torch.no_grad():
                torch._foreach_lerp_(average, list(g.parameters()), 1 - args.ema)

    def relativistic_step(index):
        reals = images[index % BATCHES]
        d.requires_grad_(True)
        with torch.no_grad():
            fakes = draw(noise())
        loss = both_d_loss(reals, fakes)
        loss.backward()
        adam_d.step()
        adam_d.zero_grad()

        d.requires_grad_(False)
        g_loss = pair_g_loss(noise(), reals)
        g_loss.backward()
        adam_g.step()
        adam_g.zero_grad()
        update_average()
        return loss.item(), g_loss.item()

    def step(index):
        d.requires_grad_(True)
        real_loss = d_loss(images[index % BATCHES], 1.0)
        real_loss.backward()
        adam_d.step()
        adam_d.zero_grad()

        with torch.no_grad():
            fakes = draw(noise())
        fake_loss = d_loss(fakes, 0.0)
        fake_loss.backward()
        adam_d.step()
        adam_d.zero_grad()

        d.requires_grad_(False)
        loss = g_loss(noise())
        loss.backward()
        adam_g.step()
        adam_g.zero_grad()
        update_average()
        return real_loss.item(), fake_loss.item(), loss.item()

    return relativistic_step if args.relativistic else step


def keep_freed_memory():
    """Tells glibc's malloc to give large blocks from its heap and to keep them: mapping and clearing fresh pages for
    every activation of every step costs more than many a layer."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    m_trim_threshold, m_mmap_threshold = -1, -3
    mallopt(m_mmap_threshold, 1 << 30)
    mallopt(m_trim_threshold, -1)


def main():
    parser = timing.options(__doc__, steps=10)
    parser.add_argument("--variant", required=True, choices=("tutorial", "fastest"))
    switch = argparse.BooleanOptionalAction
    fastest = parser.add_argument_group("switches of --variant fastest")
    fastest.add_argument("--channels-last", action=switch, default=True)
    fastest.add_argument("--compile", action=switch, default=False)
    fastest.add_argument("--compile-mode", default="max-autotune-no-cudagraphs", choices=("default", "max-autotune-no-cudagraphs"))
    fastest.add_argument("--fused-adam", action=switch, default=True)
    fastest.add_argument("--flush-denormal", action=switch, default=True)
    fastest.add_argument("--keep-freed-memory", action=switch, default=True)
    fastest.add_argument("--ema", type=float, default=0.0, metavar="DECAY", help="average G's weights with this decay; 0 for not")
    fastest.add_argument("--translate", action=switch, default=False, help="DiffAugment's translation")
    fastest.add_argument("--relativistic", action=switch, default=False, help="the loss of pairs, and D without batch norm")
    fastest.add_argument("--penalty", type=float, default=0.0, metavar="GAMMA", help="R1's and R2's weight, with --relativistic")
    args = parser.parse_args()
    if args.variant == "tutorial" and (args.ema or args.translate or args.relativistic):
        parser.error("--ema, --translate and --relativistic are of --variant fastest")
    if args.penalty and not args.relativistic:
        parser.error("--penalty needs --relativistic")
    if args.relativistic and args.compile:
        parser.error("--compile cannot differentiate the penalties: torch.compile has no double backward")

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    d = discriminator(args.image_size, base=args.base_channels, norm="none" if args.relativistic else "batch")
    g = generator(args.image_size, latent=args.latent_dim, base=args.base_channels)
    noise = lambda: torch.randn(args.batch_size, args.latent_dim, 1, 1)
    images = [torch.rand(args.batch_size, 3, args.image_size, args.image_size) * 2 - 1 for _ in range(BATCHES)]
    if args.variant == "tutorial":
        step = tutorial_step(d, g, images, noise)
    else:
        if args.flush_denormal:
            torch.set_flush_denormal(True)
        if args.keep_freed_memory:
            keep_freed_memory()
        step = fastest_step(d, g, images, noise, args)
    name = args.variant + (", compiled" if args.variant == "fastest" and args.compile else "")
    timing.report(f"PyTorch ({name})", torch.__version__, timing.time_steps(step, args), args)


if __name__ == "__main__":
    main()
