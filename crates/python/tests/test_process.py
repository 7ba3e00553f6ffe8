"""Processes, memory and interpreters."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import dcgan
import numpy as np
import pytest

from .conftest import SMALL

#: Seconds after which a process hangs.
HANGS = 120


def child(generator: dcgan.Generator, expected: bytes, folder: Path, out: Path) -> None:
    """Do everything that needs threads, in a process that has none of its parent's."""
    assert generator.faces(range(4)).tobytes() == expected
    assert dcgan.load(folder / "generator.pt").faces(range(4)).tobytes() == expected
    assert dcgan.demo_faces(3).shape == (3, 64, 64, 3)
    del generator
    again = dcgan.train(out=out, progress=False, **SMALL)
    assert again.generator.faces(range(4)).tobytes() == expected
    os._exit(7)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_can_draw_and_train(run: dcgan.Run, generator: dcgan.Generator, tmp_path: Path) -> None:
    expected = generator.faces(range(4)).tobytes()
    process = multiprocessing.get_context("fork").Process(
        target=child, args=(generator, expected, run.folder, tmp_path / "run")
    )
    process.start()
    process.join(HANGS)
    hangs = process.is_alive()
    process.kill()
    assert not hangs and process.exitcode == 7
    assert generator.faces(range(4)).tobytes() == expected


def resident() -> int:
    """Return the bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_loading_a_thousand_times_leaks_nothing(run: dcgan.Run) -> None:
    path = run.folder / "generator.safetensors"

    def load(count: int) -> None:
        for _ in range(count):
            generator = dcgan.load(path, threads=2)
            generator(np.zeros((1, 10), np.float32))
            generator.state_dict()

    load(100)
    before, threads = resident(), len(os.listdir("/proc/self/task"))
    load(1000)
    # A generator takes a megabyte, so that leaking one in ten would be more than this.
    assert resident() - before < 30 << 20
    assert len(os.listdir("/proc/self/task")) <= threads


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_drawing_leaks_nothing(generator: dcgan.Generator) -> None:
    z = generator.noise(range(64))
    for _ in range(20):
        generator(z)
    before = resident()
    for _ in range(300):
        generator(z)
        generator.faces(range(8))
    # The images of one call take 768 KB.
    assert resident() - before < 30 << 20


def test_importing_is_quick_and_needs_no_more_than_numpy() -> None:
    program = (
        "import sys, dcgan\n"
        "print([name for name in ('torch', 'PIL', 'tqdm', 'typing_extensions') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_subinterpreters_are_refused_or_work() -> None:
    pytest.importorskip("_xxsubinterpreters" if sys.version_info < (3, 13) else "_interpreters")
    module = "_xxsubinterpreters" if sys.version_info < (3, 13) else "_interpreters"
    program = (
        f"import {module} as interpreters\n"
        "import dcgan\n"
        "other = interpreters.create()\n"
        "try:\n"
        "    interpreters.run_string(other, 'import dcgan')\n"
        "except BaseException as error:\n"
        "    print('refused')\n"
        "print('goes on', dcgan.demo_faces(1).shape)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=HANGS)
    assert done.returncode == 0 and "goes on" in done.stdout, done.stderr


def watch(trainer: dcgan.Trainer) -> None:
    """Use a training of the parent in a process that was forked."""
    with pytest.raises(RuntimeError, match="forked from"):
        next(trainer)
    del trainer
    os._exit(7)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_training_stays_in_its_process(tmp_path: Path) -> None:
    with dcgan.Trainer(out=tmp_path / "run", **SMALL) as trainer:
        next(trainer)
        process = multiprocessing.get_context("fork").Process(target=watch, args=(trainer,))
        process.start()
        process.join(HANGS)
        hangs = process.is_alive()
        process.kill()
        assert not hangs and process.exitcode == 7
        assert isinstance(list(trainer)[-1], dcgan.Finished)
