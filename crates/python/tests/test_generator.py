"""Loading and drawing."""

from __future__ import annotations

import pickle
import threading
import time
from pathlib import Path

import dcgan
import numpy as np
import pytest

from .conftest import Program


def test_noise_of_any_kind_draws_the_same(generator: dcgan.Generator) -> None:
    z = generator.noise(range(3))
    images = generator(z)
    assert images.dtype == np.float32 and images.shape == (3, 3, 32, 32)
    assert images.min() >= -1 and images.max() <= 1 and images.std() > 0.01
    for other in (z[:, :, None, None], z.tolist(), z.astype(np.float64), np.asfortranarray(z), z[::1, ::1].copy()):
        assert np.array_equal(generator(other), images)
    assert np.array_equal(generator(z[::-1]), images[::-1])
    assert generator(z[:0]).shape == (0, 3, 32, 32)
    assert np.array_equal(generator(np.ones((2, 10), int)), generator(np.ones((2, 10), np.float32)))


def test_many_images_are_drawn_in_pieces(generator: dcgan.Generator) -> None:
    z = np.random.default_rng(0).standard_normal((1030, 10), np.float32)
    images = generator(z)
    assert np.array_equal(images[1020:], generator(z[1020:]))
    faces = generator.faces(range(1030))
    assert np.array_equal(faces[1020:], generator.faces(range(1020, 1030)))


