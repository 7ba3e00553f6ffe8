"""Drawing with the Python package of this repository: `generator(z)`, arrays of numpy in and out.

    python bench/python/generate.py
    python bench/python/generate.py --batch-size 1 --steps 300

It needs the package (`pip install crates/python`). The ratio to `dcgan bench generate`, which is the Rust library
alone, is what Python costs.
"""

import sys
from pathlib import Path

import numpy as np

import dcgan

sys.path.append(str(Path(__file__).resolve().parents[1]))
import timing  # noqa: E402


def weights(args):
    """Random tensors of the tutorial's generator, by PyTorch's names."""
    random = np.random.default_rng(0)
    size, inputs, outputs, index = 4, args.latent_dim, args.base_channels * args.image_size // 8, 0
    tensors = {}
    while True:
        tensors[f"{index}.weight"] = random.normal(0, 0.02, (inputs, outputs, 4, 4)).astype(np.float32)
        if size == args.image_size:
            return tensors
        for name, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
            tensors[f"{index + 1}.{name}"] = np.full(outputs, value, np.float32)
        tensors[f"{index + 1}.num_batches_tracked"] = np.array(1)
        size, index = 2 * size, index + 3
        inputs, outputs = outputs, 3 if size == args.image_size else outputs // 2


def main():
    args = timing.options(__doc__, steps=20).parse_args()
    generator = dcgan.Generator.from_state_dict(weights(args), threads=args.threads)
    noise = np.random.default_rng(1).standard_normal((args.batch_size, args.latent_dim, 1, 1), np.float32)
    times = timing.time_steps(lambda _: generator(noise), args)
    timing.report("dcgan for Python", dcgan.__version__, times, args)


if __name__ == "__main__":
    main()
