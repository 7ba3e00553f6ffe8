"""Proves that the real TensorBoard shows a run as the run's other files have it.

    python tools/check/event_file.py RUN

TensorBoard is started as `tensorboard --logdir` would be, and asked over HTTP, as its page does: for every scalar of
every step, which must be those of metrics.jsonl, for the sheets of faces, which must be the bytes of samples/*.png, and
for the settings on the page HPARAMS, which must be those of config.toml.
"""

import json
import sys
import time
import tomllib
import urllib.parse
import urllib.request
from pathlib import Path

import numpy
from tensorboard import program

# The same names in both files.
SCALARS = ["d_loss_real", "d_loss_fake", "g_loss", "d_x", "d_g_z1", "d_g_z2", "epoch", "images_per_second", "data_seconds"]
# Settings that are under other names, or not on the page.
OTHER_SETTINGS = {"lr", "base-channels", "data", "demo", "max-images", "fit", "filter", "background", "strict", "cache", "no-cache", "device", "threads"}
OTHER_SETTINGS |= {"keep", "keep-every", "save-every", "evaluate-every", "sample-every", "keep-generators", "preset"}


def get(address, path, **query):
    with urllib.request.urlopen(f"{address}data/plugin/{path}?{urllib.parse.urlencode(query)}", timeout=30) as answer:
        return answer.read()


def get_json(address, path, **query):
    return json.loads(get(address, path, **query))


def post_json(address, path, body):
    request = urllib.request.Request(f"{address}data/plugin/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def check_settings(address, config):
    """The page HPARAMS has one session, with the settings of the configuration file."""
    experiment = post_json(address, "hparams/experiment", {"experimentName": "", "hparamsLimit": 0})
    names = {info["name"] for info in experiment["hparamInfos"]}
    body = {
        "experimentName": "",
        "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
        "colParams": [{"hparam": name} for name in sorted(names)],
        "startIndex": 0,
        "sliceSize": 10,
    }
    groups = post_json(address, "hparams/session_groups", body)["sessionGroups"]
    assert len(groups) == 1, f"{len(groups)} runs on the page HPARAMS"
    assert [session["status"] for session in groups[0]["sessions"]] == ["STATUS_SUCCESS"], groups
    shown = groups[0]["hparams"]
    assert set(shown) == names, (set(shown), names)
    for name, value in config.items():
        if name == "seed":
            value = str(value)
        if name not in OTHER_SETTINGS:
            assert shown[name] == value, f"{name} is {value} in config.toml and {shown.get(name)} in TensorBoard"
    assert shown["lr-d"] == config.get("lr-d", config["lr"]) and shown["lr-g"] == config.get("lr-g", config["lr"])
    return len(shown)


def check(run, steps, samples, config, *options):
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

    for name in SCALARS:
        shown = [(step, value) for _, step, value in get_json(address, "scalars/scalars", run=".", tag=name)]
        assert shown == [(step["step"], float(numpy.float32(step[name]))) for step in steps], name
    for tag in ("epoch/d_loss", "epoch/g_loss"):
        assert len(get_json(address, "scalars/scalars", run=".", tag=tag)) == len(samples) - 1, tag
    for image, path in zip(images(), samples):
        query = dict(urllib.parse.parse_qsl(image["query"]))
        assert get(address, "images/individualImage", **query) == path.read_bytes(), path
    return check_settings(address, config)


def main():
    run = Path(sys.argv[1])
    steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    samples = sorted((run / "samples").glob("epoch-*.png"))
    config = tomllib.loads((run / "config.toml").read_text())
    # TensorBoard has two programs that read the files.
    for options in (["--load_fast=true"], ["--load_fast=false"]):
        settings = check(run, steps, samples, config, *options)
        scalars = f"{len(SCALARS)} scalars of {len(steps)} steps"
        print(f"TensorBoard {options[0]}: {scalars}, {len(samples)} sheets of faces, {settings} settings, as in the other files")


main()