@pytest.mark.parametrize(
    ("z", "words"),
    [
        (np.zeros((2, 9)), "9 values, and this generator takes 10"),
        (np.zeros(10), r"shape \(10,\): give \(N, latent\)"),
        (np.zeros((2, 10, 2, 1)), "give"),
        (np.zeros((2, 10), complex), "real numbers"),
        ([["a"] * 10], "real numbers"),
    ],
)
def test_other_noise_is_refused(generator: dcgan.Generator, z: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        generator(z)


def test_faces_are_those_of_the_command_line(
    run: dcgan.Run, generator: dcgan.Generator, program: Program, tmp_path: Path
) -> None:
    from PIL import Image

    program("generate", run.folder, "--seeds", "0-7", "--out", tmp_path / "sheet.png", "--scale", 1)
    expected = np.asarray(Image.open(tmp_path / "sheet.png"))
    faces = generator.faces(range(8))
    assert faces.dtype == np.uint8 and faces.shape == (8, 32, 32, 3)
    assert np.array_equal(faces.sheet(), expected)
    faces.save(tmp_path / "mine.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "mine.png")), expected)
    images = generator.to_pil(range(8))
    assert len(images) == 8 and np.array_equal(np.stack([np.asarray(image) for image in images]), faces)


def test_seeds_are_those_of_torch(generator: dcgan.Generator) -> None:
    assert np.array_equal(generator.faces(-1), generator.faces(2**64 - 1))
    assert np.array_equal(generator.faces(np.int64(5)), generator.faces([5]))
    assert np.array_equal(generator.faces([3, 4]), generator.faces(np.array([3, 4])))
    assert not np.array_equal(generator.faces(3), generator.faces(4))
    half = generator.faces(3, trunc=0.5)
    assert not np.array_equal(half, generator.faces(3))
    with pytest.raises(ValueError, match="a seed goes from"):
        generator.faces(2**64)
    with pytest.raises(TypeError, match=r"range\(32\)"):
        generator.faces("0-7")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        generator.faces(1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"such as 0\.7"):
        generator.faces(1, trunc=float("nan"))


def test_faces_show_themselves(generator: dcgan.Generator) -> None:
    faces = generator.faces(range(3))
    png = faces._repr_png_()
    assert png is not None and png.startswith(b"\x89PNG")
    assert faces[0]._repr_png_() is not None
    assert (faces / 2)._repr_png_() is None and faces[0, 0]._repr_png_() is None
    assert isinstance(pickle.loads(pickle.dumps(faces)), dcgan.Faces)
    with pytest.raises(ValueError, match="uint8"):
        dcgan.Faces(np.zeros((1, 2, 2, 3)))


@pytest.mark.parametrize("name", ["g.pt", "g.pth", "g.safetensors"])
def test_every_format_draws_the_same(generator: dcgan.Generator, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    generator.save(path)
    for source in (path, str(path)):
        loaded = dcgan.load(source)
        assert np.array_equal(loaded(generator.noise(1)), generator(generator.noise(1)))
        assert repr(loaded) == repr(generator)
    generator.save(tmp_path / "g.onnx")
    assert (tmp_path / "g.onnx").stat().st_size > 1000


def test_run_folders_and_checkpoints_can_be_loaded(run: dcgan.Run, generator: dcgan.Generator) -> None:
    newest = max((run.folder / "checkpoints").glob("*.safetensors"))
    for path in (run.folder, newest, run.folder / "generator.pt"):
        assert np.array_equal(dcgan.load(path, threads=1).faces(0), generator.faces(0))
    with pytest.raises(dcgan.ModelError, match="only a generator can draw"):
        dcgan.load(newest, network="discriminator")


def test_state_dicts_go_out_and_in(generator: dcgan.Generator) -> None:
    tensors = generator.state_dict()
    assert tensors["0.weight"].dtype == np.float32 and tensors["0.weight"].ndim == 4
    assert tensors["1.num_batches_tracked"].shape == () and tensors["1.num_batches_tracked"].dtype == np.int64
    again = dcgan.Generator.from_state_dict(tensors)
    assert np.array_equal(again.faces(4), generator.faces(4))
    tensors["0.weight"][:] = 0
    assert generator.state_dict()["0.weight"].any(), "the arrays are copies"
    named = {f"main.{name}": tensor for name, tensor in generator.state_dict().items()}
    assert np.array_equal(dcgan.Generator.from_state_dict(named).faces(4), generator.faces(4))
    del named["main.0.weight"]
    for broken in (named, {}, {"a": np.zeros(3)}, {"a": np.array(["x"])}):
        with pytest.raises(dcgan.ModelError):
            dcgan.Generator.from_state_dict(broken)


def test_generators_can_be_pickled(generator: dcgan.Generator) -> None:
    again = pickle.loads(pickle.dumps(generator))
    assert np.array_equal(again.faces(4), generator.faces(4))


def test_errors_are_those_of_python_with_the_sentences_of_the_command_line(
    generator: dcgan.Generator, program: Program, tmp_path: Path
) -> None:
    text = tmp_path / "notes.pt"
    text.write_text("no model")
    empty = tmp_path / "empty"
    empty.mkdir()
    for path, kind in [(tmp_path / "no.pt", FileNotFoundError), (text, dcgan.ModelError), (empty, dcgan.ModelError)]:
        with pytest.raises(kind) as caught:
            dcgan.load(path)
        assert "\n" not in str(caught.value) and path.name in str(caught.value)
        if path != empty:
            assert str(caught.value) in program("info", path, check=False).stderr
    assert issubclass(dcgan.ModelError, ValueError)
    with pytest.raises(ValueError, match=r"name it \.pt"):
        generator.save(tmp_path / "g.bin")
    with pytest.raises(FileNotFoundError):
        generator.save(tmp_path / "no" / "such" / "g.pt")
    with pytest.raises(ValueError, match="choose 1 to 1024"):
        dcgan.load(text, threads=0)
    whole = tmp_path / "g.pt"
    generator.save(whole)
    damaged = bytearray(whole.read_bytes())
    damaged[len(damaged) // 2] ^= 255
    whole.write_bytes(damaged)
    with pytest.raises(dcgan.ModelError):
        dcgan.load(whole)


def test_threads_share_a_generator_and_leave_the_gil(generator: dcgan.Generator) -> None:
    z = np.random.default_rng(0).standard_normal((2000, 10), np.float32)
    expected = generator(z)
    results: dict[int, bool] = {}

    def draw(index: int) -> None:
        for _ in range(3):
            results[index] = np.array_equal(generator(z), expected)

    threads = [threading.Thread(target=draw, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    ticks = 0
    while any(thread.is_alive() for thread in threads):
        ticks += 1
        time.sleep(0)
    assert results == dict.fromkeys(range(4), True)
    # With the GIL held, this thread would get a turn between two calls only, a dozen in all.
    assert ticks > 100
