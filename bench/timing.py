"""What every Python program here shares: its options, the timing of steps, and the one line of JSON."""

import argparse
import json
import os
import resource
import statistics
import sys
import time
from pathlib import Path

# The tutorial's networks are written once.
sys.path.append(str(Path(__file__).resolve().parents[1] / "tools/reference"))


def options(doc, steps, batch_size=128):
    """A parser with the options that all peers have."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--steps", type=int, default=steps, help="steps to time")
    parser.add_argument("--warmup", type=int, default=3, help="steps before them that are not timed")
    parser.add_argument("--batch-size", type=int, default=batch_size)
    parser.add_argument("--image-size", type=int, default=64, choices=(32, 64, 128, 256))
    parser.add_argument("--base-channels", type=int, default=64)
    parser.add_argument("--latent-dim", type=int, default=100)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    return parser


def time_steps(step, args):
    """Seconds of each of `args.steps` calls of `step(index)`, after the warm-up."""
    for index in range(args.warmup):
        step(index)
    times = []
    for index in range(args.steps):
        start = time.perf_counter()
        step(index)
        times.append(time.perf_counter() - start)
    return times


def peak_rss_mib():
    """The most memory this process has had resident, in MiB."""
    try:
        with open("/proc/self/status") as status:
            lines = dict(line.split(":", 1) for line in status)
        return int(lines["VmHWM"].split()[0]) / 1024
    except (OSError, KeyError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if sys.platform == "darwin" else 2**10)


def report(peer, version, times, args):
    """Prints the result, for people or for bench/compare.py."""
    median = statistics.median(times)
    result = {
        "peer": peer,
        "version": version,
        "ms_per_step": {"min": 1e3 * min(times), "median": 1e3 * median, "max": 1e3 * max(times)},
        "images_per_second": args.batch_size / median,
        "threads": args.threads,
        "batch_size": args.batch_size,
        "peak_rss_mib": peak_rss_mib(),
    }
    if args.json:
        print(json.dumps(result))
    else:
        ms = result["ms_per_step"]
        print(f"{peer} {version}, {args.threads} threads, batches of {args.batch_size}")
        print(f"ms per step: min {ms['min']:.2f}, median {ms['median']:.2f}, max {ms['max']:.2f}")
        print(f"{result['images_per_second']:.0f} images/s, peak memory {result['peak_rss_mib']:.0f} MiB")
