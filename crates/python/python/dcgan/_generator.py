"""Trained generators."""

from __future__ import annotations

import json
import operator
import os
import struct
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from dcgan import _dcgan
from dcgan._faces import Faces

if TYPE_CHECKING:
    from PIL.Image import Image

#: The largest number of threads.
MAX_THREADS = 1024


def seed_list(seeds: SupportsIndex | Iterable[SupportsIndex]) -> list[int]:
    """Return one or several seeds as numbers from 0 to 2⁶⁴ − 1. A negative one stands for that 2⁶⁴ larger."""
    if isinstance(seeds, (str, bytes)):
        raise TypeError(f"seeds cannot be {seeds!r}: give a number or several, such as range(32)")
    several = seeds if isinstance(seeds, Iterable) else [seeds]
    numbers = [operator.index(seed) for seed in several]
    for number in numbers:
        if not -(1 << 63) <= number < 1 << 64:
            raise ValueError(f"{number} is out of range: a seed goes from {-(1 << 63)} to {(1 << 64) - 1}")
    return [number & ((1 << 64) - 1) for number in numbers]


def noise_array(z: Any) -> NDArray[np.float32]:
    """Return noise of any array type as float32, N × latent, without a copy if it is that already."""
    # A tensor of PyTorch that needs a gradient, or is on a GPU, is no array for numpy.
    if hasattr(z, "detach"):
        z = z.detach().cpu()
    array = np.asarray(z)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"noise of type {array.dtype}: give real numbers")
    if array.ndim == 4 and array.shape[2:] == (1, 1):
        array = array[:, :, 0, 0]
    if array.ndim != 2:
        raise ValueError(f"noise of the shape {array.shape}: give (N, latent) or (N, latent, 1, 1)")
    return np.ascontiguousarray(array, dtype=np.float32)


def check_trunc(trunc: float) -> float:
    """Return a factor of the noise as a float."""
    trunc = float(trunc)
    if not 0.0 <= trunc <= 10.0:
        raise ValueError(f"trunc={trunc}: choose a number from 0 to 10, such as 0.7")
    return trunc


def check_threads(threads: int | None) -> int | None:
    """Return a number of threads that can be started."""
    if threads is None:
        return None
    number = operator.index(threads)
    if not 1 <= number <= MAX_THREADS:
        raise ValueError(f"threads={number}: choose 1 to {MAX_THREADS}")
    return number


