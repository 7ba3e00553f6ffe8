"""Proves that the real TensorBoard shows a run as the run's other files have it.

    python tools/check/event_file.py RUN

TensorBoard is started as `tensorboard --logdir` would be, and asked over HTTP, as its page does: for every scalar of every step, which must
be those of metrics.jsonl, and for the sheets of faces, which must be the bytes of samples/*.png.
"""

import json
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

import numpy
from tensorboard import program

SCALARS = {
    "loss/d_real": "d_loss_real",
    "loss/d_fake": "d_loss_fake",
    "loss/g": "g_loss",
    "output/d_x": "d_x",
    "output/d_g_z1": "d_g_z1",
    "output/d_g_z2": "d_g_z2",
    "progress/epoch": "epoch",
    "progress/images_per_second": "images_per_second",
    "progress/data_seconds": "data_seconds",
}


def get(address, path, **query):
    with urllib.request.urlopen(f"{address}data/plugin/{path}?{urllib.parse.urlencode(query)}", timeout=30) as answer:
        return answer.read()


def get_json(address, path, **query):
    return json.loads(get(address, path, **query))


def check(run, steps, samples, *options):
    server = program.TensorBoard()
    # Without the last option it keeps only some of the points.
    limits = "--samples_per_plugin=scalars=100000,images=1000"
    server.configure(argv=[None, "--logdir", str(run), "--port=0", limits, *options])
    address = server.launch()

    def images():
        if "samples" not in get_json(address, "images/tags").get(".", {}):
            return []
        return get_json(address, "images/images", run=".", tag="samples", sample=0)

    # It reads in the background.
    for _ in range(100):
        if len(images()) >= len(samples):
            break
        time.sleep(0.3)
    assert len(images()) == len(samples), f"TensorBoard shows {len(images())} sheets of faces, not {len(samples)}"

    for tag, name in SCALARS.items():
        shown = [(step, value) for _, step, value in get_json(address, "scalars/scalars", run=".", tag=tag)]
        assert shown == [(step["step"], float(numpy.float32(step[name]))) for step in steps], tag
    for tag in ("epoch/d_loss", "epoch/g_loss"):
        assert len(get_json(address, "scalars/scalars", run=".", tag=tag)) == len(samples) - 1, tag
    for image, path in zip(images(), samples):
        query = dict(urllib.parse.parse_qsl(image["query"]))
        assert get(address, "images/individualImage", **query) == path.read_bytes(), path


def main():
    run = Path(sys.argv[1])
    steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    samples = sorted((run / "samples").glob("epoch-*.png"))
    # TensorBoard has two programs that read the files.
    for options in (["--load_fast=true"], ["--load_fast=false"]):
        check(run, steps, samples, *options)
        print(f"TensorBoard {options[0]}: {len(SCALARS)} scalars of {len(steps)} steps, {len(samples)} sheets of faces, as in the other files")


main()
