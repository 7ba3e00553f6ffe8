"""Training."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import dcgan
import numpy as np
import pytest

from .conftest import SMALL, Program, arguments

#: Files of a run whose bytes depend on nothing but its options and pictures.
SAME = ["generator.pt", "generator.safetensors", "config.toml", "samples/epoch-0002.png", "data.json", "data.png"]


def lines(folder: Path) -> list[dict[str, object]]:
    """Return the metrics of a run without times."""
    metrics = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if "second" not in name} for line in metrics]


@pytest.fixture(scope="module")
def of_program(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the same run by the command line."""
    folder = tmp_path_factory.mktemp("program") / "run"
    program("train", "--out", folder, *arguments(SMALL))
    return folder


def test_a_run_is_that_of_the_command_line(run: dcgan.Run, of_program: Path) -> None:
    for name in SAME:
        assert (run.folder / name).read_bytes() == (of_program / name).read_bytes(), name
    assert lines(run.folder) == lines(of_program)
    # The event file of TensorBoard has the time and the process in its name.
    names = [{path.name.split(".tfevents")[0] for path in folder.iterdir()} for folder in (run.folder, of_program)]
    assert names[0] == names[1]
    assert (run.steps, run.epochs, run.finished, run.best_epoch) == (8, 2, True, None)
    assert run.metrics()[0]["step"] == 1


def test_files_and_arrays_of_them_train_the_same(program: Program, tmp_path: Path) -> None:
    program("demo-data", tmp_path / "faces", "--count", 16, "--size", 40)
    options: dcgan.TrainOptions = {**SMALL, "epochs": 1, "demo": False, "no_cache": True, "fit": "crop"}
    from_files = dcgan.train(tmp_path / "faces", out=tmp_path / "a", progress=False, **options)
    images = dcgan.demo_faces(16, image_size=40)
    from_array = dcgan.train(images, out=tmp_path / "b", progress=False, **options)
    assert (from_files.folder / "generator.pt").read_bytes() == (from_array.folder / "generator.pt").read_bytes()
    gray = dcgan.train(images[..., 0], out=tmp_path / "c", progress=False, **options)
    assert gray.generator.channels == 1


def test_events_come_in_order(tmp_path: Path) -> None:
    events: list[dcgan.Event] = []
    threads: set[int] = set()

    def callback(event: dcgan.Event) -> None:
        events.append(event)
        threads.add(threading.get_ident())

    run = dcgan.train(out=tmp_path / "run", callback=callback, progress=False, **SMALL)
    assert threads == {threading.get_ident()}
    first, last = events[0], events[-1]
    assert isinstance(first, dcgan.Started) and (first.steps, first.pictures) == (8, 32)
    assert first.folder == tmp_path / "run"
    assert last == dcgan.Finished(epochs=2, steps=8)
    steps = [event for event in events if isinstance(event, dcgan.Step)]
    expected = [line for line in run.metrics() if "g_loss" in line]
    assert [step.step for step in steps] == list(range(1, 9))
    assert [step.g_loss for step in steps] == [line["g_loss"] for line in expected]
    previews = [event for event in events if isinstance(event, dcgan.Preview)]
    assert [preview.epoch for preview in previews] == [0, 1, 2]
    assert all(preview.faces.shape == (32, 32, 32, 3) for preview in previews)
    from PIL import Image

    assert np.array_equal(previews[2].faces.sheet(), np.asarray(Image.open(previews[2].file))[:, :, :3]) or (
        np.asarray(Image.open(previews[2].file)).shape != previews[2].faces.sheet().shape
    )
    assert [event.epoch for event in events if isinstance(event, dcgan.Epoch)] == [1, 2]
    assert [event.step for event in events if isinstance(event, dcgan.Checkpoint)] == [4, 8]


def test_samples_within_epochs_are_told(tmp_path: Path) -> None:
    events: list[dcgan.Event] = []
    options: dcgan.TrainOptions = {**SMALL, "sample_every": 3, "keep_generators": True}
    dcgan.train(out=tmp_path / "run", callback=events.append, progress=False, **options)
    samples = [event for event in events if isinstance(event, dcgan.Sample)]
    assert [(sample.epoch, sample.step) for sample in samples] == [(1, 3), (2, 6)]
    assert all(sample.faces.shape == (32, 32, 32, 3) and sample.file.exists() for sample in samples)
    assert (tmp_path / "run/generators/epoch-0002.safetensors").exists()


def test_what_a_callback_raises_stops_the_run_and_it_can_be_resumed(run: dcgan.Run, tmp_path: Path) -> None:
    def callback(event: dcgan.Event) -> None:
        if isinstance(event, dcgan.Step) and event.step == 2:
            raise ZeroDivisionError("mine")

    folder = tmp_path / "run"
    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        dcgan.train(out=folder, callback=callback, progress=False, **SMALL)
    if sys.version_info >= (3, 11):
        assert "dcgan.train(resume=" in caught.value.__notes__[0]
    steps = [int(path.stem.split("-")[1].split(".")[0]) for path in (folder / "checkpoints").glob("*.safetensors")]
    assert max(steps) in (2, 3), "within a step"
    resumed = dcgan.train(resume=folder, progress=False)
    assert resumed.finished and resumed.steps == 8
    assert (folder / "generator.pt").read_bytes() == (run.folder / "generator.pt").read_bytes()
    longer = dcgan.train(resume=folder, epochs=3, progress=False)
    assert longer.steps == 12


