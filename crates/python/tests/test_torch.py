"""Against the real PyTorch."""

from __future__ import annotations

from pathlib import Path

import dcgan
import numpy as np
import pytest

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def module(run: dcgan.Run):  # type: ignore[no-untyped-def]
    """The generator as PyTorch loads it."""
    return torch.jit.load(run.folder / "generator.pt").eval()


def test_images_are_those_of_torch(generator: dcgan.Generator, module) -> None:  # type: ignore[no-untyped-def]
    for seed in range(3):
        torch.manual_seed(seed)
        z = torch.randn(17, 10, 1, 1)
        with torch.no_grad():
            expected = module(z)
        images = torch.from_numpy(generator(z))
        assert images.shape == expected.shape and images.dtype == torch.float32
        # Sums of up to 64 · 16 products in another order, each rounded to 2⁻²⁴, through four layers.
        assert (images - expected).abs().max() < 1e-5
        assert torch.equal(torch.from_numpy(generator(z[:, :, 0, 0])), images)
        # A tensor that needs a gradient, and one of another type.
        assert torch.equal(torch.from_numpy(generator(z.clone().requires_grad_())), images)
        assert torch.equal(torch.from_numpy(generator(z.double())), images)


def test_the_array_of_images_is_shared_with_torch(generator: dcgan.Generator) -> None:
    images = generator(generator.noise(0))
    tensor = torch.from_numpy(images)
    tensor.fill_(0.25)
    assert (images == 0.25).all()


def test_noise_is_that_of_torch(generator: dcgan.Generator) -> None:
    for seed in (0, 7, 2**63, -3):
        torch.manual_seed(seed)
        assert np.array_equal(generator.noise(seed), torch.randn(1, 10).numpy())


def test_faces_are_those_of_torchvision(generator: dcgan.Generator, module) -> None:  # type: ignore[no-untyped-def]
    with torch.no_grad():
        images = module(torch.from_numpy(generator.noise(range(16)))[:, :, None, None])
    expected = ((images + 1) / 2).mul(255).add_(0.5).clamp_(0, 255).permute(0, 2, 3, 1).to(torch.uint8).numpy()
    difference = np.abs(expected.astype(int) - generator.faces(range(16)))
    # A value on the border of two bytes may be rounded either way.
    assert difference.max() <= 1 and (difference > 0).mean() < 1e-3


def test_state_dicts_go_to_torch_and_back(generator: dcgan.Generator, module, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    tensors = generator.state_dict()
    of_torch = module.state_dict()
    assert list(tensors) == list(of_torch)
    assert all(np.array_equal(tensors[name], tensor.numpy()) for name, tensor in of_torch.items())
    again = dcgan.Generator.from_state_dict(of_torch)
    assert np.array_equal(again.faces(1), generator.faces(1))
    torch.save(of_torch, tmp_path / "g.pth")
    assert np.array_equal(dcgan.load(tmp_path / "g.pth").faces(1), generator.faces(1))
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in of_torch.items()}
    assert dcgan.Generator.from_state_dict(half).faces(1).shape == (1, 32, 32, 3)


def test_a_torch_data_set_can_be_trained_on(tmp_path: Path) -> None:
    images = torch.from_numpy(np.asarray(dcgan.demo_faces(16, image_size=32)))
    run = dcgan.train(
        images, out=tmp_path / "run", progress=False, image_size=32, base_channels=2, batch_size=8, epochs=1
    )
    assert run.steps == 2
