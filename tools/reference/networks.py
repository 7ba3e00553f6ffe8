"""The tutorial's two networks as it writes them, for every picture size; shared by the scripts beside this one."""

import torch
from torch import nn


def discriminator(image_size=64, channels=3, base=64, norm="batch"):
    """N × channels × image_size² to N × 1 probabilities. 64 pixels, 3 channels and base 64 are the tutorial's, with
    batch norm; norms "spectral" and "none" have biases instead."""

    def conv(*args):
        layer = nn.Conv2d(*args, bias=norm != "batch")
        return nn.utils.parametrizations.spectral_norm(layer) if norm == "spectral" else layer

    doublings = image_size.bit_length() - 3
    layers = [conv(channels, base, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    for level in range(1, doublings):
        width = base << level
        layers.append(conv(width // 2, width, 4, 2, 1))
        if norm == "batch":
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.LeakyReLU(0.2, inplace=True))
    layers += [conv(base << (doublings - 1), 1, 4, 1, 0), nn.Sigmoid(), nn.Flatten()]
    return nn.Sequential(*layers)


def generator(image_size=64, channels=3, latent=100, base=64):
    """N × latent × 1 × 1 to N × channels × image_size² in [-1, 1]."""
    doublings = image_size.bit_length() - 3
    width = base << (doublings - 1)
    layers = [nn.ConvTranspose2d(latent, width, 4, 1, 0, bias=False), nn.BatchNorm2d(width), nn.ReLU(True)]
    while width > base:
        layers += [nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False), nn.BatchNorm2d(width // 2), nn.ReLU(True)]
        width //= 2
    layers += [nn.ConvTranspose2d(base, channels, 4, 2, 1, bias=False), nn.Tanh()]
    return nn.Sequential(*layers)


def weights_init(module):
    """`net.apply(weights_init)` of the DCGAN paper: N(0, 0.02), and N(1, 0.02) for batch norm's weights."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def trained_like(net, gain=3):
    """Weights, statistics and counts as they are after a training: all different, none at its start.

    `gain` is what the weights of convolutions are multiplied by: without it the noise hardly shows in the pictures."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            tensor.fill_(1000)
        elif name.endswith("running_var"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) * 0.5 + 0.5)
        elif tensor.dim() == 4:
            tensor.mul_(gain)
        elif tensor.dim() == 1:
            tensor.add_(torch.randn(tensor.shape, generator=generator) * 0.2)
    return net


class Wrapped(nn.Module):
    """As in PyTorch's DCGAN example, where names begin with `main.`"""

    def __init__(self, main):
        super().__init__()
        self.main = main

    def forward(self, input):
        return self.main(input)


class Named(nn.Module):
    """The generator with layers that have names, and activations that are functions."""

    def __init__(self, net, in_order=True):
        super().__init__()
        convs = [layer for layer in net if isinstance(layer, nn.ConvTranspose2d)]
        norms = [layer for layer in net if isinstance(layer, nn.BatchNorm2d)]
        # In the order of the forward pass, or as somebody might write them.
        order = range(len(convs)) if in_order else reversed(range(len(convs)))
        for i in order:
            setattr(self, f"up{i}", convs[i])
        for i in range(len(norms)):
            setattr(self, f"norm{i}", norms[i])
        self.count = len(convs)

    def forward(self, x):
        x = torch.relu(self.norm0(self.up0(x)))
        x = torch.relu(self.norm1(self.up1(x)))
        x = torch.relu(self.norm2(self.up2(x)))
        return torch.tanh(self.up3(x))
