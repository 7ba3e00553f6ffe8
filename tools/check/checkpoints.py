"""Proves that `dcgan` draws with the files that people keep generators in what PyTorch draws with them.

    python tools/check/checkpoints.py DCGAN

It needs torch, numpy, pillow and safetensors, and the program DCGAN. Checkpoints are those of
tools/reference/checkpoint_kinds.py: each is drawn, and no pixel may be more than one level off PyTorch's. Then the same
network is saved under names of 1 to 60 letters, as a state_dict and as TorchScript: PyTorch gives the folder in the
archive the stem of the name. At last TorchScript whose layers have names, or that was traced in training mode, a
program of torch.export, and objects that `torch.load(weights_only=True)` refuses: their networks are drawn, or the
reason is said.
"""

import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "reference"))
from checkpoint_kinds import REFUSED_BY_TORCH, kinds
from networks import Named, discriminator, generator, trained_like
from pictures import expected, faces_of

SIZE, LATENT, FACES = 32, 4, 8
failures = 0


def check(what, ok, note=""):
    global failures
    failures += not ok
    print(f"{'ok  ' if ok else 'FAIL'}  {what}{f': {note}' if note else ''}", flush=True)


def run(dcgan, *words):
    return subprocess.run([dcgan, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def difference(dcgan, path, net, folder, name=None):
    """How many levels the faces that `dcgan` draws are off PyTorch's at most, or what `dcgan` says."""
    sheet = folder / "sheet.png"
    answer = run(dcgan, "generate", path, "-n", FACES, "--seed", 5, "--force", "--scale", 1, "--out", sheet, *(["--network", name] if name else []))
    if answer.returncode:
        return answer.stderr.strip()
    theirs = expected(net.eval(), torch.randn(FACES, LATENT, 1, 1, generator=torch.Generator().manual_seed(5)))
    theirs = np.stack([np.clip(np.asarray(face, dtype=float), 0, 255) for face in theirs])
    ours = np.stack([np.asarray(face, dtype=float) for face in faces_of(np.asarray(Image.open(sheet)), FACES, SIZE)])
    return float(np.abs(np.round(theirs) - ours).max())


def drawn(dcgan, what, path, net, folder, name=None):
    off = difference(dcgan, path, net, folder, name)
    check(f"{what} is drawn within one level", not isinstance(off, str) and off <= 1, off if isinstance(off, str) else f"{off:g}")


class Sigmoid(Named):
    def forward(self, x):
        x = torch.relu(self.norm0(self.up0(x)))
        x = torch.relu(self.norm1(self.up1(x)))
        x = torch.relu(self.norm2(self.up2(x)))
        return torch.sigmoid(self.up3(x))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    dcgan = sys.argv[1]
    net_g = trained_like(generator(SIZE, 3, LATENT, 8)).eval()
    net_d = trained_like(discriminator(SIZE, 3, 8))
    state = {name: tensor.clone() for name, tensor in net_g.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for path, name in kinds(net_g, net_d, folder):
            net = generator(SIZE, 3, LATENT, 8)
            kind = path.name.split(".")[0]
            cast = {"float16": torch.float16, "bfloat16": torch.bfloat16}.get(kind.removesuffix("-old"))
            net.load_state_dict({k: v.to(cast).float() if cast and v.is_floating_point() else v for k, v in state.items()})
            drawn(dcgan, path.name, path, net, folder, name)
            if path.suffix == ".pth":
                try:
                    torch.load(path, weights_only=True)
                    reads = True
                except Exception:
                    reads = False
                check(f"{path.name} is {'read' if reads else 'refused'} by torch.load(weights_only=True), as stated", reads != (path.stem in REFUSED_BY_TORCH))

        scripted = torch.jit.script(net_g)
        wrong = []
        for length in range(1, 61):
            for suffix in ("pth", "pt"):
                path = folder / f"{'n' * length}.{suffix}"
                torch.save(net_g.state_dict(), path) if suffix == "pth" else scripted.save(str(path))
                if run(dcgan, "info", path).returncode:
                    wrong.append(path.name)
                path.unlink()
        check("120 of 120 names are read", not wrong, f"{len(wrong)} are not: {wrong[:4]}" if wrong else "")

        example = torch.zeros(2, LATENT, 1, 1)
        for name, module in (("in order", Named(net_g)), ("out of order", Named(net_g, False))):
            path = folder / "named.pt"
            torch.jit.trace(module.eval(), example).save(str(path))
            drawn(dcgan, f"TorchScript of named layers {name}, traced,", path, net_g, folder)
            torch.jit.script(module.eval()).save(str(path))
            drawn(dcgan, f"TorchScript of named layers {name}, scripted,", path, net_g, folder)
        torch.jit.trace(Sigmoid(net_g).eval(), example).save(str(path))
        said = run(dcgan, "info", path)
        check("TorchScript with another activation is refused", said.returncode == 1 and "sigmoid" in said.stderr.lower(), said.stderr.strip())
        torch.jit.trace(net_g.train(), example).save(str(path))
        net_g.load_state_dict(state)
        said = run(dcgan, "generate", path, "--force", "--out", folder / "faces.png")
        check("a trace in training mode is told of", said.returncode == 0 and "training mode" in said.stderr, said.stderr.strip())
        try:
            torch.export.save(torch.export.export(net_g.eval(), (example,)), folder / "exported.pt2")
            said = run(dcgan, "info", folder / "exported.pt2")
            check("a program of torch.export is named", said.returncode == 1 and "torch.export" in said.stderr, said.stderr.strip())
        except (ImportError, AttributeError):
            check("a program of torch.export can be made", False)
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
