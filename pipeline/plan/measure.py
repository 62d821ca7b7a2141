"""A trial of some clips, measured job by job, in new processes that do one job after the other."""

import ctypes
import datetime
import multiprocessing
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import ParamSpec, TypeVar

from manifests.content_ids import video_id
from manifests.errors import InputError
from pipeline.cluster.tasks import prepare_worker
from pipeline.plan.costs import Costs, Stage, Took
from pipeline.plan.trial import Trial
from pipeline.plan.trial_ingest import try_ingest

P = ParamSpec("P")
T = TypeVar("T")
_PR_SET_CHILD_SUBREAPER = 36


def measure(trial: Trial) -> Costs:
    """Try the clips. Raises InputError for fewer than two different videos."""
    if len({video_id(clip) for clip in trial.clips}) < max(2, len(trial.clips)):
        raise InputError("--measure: give two different videos at least, and none twice")
    command = _alone(_command)
    stages = {"ingest": _alone(try_ingest, trial, command)}
    if trial.checkpoint is not None:
        stages["generate"] = _alone(_generate, trial, command)
    return Costs(
        machine=f"{platform.node()}: {_processor()}, {os.cpu_count()} cores",
        made_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        version=version("dawn-pipeline"),
        stages=stages,
    )


def _alone(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """In a process that has done nothing before."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=_prepare) as pool:
        return pool.submit(work, *args, **kwargs).result()


def _prepare() -> None:
    """As a worker is, whose output nobody sees."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    prepare_worker()


def _generate(trial: Trial, command: Took) -> Stage:
    from pipeline.plan.trial_generate import try_generate  # PyTorch, which ingest needs not

    return try_generate(trial, command)


def _command() -> Took:
    """`dawn ingest` of one file that is no video, with the processes that it starts."""
    # What outlives its parent, as Ray's processes may, is still counted.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "none.mp4").write_bytes(b"no video")
        Path(folder, "plain.yaml").write_text("use_weights: false\n")
        begun, before = time.perf_counter(), _children()
        subprocess.run(  # noqa: S603 - this program
            [sys.executable, "-m", "pipeline.cli", "ingest", f"{folder}/none.mp4", "--dataset",
             f"{folder}/data", "--config", f"{folder}/plain.yaml"],
            check=True, capture_output=True,
        )  # fmt: skip
        wall = time.perf_counter() - begun
        _reap()
    cpu = _children() - before
    return Took(cpu, min(wall, cpu))  # on a busy machine the clock says nothing


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _reap() -> None:
    """Wait for processes that were left to this one, for at most some seconds."""
    for _ in range(100):
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.1)
        except ChildProcessError:
            return


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "unknown")
