"""Kills, full disks and damaged files: nothing may be lost, and every failure is one sentence. Needs Python 3 alone,
and Unix.

    python3 tools/check/nothing_lost.py DCGAN kills [--count 1000] [--full-size] [--seed S]
    python3 tools/check/nothing_lost.py DCGAN full-disks [--count 200] [--seed S]
    python3 tools/check/nothing_lost.py DCGAN mutations [--count 20000] [--seed S]
    python3 tools/check/nothing_lost.py DCGAN limits

DCGAN is the program, best a release build. Everything is written to a temporary folder and removed. The status is 1 if
anything was wrong.

kills        stops a training by SIGKILL, SIGTERM, SIGHUP and SIGINT at random moments and resumes it, until it ends,
             again and again. The result must have the same bytes as a run that was never stopped.
full-disks   limits the size that files can grow to, as a full disk does, at random places in trainings and other
             commands. The message must name the file, nothing half written may be left, and the training must come to
             the same bytes when there is room again.
mutations    changes, cuts and repeats bytes of models, checkpoints, pictures, archives, settings, records and the cache.
             Every command must end with status 0, 1 or 2 and, if it fails, with one line without control characters.
limits       measures the memory that README.md states, and starts a training under limits of memory: it is refused with
             a batch that then fits. As root, and with version 1 of control groups, in a control group too.
"""

import argparse
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SMALL = "--image-size 32 --base-channels 2 --latent-dim 4 --max-images 24 --batch-size 8 --threads 2 --save-every 1"
FULL_SIZE = "--max-images 256 --save-every 1"
SIGNALS = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT]


class Checks:
    """The program, a folder to run it in, and what went wrong."""

    def __init__(self, dcgan, folder):
        self.dcgan, self.folder, self.problems = Path(dcgan).resolve(), folder, []

    def start(self, line, limit=None):
        def set_limit():
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

        environment = {"HOME": str(self.folder / "home"), "PATH": "/usr/bin:/bin"}
        words = [str(self.dcgan), *line.split()]
        return subprocess.Popen(
            words, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=set_limit
        )

    def run(self, line, limit=None):
        """Runs the program to its end. Returns its status and the text of stderr."""
        process = self.start(line, limit)
        _, stderr = process.communicate(timeout=600)
        return process.returncode, stderr.decode(errors="replace")

    def check(self, is_right, what):
        if not is_right:
            self.problems.append(what)
            print(f"WRONG: {what}", flush=True)

    def succeeds(self, line):
        status, stderr = self.run(line)
        self.check(status == 0, f"status {status} of {line}: {stderr[-500:]}")

    def check_message(self, line, status, stderr):
        """Checks a failure: no panic, no signal, and one line of error."""
        self.check(status in (0, 1, 2), f"status {status} of {line}: {stderr[-500:]}")
        errors = [text for text in stderr.split("\n") if text.startswith("error: ")]
        self.check(status == 0 or len(errors) == 1, f"{len(errors)} lines of error of {line}: {stderr[-500:]!r}")
        has_control = any(ord(char) < 32 and char != "\n" or 127 <= ord(char) < 160 for char in stderr)
        self.check(not has_control, f"control characters of {line}: {stderr[-500:]!r}")
        self.check(len(stderr) < 20_000, f"{len(stderr)} characters of {line}")
        self.check("panicked" not in stderr, f"a panic of {line}: {stderr[-500:]}")

    def temporaries(self):
        return [str(path) for path in self.folder.rglob(".*.dcgan")]

    def result(self, run):
        """What a run has come to, without the times in its metrics and the records of who worked on it."""
        files = {}
        for path in sorted((self.folder / run).rglob("*")):
            name = str(path.relative_to(self.folder / run))
            if path.is_dir() or name in (".lock", "run.json", "config.toml") or "tfevents" in name:
                continue
            files[name] = path.read_bytes()
        lines = [json.loads(line) for line in files.pop("metrics.jsonl").splitlines()]
        for line in lines:
            line.pop("images_per_second", None)
            line.pop("data_seconds", None)
        files["metrics"] = json.dumps(lines)
        return files

    def same(self, expected, run, how):
        actual = self.result(run)
        differing = [name for name in {**expected, **actual} if expected.get(name) != actual.get(name)]
        self.check(not differing, f"{how}: {', '.join(sorted(differing))} differ from a run that was never stopped")


