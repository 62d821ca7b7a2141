"""Measuring in a process of its own, so that the peak of its memory is its own."""

import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import ParamSpec, TypeVar

from benchmarks.report import is_smoke

P = ParamSpec("P")
T = TypeVar("T")


def fresh(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `work` returns, from a process that has done nothing before.

    In a smoke run it is forked from one that has imported PyTorch, which is quicker; its peak then
    lacks the libraries' pages that it does not touch.
    """
    context: BaseContext = multiprocessing.get_context("spawn")
    if is_smoke():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["torch"])
    # What returns is of the benchmark's module, under the name that this has in the new process.
    sys.modules["__mp_main__"] = sys.modules["__main__"]
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(work, *args, **kwargs).result()


def peak_mib() -> float:
    """The most memory that this process has had resident so far.

    Not `ru_maxrss`, which begins with what the parent held.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status has no VmHWM: peaks are measured on Linux only")
