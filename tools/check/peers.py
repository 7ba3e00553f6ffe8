"""Proves that other programs take the files that `dcgan convert` writes, and that `dcgan` takes theirs.

    python tools/check/peers.py DCGAN GENERATOR

It needs torch, numpy, pillow, safetensors, onnx and onnxruntime, the program DCGAN and a trained GENERATOR of ours.

Ours to them: GENERATOR in every format is opened by PyTorch (state_dicts with weights_only=True, all of them strictly),
by the safetensors package and by ONNX Runtime, and draws what `dcgan generate` draws. Theirs to ours: networks of
several sizes, made by PyTorch and kept in every way it has, draw in `dcgan` what they draw in PyTorch; discriminators
go through `dcgan convert` and say the same of the same pictures.
"""

import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import safetensors.torch
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "reference"))
from networks import Wrapped, discriminator, generator, trained_like
from pictures import FACES, LIMIT, SEED, expected, faces_of, generate, largest_difference, read

# Probabilities by two programs that sum in other orders.
SAME = 1e-5
# image size, channels, latent dimension, base channels
SIZES = ((64, 3, 100, 64), (32, 1, 7, 8), (128, 3, 20, 4), (256, 3, 5, 2))

failures = 0


def check(what, ok, note=""):
    global failures
    failures += not ok
    print(f"{'ok  ' if ok else 'FAIL'}  {what}{f': {note}' if note else ''}", flush=True)


def close(what, difference, limit):
    check(what, difference <= limit, f"largest difference {difference:.3g}, allowed {limit:.3g}")


def convert(dcgan, source, target, *options):
    result = subprocess.run([dcgan, "convert", source, target, "--force", *options], stderr=subprocess.PIPE, text=True)
    if result.returncode:
        sys.exit(f"dcgan convert {source} {target}: {result.stderr.strip()}")
    return target


def sheet(dcgan, model, folder, count=FACES):
    """The faces of `dcgan generate`, as bytes."""
    path = folder / "sheet.png"
    generate(dcgan, model, "-n", str(count), "--seed", str(SEED), "--out", path)
    picture = read(path)
    size = picture.shape[1] // min(count, 8) - 2
    return list(faces_of(picture, count, size))


def noise(latent, count=FACES):
    return torch.randn(count, latent, 1, 1, generator=torch.Generator().manual_seed(SEED))


def onnx_session(path):
    """The model of a file that keeps all rules of ONNX, with the names of its input and output."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    run = lambda x: torch.from_numpy(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])
    return run, session


def facts(session):
    known = session.get_modelmeta().custom_metadata_map
    return tuple(int(known[key]) for key in ("image_size", "channels", "latent_dim", "base_channels"))


def load_strictly(net, state):
    result = net.load_state_dict(state, strict=False)
    return net.eval(), not result.missing_keys and not result.unexpected_keys


def as_bytes(pictures):
    """What torchvision's save_image makes of pictures in [-1, 1], N × H × W × C."""
    return ((pictures + 1) / 2 * 255 + 0.5).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()


def ours_to_them(dcgan, model, folder):
    files = {name: convert(dcgan, model, folder / name) for name in ("g.pt", "g.pth", "g.safetensors", "g.onnx")}
    files |= {name: convert(dcgan, model, folder / name, "--uint8") for name in ("uint8.pth", "uint8.onnx")}
    run_onnx, session = onnx_session(files["g.onnx"])
    sizes = facts(session)
    latent = sizes[2]
    check("ONNX Runtime reads the metadata", session.get_modelmeta().graph_name == "generator", f"{sizes}")
    faces = sheet(dcgan, model, folder)
    z = noise(latent)

    script = torch.jit.load(files["g.pt"]).eval()
    close("PyTorch draws our faces from .pt", largest_difference(faces, expected(script, z)), LIMIT)
    net, strict = load_strictly(generator(*sizes), torch.load(files["g.pth"], weights_only=True))
    check(".pth loads with weights_only=True and strict", strict)
    close("PyTorch draws our faces from .pth", largest_difference(faces, expected(net, z)), LIMIT)
    net, strict = load_strictly(generator(*sizes), safetensors.torch.load_file(files["g.safetensors"]))
    check(".safetensors loads strictly", strict)
    close("PyTorch draws our faces from .safetensors", largest_difference(faces, expected(net, z)), LIMIT)
    close("ONNX Runtime draws our faces", largest_difference(faces, expected(run_onnx, z)), LIMIT)
    for count in (1, 3):
        few = largest_difference(faces[:count], expected(run_onnx, z[:count]))
        close(f"ONNX Runtime takes a batch of {count}", few, LIMIT)

    # The same bytes, but where rounding is a matter of the last bit.
    ours = np.stack(faces).astype(int)
    run_uint8, session = onnx_session(files["uint8.onnx"])
    for name, draw in (("TorchScript", torch.jit.load(files["uint8.pth"])), ("ONNX", run_uint8)):
        with torch.no_grad():
            theirs = draw(z[:, :, 0, 0])
        right = theirs.dtype == torch.uint8 and theirs.shape == (FACES, 3, sizes[0], sizes[0])
        check(f"--uint8 as {name} gives N × 3 × H × W bytes", right, f"{tuple(theirs.shape)} {theirs.dtype}")
        difference = np.abs(theirs.permute(0, 2, 3, 1).numpy().astype(int) - ours)
        share = (difference > 0).mean()
        check(f"--uint8 as {name} gives our bytes", difference.max() <= 1 and share < 1e-3, f"{share:.2g} of them differ, by 1")
    with torch.no_grad():
        check("uint8 pictures are save_image's", np.abs(as_bytes(net(z)).astype(int) - ours).max() <= 1)

    named = convert(dcgan, files["g.pth"], folder / "named.pth", "--prefix", "main")
    example = nn.Module()
    example.main = generator(*sizes)
    check("--prefix main fits PyTorch's example", load_strictly(example, torch.load(named, weights_only=True))[1])


