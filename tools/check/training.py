"""Proves that `dcgan train` learns what the tutorial's program in PyTorch learns: a few full-size steps from the same
seed.

    python tools/check/training.py OURS FLOAT64 FLOAT32 CHANNELS_LAST

It needs torch. OURS is the folder of a `dcgan train`; the others are folders with the same two files, metrics.jsonl and
generator.pt, of bench/pytorch/tutorial.py (--losses-out and --save) with the same pictures, seed and steps: with
--dtype float64, plain, and with --channels-last. tools/check/run.sh makes all four.

Full-size runs in float32 drift apart, so no fixed tolerance can hold for many steps: adding in another order is enough
to change a loss by 1e-5 in the first step and by 1e-2 in the fifth. So both of PyTorch's float32 runs, whose kernels
add in different orders, are compared with the float64 run, and the larger drift up to a step is what is usual there.
Ours may drift FACTOR times as far.

Measured with 8 steps of 128 demo faces and AVX-512, for seeds 0, 1 and 2: what is usual in the first step is 2.7e-5,
3.5e-5 and 3.5e-5, in the second 8e-4, 4e-4 and 2e-3. A third float32 run of PyTorch, on one thread, went up to 4.3
times as far as the first two, ours in four versions (by each algorithm for convolutions, and with sums in another
order) up to 6.2 times with seed 0, whose two runs of PyTorch both happen to stay close in the fifth step, and up to 2.3
times with seeds 1 and 2. Hence FACTOR.

The first step is the sharp one. These planted errors drift there further than usual by a factor, seed 1: LeakyReLU's
slope 0.21 for 0.2 1500, beta1 0.51 for 0.5 700, a learning rate 1% too high 500, beta2 0.99 for 0.999 120, batch norm's
eps 1e-4 for 1e-5 16, unbiased variance where the batch is normalised 12.

Losses in training do not depend on running statistics. Of these, the variance behind G's first layer is compared, as a
mean over channels: it depends on few weights and hardly drifts. float32 runs are off by 4e-7 at most, ours by 7e-7;
biased variance in its place by 8e-6.
"""

import json
import math
import sys
import warnings
from pathlib import Path

import torch

FACTOR = 8
LOSSES = ("d_loss_real", "d_loss_fake", "g_loss")


class Run:
    def __init__(self, folder):
        folder = Path(folder)
        self.name = folder.name
        for file in ("metrics.jsonl", "generator.pt"):
            if not (folder / file).exists():
                sys.exit(f"{folder} holds no {file}: it is no run's folder, or the run has not ended")
        steps = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
        self.losses = [[step[name] for name in LOSSES] for step in steps]
        self.variance = torch.jit.load(folder / "generator.pt").state_dict()["1.running_var"].double().mean().item()

    def drift(self, exact):
        """For every step the largest difference of a loss."""
        if len(self.losses) != len(exact.losses):
            sys.exit(f"{self.name} has {len(self.losses)} steps and {exact.name} {len(exact.losses)}: they cannot be compared")
        return [max(abs(a - b) for a, b in zip(*step)) for step in zip(self.losses, exact.losses)]

    def variance_drift(self, exact):
        return abs(self.variance / exact.variance - 1)


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    warnings.filterwarnings("ignore")
    ours, exact, *others = map(Run, sys.argv[1:])

    failures = 0

    def line(what, ours, others, usual):
        nonlocal failures
        # Not-a-number compares as false.
        ok = ours <= FACTOR * usual
        failures += not ok
        print(f"{'ok  ' if ok else 'FAIL'}  {what:17}" + "".join(f"{value:15.1e}" for value in (ours, *others, FACTOR * usual)))

    names = ("ours", *(run.name for run in others), "allowed")
    print(f"{f'off {exact.name} by':23}" + "".join(f"{name:>15}" for name in names))
    usual = 0.0
    for step, (mine, *theirs) in enumerate(zip(*(run.drift(exact) for run in (ours, *others))), 1):
        usual = max(usual, *theirs)
        line(f"losses, step {step}", mine, theirs, usual)
    theirs = [run.variance_drift(exact) for run in others]
    line("running variance", ours.variance_drift(exact), theirs, max(theirs))
    if not 0.0 < usual < math.inf:
        sys.exit("PyTorch's runs prove nothing: they have no steps, or are the same, or have diverged")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
