"""Writes crates/model/tests/fixtures: PyTorch's random numbers, initial weights and state_dict layouts.

    python tools/reference/rng_fixtures.py

rng.txt           one generator call per line with what PyTorch answered, read as a script by the tests of src/rng.rs
init.safetensors  D and then G of a small model as `torch.manual_seed` and the constructors leave them
networks.txt      names and shapes of the state_dict of every picture size, read by the tests of src/network.rs

PyTorch's CPU kernels exist in three builds (default, AVX2, AVX-512). The last two contract multiply-adds and use their
own logarithm and sine, so the fixtures must come from a machine with AVX2 or better; the script refuses to run
elsewhere.
"""

from pathlib import Path

import torch

from fixture_file import write
from networks import discriminator, generator, weights_init

FIXTURES = Path(__file__).parents[2] / "crates/model/tests/fixtures"
# Longer results are stored as their first and last EDGE values and two sums.
ALL = 40
EDGE = 8


def number(value):
    """The shortest decimal that reads back as the same f32 (or integer)."""
    return str(value) if isinstance(value, int) else str(torch.tensor(value).numpy())


def result(values, exact=False):
    """A result as text: all values, or both ends, their sum and the sum weighted by position (i + 1) / n."""
    listed = values.tolist()
    if len(listed) <= ALL or exact:
        return " ".join(map(number, listed))
    wide = values.double()
    weights = torch.arange(1, len(listed) + 1, dtype=torch.float64) / len(listed)
    ends = " ".join(map(number, listed[:EDGE] + listed[-EDGE:]))
    return f"{ends} sum {wide.sum().item()!r} weighted {(wide * weights).sum().item()!r}"


class Script:
    """Calls PyTorch's global generator and notes call and answer."""

    def __init__(self):
        self.lines = [f"# torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}; made by tools/reference/rng_fixtures.py"]

    def seed(self, seed):
        torch.manual_seed(seed)
        self.lines.append(f"seed {seed}")

    def words(self, pairs):
        """2 × `pairs` 32-bit words: a full-range int64 is made of two, high half first."""
        drawn = torch.empty(pairs, dtype=torch.int64).random_(-(2**63), None)
        halves = [half for v in drawn.tolist() for half in ((v >> 32) & 0xFFFFFFFF, v & 0xFFFFFFFF)]
        self.lines.append(f"words {2 * pairs} = {result(torch.tensor(halves), exact=pairs < 20)}")

    def uniform(self, low, high, n):
        self.lines.append(f"uniform {low} {high} {n} = {result(torch.empty(n).uniform_(low, high))}")

    def normal(self, mean, std, n):
        self.lines.append(f"normal {mean} {std} {n} = {result(torch.empty(n).normal_(mean, std))}")

    def randn(self, *shape):
        n = torch.Size(shape).numel()
        self.lines.append(f"normal 0 1 {n} = {result(torch.randn(*shape).flatten())}")

    def permutation(self, n):
        self.lines.append(f"permutation {n} = {result(torch.randperm(n), exact=True)}")


def rng():
    s = Script()
    for seed in (0, 1, 42, 2**32 - 1, 2**40 + 7):
        s.seed(seed)
        s.words(4)
        s.uniform(0, 1, 5)
        s.randn(20)
        s.permutation(10)
    # Past two refills of the 624-word state.
    s.seed(3)
    s.words(700)
    # Every short length, each from a fresh seed: a pair of doubles gives two values.
    for n in range(1, 16):
        s.seed(100 + n)
        s.randn(n)
        s.randn(1)
    for n in (16, 17, 31, 32, 33, 100, 12800, 12801):
        s.seed(200 + n)
        s.randn(n)
        s.words(1)
    # The spare half of a pair outlives calls of every other kind, but not a new seed.
    s.seed(7)
    for n in (3, 2, 17, 1, 4):
        s.randn(n)
    s.randn(5)
    s.uniform(-0.25, 0.75, 3)
    s.permutation(12)
    s.randn(1)
    s.randn(3)
    s.seed(7)
    s.randn(2)
    # Noise as training draws it: N × latent × 1 × 1.
    s.randn(128, 100, 1, 1)
    s.randn(6, 5, 1, 1)
    # Bounds of kaiming_uniform_ for fan_in 48, 1024, 8192 and one that is no power of two.
    for fan_in in (48, 1024, 8192, 144):
        bound = fan_in**-0.5
        s.uniform(-bound, bound, 100)
    s.normal(0.0, 0.02, 15)
    s.normal(1.0, 0.02, 7)
    s.normal(0.0, 0.02, 1000)
    s.normal(1.0, 0.02, 512)
    s.permutation(1)
    s.permutation(2)
    s.permutation(1000)
    (FIXTURES / "rng.txt").write_text("\n".join(s.lines) + "\n")


