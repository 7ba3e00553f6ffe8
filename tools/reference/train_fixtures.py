"""Writes crates/engine-tests/fixtures: whole small models trained for a few steps of the tutorial's recipe.

    python tools/reference/train_fixtures.py

train_small.safetensors    32 pixels, 3 channels, ten steps, every fourth real batch shorter than the fake ones
train_grey.safetensors     64 pixels, 1 channel, two steps
train_penalty.safetensors  32 pixels, 3 channels, four steps of a discriminator with spectral norm, R1 and R2

Random numbers are float32 PyTorch's: `torch.manual_seed(seed)`, D, G, then for each step the noise of D's step and the
noise of G's. The arithmetic is float64, so the values are the truth; they are stored as f32 (losses and means as f64).

images                        u8, N × H × W × C; step s trains on the next `batch_sizes[s]` of them, from the start again after the last
noise_d, noise_g              steps × batch × latent
init.{d,g}.<tensor>           state_dicts before training
losses                        steps × (d_loss_real, d_loss_fake, g_loss), f64
means                         steps × (D(x), D(G(z)) in D's step, D(G(z)) in G's step), f64
grad.real.<p>, grad.fake.<p>  gradients of D in step 0, parts 1 and 2; grad.both.<p> of D's only part if it has no batch norm
norms                         steps × (mean ‖∇D‖² on real, on generated images), f64, with penalties
grad.generator.<p>            gradients of G in step 0, part 3
first.{d,g}.<tensor>          state_dicts after step 0
final.{d,g}.<tensor>          state_dicts after the last step
final.{d,g}.exp_avg.<p>, final.{d,g}.exp_avg_sq.<p>    Adam's states then
eval_noise, eval_images       `G.eval()` then: batch × latent to NCHW

The seeds were searched for one property: no input of a ReLU or LeakyReLU that a gradient passes comes closer to zero
than `kink_margin` (metadata, printed), ten times what float32 adds to such a value. A sign that flips would change
gradients by far more than rounding does.

With `--distances` it also prints how far float32 runs end from these values: README.md takes the tolerances from there.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from fixture_file import write
from networks import discriminator, generator

FIXTURES = Path(__file__).parents[2] / "crates/engine-tests/fixtures"


@dataclass
class Setup:
    name: str
    seed: int
    image_size: int
    channels: int
    latent: int
    base: int
    batch: int
    images: int
    steps: int
    norm: str = "batch"
    r1: float = 0.0
    r2: float = 0.0

    def pictures(self):
        """Random u8 pictures with some structure: coarse noise under fine noise."""
        torch_rng = torch.Generator().manual_seed(self.seed)
        shape = (self.images, self.channels)
        coarse = torch.randint(0, 190, (*shape, 4, 4), generator=torch_rng)
        coarse = coarse.repeat_interleave(self.image_size // 4, 2).repeat_interleave(self.image_size // 4, 3)
        fine = torch.randint(0, 66, (*shape, self.image_size, self.image_size), generator=torch_rng)
        return (coarse + fine).to(torch.uint8).permute(0, 2, 3, 1).contiguous()

    def batches(self):
        """Indices of each step's pictures."""
        epoch = list(torch.arange(self.images).split(self.batch))
        return [epoch[step % len(epoch)] for step in range(self.steps)]


def start(setup):
    """Both networks and all noise, in float32, as the tutorial's program draws them."""
    torch.manual_seed(setup.seed)
    d = discriminator(setup.image_size, setup.channels, setup.base, setup.norm)
    g = generator(setup.image_size, setup.channels, setup.latent, setup.base)
    noise = [[torch.randn(setup.batch, setup.latent, 1, 1) for _ in range(2)] for _ in range(setup.steps)]
    eval_noise = torch.randn(setup.batch, setup.latent, 1, 1, generator=torch.Generator().manual_seed(setup.seed))
    return d, g, noise, eval_noise


