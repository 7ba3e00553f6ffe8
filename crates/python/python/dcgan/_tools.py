"""What there is beside drawing and training."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from dcgan import _dcgan
from dcgan._faces import Faces
from dcgan._generator import Generator, check_trunc, load, noise_array, seed_list
from dcgan._train import image_array, is_path

#: What a generator can be given as.
Model = Generator | str | os.PathLike[str]

#: The arguments of Rust that say how images are read.
ImageArguments = tuple[str | None, str | None, str | None, str | None, bool]


def generator_of(model: Model) -> Generator:
    """Return a generator, loaded if a path is given."""
    return model if isinstance(model, Generator) else load(model)


def image_arguments(
    fit: str | None,
    filter: str | None,
    background: str | None,
    cache: str | os.PathLike[str] | None,
    no_cache: bool,
) -> ImageArguments:
    """Return the options of reading images for Rust."""
    return fit, filter, background, None if cache is None else os.fsdecode(cache), no_cache


def check_max_images(max_images: int | None) -> int | None:
    """Return a number of images, 1 or more."""
    if max_images is not None and max_images < 1:
        raise ValueError(f"max_images={max_images} leaves nothing to look at: choose 1 or more")
    return max_images


def source_of(data: Any, demo: bool, max_images: int | None, generator: Generator) -> NDArray[np.uint8] | str:
    """Return images to compare with: a path, or an array."""
    if demo:
        if data is not None:
            raise ValueError("data and demo exclude each other: give one of them")
        count = max_images if max_images is not None else DEMO_FACES
        return np.asarray(demo_faces(count, image_size=generator.image_size, channels=generator.channels))
    if data is None:
        raise ValueError(
            "name a folder or archive of pictures as data, or compare with the built-in faces with demo=True"
        )
    return os.fsdecode(data) if is_path(data) else image_array(data)


#: Built-in faces to compare with by default.
DEMO_FACES = 4096


@dataclass(frozen=True, eq=False)
class DataReport:
    """What a data set holds, and what is odd about it."""

    #: Pictures that can be used.
    pictures: int
    #: Files that cannot be used, each with ``"path"`` and ``"reason"``.
    left_out: list[dict[str, str]]
    #: Everything that ``dcgan check --json`` prints.
    report: dict[str, Any]
    #: A sheet of pictures as the network sees them, with what is odd or left out and why: H × W × 3.
    sheet: Faces

    def __repr__(self) -> str:
        return f"DataReport(pictures={self.pictures}, left_out={len(self.left_out)})"

    def _repr_png_(self) -> bytes | None:
        return self.sheet._repr_png_()


def check(
    data: str | os.PathLike[str],
    *,
    image_size: int = 64,
    channels: int = 3,
    fit: str | None = None,
    filter: str | None = None,
    background: str | None = None,
    strict: bool = False,
    cache: str | os.PathLike[str] | None = None,
    no_cache: bool = False,
    max_images: int | None = None,
) -> DataReport:
    """Look at a data set before training on it.

    Parameters
    ----------
    data : path-like
        Folder of pictures, flat or nested, or a .zip or .tar of them.
    image_size : int
        Height and width to which the pictures are resized.
    channels : int
        3 for color, 1 for gray.
    fit : {"stretch", "crop", "pad"}, optional
        How pictures that are not square are fitted.
    filter : {"nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"}, optional
        Resampling filter; bilinear by default.
    background : str, optional
        Color of transparent pixels and bars: "white", "black", "grey" or "#rrggbb".
    strict : bool
        Whether a file that has to be left out is an error.
    cache : path-like, optional
        Folder for decoded pictures; the user's cache folder by default.
    no_cache : bool
        Whether to keep no decoded pictures.
    max_images : int, optional
        Look at the first so many pictures only.

    Returns
    -------
    DataReport
        What was found; in a notebook it shows a sheet of the pictures.
    """
    arguments = image_arguments(fit, filter, background, cache, no_cache)
    text, sheet = _dcgan.check(os.fsdecode(data), image_size, channels, strict, check_max_images(max_images), arguments)
    report: dict[str, Any] = json.loads(text)
    return DataReport(report["pictures"], report["left_out"], report, Faces(sheet))


@dataclass(frozen=True)
class Evaluation:
    """How close generated images are to real ones. Each ``…_floor`` is the same of other real images."""

    #: Sliced Wasserstein distance × 1000, by size and ``"mean"``; lower is better.
    swd: dict[str, float]
    #: Floor of ``swd``.
    swd_floor: dict[str, float]
    #: Kernel distance; lower is better.
    kid: float
    #: Floor of ``kid``.
    kid_floor: float
    #: Fréchet distance; lower is better.
    fd: float
    #: Floor of ``fd``.
    fd_floor: float
    #: Share of the generated images that lie among the real ones.
    precision: float
    #: Floor of ``precision``.
    precision_floor: float
    #: Share of the real images that lie among the generated ones.
    recall: float
    #: Floor of ``recall``.
    recall_floor: float
    #: Share of the generated images that are not copies of the nearest real one.
    authenticity: float
    #: Floor of ``authenticity``.
    authenticity_floor: float
    #: Features of the distances; only figures of the same features can be compared.
    features: str
    #: Generated images, and as many real ones.
    samples: int


def evaluate(
    model: Model,
    data: Any = None,
    *,
    demo: bool = False,
    samples: int = 10_000,
    seed: int = 0,
    fit: str | None = None,
    filter: str | None = None,
    background: str | None = None,
    cache: str | os.PathLike[str] | None = None,
    no_cache: bool = False,
    max_images: int | None = None,
) -> Evaluation:
    """Compare a generator's images with real ones, as ``dcgan evaluate`` does.

    Parameters
    ----------
    model : Generator or path-like
        The generator.
    data : path-like or array_like of uint8, shape (N, H, W, C), optional
        The real pictures.
    demo : bool
        Whether to compare with the built-in faces instead.
    samples : int
        Images to compare, 8 to 100,000, and at most half as many as there are real ones.
    seed : int
        Seed of the noise.
    fit, filter, background, cache, no_cache, max_images
        How the pictures are read; see :func:`check`.

    Returns
    -------
    Evaluation
        The measures, each beside its floor.
    """
    if not 8 <= samples <= 100_000:
        raise ValueError(f"samples={samples}: choose 8 to 100000")
    generator = generator_of(model)
    most = check_max_images(max_images)
    if demo:
        most = min(2 * samples, DEMO_FACES if most is None else most)
    source = source_of(data, demo, most, generator)
    arguments = image_arguments(fit, filter, background, cache, no_cache)
    text = _dcgan.evaluate(generator._native, source, samples, seed_list(seed)[0], most, arguments)
    return Evaluation(**json.loads(text))


def interpolate(
    model: Model,
    seeds: SupportsIndex | Iterable[SupportsIndex] = range(8),
    *,
    latents: Any = None,
    steps: int = 24,
    loop: bool = True,
    grid: tuple[int, int] = (1, 1),
    trunc: float = 1.0,
) -> Faces:
    """Draw the frames of a walk from face to face, as ``dcgan interpolate`` does.

    Parameters
    ----------
    model : Generator or path-like
        The generator.
    seeds : iterable of int
        Faces to walk through, in this order.
    latents : array_like, shape (N, latent_dim), optional
        Noise vectors to walk through instead.
    steps : int
        Frames from one face to the next.
    loop : bool
        Whether to return to the first face.
    grid : tuple of int
        Columns and rows of walks side by side, among which the faces are divided.
    trunc : float
        Factor of the noise: below 1, faces are more typical and more alike.

    Returns
    -------
    Faces of uint8, shape (frames, H, W, C)
        The frames. ``frames.to_pil()`` are images that Pillow writes as an animation.
    """
    generator = generator_of(model)
    keys = generator.noise(seeds) if latents is None else noise_array(latents)
    columns, rows = grid
    for name, number, most in (("steps", steps, 100_000), ("grid", columns, 64), ("grid", rows, 64)):
        if not 1 <= number <= most:
            raise ValueError(f"{name}={steps if name == 'steps' else grid}: choose 1 to {most}")
    return Faces(_dcgan.interpolate(generator._native, keys, steps, loop, (columns, rows), check_trunc(trunc)))


@dataclass(frozen=True, eq=False)
class Projection:
    """The face that is nearest to a picture."""

    #: Noise of the face: float32, 1 × latent_dim, for ``generator(noise)``.
    noise: NDArray[np.float32]
    #: Root mean square error in levels of 255.
    error: float
    #: Noise of the random face that the search started from, 1 × latent_dim.
    start: NDArray[np.float32]
    #: Error of that face.
    start_error: float
    #: Why the result is poor, in a sentence; ``None`` if it is not.
    poor: str | None
    #: The picture, the random face and the result: 3 × H × W × C.
    faces: Faces

    def _repr_png_(self) -> bytes | None:
        return self.faces._repr_png_()


def project(
    model: Model,
    image: Any,
    *,
    starts: int = 8,
    steps: int = 400,
    lr: float = 0.1,
    prior: float = 1e-3,
    seed: int = 0,
    fit: str | None = None,
    filter: str | None = None,
    background: str | None = None,
) -> Projection:
    """Search for the face that is nearest to a picture, as ``dcgan project`` does.

    Parameters
    ----------
    model : Generator or path-like
        The generator.
    image : path-like or array_like of uint8, shape (H, W, C)
        The picture. It is prepared as ``train`` prepares pictures.
    starts : int
        Searches, of which the best result is kept: 1 to 256.
    steps : int
        Steps of each search.
    lr : float
        Adam's learning rate at the first step.
    prior : float
        Weight of the noise's mean square beside the pixels' mean square error; higher gives more typical faces.
    seed : int
        Seed of the random faces that the searches start from.
    fit, filter, background
        How the picture is fitted; see :func:`check`.

    Returns
    -------
    Projection
        The noise and how near its face is.
    """
    generator = generator_of(model)
    for name, number, most in (("starts", starts, 256), ("steps", steps, 1_000_000)):
        if not 1 <= number <= most:
            raise ValueError(f"{name}={number}: choose 1 to {most}")
    target = os.fsdecode(image) if is_path(image) else image_array(np.asarray(image)[np.newaxis])
    arguments = image_arguments(fit, filter, background, None, True)
    noise, error, start, start_error, poor, picture = _dcgan.project(
        generator._native, target, starts, steps, lr, prior, seed_list(seed)[0], arguments
    )
    noise, start = noise[np.newaxis], start[np.newaxis]
    drawn = generator(np.concatenate([start, noise]))
    # As Rust turns values into bytes.
    images = np.clip((drawn + np.float32(1)) / np.float32(2) * np.float32(255) + np.float32(0.5), 0, 255)
    faces = np.concatenate([picture[np.newaxis], images.astype(np.uint8).transpose(0, 2, 3, 1)])
    return Projection(noise, error, start, start_error, poor, Faces(faces))


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Generated faces and the training pictures nearest to them."""

    #: The faces: uint8, N × H × W × C.
    faces: Faces
    #: Indices of the nearest pictures, nearest first: N × k.
    indices: NDArray[np.int64]
    #: Their distances, from 0 to 255: N × k.
    distances: NDArray[np.float64]
    #: Everything that ``dcgan neighbours --json`` prints.
    report: dict[str, Any]
    #: What the distances mean, in sentences.
    verdict: str

    def _repr_png_(self) -> bytes | None:
        return self.faces._repr_png_()


