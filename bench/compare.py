#!/usr/bin/env python3
"""Times `dcgan` against other programs that do the same work, turn by turn, and writes a Markdown table.

    python bench/compare.py --peers tutorial,fastest,compiled,onnxruntime --rounds 3

Every peer's run is preceded by one of dcgan, A B A B, and a peer's ratio is the median over those pairs: what else the
machine does then weighs on both. bench/README.md says what each peer needs. This script needs nothing but Python.
"""

import argparse
import datetime
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TASKS = {
    "train": "Training, one step on {batch} pictures",
    "best": "Training with `--preset best`, one step on {batch} pictures",
    "quick": "Training with `--preset quick`, one step on {batch} pictures",
    "generate": "Drawing {batch} faces",
    "face": "Drawing one face",
}
# What the presets do in a step, for pytorch/train.py.
QUICK = ["--base-channels", "32", "--ema", "0.999", "--translate"]
BEST = [*QUICK, "--relativistic", "--penalty", "0.5"]
PRESETS = ("best", "quick")
PRESET_BATCH_SIZE = 32
PEERS = {
    "tutorial": {
        "train": ["{python}", "pytorch/train.py", "--variant", "tutorial"],
        "generate": ["{python}", "pytorch/generate.py", "--variant", "plain"],
        "face": ["{python}", "pytorch/generate.py", "--variant", "plain"],
    },
    "fastest": {
        "train": ["{python}", "pytorch/train.py", "--variant", "fastest"],
        "best": ["{python}", "pytorch/train.py", "--variant", "fastest", *BEST],
        "quick": ["{python}", "pytorch/train.py", "--variant", "fastest", *QUICK],
        "generate": ["{python}", "pytorch/generate.py", "--variant", "frozen"],
        "face": ["{python}", "pytorch/generate.py", "--variant", "frozen"],
    },
    "compiled": {
        "train": ["{python}", "pytorch/train.py", "--variant", "fastest", "--compile"],
        "quick": ["{python}", "pytorch/train.py", "--variant", "fastest", "--compile", *QUICK],
        "generate": ["{python}", "pytorch/generate.py", "--variant", "compiled"],
        "face": ["{python}", "pytorch/generate.py", "--variant", "compiled"],
    },
    "onnxruntime": {
        "generate": ["{python}", "onnxruntime/generate.py"],
        "face": ["{python}", "onnxruntime/generate.py"],
    },
    "python": {
        "generate": ["{python}", "python/generate.py"],
        "face": ["{python}", "python/generate.py"],
    },
    "burn": {"train": ["{cargo}", "burn"]},
    "candle": {"train": ["{cargo}", "candle"]},
}


def count(text):
    """A number of something there must be one of, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: it takes 1 at least")
    return number


def parser(doc):
    """One with the options of every script that runs `dcgan` turn by turn."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--threads", type=count, default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    parser.add_argument("--dcgan", default=str(HERE.parent / "target/release/dcgan"), help="the program")
    parser.add_argument("--out", type=Path, help="file for the table, rewritten after every round")
    return parser


def parse(parser):
    """The arguments, if `dcgan` is there."""
    args = parser.parse_args()
    if not os.access(args.dcgan, os.X_OK):
        parser.error(f"{args.dcgan} is not there: build it with `cargo build --release`, or name it with --dcgan")
    return args


def arguments():
    options = parser(__doc__)
    options.add_argument("--peers", default="tutorial,fastest,compiled,onnxruntime", help=f"of {','.join(PEERS)}")
    options.add_argument("--tasks", default="train,best,quick,generate,face", help=f"of {','.join(TASKS)}")
    options.add_argument("--rounds", type=count, default=3, help="runs of each peer")
    options.add_argument("--steps", type=count, default=8, help="training steps to time in a run")
    options.add_argument("--batches", type=count, default=20, help="batches to time in a run that draws")
    options.add_argument("--faces", type=count, default=300, help="single faces to time in a run")
    options.add_argument("--batch-size", type=count, default=128)
    options.add_argument("--python", default=sys.executable, help="an interpreter with the Python peers' packages")
    args = parse(options)
    args.peers, args.tasks = args.peers.split(","), args.tasks.split(",")
    for given, known in ((args.peers, PEERS), (args.tasks, TASKS)):
        for name in given:
            if name not in known:
                options.error(f"{name}: choose of {', '.join(known)}")
    return args


def build(crate):
    """A Rust peer, compiled for this very machine as its users would; gives its path."""
    print(f"building bench/{crate}, which may take minutes", file=sys.stderr)
    # In its own folder, so that no setting of the workspace around it applies.
    environment = os.environ | {"RUSTFLAGS": "-C target-cpu=native"}
    environment.pop("CARGO_TARGET_DIR", None)
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=HERE / crate, env=environment, check=True)
    return str(HERE / crate / "target/release" / f"bench-{crate}")


def command(words, args):
    """The words of PEERS as a command line."""
    if words[0] == "{cargo}":
        return [build(words[1])]
    return [args.python, str(HERE / words[1]), *words[2:]]


def batch_size(task, args):
    """Pictures of a step, a batch or a face."""
    return {"face": 1, **dict.fromkeys(PRESETS, PRESET_BATCH_SIZE)}.get(task, args.batch_size)


def run_task(line, task, args):
    """Runs one program on a task once."""
    # A step of the presets takes a tenth of the tutorial's.
    presets = dict.fromkeys(PRESETS, 10 * args.steps)
    steps = {"train": args.steps, **presets, "generate": args.batches, "face": args.faces}[task]
    return run(line, steps, batch_size(task, args), args)


