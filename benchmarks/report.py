"""What benchmarks have in common: arguments, and a JSON line for each measured figure.

    report = Report("ingest")
    report.figure("two workers", 253.0, "frames/s", floor=167.0)

prints one line:

    {"benchmark": "ingest", "case": "two workers", "value": 253.0, "unit": "frames/s",
     "floor": 167.0, "ratio": 1.515, "smoke": false, "machine": {…}, "python": "3.11.9",
     "torch": "2.13.0", "versions": {…}, "commit": "0123abc"}

`floor` is the same figure of what the case is held against, measured in the same run, and `ratio`
is value by floor; both are null where nothing is. Machines differ and may be shared, so compare
ratios and not values of different runs. A value that is no number is null. `smoke` figures are of
made inputs of the smallest sizes: they say that a benchmark runs and nothing of how fast.
"""

import argparse
import functools
import json
import math
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

SKIPPED = "skipped:"
"""How the line of a benchmark begins that lacks what it needs, or lacks it for a part."""
PACKAGES = (
    *("numpy", "scipy", "av", "opencv-contrib-python", "mediapipe", "onnxruntime", "duckdb"),
    *("pyarrow", "ray"),
)


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one benchmark."""

    benchmark: str

    def figure(
        self,
        case: str,
        value: float | None,
        unit: str,
        *,
        floor: float | None = None,
        ratio: float | None = None,
        **more: object,
    ) -> None:
        """Print a figure's line. Give `ratio` where it is not value by floor, but, say, the
        median over rounds; `more` are keys of this benchmark's own.
        """
        if ratio is None and floor and value is not None:
            ratio = value / floor
        row = {
            "benchmark": self.benchmark, "case": case, "value": _number(value), "unit": unit,
            "floor": _number(floor), "ratio": _number(ratio), **more, **surroundings(),
        }  # fmt: skip
        print(json.dumps(row, ensure_ascii=False, allow_nan=False), flush=True)


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """A parser that a benchmark adds its own arguments to; `doc` is the module's text."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--smoke", action="store_true", help="smallest sizes on made inputs: does it run?"
    )
    return parser


def parse(parser: argparse.ArgumentParser, **smallest: object) -> argparse.Namespace:
    """The arguments given; with --smoke the smallest values take the defaults' place."""
    if is_smoke():
        parser.set_defaults(**smallest)
    return parser.parse_args()


def is_smoke() -> bool:
    """Whether this run only shows that the benchmark runs."""
    return "--smoke" in sys.argv[1:]


def skipped(reason: str) -> None:
    """Say in one line what is left out and what it needs."""
    print(f"{SKIPPED} {reason}", flush=True)


def skip(reason: str) -> NoReturn:
    """End without a figure and without an error."""
    skipped(reason)
    sys.exit(0)


@functools.cache
def surroundings() -> dict[str, Any]:
    """Where figures of this process come from."""
    return {
        "smoke": is_smoke(),
        "machine": {"cpu": _processor(), "cores": os.cpu_count(), "gpu": _gpu()},
        "python": platform.python_version(),
        "torch": metadata.version("torch"),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
        "commit": _commit(),
    }


def _number(value: float | None) -> float | None:
    """JSON knows no NaN; four digits are more than runs agree on."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{float(value):.4g}")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _gpu() -> str | None:
    """The GPU that PyTorch sees, where the benchmark uses PyTorch."""
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch and torch.cuda.is_available() else None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The checkout's commit, with "+" where tracked files differ from it."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+"]
    answer = subprocess.run([*command, "--exclude=*"], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None