def neighbours(
    model: Model,
    data: Any = None,
    *,
    seeds: SupportsIndex | Iterable[SupportsIndex] = range(8),
    trunc: float = 1.0,
    demo: bool = False,
    nearest: int = 7,
    fit: str | None = None,
    filter: str | None = None,
    background: str | None = None,
    cache: str | os.PathLike[str] | None = None,
    no_cache: bool = False,
    max_images: int | None = None,
) -> Neighbours:
    """Find the training pictures nearest to generated faces, which shows whether these are copies.

    Parameters
    ----------
    model : Generator or path-like
        The generator.
    data : path-like or array_like of uint8, shape (N, H, W, C), optional
        The pictures it was trained on.
    seeds : int or iterable of int
        The faces.
    trunc : float
        Factor of their noise.
    demo : bool
        Whether to compare with the built-in faces instead.
    nearest : int
        Pictures to find for each face.
    fit, filter, background, cache, no_cache, max_images
        How the pictures are read; see :func:`check`.

    Returns
    -------
    Neighbours
        The nearest pictures, and what their distances mean.
    """
    generator = generator_of(model)
    if nearest < 1:
        raise ValueError(f"nearest={nearest}: choose 1 or more")
    numbers = seed_list(seeds)
    if not numbers:
        raise ValueError("seeds: name one face or more")
    most = check_max_images(max_images)
    source = source_of(data, demo, most, generator)
    faces = generator.faces(numbers, trunc=trunc)
    names = [f"seed-{number:04}" for number in numbers]
    arguments = image_arguments(fit, filter, background, cache, no_cache)
    text, verdict, indices, distances = _dcgan.neighbours(
        generator._native, np.asarray(faces), names, source, nearest, most, arguments
    )
    return Neighbours(
        faces, np.asarray(indices, np.int64), np.asarray(distances, np.float64), json.loads(text), verdict
    )


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    network: str | None = None,
    uint8: bool = False,
    prefix: str = "",
) -> int:
    """Convert a model file to another format, as ``dcgan convert`` does.

    Parameters
    ----------
    source : path-like
        A file that ``dcgan`` or PyTorch wrote.
    target : path-like
        The file to write: .pt (TorchScript), .pth (state_dict), .safetensors or .onnx.
    network : str, optional
        Network of a file with several: "generator", "discriminator", or its name in the file.
    uint8 : bool
        Whether to write a generator that returns uint8 images, as torch-fidelity takes it.
    prefix : str
        Prefix of the names of the tensors, for example "main".

    Returns
    -------
    int
        Number of bytes written.
    """
    return _dcgan.convert(os.fsdecode(source), os.fsdecode(target), network, uint8, prefix)


def demo_faces(n: int, seed: int = 0, *, image_size: int = 64, channels: int = 3) -> Faces:
    """Draw built-in cartoon faces: a data set without a download.

    Parameters
    ----------
    n : int
        Number of faces.
    seed : int
        Seed of the faces; those of ``dcgan train --demo`` have 0.
    image_size : int
        Height and width in pixels.
    channels : int
        3 for RGB, 1 for gray.

    Returns
    -------
    Faces of uint8, shape (n, image_size, image_size, channels)
        The faces. The first ones of a seed are the same for any ``n``.
    """
    if n < 0:
        raise ValueError(f"n={n}: choose 0 or more")
    return Faces(_dcgan.demo_faces(n, seed_list(seed)[0], image_size, channels))
