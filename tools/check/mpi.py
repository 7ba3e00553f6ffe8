"""Trains small networks on several ranks of this machine: the same bits for any number of ranks, kills, stops,
differences.

python3 tools/check/mpi.py DCGAN-WITH-MPI PLAIN-DCGAN WORK-FOLDER
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

dcgan, plain, work = (pathlib.Path(arg).absolute() for arg in sys.argv[1:4])
environment = os.environ | {
    # This may run as root, and with fewer cores than ranks.
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
}
# Shards of different sizes, a last batch of 5 images that leaves shards without any, and everything that is summed.
network = "--image-size 32 --base-channels 4 --latent-dim 8 --batch-size 16 --seed 3 --threads 1 --no-cache".split()
recipes = {
    "tutorial": [],
    "all options": "--d-norm spectral --loss relativistic --r1 1 --r2 0.5 --augment color,translation,cutout --ema --flip --d-steps 2".split(),
    "evaluated": "--recalibrate --evaluate-every 1".split(),
}
# Seconds that tell ending from waiting for ever, on a busy machine too.
SOON = 40


def ranks(count, *args):
    """The command of a training on `count` ranks."""
    return ["mpirun", "-n", str(count), dcgan, "train", *args]


def run(command, status=0, timeout=400):
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)
    if (done.returncode == 0) != (status == 0):
        sys.exit(f"{command}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stderr


def result(folder):
    """What must be the same to the bit."""
    checkpoint = max((folder / "checkpoints").iterdir())
    return {path.name: path.read_bytes() for path in [checkpoint, folder / "generator.safetensors"]}


def check(name, is_right, detail=""):
    print(f"{'ok' if is_right else 'FAILED':6} {name}", flush=True)
    if not is_right:
        sys.exit(detail)


def pids(launcher):
    """The ranks that a launcher has started, by number."""
    children = subprocess.run(["pgrep", "-P", str(launcher.pid)], capture_output=True, text=True).stdout.split()
    numbered = {}
    for pid in children:
        try:
            variables = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        for variable in variables:
            if variable.startswith(b"OMPI_COMM_WORLD_RANK="):
                numbered[int(variable.split(b"=")[1])] = int(pid)
    return numbered


def disturbed(name, count, disturb, args):
    """Starts a training on `count` ranks and disturbs it when it has a checkpoint. Returns its folder, how long it took
    to end, and what it said."""
    folder = work / name
    launcher = subprocess.Popen(ranks(count, *args, "--out", folder), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 60
    while not list(folder.glob("checkpoints/step-*")) and launcher.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    disturb(pids(launcher))
    start = time.monotonic()
    said, _ = launcher.communicate(timeout=60)
    return folder, time.monotonic() - start, said, launcher.returncode


shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
faces = work / "faces"
subprocess.run([dcgan, "demo-data", faces, "--count", "101", "--size", "32"], check=True, capture_output=True)

for recipe, options in recipes.items():
    args = [faces, *network, *options, "--epochs", "2", "--shards", "4"]
    alone = work / f"{recipe}-alone"
    run([dcgan, "train", *args, "--out", alone])
    for count in [1, 2, 3, 4] if recipe == "tutorial" else [3]:
        folder = work / f"{recipe}-{count}"
        run(ranks(count, *args, "--out", folder))
        check(f"{recipe}: the same bits with {count} ranks", result(folder) == result(alone))
run([dcgan, "train", faces, *network, "--epochs", "2", "--out", work / "whole"])
check("one shard is something else", result(work / "tutorial-alone") != result(work / "whole"))

# Longer runs, to be disturbed.
args = [faces, *network, "--shards", "4", "--epochs", "15", "--save-every", "5"]
undisturbed = work / "undisturbed"
run(ranks(2, *args, "--out", undisturbed))


def resumes(name, folder, count):
    run(ranks(count, "--resume", folder))
    check(f"{name}: resumed with {count} ranks, the same bits", result(folder) == result(undisturbed))


folder, seconds, said, status = disturbed("killed", 3, lambda ranks: os.kill(ranks[1], signal.SIGKILL), args)
check("a rank is killed: all end soon with an error that names it", status != 0 and seconds < SOON and "rank 1" in said, said)
resumes("killed", folder, 2)

folder, seconds, said, status = disturbed("stopped", 4, lambda ranks: os.kill(ranks[2], signal.SIGTERM), args)
check("SIGTERM to one rank stops all with a checkpoint", "stopped after step" in said and seconds < SOON, said)
resumes("stopped", folder, 3)


def pause(ranks):
    os.kill(ranks[1], signal.SIGSTOP)
    time.sleep(3)
    os.kill(ranks[1], signal.SIGCONT)


folder, seconds, said, status = disturbed("paused", 2, pause, args)
check("a rank that is paused and goes on: the same bits", status == 0 and result(folder) == result(undisturbed), said)

environment["DCGAN_RANK_TIMEOUT"] = "3"
for rank in (0, 1):
    folder, seconds, said, status = disturbed(f"silent-{rank}", 2, lambda ranks: os.kill(ranks[rank], signal.SIGSTOP), args)
    named = said.count(f"rank {rank} on ") == 1 and "has been silent for 3 seconds" in said
    check(f"rank {rank} is stopped for good: it is named, and all ranks end", named and status != 0 and seconds < SOON, said)
    resumes(f"silent-{rank}", folder, 3)
del environment["DCGAN_RANK_TIMEOUT"]


def differ(name, first, second, expected):
    command = ["mpirun", "-n", "1", dcgan, "train", *first, ":", "-n", "1", dcgan, "train", *second]
    said = run(command, status=1)
    check(f"refused: {name}", expected in said, said)


args = [faces, *network, "--epochs", "2", "--shards", "2", "--out", work / "differ"]
differ("another setting", [*args, "--lr", "0.001"], [*args, "--lr", "0.002"], "rank 1 differs from rank 0 in its setting lr (0.002 on rank 1, 0.001 on rank 0)")
others = work / "others"
shutil.copytree(faces, others)
next(others.rglob("*.png")).unlink()
differ("other pictures", args, [others, *args[1:]], "rank 1 differs from rank 0 in its pictures")
differ("no pictures", args, [work / "nowhere", *args[1:]], "rank 1 on ")
command = ["mpirun", "-n", "1", "env", "DCGAN_ISA=portable", dcgan, "train", *args, ":", "-n", "1", dcgan, "train", *args]
said = run(command, status=1)
check("refused: another instruction set", "in its instruction set" in said, said)
said = run(ranks(3, *args), status=1)
check("refused: more ranks than shards", "2 shards are not possible for 3 ranks" in said, said)
said = run(["mpirun", "-n", "2", plain, "train", *args], status=1)
check("refused: a program without MPI", "built without MPI" in said, said)
check("nothing was written", not (work / "differ").exists())

sent = work / "sent"
args = [*network, "--epochs", "2", "--shards", "4", "--data-from", "root", "--out", sent]
run(["mpirun", "-n", "1", dcgan, "train", faces, *args, ":", "-n", "1", dcgan, "train", work / "nowhere", *args])
check("rank 0 sends its pictures: the same bits", result(sent) == result(work / "tutorial-alone"))

said = subprocess.run(
    ["mpirun", "-n", "2", dcgan, *"bench train --steps 2 --batch-size 8 --image-size 32 --base-channels 4 --threads 1".split()],
    env=environment, capture_output=True, text=True, check=True,
).stdout
check("the bench says what communication takes", "communication" in said and "of the speed of one rank" in said, said)