def run(line, steps, batch, args):
    """Runs one program once; its line of JSON."""
    line = [*line, "--json", "--steps", str(steps), "--batch-size", str(batch), "--threads", str(args.threads)]
    done = subprocess.run(line, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(line)}: exit status {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


class OtherLoad:
    """How much of the machine others took: what /proc/stat counts as busy, less what our children used."""

    def __init__(self):
        self.start = self.now()

    @staticmethod
    def now():
        try:
            with open("/proc/stat") as stat:
                fields = [int(field) for field in stat.readline().split()[1:9]]
        except OSError:
            return None
        ticks = os.sysconf("SC_CLK_TCK")
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return sum(fields) / ticks, (sum(fields) - fields[3] - fields[4]) / ticks - used.ru_utime - used.ru_stime

    def share(self):
        """Of all cores' time since the start; None where there is no /proc."""
        now = self.now()
        if not now or now[0] <= self.start[0]:
            return None
        return max(0.0, (now[1] - self.start[1]) / (now[0] - self.start[0]))

    def sentence(self):
        share = self.share()
        return "" if share is None else f" Other processes took {100 * share:.0f}% of the cores meanwhile."


def cpu_name():
    try:
        with open("/proc/cpuinfo") as info:
            for line in info:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    if sys.platform == "darwin":
        return subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], stdout=subprocess.PIPE, text=True).stdout.strip()
    return platform.processor() or platform.machine()


def commit():
    """Of the source beside this script, as "commit abc1234, "; nothing outside a repository."""
    try:
        head = ["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"]
        return f"commit {subprocess.run(head, capture_output=True, text=True, check=True).stdout.strip()}, "
    except (OSError, subprocess.CalledProcessError):
        return ""


def machine(isa, args):
    """When, where and on what, as a sentence."""
    return f"{datetime.date.today().isoformat()}, {commit()}{cpu_name()}, {os.cpu_count()} cores, {args.threads} threads, {isa}, {platform.system()} {platform.machine()}."


def row(name, results, ratio):
    medians = [result["ms_per_step"]["median"] for result in results]
    median = statistics.median(medians)
    digits = 0 if median >= 100 else 1 if median >= 10 else 2
    spread = f"{min(medians):.{digits}f}–{max(medians):.{digits}f}"
    speed = results[0]["batch_size"] * 1e3 / median
    memory = max(result["peak_rss_mib"] for result in results)
    cells = [name, f"{median:,.{digits}f}", spread, f"{speed:,.0f}", f"{memory:,.0f}", f"{ratio:.2f} ×"]
    return f"| {' | '.join(cells)} |"


def table(task, pairs, args):
    """`pairs` maps a peer to its pairs of results: dcgan's and the peer's."""
    ours = [ours for results in pairs.values() for ours, _ in results]
    lines = [
        f"## {TASKS[task].format(batch=batch_size(task, args))}",
        "",
        "| program | ms, median | medians of the runs | images/s | peak memory, MiB | times dcgan's |",
        "|---|---:|---:|---:|---:|---:|",
        row(f"**dcgan {ours[0]['version']}**", ours, 1.0),
    ]
    for results in pairs.values():
        theirs = [theirs for _, theirs in results]
        ratio = statistics.median(b["ms_per_step"]["median"] / a["ms_per_step"]["median"] for a, b in results)
        lines.append(row(f"{theirs[0]['peer']} {theirs[0]['version']}", theirs, ratio))
    if task in ("train", *PRESETS):
        median = lambda key: statistics.median(result[key] for result in ours)
        lines += [
            "",
            f"The machine's FMA peak, measured in the same runs: {median('fma_peak_gflops'):.0f} GFLOP/s with {args.threads} threads. "
            f"A step of dcgan takes {median('fraction_of_direct_peak_time'):.2f} of the time that its convolutions, computed directly, "
            f"would take at that peak.",
        ]
    return lines


def document(tables, isa, load, args):
    lines = [
        "# dcgan against other programs",
        "",
        f"{machine(isa, args)} Programs took turns, {args.rounds} × each peer with a run of dcgan before it; a ratio is the median over these pairs."
        f"{load.sentence()}",
        "",
        f"    python bench/compare.py --peers {','.join(args.peers)} --tasks {','.join(args.tasks)} --rounds {args.rounds} "
        f"--steps {args.steps} --batches {args.batches} --faces {args.faces} --batch-size {args.batch_size} --threads {args.threads}",
    ]
    for task, pairs in tables.items():
        lines += ["", *table(task, pairs, args)]
    return "\n".join(lines) + "\n"


def main():
    args = arguments()
    lines = {(peer, task): command(PEERS[peer][task], args) for peer in args.peers for task in args.tasks if task in PEERS[peer]}
    ours = {"train": ["train"], **{preset: ["train", "--preset", preset] for preset in PRESETS}}
    ours = {task: [args.dcgan, "bench", *ours.get(task, ["generate"])] for task in args.tasks}
    tables, isa, load = {}, "", OtherLoad()
    for number in range(1, args.rounds + 1):
        for (peer, task), line in lines.items():
            a, b = run_task(ours[task], task, args), run_task(line, task, args)
            tables.setdefault(task, {}).setdefault(peer, []).append((a, b))
            isa = a["isa"]
            ms = [result["ms_per_step"]["median"] for result in (a, b)]
            print(f"round {number}, {task}: dcgan {ms[0]:.2f} ms, {b['peer']} {ms[1]:.2f} ms, {ms[1] / ms[0]:.2f} ×", file=sys.stderr)
        if args.out and tables:
            args.out.write_text(document(tables, isa, load, args))
    if not args.out:
        print(document(tables, isa, load, args), end="")


if __name__ == "__main__":
    main()
