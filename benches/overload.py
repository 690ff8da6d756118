#!/usr/bin/python3
"""A live source that is faster than the model, for minutes: does latency grow, is every skipped frame counted?

    benches/overload.py --model DIR --fps 12 --minutes 10 [-- more flags of `sightglass serve`]

Starts target/release/sightglass and tests/rtsp_server.py, asks the service every second how the stream stands, and
prints a line a minute: what came, what was worked on, the median and the worst of the latencies of that minute, threads,
descriptors and memory. Needs Debian's python3-gi and gir1.2-gst-rtsp-server-1.0 (scripts/packages/test.txt).
"""
import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--model", default="sightglass-nano")
parser.add_argument("--fps", type=int, default=12)
parser.add_argument("--size", default="640x480")
parser.add_argument("--minutes", type=float, default=10)
parser.add_argument("--program", default=str(ROOT / "target/release/sightglass"))
parser.add_argument("flags", nargs="*")
options = parser.parse_args()


def ask(path, body=None):
    request = urllib.request.Request(base + path, data=body and json.dumps(body).encode())
    with urllib.request.urlopen(request) as answer:
        return answer.read().decode()


camera = subprocess.Popen(["/usr/bin/python3", ROOT / "tests/rtsp_server.py", "--fps", str(options.fps), "--size", options.size],
                          stdout=subprocess.PIPE, text=True)
port = camera.stdout.readline().strip()
with tempfile.TemporaryDirectory(prefix="sightglass-overload-") as data:
    service = subprocess.Popen([options.program, "serve", "--listen", "127.0.0.1:0", "--data", data, "--model", options.model,
                                "--stream-networks", "127.0.0.0/8", *options.flags], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        base = re.search(r"http://\S+[^/\s]", service.stdout.readline()).group()
        stream = json.loads(ask("/api/streams", {"url": f"rtsp://127.0.0.1:{port}/live"}))["id"]
        print("minute   came/s  done/s  skipped   latency ms: median  worst   threads  files  MiB", flush=True)
        begun, minute, latencies, before = time.monotonic(), 1, [], (0, 0)
        while minute <= options.minutes:
            time.sleep(max(0.0, begun + 60 * (minute - 1) + len(latencies) + 1 - time.monotonic()))
            now = json.loads(ask(f"/api/streams/{stream}"))
            latencies.append(now["latency_ms"])
            if len(latencies) < 60:
                continue
            known = [latency for latency in latencies if latency is not None]
            done, dropped = now["frames_done"] - before[0], now["frames_dropped"] - before[1]
            before = (now["frames_done"], now["frames_dropped"])
            metrics = dict(re.findall(r"^(sightglass_\w+) (\S+)$", ask("/metrics"), re.M))
            memory = float(metrics["sightglass_resident_memory_bytes"]) / 2**20
            print(f"{minute:6}   {(done + dropped) / 60:6.1f}  {done / 60:6.1f}  {dropped:7}   {statistics.median(known):18.1f}"
                  f"  {max(known):5.1f}   {metrics['sightglass_threads']:>7}  {metrics['sightglass_open_descriptors']:>5}"
                  f"  {memory:3.0f}", flush=True)
            minute, latencies = minute + 1, []
    except KeyboardInterrupt:
        sys.exit(1)
    finally:
        service.terminate()
        camera.kill()
        service.wait()
