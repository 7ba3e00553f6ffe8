"""How many faces a second `dcgan serve` gives, and how soon, beside `dcgan bench generate` in the same run.

    python3 bench/serve/load.py DCGAN MODEL [--seconds 10] [--clients 1,16,64,256] [--json]

DCGAN is a release build, MODEL a generator's file. Needs Linux and wrk (Debian: apt install wrk), which takes its share
of the same cores. Each number of clients is measured between two measurements of `bench generate`; the ratio is to
their mean. Afterwards 1,000 connections are opened, of which most hold a stream of events, and the growth of the
service's memory is measured.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent


def bench(dcgan, model):
    """Faces a second of `dcgan bench generate` at batch 128."""
    command = [dcgan, "bench", "generate", "--batch-size", "128", "--json"]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return answer["images_per_second"]


def memory(process):
    """Resident memory in MiB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def start(dcgan, arguments):
    process = subprocess.Popen([dcgan, "serve", *arguments, "--port", "0"], stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if found := re.search(r"http://([^/]+)/", line):
            return process, found[1]
    raise SystemExit("the service does not start")


def load(address, name, clients, seconds):
    threads = min(clients, 2)
    command = ["wrk", f"-t{threads}", f"-c{clients}", f"-d{seconds}s", "--timeout", "10s", "-s", str(HERE / "faces.lua"), f"http://{address}"]
    output = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "MODEL": name}).stdout
    return [float(value) for value in re.search(r"RESULT (.*)", output)[1].split()]


def connections(address, process, count):
    """Growth of memory in MiB with `count` open streams of events."""
    before = memory(process)
    open_ones, answers = [], {}
    for _ in range(count):
        connection = socket.create_connection(address.split(":"))
        connection.sendall(f"GET /api/runs/0000-run/events HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
        open_ones.append(connection)
    time.sleep(5)
    for connection in open_ones:
        connection.settimeout(5)
        status = connection.recv(12).decode()[9:12]
        answers[status] = answers.get(status, 0) + 1
    growth = memory(process) - before
    for connection in open_ones:
        connection.close()
    return growth, answers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dcgan")
    parser.add_argument("model")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--clients", default="1,16,64,256")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    dcgan, model = str(Path(options.dcgan).resolve()), str(Path(options.model).resolve())
    results = {"clients": {}}
    process, address = start(dcgan, ["--model", model])
    name = Path(model).stem
    try:
        load(address, name, 16, 2)
        results["memory_before"] = memory(process.pid)
        for clients in map(int, options.clients.split(",")):
            before = bench(dcgan, model)
            rate, p50, p95, p99, errors = load(address, name, clients, options.seconds)
            reference = (before + bench(dcgan, model)) / 2
            row = {"faces_per_second": rate, "ratio": rate / reference, "p50": p50, "p95": p95, "p99": p99, "errors": errors, "memory": memory(process.pid)}
            results["clients"][clients] = row
            if not options.json:
                print(f"{clients:4} clients  {rate:7.1f} faces/s  {row['ratio']:.2f} of bench generate ({reference:.0f})  p50 {p50:.1f} ms  p95 {p95:.1f} ms  "
                      f"p99 {p99:.1f} ms  {errors:.0f} errors  {row['memory']:.0f} MiB", flush=True)
    finally:
        process.terminate()
        process.wait()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "0000-run")
        run.mkdir()
        (run / "config.toml").write_text("epochs = 1\n")
        process, address = start(dcgan, [folder])
        try:
            growth, answers = connections(address, process.pid, 1000)
        finally:
            process.terminate()
            process.wait()
    results["growth_at_1000_connections"] = growth
    if options.json:
        print(json.dumps(results, indent=2))
    else:
        print(f"1,000 connections with streams of events: memory grows by {growth:.0f} MiB; answers {answers}")


if __name__ == "__main__":
    main()
