"""Adds up the test programs' result files (GoogleTest's XML) and prints the last line of `./dev test`.

A result file that is missing tells of a crash, which ./dev passes in with --failed. With $TIPSTAFF_CORPUS set, a test
that was skipped for want of the corpus has failed.
"""
import argparse
import os
import sys
import xml.etree.ElementTree as ElementTree


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passed", type=int, default=0, help="checks that passed elsewhere")
    parser.add_argument("--failed", nargs="*", default=[], help="names of what failed elsewhere")
    parser.add_argument("--results", nargs="*", default=[], help="result files")
    options = parser.parse_args()

    passed, skipped, failed = options.passed, 0, list(options.failed)
    for path in options.results:
        try:
            cases = list(ElementTree.parse(path).iter("testcase"))
        except (OSError, ElementTree.ParseError):
            continue
        for case in cases:
            name = f"{case.get('classname')}.{case.get('name')}"
            skip = case.find("skipped")
            if case.find("failure") is not None:
                failed.append(name)
            elif skip is not None or case.get("result") in ("skipped", "suppressed"):
                reason = "" if skip is None else f"{skip.get('message')} {skip.text}"
                if "TIPSTAFF_CORPUS" in reason and os.environ.get("TIPSTAFF_CORPUS"):
                    failed.append(f"{name} (skipped, though TIPSTAFF_CORPUS is set)")
                else:
                    skipped += 1
            else:
                passed += 1

    if passed + skipped + len(failed) == 0:
        failed.append("no test has that name")
    for name in failed:
        print(f"FAILED: {name}")
    print(f"{passed} passed, {len(failed)} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
