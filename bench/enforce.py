"""Measures blocks that bite: `tipstaff guard --enforce` with tipstaff-enforcer, in network namespaces of its own (root).

    bench/enforce.py [--build FOLDER] [--samples N] [--burst N] [--blocks N] [--out FILE.json]

Latency: an attacker's address sends datagrams without a pause to a server that notes the last one it got; in between a
line about the address is written to the log. The time ends with the last datagram that came through. Burst: as many
attackers as --burst in ten seconds, one line each; the time ends when the firewall holds them all. Many: with --blocks
blocks, the memory of both programs five seconds later, what `blocks` and `status` take, how long a flushed table takes to be whole again, and
a start of both with an empty firewall. Limits are those of the program's promise; a limit that is missed says "over".
"""
import argparse
import contextlib
import ctypes
import datetime
import ipaddress
import json
import os
import pathlib
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from report import machine

ROOT = pathlib.Path(__file__).resolve().parent.parent
SETTLED = 5  # seconds after the last of many blocks, until memory is looked at: the ledger has written them by then
LIBC = ctypes.CDLL(None, use_errno=True)
RULES = """
[[rule]]
name = "at once"
trigger_window = "1m"
occurrences = 1
lockout = "6h"
"""


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


class Namespace:
    """A network namespace; where nothing else is said, what is run in it sees its network alone."""

    def __init__(self, name):
        self.name = f"tipstaff-{name}-{os.getpid()}"
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")

    def run(self, *arguments):
        ip("-n", self.name, *arguments)

    def start(self, *command, **options):
        return subprocess.Popen(["ip", "netns", "exec", self.name, *command], stdin=subprocess.DEVNULL, **options)

    def udp(self):
        """A datagram socket that belongs to this namespace; the calling thread stays where it is."""
        made = []

        def make():
            with open(f"/run/netns/{self.name}", encoding="ascii") as file:
                if LIBC.setns(file.fileno(), 0x40000000) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        return made[0]

    def remove(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False)


def stamp():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def failure(address, number):
    return f"{stamp()} gate sshd[{number}]: Failed password for root from {address} port 40022 ssh2\n".encode()