def train(setup, dtype, perturb=0.0, perturb_seed=0, channels_last=False):
    """Runs the recipe and returns all recorded tensors and the kink margin. `perturb` scales
    every weight and noise value by 1 ± perturb at random."""
    d, g, noise, eval_noise = start(setup)
    d, g = d.to(dtype), g.to(dtype)
    record = {}
    keep = lambda name, tensor: record.__setitem__(name, tensor.detach().clone())

    def keep_states(when):
        for role, net in (("d", d), ("g", g)):
            for name, tensor in net.state_dict().items():
                keep(f"{when}.{role}.{name}", tensor)

    keep("noise_d", torch.stack([pair[0].flatten(1) for pair in noise]))
    keep("noise_g", torch.stack([pair[1].flatten(1) for pair in noise]))
    keep("eval_noise", eval_noise.flatten(1))
    keep_states("init")
    shaker = torch.Generator().manual_seed(perturb_seed)
    shake = lambda tensor: tensor.mul_(1 + perturb * (2 * torch.rand(tensor.shape, generator=shaker, dtype=dtype) - 1))
    with torch.no_grad():
        for parameter in (*d.parameters(), *g.parameters()):
            if parameter.dim() == 4:
                shake(parameter)
    prepare = lambda tensor: tensor.to(memory_format=torch.channels_last) if channels_last else tensor
    noise = [[shake(z.to(dtype)) for z in pair] for pair in noise]
    if channels_last:
        d, g = d.to(memory_format=torch.channels_last), g.to(memory_format=torch.channels_last)

    pictures = setup.pictures()
    keep("images", pictures)
    keep("batch_sizes", torch.tensor([len(batch) for batch in setup.batches()]))
    real = (pictures.permute(0, 3, 1, 2).to(dtype) / 255 - 0.5) / 0.5
    criterion = nn.BCELoss()
    margins = []
    for net in (d, g):
        for layer in net:
            if isinstance(layer, (nn.ReLU, nn.LeakyReLU)):
                layer.register_forward_pre_hook(lambda layer, inputs, net=net: margins.append((net, inputs[0].abs().min())))
    adam_d, adam_g = (torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (d, g))
    ones, zeros = torch.ones(setup.batch, 1, dtype=dtype), torch.zeros(setup.batch, 1, dtype=dtype)
    losses, means, norms, margin = [], [], [], 1.0
    for step, batch in enumerate(setup.batches()):
        parts = (
            ("real", adam_d, d, lambda: d(prepare(real[batch])), ones[: len(batch)]),
            ("fake", adam_d, d, lambda: d(g(prepare(noise[step][0]))), zeros),
            ("generator", adam_g, g, lambda: d(g(prepare(noise[step][1]))), ones),
        )
        losses.append([])
        means.append([])
        if setup.norm != "batch":
            margins.clear()
            step_with_penalties(setup, step, d, g, adam_d, adam_g, prepare(real[batch]), noise[step], losses, means, norms, keep)
            margin = min([margin, *(value.item() for _, value in margins)])
            continue
        for part, adam, net, forward, target in parts:
            adam.zero_grad()
            margins.clear()
            output = forward()
            passed = (d, g) if part == "generator" else (d,)
            margin = min([margin, *(value.item() for layer_net, value in margins if layer_net in passed)])
            loss = criterion(output, target)
            loss.backward()
            if step == 0:
                for name, parameter in net.named_parameters():
                    keep(f"grad.{part}.{name}", parameter.grad)
            adam.step()
            losses[-1].append(loss.item())
            means[-1].append(output.mean().item())
        if step == 0 and setup.steps > 2:
            keep_states("first")
    record["losses"], record["means"] = (torch.tensor(rows, dtype=torch.float64) for rows in (losses, means))
    if norms:
        record["norms"] = torch.tensor(norms, dtype=torch.float64)
    keep_states("final")
    for role, net, adam in (("d", d, adam_d), ("g", g, adam_g)):
        for name, parameter in net.named_parameters():
            for key in ("exp_avg", "exp_avg_sq"):
                keep(f"final.{role}.{key}.{name}", adam.state[parameter][key])
    with torch.no_grad():
        keep("eval_images", g.eval()(eval_noise.to(dtype)))
    return record, margin