def test_a_loop_that_is_left_stops_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    for event in dcgan.Trainer(out=folder, **SMALL):
        if isinstance(event, dcgan.Step):
            break
    deadline = time.monotonic() + 60
    while not list((folder / "checkpoints").glob("*.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert dcgan.train(resume=folder, progress=False).finished


def test_a_trainer_can_be_stopped(tmp_path: Path) -> None:
    with dcgan.Trainer(out=tmp_path / "run", **SMALL) as trainer:
        assert trainer.folder is None
        with pytest.raises(RuntimeError, match="has not ended"):
            _ = trainer.result
        events = []
        for event in trainer:
            events.append(event)
            if isinstance(event, dcgan.Step):
                trainer.stop()
    assert isinstance(events[-1], dcgan.Stopped)
    assert trainer.folder == tmp_path / "run"
    assert not trainer.result.finished and trainer.result.steps < 8
    assert trainer.result.generator.faces(1).shape == (1, 32, 32, 3)
    assert list(trainer) == []


def test_a_trainer_that_never_began_leaves_nothing(tmp_path: Path) -> None:
    dcgan.Trainer(out=tmp_path / "run", **SMALL).close()
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_stops_with_a_checkpoint(tmp_path: Path) -> None:
    program = (
        "import dcgan, sys\n"
        "def callback(event):\n"
        "    if isinstance(event, dcgan.Step): print(event.step, flush=True)\n"
        f"options = {dict(SMALL) | {'epochs': 100000}!r}\n"
        f"dcgan.train(out={str(tmp_path / 'run')!r}, callback=callback, progress=False, **options)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode != 0 and "KeyboardInterrupt" in error, error
    assert list((tmp_path / "run" / "checkpoints").glob("*.safetensors"))
    stopped = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])["step"]
    resumed = dcgan.train(resume=tmp_path / "run", max_steps=stopped + 2, progress=False)
    assert resumed.steps == stopped + 2


def test_wrong_options_are_refused_with_a_suggestion(tmp_path: Path) -> None:
    def refused(kind: type[Exception], words: str, **options: object) -> None:
        with pytest.raises(kind, match=words):
            dcgan.train(out=tmp_path / "run", progress=False, **options)  # type: ignore[arg-type]

    refused(TypeError, r"^there is no option batchsize: did you mean batch_size\?$", demo=True, batchsize=3)
    refused(ValueError, "loss cannot be 'best'|loss cannot be \"best\"", demo=True, loss="best")
    refused(ValueError, "no pictures to learn from")
    refused(TypeError, "lr cannot be a dict", demo=True, lr={})
    refused(ValueError, "choose", demo=True, batch_size=0)
    refused(FileNotFoundError, "does not exist: check the path", data=tmp_path / "no")
    refused(ValueError, "uint8", data=np.zeros((4, 8, 8, 3)))
    refused(dcgan.DataError, r"\(4, 3, 8, 8\)", data=np.zeros((4, 3, 8, 8), np.uint8))
    refused(dcgan.DataError, "a batch needs 128", data=np.zeros((4, 8, 8, 3), np.uint8))
    refused(ValueError, "device gpu", demo=True, device="gpu", max_images=256)
    assert not (tmp_path / "run").exists()
    with pytest.raises(FileNotFoundError):
        dcgan.train(resume=tmp_path / "no")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(FileExistsError, match="never overwritten"):
        dcgan.train(out=tmp_path / "full", progress=False, **SMALL)


def test_every_option_of_the_command_line_has_its_type() -> None:
    from dcgan import _dcgan

    assert set(dcgan.TrainOptions.__annotations__) == set(_dcgan.option_names()) - {"data", "out"}


def test_a_configuration_file_is_taken(run: dcgan.Run, tmp_path: Path) -> None:
    again = dcgan.train(out=tmp_path / "run", config=run.folder / "config.toml", progress=False)
    assert (again.folder / "generator.pt").read_bytes() == (run.folder / "generator.pt").read_bytes()


def test_a_run_without_a_folder_gets_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options: dcgan.TrainOptions = {**SMALL, "max_steps": 1}
    run = dcgan.train(progress=False, **options)
    assert run.folder == Path("runs/0000-demo") and run.folder.is_dir()
    resumed = dcgan.train(resume=True, max_steps=2, progress=False)
    assert resumed.folder == run.folder and resumed.steps == 2


def test_files_that_are_left_out_are_warned_of(program: Program, tmp_path: Path) -> None:
    program("demo-data", tmp_path / "faces", "--count", 8)
    (tmp_path / "faces" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    options: dcgan.TrainOptions = {**SMALL, "epochs": 1, "demo": False, "no_cache": True}
    with pytest.warns(UserWarning, match=r"1 pictures cannot be used: .*broken\.png"):
        dcgan.train(tmp_path / "faces", out=tmp_path / "run", progress=False, **options)
    with pytest.raises(dcgan.DataError, match=r"drop --strict"):
        dcgan.train(tmp_path / "faces", out=tmp_path / "strict", progress=False, strict=True, **options)
    shutil.rmtree(tmp_path / "faces")


def test_progress_is_shown_by_tqdm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    dcgan.train(out=tmp_path / "run", progress=True, **SMALL)
    assert "8/8" in capsys.readouterr().err