def resident_mb(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("the program has ended")


def wait_until(condition, seconds, what):
    """Gives how long it took."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > seconds:
            sys.exit(f"bench: {what}: not within {seconds} s")
        time.sleep(0.01)
    return time.monotonic() - begin


class Machine:
    """Guard and enforcer in a namespace, with a log that can be written to."""

    def __init__(self, build, folder, network):
        self.build, self.folder, self.network = pathlib.Path(build), folder, network
        self.log_path = folder / "auth.log"
        self.log_path.write_bytes(b"")
        self.log = open(self.log_path, "ab", buffering=0)
        self.said = open(folder / "said", "ab")
        self.config = folder / "tipstaff.toml"
        self.config.write_text(
            f"version = 1\n[sources]\nfiles = ['{self.log_path}']\ntimezone = 'UTC'\n[ledger]\ndirectory = "
            f"'{folder / 'ledger'}'\n[control]\nsocket = '{folder / 'control'}'\n[enforce]\nsocket = "
            f"'{folder / 'enforcer'}'\n[limits]\ntracked = 1000000\n{RULES}", encoding="utf-8")
        self.enforcer = self.guard = None

    def start(self):
        self.enforcer = self.network.start(self.build / "tipstaff-enforcer", "--socket", self.folder / "enforcer",
                                           "--allowlist", self.folder / "allowlist", stdout=self.said, stderr=self.said)
        self.guard = self.network.start(self.build / "tipstaff", "guard", "--enforce", "--config", self.config,
                                        stdout=self.said, stderr=self.said)

    def settle(self):
        wait_until(lambda: self.ask("status", "--json", "--config", self.config).returncode == 0, 30, "the guard's start")
        wait_until(lambda: self.blocked() is not None, 30, "the enforcer's start")

    def ask(self, *arguments):
        return subprocess.run([self.build / "tipstaff", *arguments], capture_output=True, check=False)

    def blocked(self):
        """Blocks in the firewall, as the enforcer says."""
        answer = self.ask("enforcer", "status", "--json", "--socket", self.folder / "enforcer")
        return json.loads(answer.stdout)["blocks"] if answer.returncode == 0 else None

    def end(self, number=signal.SIGTERM):
        for process in (self.guard, self.enforcer):
            if process:
                process.send_signal(number)
                process.wait(30)


def latencies(host, outside, log, samples):
    server = host.udp()
    server.bind(("192.0.2.1", 9000))
    server.settimeout(0.5)
    last = {}
    ended = threading.Event()

    def receive():
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                _, (address, _) = server.recvfrom(64)
                last[address] = time.monotonic()

    thread = threading.Thread(target=receive)
    thread.start()
    times = []
    for n in range(samples):
        address = f"198.51.100.{n % 250 + 1}" if n < 250 else f"203.0.113.{n % 250 + 1}"
        outside.run("addr", "add", f"{address}/32", "dev", "out")
        client = outside.udp()
        client.bind((address, 0))
        written = None
        quiet = time.monotonic() + random.uniform(0.02, 0.05)
        stop = quiet + 1
        while time.monotonic() < stop:
            client.sendto(b"x", ("192.0.2.1", 9000))
            if written is None and time.monotonic() > quiet:
                written = time.monotonic()
                log.write(failure(address, 1000 + n))
            if written and time.monotonic() - last.get(address, 0) > 0.06:
                break
            time.sleep(0.0002)
        client.close()
        if time.monotonic() - last[address] < 0.05:
            sys.exit(f"bench: {address} is not shut out a second after its line")
        times.append(max(last[address] - written, 0))
    ended.set()
    thread.join()
    server.close()
    return times


def addresses(first, count):
    start = int(ipaddress.ip_address(first))
    return [str(ipaddress.ip_address(start + n)) for n in range(count)]


def burst(server, count):
    before = server.blocked()
    begin = time.monotonic()
    for n, address in enumerate(addresses("198.18.0.0", count)):
        server.log.write(failure(address, n))
        ahead = begin + 10 * n / count - time.monotonic()
        if ahead > 0.002:
            time.sleep(ahead)
    written = time.monotonic()
    wait_until(lambda: server.blocked() - before >= count, 60, "blocks of the burst")
    return time.monotonic() - written


def timed(call):
    begin = time.monotonic()
    if call().returncode != 0:
        sys.exit("bench: the guard does not answer")
    return time.monotonic() - begin


def many(server, count):
    before = server.blocked()
    server.log.write(b"".join(failure(address, n) for n, address in enumerate(addresses("198.19.0.0", count - before))))
    wait_until(lambda: server.blocked() >= count, 120, f"{count} blocks")
    time.sleep(SETTLED)
    found = {"guard_mb": resident_mb(server.guard), "enforcer_mb": resident_mb(server.enforcer)}
    found["blocks_seconds"] = min(timed(lambda: server.ask("blocks", "--json", "--config", server.config)) for _ in range(5))
    found["plain_seconds"] = min(timed(lambda: server.ask("blocks", "--config", server.config)) for _ in range(5))
    found["status_seconds"] = min(timed(lambda: server.ask("status", "--json", "--config", server.config)) for _ in range(5))

    def in_kernel():
        answer = subprocess.run(["ip", "netns", "exec", server.network.name, "nft", "-j", "list", "set", "inet", "tipstaff",
                                 "block4_32"], capture_output=True, check=False)
        return answer.stdout.count(b'"val"') if answer.returncode == 0 else 0

    def flush():
        subprocess.run(["ip", "netns", "exec", server.network.name, "nft", "delete", "table", "inet", "tipstaff"], check=True)

    flush()
    begin = time.monotonic()
    while not listed(server, "tipstaff"):
        time.sleep(0.005)
    found["flush_seconds"] = time.monotonic() - begin
    if in_kernel() < count:
        sys.exit("bench: the table is there again, but not whole")
    server.end(signal.SIGKILL)
    flush()
    begin = time.monotonic()
    server.start()
    wait_until(lambda: (server.blocked() or 0) >= count, 60, "blocks after a start")
    found["start_seconds"] = time.monotonic() - begin
    if in_kernel() < count:
        sys.exit("bench: after a start not all blocks are in the firewall")
    return found


def listed(server, table):
    return subprocess.run(["ip", "netns", "exec", server.network.name, "nft", "list", "chain", "inet", table, "input"],
                          capture_output=True, check=False).returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--burst", type=int, default=10_000)
    parser.add_argument("--blocks", type=int, default=100_000)
    parser.add_argument("--out", default=str(ROOT / f"bench/results/enforce-{datetime.date.today()}.json"))
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench: network namespaces want root")
    host, outside = Namespace("host"), Namespace("outside")
    server = None
    try:
        host.run("link", "add", "in", "type", "veth", "peer", "name", "out", "netns", outside.name)
        host.run("addr", "add", "192.0.2.1/24", "dev", "in")
        host.run("link", "set", "in", "up")
        outside.run("addr", "add", "192.0.2.2/24", "dev", "out")
        outside.run("link", "set", "out", "up")
        for network in ("198.51.100.0/24", "203.0.113.0/24"):
            host.run("route", "add", network, "dev", "in")
        with tempfile.TemporaryDirectory() as folder:
            server = Machine(options.build, pathlib.Path(folder), host)
            server.start()
            server.settle()
            samples = latencies(host, outside, server.log, options.samples)
            late = burst(server, options.burst)
            found = many(server, options.blocks)
            server.end()
            server = None
    finally:
        if server:
            server.end(signal.SIGKILL)
        host.remove()
        outside.remove()
    hundredths = statistics.quantiles(samples, n=100)
    both = found["guard_mb"] + found["enforcer_mb"]
    rows = [("line to dropped packet, median", statistics.median(samples) * 1e3, "ms", 5),
            ("line to dropped packet, 99 of 100", hundredths[98] * 1e3, "ms", 25),
            (f"{options.burst} attackers in 10 s: the last shut", late * 1e3, "ms later", None),
            (f"{options.blocks} blocks: guard and enforcer", both, "MB", 40),
            (f"{options.blocks} blocks: `blocks --json`", found["blocks_seconds"] * 1e3, "ms", 200),
            (f"{options.blocks} blocks: `blocks`", found["plain_seconds"] * 1e3, "ms", 200),
            (f"{options.blocks} blocks: `status --json`", found["status_seconds"] * 1e3, "ms", 200),
            (f"{options.blocks} blocks: whole after a flush", found["flush_seconds"] * 1e3, "ms", 3000),
            (f"{options.blocks} blocks: whole after a start", found["start_seconds"] * 1e3, "ms", 2000)]
    for name, value, unit, limit in rows:
        judged = "" if limit is None else f"   limit {limit:>4} {unit}  {'ok' if value <= limit else 'over'}"
        print(f"{name:<44} {value:8.2f} {unit}{judged}")
    os.makedirs(os.path.dirname(options.out), exist_ok=True)
    with open(options.out, "w", encoding="utf-8") as out:
        json.dump({"date": str(datetime.date.today()), "machine": machine(), "latency_seconds": samples,
                   "burst_seconds": late, "blocks": options.blocks, **found}, out)
        out.write("\n")


if __name__ == "__main__":
    main()