def init():
    """Image 32, latent 5, base 3: batch norm sizes 3, 6 and 12 take the path for fewer than 16 values."""
    tensors = {}
    for kind in ("default", "normal"):
        torch.manual_seed(5)
        for make, name, args in ((discriminator, "d", (32, 3, 3)), (generator, "g", (32, 3, 5, 3))):
            net = make(*args)
            if kind == "normal":
                net.apply(weights_init)
            for key, value in net.state_dict().items():
                tensors[f"{kind}.{name}.{key}"] = value.contiguous()
    for norm in ("spectral", "none"):
        torch.manual_seed(5)
        for key, value in discriminator(32, 3, 3, norm).state_dict().items():
            tensors[f"{norm}.d.{key}"] = value.contiguous()
    write(FIXTURES / "init.safetensors", tensors, seed=5, image_size=32, latent_dim=5, base_channels=3)


def describe(layer):
    """A layer as the call that makes it, without the arguments that never vary."""
    name = type(layer).__name__.removeprefix("Parametrized")
    if isinstance(layer, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
        (kernel,), (stride,), (padding,) = set(layer.kernel_size), set(layer.stride), set(layer.padding)
        sizes = f"{layer.in_channels}, {layer.out_channels}, kernel_size={kernel}, stride={stride}, padding={padding}"
        bias = "" if layer.bias is not None else ", bias=False"
        return f"{name}({sizes}{bias})" + (" with spectral norm" if hasattr(layer, "parametrizations") else "")
    if isinstance(layer, torch.nn.BatchNorm2d):
        assert (layer.eps, layer.momentum) == (1e-5, 0.1)
        return f"{name}({layer.num_features})"
    return f"{name}({layer.negative_slope if name == 'LeakyReLU' else ''})"


def networks():
    """Per network: `role norm image channels latent base parameters`, then its tensors, then its layers with the shape
    that leaves them."""
    lines = [f"# torch {torch.__version__}; made by tools/reference/rng_fixtures.py"]
    for image, channels, latent, base in ((32, 3, 100, 64), (64, 3, 100, 64), (128, 3, 100, 64), (256, 3, 100, 64), (64, 1, 7, 5)):
        norms = ("batch", "spectral", "none") if base == 5 else ("batch",)
        nets = {("discriminator", norm): discriminator(image, channels, base, norm) for norm in norms}
        nets["generator", "batch"] = generator(image, channels, latent, base)
        inputs = {"discriminator": torch.empty(1, channels, image, image), "generator": torch.empty(1, latent, 1, 1)}
        for (role, norm), net in nets.items():
            count = sum(p.numel() for p in net.parameters())
            lines.append(f"{role} {norm} {image} {channels} {latent} {base} {count}")
            trained = {name for name, _ in net.named_parameters()}
            for name, tensor in net.state_dict().items():
                kind = "parameter" if name in trained else "buffer"
                lines.append(f"tensor {name} {list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')} {kind}")
            x = inputs[role]
            for layer in net.eval():
                x = layer(x)
                lines.append(f"layer {describe(layer)} -> {list(x.shape[1:])}")
    (FIXTURES / "networks.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    assert torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512"), "needs a CPU with AVX2"
    FIXTURES.mkdir(parents=True, exist_ok=True)
    rng()
    init()
    networks()
