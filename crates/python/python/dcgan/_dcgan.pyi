import os
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DataError",
    "ModelError",
    "NativeGenerator",
    "NativeResult",
    "NativeTrainer",
    "TrainingError",
    "__version__",
    "check",
    "convert",
    "demo_faces",
    "evaluate",
    "interpolate",
    "neighbours",
    "newest_run",
    "option_names",
    "png",
    "project",
    "sheet",
]

__version__: str

class ModelError(ValueError): ...
class DataError(ValueError): ...
class TrainingError(RuntimeError): ...

_Path = str | os.PathLike[str]
_ImageArguments = tuple[str | None, str | None, str | None, str | None, bool]

@final
class NativeGenerator:
    @staticmethod
    def load(path: _Path, network: str | None, threads: int | None) -> NativeGenerator: ...
    @staticmethod
    def from_bytes(data: bytes, threads: int | None) -> NativeGenerator: ...
    @property
    def latent_dim(self) -> int: ...
    @property
    def image_size(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def base_channels(self) -> int: ...
    def draw(self, noise: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def faces(self, seeds: list[int], trunc: float) -> NDArray[np.uint8]: ...
    def noise(self, seeds: list[int]) -> NDArray[np.float32]: ...
    def state_dict(self) -> dict[str, NDArray[Any]]: ...
    def save(self, path: _Path) -> None: ...
    def to_bytes(self) -> bytes: ...

@final
class NativeResult:
    @property
    def folder(self) -> os.PathLike[str]: ...
    @property
    def epochs(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def finished(self) -> bool: ...
    @property
    def best_epoch(self) -> int | None: ...
    @property
    def notes(self) -> list[str]: ...
    @property
    def generator(self) -> NativeGenerator: ...

@final
class NativeTrainer:
    def __new__(
        cls,
        options: list[tuple[str, str]],
        paths: list[tuple[str, _Path]],
        images: NDArray[np.uint8] | None,
        resume: _Path | None,
        config: _Path | None,
    ) -> NativeTrainer: ...
    def next_event(self) -> tuple[str, NDArray[np.uint8] | None] | None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...
    @property
    def result(self) -> NativeResult | None: ...

def sheet(images: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]: ...
def png(image: NDArray[np.uint8]) -> bytes: ...
def option_names() -> list[str]: ...
def newest_run() -> os.PathLike[str]: ...
def check(
    data: _Path,
    image_size: int,
    channels: int,
    strict: bool,
    max_images: int | None,
    arguments: _ImageArguments,
) -> tuple[str, NDArray[np.uint8]]: ...
def evaluate(
    generator: NativeGenerator,
    data: NDArray[np.uint8] | _Path,
    samples: int,
    seed: int,
    max_images: int | None,
    arguments: _ImageArguments,
) -> str: ...
def interpolate(
    generator: NativeGenerator,
    keys: NDArray[np.float32],
    steps: int,
    loops: bool,
    grid: tuple[int, int],
    trunc: float,
) -> NDArray[np.uint8]: ...
def project(
    generator: NativeGenerator,
    target: NDArray[np.uint8] | _Path,
    starts: int,
    steps: int,
    lr: float,
    prior: float,
    seed: int,
    arguments: _ImageArguments,
) -> tuple[NDArray[np.float32], float, NDArray[np.float32], float, str | None, NDArray[np.uint8]]: ...
def neighbours(
    generator: NativeGenerator,
    faces: NDArray[np.uint8],
    names: list[str],
    data: NDArray[np.uint8] | _Path,
    nearest: int,
    max_images: int | None,
    arguments: _ImageArguments,
) -> tuple[str, str, list[list[int]], list[list[float]]]: ...
def convert(source: _Path, target: _Path, network: str | None, uint8: bool, prefix: str) -> int: ...
def demo_faces(count: int, seed: int, image_size: int, channels: int) -> NDArray[np.uint8]: ...
