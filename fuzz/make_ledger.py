"""Makes the ledger files of fuzz/corpus/ledger anew: a small month of the present form and damaged variants of it.

    fuzz/make_ledger.py [--tipstaff PATH]

A guard reads the bundled evening into a ledger; somebody blocks, unblocks and exempts by hand and has an address
forgotten. The month is then packed into pages of 512 bytes, so that a variant costs little: bits flipped (each in another
kind of page), cut, with a page of noise, with a page that is its own child, with values that no writer writes, of a newer
form. The same seed gives the same damage. What is there of other forms stays: form1-small.db is the case of migration.
"""
import argparse
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CORPUS = ROOT / "fuzz/corpus/ledger"
PAGE = 512
LINES = 100  # of the evening: 23 failures, a block
FLIPPED = 6
ODD = {
    "odd-rows": ["UPDATE attempt SET count = -1, line_index = 1 << 40, flags = 255 WHERE id % 2 = 0",
                 "UPDATE attempt SET account = 999999, address = -1, source = 0 WHERE id % 3 = 0",
                 "UPDATE verdict SET flags = 255, until = at, dropped = -1, by_whom = 99999 WHERE id % 2 = 0"],
    "odd-chain": ["UPDATE batch SET rows = 1 << 62 WHERE id = 2", "UPDATE batch SET first = -5 WHERE id = 3",
                  "UPDATE origin SET batch = -1, row = (1 << 62)", "UPDATE raw SET digest = x'00' WHERE batch = 1"],
    "odd-postings": ["UPDATE segment SET level = 99, rows = -1 WHERE id % 2 = 0", "UPDATE posting SET first = -1",
                     "INSERT OR REPLACE INTO summary VALUES(0, 1, 9223372036854775807, -1, 0, 9, -9)",
                     "INSERT OR REPLACE INTO summary VALUES(0, 2, 9223372036854775807, 9223372036854775807, 0, 1, 2)"],
}


def run(tipstaff, config, *words, good=True):
    done = subprocess.run([tipstaff, *words, *config], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)
    if good and done.returncode != 0:
        sys.exit(f"{words}: {done.stderr}")
    return done.stdout


def make_month(tipstaff, folder):
    """The path of a month in which every table has rows."""
    lines = (ROOT / "tests/demo/evening.log").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "auth.log").write_text("".join(lines[:LINES]), encoding="utf-8")
    config = folder / "tipstaff.toml"
    config.write_text(f"version = 1\n[sources]\nfiles = ['{folder}/auth.log']\nfrom_start = true\ntimezone = 'UTC'\n"
                      f"[ledger]\ndirectory = '{folder}/ledger'\n[control]\nsocket = '{folder}/socket'\n",
                      encoding="utf-8")
    named = ("--config", str(config))
    guard = subprocess.Popen([tipstaff, "guard", *named], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while '"recorded":0' in run(tipstaff, named, "status", "--json", good=False) or not (folder / "socket").exists():
        if time.monotonic() > until:
            sys.exit("the guard does not record")
        time.sleep(0.1)
    run(tipstaff, named, "block", "192.0.2.77", "--for", "1h", "--why", "an example")
    run(tipstaff, named, "block", "2001:db8:77::/48", "--for", "1h", "--why", "an example")
    run(tipstaff, named, "unblock", "192.0.2.77", "--why", "an example")
    guard.send_signal(signal.SIGTERM)
    guard.wait(60)
    return next((folder / "ledger").glob("????-??.db"))


def pack(month):
    """The bytes of the month with small pages and nothing unwritten."""
    database = sqlite3.connect(month, isolation_level=None)
    database.execute("PRAGMA journal_mode=DELETE")
    database.execute(f"PRAGMA page_size={PAGE}")
    database.execute("VACUUM")
    empty = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
             if not name.startswith("sqlite") and name not in ("summary", "event")
             and database.execute(f"SELECT count(*) FROM {name}").fetchone() == (0,)]
    if empty:
        sys.exit(f"nothing stands in {empty}")
    database.close()
    return month.read_bytes()


def changed(good, folder, *statements):
    path = folder / "changed.db"
    path.write_bytes(good)
    database = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        database.execute(statement)
    database.close()
    return path.read_bytes()


def variants(good, folder):
    dice = random.Random(20261128)
    pages = len(good) // PAGE
    yield "small", good
    for number in range(FLIPPED):
        damaged = bytearray(good)
        page = dice.randrange(number * pages // FLIPPED, (number + 1) * pages // FLIPPED)
        at = page * PAGE + (dice.randrange(100, PAGE) if page == 0 else dice.randrange(12))  # the header of the page
        damaged[at] ^= 1 << dice.randrange(8)
        yield f"flipped-{number}", bytes(damaged)
    yield "cut", good[:len(good) // 2]
    noise = bytearray(good)
    page = dice.randrange(2, pages)
    noise[page * PAGE:(page + 1) * PAGE] = dice.randbytes(PAGE)
    yield "noise", bytes(noise)
    loop = bytearray(good)
    for page in range(1, pages):
        if loop[page * PAGE] in (2, 5):  # an inner page: its right child
            loop[page * PAGE + 8:page * PAGE + 12] = (page + 1).to_bytes(4, "big")
    yield "loop", bytes(loop)
    for name, statements in ODD.items():
        yield name, changed(good, folder, *statements)
    yield "newer", changed(good, folder, "PRAGMA user_version=99")
    yield "other-table", changed(good, folder, "CREATE TABLE other(a)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tipstaff", default=str(ROOT / "build/tipstaff"))
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        month = make_month(options.tipstaff, folder)
        good = pack(month)
        form = int.from_bytes(good[60:64], "big")  # PRAGMA user_version
        for old in CORPUS.glob(f"form{form}-*.db"):
            old.unlink()
        for name, data in variants(good, folder):
            (CORPUS / f"form{form}-{name}.db").write_bytes(data)
            print(f"form{form}-{name}.db: {len(data)} bytes")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