def kills(checks, count, full_size):
    settings = f"train --demo {FULL_SIZE if full_size else SMALL} --epochs {2 if full_size else 12}"
    begin = time.monotonic()
    checks.succeeds(f"{settings} --out whole")
    duration = time.monotonic() - begin
    expected = checks.result("whole")
    done, runs, by_signal = 0, 0, {}
    while done < count:
        runs += 1
        run = f"run-{runs}"
        # Some runs are stopped early and often, others late.
        most = duration * random.choice([0.1, 0.3, 1.0])
        line = f"{settings} --out {run}"
        while True:
            process = checks.start(line)
            try:
                process.wait(random.random() * most)
            except subprocess.TimeoutExpired:
                pass
            sent = random.choice(SIGNALS)
            process.send_signal(sent)
            _, stderr = process.communicate(timeout=600)
            stderr = stderr.decode(errors="replace")
            if process.returncode == 0:
                break
            # Before a training listens, a signal ends the program as it ends any other.
            is_stopped = process.returncode in (-sent, 130)
            checks.check(is_stopped, f"status {process.returncode} of {line} after {sent.name}: {stderr[-500:]}")
            checks.check("error: " not in stderr and "warning" not in stderr, f"{line}: {stderr[-500:]}")
            if checks.problems:
                return
            done += 1
            by_signal[sent.name] = by_signal.get(sent.name, 0) + 1
            most *= 1.02
            if (checks.folder / run / "config.toml").exists():
                line = f"train --resume {run}"
        checks.same(expected, run, f"run {runs}")
        shutil.rmtree(checks.folder / run)
        checks.check(not checks.temporaries(), f"left: {checks.temporaries()}")
    print(f"{done} kills in {runs} runs: {by_signal}; all came to the same bytes")


def full_disks(checks, count):
    # Their checkpoints are larger than everything else.
    settings = SMALL.replace("--base-channels 2", "--base-channels 8")
    checks.succeeds(f"train --demo {settings} --epochs 3 --out whole")
    expected = checks.result("whole")
    largest = max(path.stat().st_size for path in (checks.folder / "whole").rglob("*") if path.is_file())
    commands = [
        "generate whole -n 64 --force --out sheet.png",
        "generate whole --seeds 0-63 --force --out faces --save-latents faces.npy",
        "interpolate whole --seeds 0-3 --steps 8 --force --out walk.gif",
        "interpolate whole --seeds 0-3 --steps 8 --force --out walk.webp",
        "convert whole g.pth --force",
        "convert whole g.onnx --force",
        "demo-data demo --count 40 --size 64",
        "timelapse whole --force --out lapse.gif",
    ]
    full = 0
    for number in range(count):
        # Evenly on a logarithmic scale: small files fail as well as large ones.
        limit = int(largest ** random.uniform(0.3, 1.0))
        if number % 2:
            line = random.choice(commands)
            status, stderr = checks.run(line, limit)
            checks.check_message(line, status, stderr)
        else:
            line = f"train --demo {settings} --epochs 3 --out run"
            status, stderr = checks.run(line, limit)
            checks.check_message(line, status, stderr)
            has_begun = (checks.folder / "run" / "config.toml").exists()
            checks.succeeds("train --resume run" if has_begun else line)
            checks.same(expected, "run", f"a limit of {limit} bytes")
            shutil.rmtree(checks.folder / "run", ignore_errors=True)
        if status:
            full += 1
            checks.check("cannot write" in stderr, f"no file is named by {line}: {stderr[-500:]}")
        checks.check(not checks.temporaries(), f"left by {line}: {checks.temporaries()}")
        if checks.problems:
            return
    print(f"{full} full disks in {count} commands; nothing was lost")


