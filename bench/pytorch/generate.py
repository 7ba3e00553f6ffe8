"""Drawing with a DCGAN's generator in PyTorch: the tutorial's reloaded TorchScript in eval mode, and faster ways to run
the same.

    python bench/pytorch/generate.py --variant plain
    python bench/pytorch/generate.py --variant compiled --batch-size 1 --steps 300

| variant | |
|---|---|
| plain | `torch.jit.load(file).eval()`, as the tutorial does |
| channels-last | the same in the memory format that oneDNN prefers |
| frozen | channels-last, batch norm folded, `torch.jit.freeze` and `torch.jit.optimize_for_inference` |
| compiled | channels-last, batch norm folded, `torch.compile` with weights as constants |
"""

import sys
import tempfile
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parents[1]))
import timing  # noqa: E402
from folding import fold_batch_norm  # noqa: E402
from networks import generator  # noqa: E402


def reloaded(network):
    """`network` through a TorchScript file, as the tutorial hands it on."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/generator.pt"
        torch.jit.script(network).save(file)
        return torch.jit.load(file).eval()


def prepared(variant, network):
    if variant == "plain":
        return reloaded(network)
    if variant == "channels-last":
        return reloaded(network).to(memory_format=torch.channels_last)
    network = fold_batch_norm(network).to(memory_format=torch.channels_last)
    if variant == "frozen":
        return torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.script(network)))
    import torch._inductor.config as inductor

    inductor.freezing = True
    return torch.compile(network)


def main():
    parser = timing.options(__doc__, steps=20)
    parser.add_argument("--variant", default="plain", choices=("plain", "channels-last", "frozen", "compiled"))
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    network = generator(args.image_size, latent=args.latent_dim, base=args.base_channels).eval()
    noise = torch.randn(args.batch_size, args.latent_dim, 1, 1)
    with torch.no_grad():
        expected = network(noise)
        network = prepared(args.variant, network)
        torch.testing.assert_close(network(noise), expected, atol=1e-4, rtol=0)
        times = timing.time_steps(lambda _: network(noise), args)
    timing.report(f"PyTorch ({args.variant})", torch.__version__, times, args)


if __name__ == "__main__":
    main()
