"""check, evaluate, interpolate, project, neighbours, convert and the built-in faces, against the command line."""

from __future__ import annotations

import json
from pathlib import Path

import dcgan
import numpy as np
import pytest

from .conftest import Program


@pytest.fixture(scope="module")
def faces(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of built-in faces."""
    folder = tmp_path_factory.mktemp("data") / "faces"
    program("demo-data", folder, "--count", 40)
    return folder


def test_check(program: Program, faces: Path, tmp_path: Path) -> None:
    from PIL import Image

    sheet = tmp_path / "sheet.png"
    printed = program("check", faces, "--json", "--no-cache", "--sheet", sheet).stdout
    report = dcgan.check(faces, no_cache=True)
    assert report.report == json.loads(printed)
    assert report.pictures == 40 and report.left_out == [] and "40" in repr(report)
    assert np.array_equal(report.sheet, np.asarray(Image.open(sheet)))
    png = report._repr_png_()
    assert png is not None and png.startswith(b"\x89PNG")
    for words, wrong in [
        ("fit cannot be", {"fit": "round"}),
        ("choose", {"image_size": 65}),
        ("choose 1", {"max_images": 0}),
    ]:
        with pytest.raises(ValueError, match=words):
            dcgan.check(faces, **wrong)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        dcgan.check(tmp_path / "no")
    (tmp_path / "empty").mkdir()
    with pytest.raises(dcgan.DataError, match="holds no files"):
        dcgan.check(tmp_path / "empty")


def test_evaluate(run: dcgan.Run, generator: dcgan.Generator, program: Program, faces: Path) -> None:
    options = ["--json", "--no-cache", "--samples", 16, "--seed", 2]
    expected = json.loads(program("evaluate", run.folder, faces, *options).stdout)
    evaluation = dcgan.evaluate(generator, faces, samples=16, seed=2, no_cache=True)
    assert vars(evaluation) == expected
    assert dcgan.evaluate(run.folder, faces, samples=16, seed=2, no_cache=True) == evaluation
    images = dcgan.demo_faces(40)
    assert dcgan.evaluate(generator, images, samples=16, seed=2).samples == 16
    with pytest.raises(ValueError, match="too few"):
        dcgan.evaluate(generator, images[:4])
    with pytest.raises(ValueError, match="demo=True"):
        dcgan.evaluate(generator)


def test_evaluate_with_the_built_in_faces(run: dcgan.Run, program: Program) -> None:
    expected = json.loads(program("evaluate", run.folder, "--demo", "--json", "--samples", 16).stdout)
    assert vars(dcgan.evaluate(run.folder, demo=True, samples=16)) == expected


def test_interpolate(run: dcgan.Run, program: Program, tmp_path: Path) -> None:
    from PIL import Image

    options = ["--seeds", "0-5", "--steps", 3, "--grid", "3x1", "--no-loop", "--scale", 1]
    program("interpolate", run.folder, *options, "--out", tmp_path / "frames/")
    frames = dcgan.interpolate(run.folder, range(6), steps=3, grid=(3, 1), loop=False)
    expected = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "frames").glob("*.png"))]
    assert len(expected) == 4 and np.array_equal(frames, np.stack(expected))
    latents = run.generator.noise(range(6))
    assert np.array_equal(dcgan.interpolate(run.generator, latents=latents, steps=3, grid=(3, 1), loop=False), frames)
    with pytest.raises(ValueError, match="2 or more for each"):
        dcgan.interpolate(run.generator, [1])
    with pytest.raises(ValueError, match="choose 1 to 100000"):
        dcgan.interpolate(run.generator, steps=0)


def test_project(run: dcgan.Run, program: Program, faces: Path, tmp_path: Path) -> None:
    from PIL import Image

    image = sorted(faces.glob("*.png"))[0]
    options = ["--starts", 2, "--steps", 10, "--seed", 4, "--scale", 1]
    program("project", image, run.folder, "--out", tmp_path / "sheet.png", *options)
    found = dcgan.project(run.folder, image, starts=2, steps=10, seed=4)
    assert np.array_equal(found.noise, np.load(tmp_path / "sheet.npy"))
    assert np.array_equal(found.faces.sheet(3), np.asarray(Image.open(tmp_path / "sheet.png")))
    assert found.error <= found.start_error and found.poor is not None
    pixels = np.asarray(Image.open(image).convert("RGB"))
    assert np.array_equal(dcgan.project(run.folder, pixels, starts=2, steps=10, seed=4).noise, found.noise)
    with pytest.raises(ValueError, match="--lr"):
        dcgan.project(run.folder, image, lr=0)
    with pytest.raises(dcgan.DataError, match="cannot use"):
        dcgan.project(run.folder, run.folder / "config.toml")


def test_neighbours(run: dcgan.Run, program: Program, faces: Path, tmp_path: Path) -> None:
    options = ["--json", "--no-cache", "--seeds", "3-6", "-k", 2, "--out", tmp_path / "sheet.png"]
    expected = json.loads(program("neighbours", run.folder, faces, *options).stdout)
    # The package writes no sheet.
    assert expected.pop("file") == str(tmp_path / "sheet.png") and expected.pop("bytes") > 0
    found = dcgan.neighbours(run.folder, faces, seeds=range(3, 7), nearest=2, no_cache=True)
    assert found.report == expected
    assert found.indices.shape == found.distances.shape == (4, 2)
    assert found.distances[:, 0].tolist() == [face["distance"] for face in expected["faces"]]
    assert found.verdict and (found._repr_png_() or b"").startswith(b"\x89PNG")
    own = run.generator.faces(range(3))
    assert dcgan.neighbours(run.generator, own, seeds=range(3)).indices[:, 0].tolist() == [0, 1, 2]


def test_convert(run: dcgan.Run, program: Program, tmp_path: Path) -> None:
    for name, words, options in [
        ("g.pth", ["--prefix", "main"], {"prefix": "main"}),
        ("g.onnx", [], {}),
        ("u.pt", ["--uint8"], {"uint8": True}),
        ("d.safetensors", ["--network", "discriminator"], {"network": "discriminator"}),
    ]:
        source = max((run.folder / "checkpoints").glob("*.safetensors"))
        program("convert", source, tmp_path / name, *words)
        size = dcgan.convert(source, tmp_path / f"mine-{name}", **options)  # type: ignore[arg-type]
        written = (tmp_path / f"mine-{name}").read_bytes()
        assert written == (tmp_path / name).read_bytes() and len(written) == size, name
    with pytest.raises(ValueError, match=r"name it \.pt"):
        dcgan.convert(run.folder / "generator.pt", tmp_path / "g.bin")
    with pytest.raises(FileNotFoundError):
        dcgan.convert(tmp_path / "no.pt", tmp_path / "g.pt")


def test_demo_faces(faces: Path) -> None:
    from PIL import Image

    drawn = dcgan.demo_faces(40)
    files = np.stack([np.asarray(Image.open(path)) for path in sorted(faces.glob("*.png"))])
    assert np.array_equal(drawn, files)
    assert np.array_equal(dcgan.demo_faces(3), drawn[:3])
    assert not np.array_equal(dcgan.demo_faces(3, seed=1), drawn[:3])
    assert dcgan.demo_faces(2, image_size=32, channels=1).shape == (2, 32, 32, 1)
    assert dcgan.demo_faces(0).shape == (0, 64, 64, 3)
    for wrong in ({"n": -1}, {"n": 1, "channels": 2}, {"n": 1, "image_size": 0}):
        with pytest.raises(ValueError):
            dcgan.demo_faces(**wrong)
    with pytest.raises(MemoryError):
        dcgan.demo_faces(1 << 45)
