"""Runs benchmarks one after another, each in a process of its own; see `benchmarks`."""

import argparse
import subprocess
import sys
import time

from benchmarks import names
from benchmarks.report import SKIPPED


def run(name: str, arguments: list[str]) -> str:
    """Run one and show what it prints; returns what became of it in a word."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    skipped = False
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            skipped = skipped or line.startswith(SKIPPED)
    if process.returncode:
        return "failed"
    return "skipped, or a part of it" if skipped else "ok"


def main() -> None:
    """Run those that are named, else all; exit 1 if one fails, after the others have run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}")
    parser.add_argument("--smoke", action="store_true", help="the smallest sizes: do they run?")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(names())):
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(names())}")
    outcomes = {}
    for name in options.names or names():
        print(f"== {name}", flush=True)
        began = time.monotonic()
        outcomes[name] = run(name, ["--smoke"] if options.smoke else [])
        print(f"== {name}: {outcomes[name]}, {time.monotonic() - began:.0f} s\n", flush=True)
    if failed := [name for name, outcome in outcomes.items() if outcome == "failed"]:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
