"""A torch module made from a generator, and a generator made from a module. Usage: torch_module.py MODEL."""

import sys

import dcgan
import torch
from torch import nn


def module_of(generator: dcgan.Generator) -> nn.Sequential:
    """Return the tutorial's module with the weights of a generator, in eval mode."""
    size, layers = 4, []
    # 4 × 4 pixels have as many channels as the last layer has, times a power of two.
    channels = generator.base_channels * generator.image_size // 8
    layers += [nn.ConvTranspose2d(generator.latent_dim, channels, 4, 1, 0, bias=False)]
    while size < generator.image_size:
        layers += [nn.BatchNorm2d(channels), nn.ReLU(True)]
        size *= 2
        outputs = channels // 2 if size < generator.image_size else generator.channels
        layers += [nn.ConvTranspose2d(channels, outputs, 4, 2, 1, bias=False)]
        channels = outputs
    module = nn.Sequential(*layers, nn.Tanh())
    module.load_state_dict({name: torch.from_numpy(array) for name, array in generator.state_dict().items()})
    return module.eval()


def main() -> None:
    """Compare the two, and change the module's weights."""
    generator = dcgan.load(sys.argv[1])
    module = module_of(generator)
    z = torch.randn(16, generator.latent_dim, 1, 1)
    with torch.no_grad():
        expected = module(z)
    images = torch.from_numpy(generator(z))
    print("largest difference", float((images - expected).abs().max()))

    again = dcgan.Generator.from_state_dict(module.state_dict())
    print("the same back:", torch.equal(torch.from_numpy(again(z)), images))


if __name__ == "__main__":
    main()