def mutated(data):
    """A copy with a few changes at random."""
    data = bytearray(data)
    for _ in range(random.choice([1, 1, 1, 2, 8])):
        place = random.randrange(len(data)) if data else 0
        kind = random.randrange(5)
        if kind == 0 and data:
            data[place] ^= 1 << random.randrange(8)
        elif kind == 1 and data:
            data[place] = random.randrange(256)
        elif kind == 2:
            del data[place : place + random.choice([1, 4, 1000, len(data)])]
        elif kind == 3:
            data[place:place] = data[place : place + random.choice([1, 4, 1000])]
        elif kind == 4:
            data[place : place + 4] = random.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x1b[2J", b"\n\n\n\n"])
    return bytes(data)


def mutations(checks, count):
    checks.succeeds(f"train --demo {SMALL} --epochs 2 --out whole")
    checks.succeeds("convert whole model.pth")
    checks.succeeds("demo-data faces --count 24 --size 32")
    checks.succeeds("check faces --image-size 32 --cache cache")
    folder = checks.folder
    shutil.make_archive(str(folder / "faces"), "zip", folder / "faces")
    shutil.make_archive(str(folder / "faces"), "tar", folder / "faces")
    checkpoint = sorted((folder / "whole/checkpoints").iterdir())[-1].name
    cache = next((folder / "cache").iterdir()).name
    events = next(path.name for path in (folder / "whole").iterdir() if "tfevents" in path.name)
    # A file, and what is done with it.
    targets = [
        ("whole/generator.pt", "generate {} -n 2 --force --out x.png"),
        ("whole/generator.safetensors", "generate {} -n 2 --force --out x.png"),
        ("model.pth", "info {}"),
        (f"whole/checkpoints/{checkpoint}", "info {}"),
        ("faces/00003.png", "check faces --no-cache --image-size 32"),
        ("faces/00004.png", "project {} whole --starts 1 --steps 1 --force --out y.png"),
        ("faces.zip", "check {} --no-cache --image-size 32"),
        ("faces.tar", "check {} --no-cache --image-size 32"),
        (f"cache/{cache}", "check faces --image-size 32 --cache cache"),
        *[(f"whole/{name}", "train --resume whole --max-steps 6") for name in ("config.toml", "run.json", "metrics.jsonl", events)],
        (f"whole/checkpoints/{checkpoint}", "train --resume whole"),
    ]
    failed = 0
    pristine = folder.parent / f"{folder.name}-pristine"
    shutil.copytree(folder, pristine)
    try:
        for number in range(count):
            name, command = targets[number % len(targets)]
            original = (folder / name).read_bytes()
            damaged = mutated(original)
            (folder / name).write_bytes(damaged)
            line = command.format(name)
            status, stderr = checks.run(line)
            checks.check_message(f"{line} with a damaged {name}", status, stderr)
            if checks.problems:
                kept = Path(tempfile.gettempdir()) / f"damaged-{Path(name).name}"
                kept.write_bytes(damaged)
                print(f"the damaged file is {kept}")
            failed += status != 0
            if "--resume" in line:
                shutil.rmtree(folder / "whole")
                shutil.copytree(pristine / "whole", folder / "whole")
            else:
                (folder / name).write_bytes(original)
            if checks.problems:
                return
    finally:
        shutil.rmtree(pristine, ignore_errors=True)
    print(f"{count} damaged files, {failed} refused, each in one line")


def peak(checks, line):
    """Runs the program to its end. Returns its status, the text of stderr and its peak memory in MiB."""
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            [str(checks.dcgan), *line.split()], cwd=checks.folder, stdout=subprocess.DEVNULL, stderr=stderr
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        stderr.seek(0)
        return process.returncode, stderr.read().decode(errors="replace"), usage.ru_maxrss / 1024


def limits(checks):
    status, stderr, mib = peak(checks, "train --demo --max-images 256 --max-steps 2 --out full")
    print(f"train with the default settings: {mib:.0f} MiB")
    checks.check(status == 0 and mib < 600, f"{mib:.0f} MiB, and README.md states 550: {stderr[-500:]}")
    with open(checks.folder / "large.png", "wb") as large:
        large.truncate(3 << 30)
    for line, most in [("project large.png full", 100), ("train --demo --config large.png", 100)]:
        status, stderr, mib = peak(checks, line)
        print(f"{line}: {mib:.0f} MiB")
        checks.check(mib < most, f"{mib:.0f} MiB for {line}")
        checks.check_message(line, status, stderr)

    group = Path("/sys/fs/cgroup/memory") / f"dcgan-check-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        print("no control groups of version 1 here: limits of address space alone")
        group = None
    try:
        for kind in ["space", "group"] if group else ["space"]:
            limited(checks, group if kind == "group" else None)
    finally:
        if group:
            group.rmdir()


def limited(checks, group):
    """Starts a training under a limit, and then the one that the message advises."""
    mib = 500 if group else 800
    most = mib << 20

    def enter():
        if group:
            (group / "cgroup.procs").write_text(str(os.getpid()))
        else:
            resource.setrlimit(resource.RLIMIT_AS, (most, most))

    if group:
        (group / "memory.limit_in_bytes").write_text(str(most))

    def run(line):
        words = [str(checks.dcgan), *line.split()]
        done = subprocess.run(words, cwd=checks.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=enter)
        return done.returncode, done.stderr.decode(errors="replace")

    line = "train --demo --max-images 128 --max-steps 2 --threads 2"
    status, stderr = run(f"{line} --out refused")
    batch = re.search("choose --batch-size ([0-9]+) or less", stderr)
    checks.check(status == 2 and batch, f"status {status} with {mib} MiB: {stderr[-500:]}")
    if batch:
        name = "group" if group else "space"
        status, stderr = run(f"{line} --batch-size {batch[1]} --out fits-{name}")
        checks.check(status == 0, f"status {status} with {mib} MiB and a batch of {batch[1]}: {stderr[-500:]}")
        print(f"{mib} MiB ({name}): a batch of {batch[1]} is advised, and fits")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dcgan")
    parser.add_argument("what", choices=["kills", "full-disks", "mutations", "limits"])
    parser.add_argument("--count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--full-size", action="store_true", help="kills: the tutorial's networks instead of small ones")
    args = parser.parse_args()
    random.seed(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        checks = Checks(args.dcgan, Path(folder))
        if args.what == "kills":
            kills(checks, args.count or 1000, args.full_size)
        elif args.what == "full-disks":
            full_disks(checks, args.count or 200)
        elif args.what == "limits":
            limits(checks)
        else:
            mutations(checks, args.count or 20_000)
    sys.exit(1 if checks.problems else 0)


if __name__ == "__main__":
    main()
