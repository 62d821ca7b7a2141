"""Processes that tests end."""

import time
from collections.abc import Iterable

import psutil


def wait_until_gone(processes: Iterable[psutil.Process]) -> None:
    """Wait until none of them runs; a zombie, left for its parent to see, does not run."""
    while any(_runs(process) for process in processes):
        time.sleep(0.02)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
