"""Batch norm folded into the transposed convolution before it. Measured to help ONNX Runtime; what PyTorch compiles, it
makes simpler."""

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norm(network):
    """The same function as `network` (an nn.Sequential in eval mode) without batch norms."""
    layers = []
    for layer in network:
        if isinstance(layer, nn.BatchNorm2d):
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer, transpose=True)
        else:
            layers.append(layer)
    return nn.Sequential(*layers).eval()
