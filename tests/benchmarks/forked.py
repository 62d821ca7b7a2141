"""Benchmarks in processes that are forked from one which has imported what they all import.

Imports are most of a smoke run: a process of its own for each would take three times as long. What
is imported here starts no graph, no session and no Ray, so that a fork of it is as good as new.
"""

import multiprocessing
import os
import runpy
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMPORTED = [
    *("torch", "torch._dynamo", "scipy.signal", "scipy.stats", "pandas", "mediapipe", "cv2"),
    *("dawn.training.loop", "eval.metrics.catalogue", "pipeline.evaluate.run", "benchmarks.inputs"),
]
"""Names that are gone are passed over: a run then imports what it needs itself."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run printed, and its exit code."""

    code: int | None
    stdout: str
    stderr: str


def run(name: str, *arguments: str, folder: Path, ray: str | None = None) -> Answer:
    """`python -m benchmarks.NAME arguments`; `folder` is for what it prints, `ray` the address of
    one to use instead of one of its own.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    outputs = (folder / "stdout", folder / "stderr")
    process = context.Process(target=_main, args=(name, arguments, outputs, ray))
    process.start()
    process.join()
    return Answer(process.exitcode, *(path.read_text(errors="replace") for path in outputs))


def _main(
    name: str, arguments: tuple[str, ...], outputs: tuple[Path, Path], ray: str | None
) -> None:
    """In the fork: as the interpreter does with `-m`, from the repository's root."""
    for number, path in enumerate(outputs, 1):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    os.chdir(ROOT)
    if ray is not None:
        os.environ["RAY_ADDRESS"] = ray
    sys.argv = [name, *arguments]
    runpy.run_module(f"benchmarks.{name}", run_name="__main__", alter_sys=True)
