"""Proves that torch-fidelity's command line rates the generators that `dcgan convert --uint8` writes.

    python tools/check/fidelity.py DCGAN GENERATOR

It needs torch-fidelity with onnxruntime beside it, the program DCGAN and a trained GENERATOR of ours with the
tutorial's 100 values of noise.

The Inception network that torch-fidelity rates with is a download, so one with random weights stands in. Its numbers
say nothing about faces, but the distance between pictures and the same pictures is zero all the same: that of the
generator as TorchScript and as ONNX, with the same noise. Between the generator and other faces of it, drawn to files,
it is not.
"""

import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

SAMPLES = 16
LATENT = 100


def random_inception(path):
    import torch
    from torch_fidelity import feature_extractor_inceptionv3 as inception

    class Untrained(inception.FeatureExtractorInceptionV3):
        def load_state_dict(self, state_dict):
            pass

    inception.load_state_dict_from_url = lambda *args, **kwargs: {}
    torch.manual_seed(0)
    torch.save(Untrained("inception-v3-compat", ["logits_unbiased"], verbose=False).state_dict(), path)


def distance(weights, first, second):
    """The Fréchet distance that torch-fidelity prints, of the first layer's 64 features."""
    command = [Path(sys.executable).parent / "fidelity", "--input1", first, "--input2", second, "--fid", "--cpu", "--no-cache", "--silent"]
    command += ["--feature-layer-fid", "64", "--feature-extractor-weights-path", weights, "--batch-size", str(SAMPLES)]
    for number in "12":
        command += [f"--input{number}-model-z-size", str(LATENT), f"--input{number}-model-num-samples", str(SAMPLES)]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if result.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{result.stderr}")
    return float(result.stdout.split("frechet_inception_distance:")[1].split()[0])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    warnings.filterwarnings("ignore")
    dcgan, model = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        script, onnx, faces, weights = (folder / name for name in ("uint8.pth", "uint8.onnx", "faces", "inception.pth"))
        for command in (
            ["convert", model, script, "--uint8"],
            ["convert", model, onnx, "--uint8"],
            ["generate", model, "--seeds", f"0-{SAMPLES - 1}", "--out", faces],
        ):
            subprocess.run([dcgan, *command], check=True, stderr=subprocess.DEVNULL)
        random_inception(weights)
        same = distance(weights, script, onnx)
        others = distance(weights, script, faces)
    ok = abs(same) < 1e-3 * others
    print(f"{'ok  ' if ok else 'FAIL'}  torch-fidelity: TorchScript is {same:.3g} from ONNX, and {others:.3g} from {SAMPLES} other faces")
    sys.exit(not ok)


if __name__ == "__main__":
    main()