def step_with_penalties(setup, step, d, g, adam_d, adam_g, real, noise, losses, means, norms, keep):
    """One step of a discriminator without batch norm: binary cross-entropy on one batch of generated and real images,
    with R1 and R2."""
    logits = lambda images: d[:-2](images).flatten()
    adam_d.zero_grad()
    fakes = g(noise[0]).detach()
    images = torch.cat([fakes, real]).requires_grad_()
    output = logits(images)
    on_fakes, on_real = output.split([len(fakes), len(real)])
    real_loss, fake_loss = nn.functional.softplus(-on_real).mean(), nn.functional.softplus(on_fakes).mean()
    (gradient,) = torch.autograd.grad(output.sum(), images, create_graph=True)
    fake_norm, real_norm = (part.square().sum((1, 2, 3)).mean() for part in gradient.split([len(fakes), len(real)]))
    (real_loss + fake_loss + setup.r1 / 2 * real_norm + setup.r2 / 2 * fake_norm).backward()
    if step == 0:
        for name, parameter in d.named_parameters():
            keep(f"grad.both.{name}", parameter.grad)
    adam_d.step()
    adam_g.zero_grad()
    on_generated = logits(g(noise[1]))
    generator_loss = nn.functional.softplus(-on_generated).mean()
    generator_loss.backward()
    if step == 0:
        for name, parameter in g.named_parameters():
            keep(f"grad.generator.{name}", parameter.grad)
    adam_g.step()
    losses[-1] += [real_loss.item(), fake_loss.item(), generator_loss.item()]
    means[-1] += [part.sigmoid().mean().item() for part in (on_real, on_fakes, on_generated)]
    norms.append([real_norm.item(), fake_norm.item()])


def kind(name):
    """The row of the tolerance table that a tensor belongs to."""
    for key in ("exp_avg_sq", "exp_avg", "running_mean", "running_var"):
        if key in name:
            return f"{name.split('.')[0]} {key}"
    if name.startswith("grad."):
        return ".".join(name.split(".")[:2])
    return f"{name.split('.')[0]} parameters" if name.startswith(("init", "first", "final")) else name


def distances(setup, truth):
    """Prints per kind of tensor the largest |float32 - float64| absolutely and in units of the tensor's largest
    value."""
    runs = {"float32": train(setup, torch.float32), "channels_last": train(setup, torch.float32, channels_last=True)}
    with torch.backends.mkldnn.flags(enabled=False):
        runs["no oneDNN"] = train(setup, torch.float32)
    # The first two shake by a last bit of float32; the others by what our normal numbers differ from PyTorch's.
    for number, perturb in enumerate((6e-8, 6e-8, 3.1e-7, 3.1e-7)):
        runs[f"float64, weights and noise ± {perturb}, {number}"] = train(setup, torch.float64, perturb, number)
    table = {}
    for run, (record, _) in runs.items():
        for name, want in truth.items():
            if want.dtype in (torch.float32, torch.float64):
                error = (record[name].double() - want.double()).abs().max().item()
                row = table.setdefault(kind(name), {}).setdefault(run, [0.0, 0.0])
                row[0] = max(row[0], error)
                row[1] = max(row[1], error / max(want.abs().max().item(), 1e-30))
    print(f"\n{setup.name}: largest distance, absolute / in units of the tensor's largest value")
    print("runs:", "; ".join(runs))
    for name, row in table.items():
        if name not in ("noise_d", "noise_g", "eval_noise", "init parameters"):
            print(f"{name:20}", "  ".join(f"{a:.1e}/{r:.1e}" for a, r in row.values()))


if __name__ == "__main__":
    for setup in (
        Setup("train_small", 943, image_size=32, channels=3, latent=8, base=4, batch=6, images=22, steps=10),
        Setup("train_grey", 717, image_size=64, channels=1, latent=5, base=2, batch=3, images=6, steps=2),
        Setup(
            "train_penalty", 653, image_size=32, channels=3, latent=6, base=3, batch=4, images=11, steps=4, norm="spectral", r1=1.5, r2=0.5
        ),
    ):
        truth, margin = train(setup, torch.float64)
        single = {
            name: tensor.float() if tensor.dtype == torch.float64 and name not in ("losses", "means", "norms") else tensor
            for name, tensor in truth.items()
        }
        sizes = dict(image_size=setup.image_size, channels=setup.channels, latent_dim=setup.latent, base_channels=setup.base)
        if setup.norm != "batch":
            sizes |= dict(norm=setup.norm, r1=setup.r1, r2=setup.r2)
        sizes |= dict(batch_size=setup.batch, steps=setup.steps)
        write(FIXTURES / f"{setup.name}.safetensors", single, seed=setup.seed, kink_margin=f"{margin:.1e}", **sizes)
        print(f"kink margin {margin:.1e}")
        if "--distances" in sys.argv:
            distances(setup, truth)
