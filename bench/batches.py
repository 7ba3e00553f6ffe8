#!/usr/bin/env python3
"""Times training steps of `dcgan` at several batch sizes, turn by turn, and writes a Markdown table of what a picture
costs.

    python bench/batches.py --batch-sizes 32 64 128 256 512 --rounds 9

A batch size's ratio is the median over rounds, in each of which every size has its turn: what else the machine does
then weighs on all. This script needs nothing but Python.
"""

import statistics
import sys
from pathlib import Path

import compare


def arguments():
    parser = compare.parser(__doc__)
    parser.add_argument("--batch-sizes", type=compare.count, nargs="+", default=[32, 64, 128, 256, 512], help="the ratios are to the last of them")
    parser.add_argument("--rounds", type=compare.count, default=9, help="runs of each batch size")
    parser.add_argument("--pictures", type=compare.count, default=1024, help="pictures to time in a run, in two steps at least")
    return compare.parse(parser)


def row(batch, results, last):
    """`results` and `last` are the runs of this batch size and of the last one, round by round."""
    medians, of_last = ([result["ms_per_step"]["median"] / result["batch_size"] for result in runs] for runs in (results, last))
    ratio = statistics.median(ours / theirs for ours, theirs in zip(medians, of_last))
    memory = max(result["peak_rss_mib"] for result in results)
    cells = [f"{batch}", f"{statistics.median(medians):.2f}", f"{min(medians):.2f}–{max(medians):.2f}", f"{ratio:.2f} ×"]
    cells += [f"{min(medians) / min(of_last):.2f} ×", f"{memory:,.0f}"]
    return f"| {' | '.join(cells)} |"


def document(rounds, load, args):
    first = rounds[0][args.batch_sizes[0]]
    runs = {batch: [results[batch] for results in rounds] for batch in args.batch_sizes}
    lines = [
        "# What a picture costs in batches of several sizes",
        "",
        f"{compare.machine(first['isa'], args)} Batch sizes took turns, {len(rounds)} × each; a ratio is the median over these rounds.{load.sentence()}",
        "",
        f"    python bench/batches.py --batch-sizes {' '.join(map(str, args.batch_sizes))} --rounds {args.rounds} --pictures {args.pictures} --threads {args.threads}",
        "",
        f"| batch | ms a picture, median | medians of the runs | times {args.batch_sizes[-1]}'s | the same of the quickest runs | peak memory, MiB |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [row(batch, runs[batch], runs[args.batch_sizes[-1]]) for batch in args.batch_sizes]
    return "\n".join(lines) + "\n"


def main():
    args = arguments()
    rounds, load = [], compare.OtherLoad()
    for number in range(1, args.rounds + 1):
        results = {}
        for batch in args.batch_sizes:
            steps = max(2, args.pictures // batch)
            results[batch] = compare.run([args.dcgan, "bench", "train"], steps, batch, args)
            print(f"round {number}, batches of {batch}: {results[batch]['ms_per_step']['median'] / batch:.2f} ms a picture", file=sys.stderr)
        rounds.append(results)
        if args.out:
            args.out.write_text(document(rounds, load, args))
    if not args.out:
        print(document(rounds, load, args), end="")


if __name__ == "__main__":
    main()
