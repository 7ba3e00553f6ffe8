"""A small generator, and the program of the command line to compare with."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import dcgan
import pytest

#: Options of a training of a second.
SMALL: dcgan.TrainOptions = {
    "demo": True,
    "max_images": 32,
    "image_size": 32,
    "base_channels": 4,
    "latent_dim": 10,
    "batch_size": 8,
    "epochs": 2,
    "seed": 3,
}

Program = Callable[..., "subprocess.CompletedProcess[str]"]


def arguments(options: dcgan.TrainOptions) -> list[str]:
    """Return options as those of the command line."""
    texts = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if name in ("demo", "no_cache"):
            texts += [flag] if value else []
        elif isinstance(value, bool):
            texts.append(f"{flag}={'true' if value else 'false'}")
        else:
            texts.append(f"{flag}={value}")
    return texts


@pytest.fixture(scope="session")
def program() -> Program:
    """The program ``dcgan``, which the environment variable DCGAN names."""
    path = os.environ.get("DCGAN")
    if path is None:
        folder = Path(__file__).parents[3] / "target"
        found = [
            folder / profile / "dcgan" for profile in ("release", "debug") if (folder / profile / "dcgan").exists()
        ]
        assert found, "build the program first: cargo build --release"
        path = str(found[0])

    def run(*args: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [path, *map(str, args)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> dcgan.Run:
    """A finished run of ``SMALL``."""
    return dcgan.train(out=tmp_path_factory.mktemp("runs") / "small", progress=False, **SMALL)


@pytest.fixture(scope="session")
def generator(run: dcgan.Run) -> dcgan.Generator:
    """Its generator."""
    return run.generator
