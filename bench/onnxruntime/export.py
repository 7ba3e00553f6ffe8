"""Writes a DCGAN's generator as ONNX, with noise and PyTorch's pictures of it to check against: `export.py FOLDER` and
generate.py's options.

Any batch size; batch norm is folded into the weights. It runs in a process of its own so that ONNX Runtime's is
measured without PyTorch.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import torch

sys.path.append(str(Path(__file__).resolve().parents[1]))
import timing  # noqa: E402
from folding import fold_batch_norm  # noqa: E402
from networks import generator  # noqa: E402


def main():
    parser = timing.options(__doc__, steps=0)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    torch.manual_seed(0)
    network = generator(args.image_size, latent=args.latent_dim, base=args.base_channels).eval()
    noise = torch.randn(args.batch_size, args.latent_dim, 1, 1)
    with torch.no_grad():
        np.save(args.folder / "pictures.npy", network(noise).numpy())
    np.save(args.folder / "noise.npy", noise.numpy())
    names = {"input_names": ["noise"], "output_names": ["pictures"]}
    batch = {"dynamic_axes": {"noise": {0: "batch"}, "pictures": {0: "batch"}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The exporter without onnxscript is deprecated; it needs one package less.
        torch.onnx.export(fold_batch_norm(network), noise[:2], str(args.folder / "generator.onnx"), dynamo=False, **names, **batch)


if __name__ == "__main__":
    main()
