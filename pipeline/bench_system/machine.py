"""What a command runs on, for records."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path


def processor() -> str:
    """Such as `AMD EPYC 7B13, 2 processors`: as many as this process may use."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {processors()} processors"


def processors() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))


def gpus() -> tuple[str | None, str | None]:
    """Names of the GPUs that a command sees, and the driver; None where there are none."""
    program = shutil.which("nvidia-smi")
    if program is None or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return None, None
    query = [program, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    told = subprocess.run(query, capture_output=True, text=True, check=False)  # noqa: S603
    rows = [line.split(",") for line in told.stdout.splitlines() if "," in line]
    if told.returncode or not rows:
        return None, None
    names = [row[0].strip() for row in rows]
    alike = f"{len(names)} x {names[0]}" if len(names) > 1 else names[0]
    return alike if len(set(names)) == 1 else " + ".join(names), rows[0][1].strip()


def versions() -> dict[str, str | None]:
    """Of what measured, and of the machine; a system's own are its own affair."""
    return {
        "dawn": importlib.metadata.version("dawn-pipeline"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "nvidia_driver": gpus()[1],
    }