class Generator:
    """A trained generator, to be called with noise. :func:`load` reads one.

    It can be shared by threads: drawing takes turns, and each turn uses all of the generator's threads. It can be
    pickled, and used in a process that was forked.
    """

    __slots__ = ("__weakref__", "_native", "_threads")

    def __init__(self, native: _dcgan.NativeGenerator, threads: int | None = None) -> None:
        self._native = native
        self._threads = threads

    @classmethod
    def from_state_dict(cls, state_dict: Mapping[str, Any], *, threads: int | None = None) -> Generator:
        """Make a generator from the tensors of PyTorch's module.

        Parameters
        ----------
        state_dict : mapping of str to array_like
            What ``G.state_dict()`` returns: tensors of PyTorch, or arrays. The sizes of the networks are recognized
            by their names and shapes.
        threads : int, optional
            Threads to compute with; one per core by default. The result is the same for any number.

        Raises
        ------
        ModelError
            If the tensors are not those of a generator.
        """
        header: dict[str, Any] = {}
        parts: list[bytes] = []
        start = 0
        for name, tensor in state_dict.items():
            if hasattr(tensor, "detach"):
                tensor = tensor.detach().cpu()
            array = np.asarray(tensor)
            if array.dtype.kind not in "fiub":
                raise _dcgan.ModelError(f"tensor {name} of type {array.dtype}: give real numbers")
            is_float = array.dtype.kind == "f"
            part = np.ascontiguousarray(array, dtype="<f4" if is_float else "<i8").tobytes()
            header[str(name)] = {
                "dtype": "F32" if is_float else "I64",
                "shape": list(array.shape),
                "data_offsets": [start, start + len(part)],
            }
            parts.append(part)
            start += len(part)
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        file = b"".join([struct.pack("<Q", len(text)), text, *parts])
        return cls._from_bytes(file, threads)

    @classmethod
    def _from_bytes(cls, file: bytes, threads: int | None) -> Generator:
        threads = check_threads(threads)
        return cls(_dcgan.NativeGenerator.from_bytes(file, threads), threads)

    def __reduce__(self) -> tuple[Any, ...]:
        return Generator._from_bytes, (self._native.to_bytes(), self._threads)

    def __repr__(self) -> str:
        return (
            f"Generator(latent_dim={self.latent_dim}, image_size={self.image_size}, channels={self.channels}, "
            f"base_channels={self.base_channels})"
        )

    @property
    def latent_dim(self) -> int:
        """Length of a noise vector."""
        return self._native.latent_dim

    @property
    def image_size(self) -> int:
        """Height and width of an image in pixels."""
        return self._native.image_size

    @property
    def channels(self) -> int:
        """Channels of an image: 3 for RGB, 1 for gray."""
        return self._native.channels

    @property
    def base_channels(self) -> int:
        """Channels of the layers next to the image."""
        return self._native.base_channels

    def __call__(self, z: Any) -> NDArray[np.float32]:
        """Draw the images of noise, as ``G.eval()(z)`` in PyTorch.

        Parameters
        ----------
        z : array_like, shape (N, latent_dim) or (N, latent_dim, 1, 1)
            Noise from a normal distribution: an array, a tensor, nested lists. A contiguous float32 array is not
            copied. It must not change while it is used.

        Returns
        -------
        ndarray of float32, shape (N, C, H, W)
            Images in [−1, 1]. ``torch.from_numpy`` takes the array without a copy.

        Raises
        ------
        ValueError
            If the noise has another shape, or is of no real numbers.
        """
        return self._native.draw(noise_array(z))

    def noise(self, seeds: SupportsIndex | Iterable[SupportsIndex]) -> NDArray[np.float32]:
        """Return the noise of seeds.

        Parameters
        ----------
        seeds : int or iterable of int
            Seeds, from −2⁶³ to 2⁶⁴ − 1.

        Returns
        -------
        ndarray of float32, shape (N, latent_dim)
            A row for each seed: ``torch.manual_seed(seed); torch.randn(1, latent_dim)``.
        """
        return self._native.noise(seed_list(seeds))

    def faces(self, seeds: SupportsIndex | Iterable[SupportsIndex] = range(32), *, trunc: float = 1.0) -> Faces:
        """Draw a face for each seed.

        Parameters
        ----------
        seeds : int or iterable of int
            Seeds, from −2⁶³ to 2⁶⁴ − 1.
        trunc : float
            Factor of the noise: below 1, faces are more typical and more alike.

        Returns
        -------
        Faces of uint8, shape (N, H, W, C)
            The pixels of ``dcgan generate --seeds``. In a notebook they show themselves.
        """
        return Faces(self._native.faces(seed_list(seeds), check_trunc(trunc)))

    def to_pil(self, seeds: SupportsIndex | Iterable[SupportsIndex] = range(32), *, trunc: float = 1.0) -> list[Image]:
        """Draw a face for each seed as an image of Pillow; see :meth:`faces`.

        Returns
        -------
        list of PIL.Image.Image
            Images in mode "RGB", or "L" if they are gray.
        """
        return self.faces(seeds, trunc=trunc).to_pil()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the generator to a file.

        Parameters
        ----------
        path : path-like
            The file, replaced once the new one is complete. Its extension says the format: ``.pt`` (TorchScript, for
            ``torch.jit.load``), ``.pth`` (a state_dict, for ``torch.load``), ``.safetensors`` or ``.onnx``.

        Raises
        ------
        ValueError
            For another extension.
        OSError
            If the file cannot be written.
        """
        self._native.save(path)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return copies of the tensors by PyTorch's names and in PyTorch's order.

        Returns
        -------
        dict of str to ndarray
            Float32 weights and statistics, and an int64 counter for each batch norm.
        """
        return self._native.state_dict()


def load(path: str | os.PathLike[str], *, network: str | None = None, threads: int | None = None) -> Generator:
    """Read a generator.

    Parameters
    ----------
    path : path-like
        A file that ``dcgan`` or PyTorch wrote: TorchScript, a state_dict, safetensors or a checkpoint. Or the folder of
        a run: its finished generator, or that of its newest checkpoint. Nothing in the file is executed.
    network : str, optional
        Name of the network in a file with several, such as ``"netG_ema"``.
    threads : int, optional
        Threads to compute with; one per core by default. The result is the same for any number.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ModelError
        If the file holds no generator.
    """
    threads = check_threads(threads)
    return Generator(_dcgan.NativeGenerator.load(path, network, threads), threads)
