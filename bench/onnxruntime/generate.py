"""Drawing with a DCGAN's generator in ONNX Runtime on the CPU.

    python bench/onnxruntime/generate.py --threads 2
    python bench/onnxruntime/generate.py --batch-size 1 --steps 300

The generator comes from PyTorch, through export.py beside this file.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime

sys.path.append(str(Path(__file__).resolve().parents[1]))
import timing  # noqa: E402


def main():
    args = timing.options(__doc__, steps=20).parse_args()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = args.threads
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        export = Path(__file__).with_name("export.py")
        subprocess.run([sys.executable, str(export), str(folder), *sys.argv[1:]], check=True, stdout=subprocess.DEVNULL)
        session = onnxruntime.InferenceSession(str(folder / "generator.onnx"), settings, providers=["CPUExecutionProvider"])
        noise, pictures = np.load(folder / "noise.npy"), np.load(folder / "pictures.npy")
    run = lambda _: session.run(None, {"noise": noise})[0]
    np.testing.assert_allclose(run(0), pictures, atol=1e-4, rtol=0)
    timing.report("ONNX Runtime", onnxruntime.__version__, timing.time_steps(run, args), args)


if __name__ == "__main__":
    main()
