"""Benchmarks: what the project costs, and whether it does what it should.

    python -m benchmarks                    # all of them with their defaults, one after another
    python -m benchmarks ingest lse         # these
    python -m benchmarks --smoke            # all at their smallest sizes: do they run?
    python -m benchmarks.NAME [arguments]   # one, with arguments of its own

Run them from the repository root. Beside their words they print a JSON line for each measured
figure; `benchmarks.report` says what it holds.
"""

from pathlib import Path


def names() -> list[str]:
    """The benchmarks of this folder: every module that has a `main`."""
    modules = (path for path in Path(__file__).parent.glob("*.py") if path.stem != "__main__")
    return sorted(path.stem for path in modules if "\ndef main() -> None:\n" in path.read_text())