def ways_of_keeping(net, example_input, folder):
    """Files with `net` in every way that PyTorch has."""
    wrapped = Wrapped(net)
    ways = {
        "scripted.pt": lambda path: torch.jit.script(net).save(path),
        "scripted-example.pt": lambda path: torch.jit.script(wrapped).save(path),
        "traced.pt": lambda path: torch.jit.trace(wrapped.eval(), example_input).save(path),
        "state.pth": lambda path: torch.save(net.state_dict(), path),
        "example.pth": lambda path: torch.save(wrapped.state_dict(), path),
        "parallel.pth": lambda path: torch.save(nn.DataParallel(wrapped).state_dict(), path),
        "old-layout.pth": lambda path: torch.save(wrapped.state_dict(), path, _use_new_zipfile_serialization=False),
        "checkpoint.pth": lambda path: torch.save({"epoch": 7, "net": net.state_dict(), "losses": [1.5]}, path),
        "state.safetensors": lambda path: safetensors.torch.save_file(net.state_dict(), path),
    }
    for name, write in ways.items():
        net.train()
        path = folder / name
        write(str(path))
        yield path


def theirs_to_ours(dcgan, sizes, folder):
    size, channels, latent, base = sizes
    torch.manual_seed(size)
    # Each layer weakens the noise, and above 64 pixels there are more of them.
    g = trained_like(generator(*sizes), gain=3 if size <= 64 else 4)
    z = noise(latent, 8)
    with torch.no_grad():
        theirs = expected(g.eval(), z)
    check(f"{size} pixels: the pictures differ from each other", theirs.std(axis=0).mean() > 5)
    for path in ways_of_keeping(g, z, folder):
        close(f"{size} pixels, {path.name}: dcgan draws PyTorch's pictures", largest_difference(sheet(dcgan, path, folder, 8), theirs), LIMIT)

    for norm in ("batch", "none", "spectral"):
        discriminators_are_kept(dcgan, sizes, norm, folder)


def discriminators_are_kept(dcgan, sizes, norm, folder):
    size, channels, _, base = sizes
    make = lambda: discriminator(size, channels, base, norm)
    d = trained_like(make())
    x = torch.rand(4, channels, size, size, generator=torch.Generator().manual_seed(2)) * 2 - 1
    with torch.no_grad():
        theirs = d.eval()(x)
    targets = ["d.pt", "d.pth", "d.safetensors", "d.onnx"]
    if norm == "spectral":
        # PyTorch cannot script a parametrization.
        kept = folder / "spectral.pth"
        torch.save(d.state_dict(), kept)
        pairs = [(kept, target) for target in targets]
    else:
        pairs = [(path, targets[number % 4]) for number, path in enumerate(ways_of_keeping(d, x, folder))]
    for path, target in pairs:
        target = folder / target
        convert(dcgan, path, target)
        match target.suffix:
            case ".pt":
                said = torch.jit.load(target).eval()
            case ".pth":
                said, strict = load_strictly(make(), torch.load(target, weights_only=True))
                check(f"{path.name} as .pth fits strictly", strict)
            case ".safetensors":
                said, strict = load_strictly(make(), safetensors.torch.load_file(target))
                check(f"{path.name} as .safetensors fits strictly", strict)
            case ".onnx":
                said, _ = onnx_session(target)
        with torch.no_grad():
            difference = (said(x) - theirs).abs().max().item()
        close(f"{size} pixels, norm {norm}, discriminator {path.name} as {target.suffix} says the same", difference, SAME)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    dcgan, model = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        ours_to_them(dcgan, model, Path(folder))
        for sizes in SIZES:
            theirs_to_ours(dcgan, sizes, Path(folder))
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
