"""Compares training recipes by `dcgan evaluate`. docs/quality.md has the results.

    python tools/quality/compare.py DCGAN WORK NAME=FOLDER[:PICTURES] ... [--seeds 0] [--only REGEX] [--samples 2000]

Needs Python alone. For every data set (NAME=demo is the built-in faces; PICTURES limits how many are trained on),
recipe and seed it trains with `dcgan train`, draws the figures with `dcgan evaluate` against the whole folder, and a
sheet of 32 faces with `dcgan generate`. A result that is in WORK/results.json already is not computed again. The table
goes to stdout.

The work of a run is its CPU time in seconds, all threads together, because the wall time depends on what else a machine
does.
"""

import argparse
import json
import re
import resource
import subprocess
from pathlib import Path

# 3,000 steps of 32 pictures are six minutes on two busy cores.
SHORT = "--epochs 10 --epoch-size 9600"
SMALL = "--base-channels 32 --batch-size 32 --ema=0.995 --augment translation"
NORMAL = f"{SMALL} --init normal {SHORT}"
DECAY = f"{NORMAL} --lr-schedule linear-half"
RECIPES = {
    "start": f"{SMALL} {SHORT}",
    "start, ema 0.999": f"{SMALL} {SHORT}".replace("0.995", "0.999"),
    "start, hinge": f"{SMALL} --loss hinge {SHORT}",
    "start, no norm, R1 0.1": f"{SMALL} --d-norm none --r1 0.1 {SHORT}",
    "start, no norm, R1 1": f"{SMALL} --d-norm none --r1 1 {SHORT}",
    "start, spectral, hinge": f"{SMALL} --d-norm spectral --loss hinge {SHORT}",
    "start, no norm, relativistic, R1 and R2 0.1": f"{SMALL} --d-norm none --loss relativistic --r1 0.1 --r2 0.1 {SHORT}",
    "normal": NORMAL,
    "normal, decay": DECAY,
    "normal, decay, lr 6e-4": f"{DECAY} --lr 6e-4",
    "normal, decay, lr 4e-4": f"{DECAY} --lr 4e-4",
    "normal, decay, lr-g 6e-4, lr-d 2e-4": f"{DECAY} --lr-g 6e-4 --lr-d 2e-4",
    "normal, decay, lr 1.2e-3": f"{DECAY} --lr 1.2e-3",
    "normal, decay, lr 6e-4, beta2 0.99": f"{DECAY} --lr 6e-4 --beta2 0.99",
    "normal, decay, lr 4e-4, batches of 16": f"{DECAY} --lr 4e-4".replace("--batch-size 32", "--batch-size 16"),
    "normal, decay, lr 6e-4, spectral, hinge": f"{DECAY} --lr 6e-4 --d-norm spectral --loss hinge",
    "normal, decay, lr 1e-3, beta2 0.99, least squares": f"{DECAY} --lr 1e-3 --beta2 0.99 --loss least-squares",
    "preset quick": "--preset quick",
    "preset best": "--preset best",
    # As many pictures as `quick` and `best` see, with the larger networks of the tutorial: twice their time.
    "tutorial, the pictures of quick": "--epochs 10 --epoch-size 6400",
    "tutorial, the pictures of best": "--epochs 20 --epoch-size 12800",
}


def run(*command):
    """Runs a command and returns what it prints and the CPU time it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return output, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("dcgan")
    parser.add_argument("work", type=Path)
    parser.add_argument("data", nargs="+", metavar="NAME=FOLDER[:PICTURES]")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", default="", help="recipes whose names match this regular expression")
    parser.add_argument("--samples", type=int, default=2000)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    path = args.work / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    recipes = {name: options.split() for name, options in RECIPES.items() if re.search(args.only, name)}

    sets = {}
    for data in args.data:
        name, _, folder = data.partition("=")
        folder, _, limit = folder.partition(":")
        sets[name] = (["--demo"] if folder == "demo" else [folder], ["--max-images", limit] if limit else [])
    for seed in args.seeds:
        for recipe, options in recipes.items():
            for name, (source, limit) in sets.items():
                key = f"{name}|{recipe}|{seed}"
                if key in results:
                    continue
                folder = args.work / re.sub(r"[^a-z0-9.]+", "-", key)
                _, seconds = run(args.dcgan, "train", *source, *limit, *options, "--seed", str(seed), "--quiet", "--out", str(folder))
                figures, _ = run(args.dcgan, "evaluate", str(folder), *source, "--samples", str(args.samples), "--json")
                run(args.dcgan, "generate", str(folder), "-n", "32", "--force", "--out", f"{folder}.png")
                results[key] = {"cpu_seconds": seconds, **json.loads(figures)}
                path.write_text(json.dumps(results, indent=1))

    print("| set | recipe | seed | CPU time, s | SWD 64 | 32 | 16 | mean | floor | FD × 1000 | precision (floor) | recall (floor) |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|---|")
    for key, figures in results.items():
        name, recipe, seed = key.split("|")
        if name not in sets or recipe not in recipes:
            continue
        swd = " | ".join(f"{figures['swd'][level]:.1f}" for level in ("64", "32", "16", "mean"))
        shares = " | ".join(f"{figures[of]:.2f} ({figures[of + '_floor']:.2f})" for of in ("precision", "recall"))
        print(f"| {name} | {recipe} | {seed} | {figures['cpu_seconds']:.0f} | {swd} | {figures['swd_floor']['mean']:.1f} | {1000 * figures['fd']:.0f} | {shares} |")


main()
