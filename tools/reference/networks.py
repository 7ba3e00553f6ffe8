"""The tutorial's two networks as it writes them, for every picture size; shared by the scripts beside this one."""

from torch import nn


def discriminator(image_size=64, channels=3, base=64):
    """N × channels × image_size² to N × 1 probabilities. 64 pixels, 3 channels and base 64 are the tutorial's."""
    doublings = image_size.bit_length() - 3
    layers = [nn.Conv2d(channels, base, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
    for level in range(1, doublings):
        width = base << level
        layers += [nn.Conv2d(width // 2, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.LeakyReLU(0.2, inplace=True)]
    layers += [nn.Conv2d(base << (doublings - 1), 1, 4, 1, 0, bias=False), nn.Sigmoid(), nn.Flatten()]
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


class Wrapped(nn.Module):
    """As in PyTorch's DCGAN example, where names begin with `main.`"""

    def __init__(self, main):
        super().__init__()
        self.main = main

    def forward(self, input):
        return self.main(input)
