#!/usr/bin/env python3
"""How long a program on a terminal takes to answer a key, and what it costs meanwhile.

key_latency.py --minutes N [--size 120x40] -- PROGRAM ARGUMENT...

Runs it on a terminal of its own (no tmux between), presses j and k in turn and takes the time until the program has written
something. Each minute 200 keys, then the views, then nothing. Prints a line a minute, and one JSON object at the end.
"""
import argparse
import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def drain(fd, seconds, enough=None):
    """Reads for so long, or until `enough` bytes are there; the time of the first of them."""
    first, got, end = None, 0, time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if not select.select([fd], [], [], left)[0]:
            break
        try:
            got += len(os.read(fd, 65536))
        except OSError: # it has ended
            break
        first = first or time.monotonic()
        if enough and got >= enough:
            break
    return first


def press(fd, key):
    """Milliseconds until the answer; None: none within 2 s."""
    drain(fd, 0.01)
    began = time.monotonic()
    os.write(fd, key)
    first = drain(fd, 2, 1)
    return first and (first - began) * 1000


def percentile(values, p):
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))], 2)


def minute(fd, pid, keys):
    end, began, before = time.monotonic() + 60, time.monotonic(), cpu(pid)
    for i in range(200):
        took = press(fd, b"jk"[i % 2:i % 2 + 1])
        if took is None:
            sys.exit("a key was not answered within 2 s")
        keys.append(took)
        drain(fd, 0.03)
    for key in b"84731":
        os.write(fd, bytes([key]))
        drain(fd, 1)
    busy = (cpu(pid) - before) / (time.monotonic() - began)
    began, before = time.monotonic(), cpu(pid)
    drain(fd, max(1, end - time.monotonic()))
    return {"busy": round(busy * 100, 2), "alone": round((cpu(pid) - before) / (time.monotonic() - began) * 100, 2), "rss_kib": rss(pid)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--size", default="120x40")
    parser.add_argument("program", nargs="+")
    options = parser.parse_args()
    width, height = (int(n) for n in options.size.split("x"))
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", LC_ALL="C.UTF-8")
        os.execvp(options.program[0], options.program)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    keys, minutes = [], []
    try:
        drain(fd, 5)
        for n in range(1, options.minutes + 1):
            minutes.append(minute(fd, pid, keys))
            print("minute %d: key %.1f ms, 99th percentile %.1f ms; RSS %d KiB; CPU %.2f %% with keys, %.2f %% left alone" % (
                n, percentile(keys, 50), percentile(keys, 99), minutes[-1]["rss_kib"], minutes[-1]["busy"], minutes[-1]["alone"]), file=sys.stderr)
        os.write(fd, b"q")
        drain(fd, 1)
    finally:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        os.waitpid(pid, 0)
    print(json.dumps({"keys": len(keys), "key_ms": {"median": percentile(keys, 50), "p99": percentile(keys, 99), "max": round(max(keys), 2)},
                      "rss_kib": {"first": minutes[0]["rss_kib"], "settled": minutes[min(4, len(minutes) - 1)]["rss_kib"], "last": minutes[-1]["rss_kib"]},
                      "cpu_percent": {"keys": minutes[-1]["busy"], "alone": minutes[-1]["alone"]}}))


if __name__ == "__main__":
    main()
