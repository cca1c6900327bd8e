"""Measures `tipstaff guard`: how long it takes from a line written to the verdict, and what it costs while nothing happens.

    bench/guard.py [--tipstaff PATH] [--lines N] [--idle SECONDS] [--sources N] [--out FILE.json]

Latency: one log is followed under a rule that a single failure fills; each line is of another address, and the time ends
when the guard says whom it would block. Idle: a guard over N silent logs; its CPU time comes from the scheduler
(/proc/PID/task/*/schedstat, nanoseconds), its memory is what the kernel counts as resident. The limits are those of the
program's promise: a median under 2 ms, 10 ms of CPU a minute, 25 MB. Exit code 0 whatever the outcome: a limit that is
missed says "over", and people decide. Samples go to bench/results/guard-DATE.json unless --out names another file.
"""
import argparse
import datetime
import json
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from report import machine

ROOT = pathlib.Path(__file__).resolve().parent.parent
RULES = """
[[rule]]
name = "at once"
trigger_window = "1m"
occurrences = 1
lockout = "1h"
"""


def stamp():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def failure(n):
    address = f"198.51.{100 + n // 250}.{n % 250 + 1}"
    return address, f"{stamp()} gate sshd[{1000 + n}]: Failed password for root from {address} port 40022 ssh2\n"


class Guard:
    """A guard over some logs in a folder of its own; what it says can be read line by line."""

    def __init__(self, tipstaff, folder, sources, rules):
        self.logs = [folder / f"log-{n}.log" for n in range(sources)]
        for n, log in enumerate(self.logs):
            log.write_text(f"{stamp()} gate cron[{n}]: began\n", encoding="utf-8")
        config = folder / "tipstaff.toml"
        files = ", ".join(f"'{log}'" for log in self.logs)
        config.write_text(f"version = 1\n[sources]\nfiles = [{files}]\ntimezone = 'UTC'\n"
                          f"[ledger]\ndirectory = '{folder / 'ledger'}'\n"
                          f"[control]\nsocket = '{folder / 'socket'}'\n{rules}", encoding="utf-8")
        self.process = subprocess.Popen([tipstaff, "guard", "--config", config], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(2)  # until it has opened its logs and written their places down

    def wait_for(self, text):
        """False where it has ended."""
        for line in self.process.stderr:
            if text in line.decode("utf-8", "replace"):
                return True
        return False

    def cpu_seconds(self):
        total = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            total += int((task / "schedstat").read_text(encoding="ascii").split()[0])
        return total / 1e9

    def resident_mb(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise RuntimeError("the guard has ended")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def latencies(tipstaff, lines):
    with tempfile.TemporaryDirectory() as folder:
        guard = Guard(tipstaff, pathlib.Path(folder), 1, RULES)
        samples = []
        with open(guard.logs[0], "ab", buffering=0) as log:
            for n in range(lines):
                time.sleep(random.uniform(0.005, 0.03))
                address, line = failure(n)
                begin = time.monotonic()
                log.write(line.encode())
                if not guard.wait_for(f"would block {address} "):
                    sys.exit("bench: the guard ended by itself")
                samples.append(time.monotonic() - begin)
        guard.end()
        return samples


def idle(tipstaff, sources, seconds):
    with tempfile.TemporaryDirectory() as folder:
        guard = Guard(tipstaff, pathlib.Path(folder), sources, "")
        time.sleep(15)  # what it does once after its start is over
        before = guard.cpu_seconds()
        time.sleep(seconds)
        cpu = (guard.cpu_seconds() - before) * 60 / seconds
        memory = guard.resident_mb()
        guard.end()
        return cpu, memory


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tipstaff", default=str(ROOT / "build/tipstaff"))
    parser.add_argument("--lines", type=int, default=500)
    parser.add_argument("--idle", type=float, default=120, help="seconds")
    parser.add_argument("--sources", type=int, default=20)
    parser.add_argument("--out", default=str(ROOT / f"bench/results/guard-{datetime.date.today()}.json"))
    options = parser.parse_args()
    samples = latencies(options.tipstaff, options.lines)
    cpu, memory = idle(options.tipstaff, options.sources, options.idle)
    late = statistics.quantiles(samples, n=100)
    rows = [("line to verdict, median", statistics.median(samples) * 1e3, "ms", 2),
            ("line to verdict, 99 of 100", late[98] * 1e3, "ms", None),
            (f"idle over {options.sources} logs, CPU a minute", cpu * 1e3, "ms", 10),
            (f"idle over {options.sources} logs, memory", memory, "MB", 25)]
    for name, value, unit, limit in rows:
        judged = "" if limit is None else f"   limit {limit:>3} {unit}  {'ok' if value <= limit else 'over'}"
        print(f"{name:<36} {value:8.2f} {unit}{judged}")
    os.makedirs(os.path.dirname(options.out), exist_ok=True)
    with open(options.out, "w", encoding="utf-8") as out:
        json.dump({"date": str(datetime.date.today()), "machine": machine(), "latency_seconds": samples,
                   "sources": options.sources, "idle_cpu_seconds_a_minute": cpu, "resident_mb": memory}, out)
        out.write("\n")


if __name__ == "__main__":
    main()
