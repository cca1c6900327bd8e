"""Turns the samples of bench/run.sh into a table with the limits, and into the file of results.

The limits are those of the program's promise: CPU at most 1.8 times grep's, a fifteenth of SSHGuard's parser with 5 %
attack lines and a tenth with 50 %, 12 MB of memory, 30 ms to the first line, two files on two cores. Exit code 0
whatever the outcome: a limit that is missed says "over", and people decide.
"""
import argparse
import collections
import datetime
import json
import os
import platform
import statistics


def machine():
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            model = next(line.split(":", 1)[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {"processor": model, "cores": os.cpu_count(), "system": f"{platform.system()} {platform.release()}"}


def read(path):
    """cpu and wall: {(tool, log): [seconds]}; memory: {(tool, log): KiB}"""
    cpu, wall, memory = collections.defaultdict(list), collections.defaultdict(list), {}
    with open(path, encoding="utf-8") as samples:
        for line in samples:
            what, tool, log, *numbers = line.split()
            if what == "memory":
                memory[tool, log] = int(numbers[0])
            else:
                user, system, elapsed = map(float, numbers)
                cpu[tool, log].append(round(user + system, 3))
                wall[tool, log].append(elapsed)
    return cpu, wall, memory


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--lines", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--bytes", nargs="*", default=[], help="LOG=BYTES")
    options = parser.parse_args()
    cpu, wall, memory = read(options.samples)
    sizes = {name: int(size) for name, size in (text.split("=") for text in options.bytes)}
    median = {key: statistics.median(values) for key, values in cpu.items()}

    print(f"\n{'':10}{'log':>5}{'CPU s':>9}{'least':>8}{'most':>8}{'M lines/s':>11}{'MB/s':>8}{'peak MB':>9}")
    for log in ("5%", "50%"):
        for tool in ("tipstaff", "json", "grep", "wc", "sshguard"):
            if (tool, log) not in cpu:
                continue
            seconds = max(median[tool, log], 0.001)
            peak = memory.get((tool, log))
            print(f"{tool:10}{log:>5}{seconds:9.3f}{min(cpu[tool, log]):8.3f}{max(cpu[tool, log]):8.3f}"
                  f"{options.lines / seconds / 1e6:11.2f}{sizes[log] / seconds / 1e6:8.0f}"
                  f"{peak / 1024 if peak else '':>9{'.1f' if peak else ''}}")

    checks = []  # name, value, limit, whether the value must stay below (else above) it

    def check(name, value, limit, below=True):
        checks.append({"name": name, "value": round(value, 3), "limit": limit,
                       "ok": value <= limit if below else value >= limit})

    for log, faster in (("5%", 15), ("50%", 10)):
        check(f"CPU / grep's, {log}", median["tipstaff", log] / max(median["grep", log], 0.001), 1.8)
        if ("sshguard", log) in cpu:
            check(f"SSHGuard's CPU / ours, {log}", median["sshguard", log] / median["tipstaff", log], faster, False)
        check(f"peak memory in MB, {log}", memory["tipstaff", log] / 1024, 12)
    check("start to first line, ms", statistics.median(wall["start", "tiny"]) * 1000, 30)
    both = statistics.median(wall["two", "second"])
    if (os.cpu_count() or 1) > 1:
        check("two files: CPU / wall time", median["two", "second"] / both, 1.5, False)
        check("two files: wall time of one job / all", statistics.median(wall["one", "second"]) / both, 1.4, False)

    print()
    for one in checks:
        print(f"{one['name']:42}{one['value']:9.2f}  limit {one['limit']:<5}  {'ok' if one['ok'] else 'OVER'}")

    def samples(table):
        return {f"{tool} {log}": values for (tool, log), values in sorted(table.items())}

    with open(options.out, "w", encoding="utf-8") as out:
        json.dump({"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                   "machine": machine(), "lines": options.lines, "bytes": sizes, "seed": options.seed,
                   "cpu_seconds": samples(cpu), "wall_seconds": samples(wall), "peak_kib": samples(memory),
                   "checks": checks}, out, indent=1)
        out.write("\n")


if __name__ == "__main__":
    main()
