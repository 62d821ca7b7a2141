"""One run of a command, watched: time, memory of all its processes, and its first frame.

No shell: the command is a list of words. Its input is empty, it leads a session of its own, and
what is left of it when it ends, or when its time is over, is ended with it.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

MEMORY_EVERY_S = 0.1
"""Between looks at memory: what lives shorter is missed."""
FIRST_FRAME_EVERY_S = 0.02
GPU_EVERY_MS = 100
_GRACE_S = 2.0
NO_NVIDIA_SMI = "no nvidia-smi on this machine"


@dataclass(slots=True)
class Watched:
    """What was seen of a run."""

    exit_code: int = 0
    timed_out: bool = False
    wall_s: float = 0.0
    cpu_s: float = 0.0
    others: float = 0.0
    """Share of the machine's processors that other programs took meanwhile."""
    first_frame_s: float | None = None
    peak_memory_bytes: int | None = None
    """Resident memory of all its processes at once; pages that several share count for each."""
    peak_gpu_memory_bytes: int | None = None
    gpu_memory_reason: str | None = None


def run_watched(
    words: Sequence[str], log: Path, limit_s: float, shows: Callable[[], bool] | None
) -> Watched:
    """Run a command to its end, or to the end of its time. `shows` says whether there is a frame
    by now; what the command writes to its terminal goes to `log`.

    Raises OSError where it cannot be started.
    """
    gpu = GpuMemory()
    with log.open("wb") as output, gpu, _ends_when_told() as told:
        seen = _run(words, output, limit_s, shows, told)
    seen.peak_gpu_memory_bytes, seen.gpu_memory_reason = gpu.peak()
    return seen


class _Told:
    """A handler of signals: raises KeyboardInterrupt, at once or once that need not wait."""

    def __init__(self) -> None:
        self._waits = self._told = False

    def __call__(self, *_: object) -> None:
        self._told = True
        if not self._waits:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def later(self) -> Iterator[None]:
        """Not in here, where a process has begun that nobody knows yet, but after it."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False
        if self._told:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _ends_when_told() -> Iterator[_Told]:
    """Meanwhile SIGTERM and SIGHUP are as Ctrl-C: the command, which leads a session of its own,
    would hear neither and run on.
    """
    told = _Told()
    signals = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    here = threading.current_thread() is threading.main_thread()
    heard = [one for one in signals if here and signal.getsignal(one) != signal.SIG_IGN]
    before = {one: signal.signal(one, told) for one in heard}
    try:
        yield told
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _run(
    words: Sequence[str],
    output: IO[bytes],
    limit_s: float,
    shows: Callable[[], bool] | None,
    told: _Told,
) -> Watched:
    seen, over = Watched(), threading.Event()
    busy, tree = _busy_s(), _Tree()
    late = threading.Timer(limit_s, _late, (seen, tree, over))
    began = time.perf_counter()
    watch = threading.Thread(target=_watch, args=(seen, tree, shows, began, over))
    late.daemon = watch.daemon = True  # what ends this process must not wait for them
    try:
        with told.later():
            process = subprocess.Popen(  # noqa: S603 - the user's command, as a list of words
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
            tree.pid = process.pid
        late.start()
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        seen.wall_s = time.perf_counter() - began
    finally:
        late.cancel()
        over.set()
        if watch.is_alive():
            watch.join()
        tree.end()
    seen.exit_code = process.returncode = os.waitstatus_to_exitcode(status)
    seen.cpu_s = usage.ru_utime + usage.ru_stime
    of_others = _busy_s() - busy - seen.cpu_s
    seen.others = max(0.0, of_others / seen.wall_s / (psutil.cpu_count() or 1))
    return seen


def _busy_s() -> float:
    """Time that all processors of the machine worked so far."""
    times = psutil.cpu_times()._asdict()
    idle = ("idle", "iowait", "guest", "guest_nice")  # guests are in `user`, too
    return float(sum(took for name, took in times.items() if name not in idle))


@dataclass
class _Tree:
    """A process, all that came of it, and its session."""

    pid: int | None = None
    """None: it has not begun."""
    _known: dict[int, psutil.Process] = field(default_factory=dict)

    def look(self) -> int | None:
        """Bytes resident now; None where nothing is left to look at."""
        if self.pid is None:
            return None
        with contextlib.suppress(psutil.Error):
            top = self._known.setdefault(self.pid, psutil.Process(self.pid))
            for child in top.children(recursive=True):
                self._known.setdefault(child.pid, child)
        total, found = 0, False
        for process in list(self._known.values()):
            with contextlib.suppress(psutil.Error):
                if process.is_running():  # and no later process of the same number
                    total, found = total + process.memory_info().rss, True
        return total if found else None

    def tell(self, what: signal.Signals) -> None:
        """Send a signal to the whole session's group, where it is there."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, what)

    def end(self) -> None:
        """Kill what is left."""
        self.tell(signal.SIGKILL)
        for process in list(self._known.values()):
            with contextlib.suppress(psutil.Error):
                process.kill()


def _late(seen: Watched, tree: _Tree, over: threading.Event) -> None:
    """Ask it to end, and end it where it does not."""
    seen.timed_out = True
    tree.tell(signal.SIGTERM)
    if not over.wait(_GRACE_S):
        tree.end()


def _watch(
    seen: Watched,
    tree: _Tree,
    shows: Callable[[], bool] | None,
    began: float,
    over: threading.Event,
) -> None:
    looked = 0.0
    while not over.is_set():
        now = time.perf_counter()
        if now - looked >= MEMORY_EVERY_S:
            looked, held = now, tree.look()
            if held:
                seen.peak_memory_bytes = max(held, seen.peak_memory_bytes or 0)
        if shows is not None and seen.first_frame_s is None and shows():
            seen.first_frame_s = time.perf_counter() - began
        over.wait(FIRST_FRAME_EVERY_S)


class GpuMemory:
    """Memory in use on all GPUs together while it is entered, above what was in use before.

    Of the whole machine, since `nvidia-smi` does not see whose memory it is from inside most
    containers: nothing else may run there.
    """

    def __init__(self) -> None:
        self._program = shutil.which("nvidia-smi")
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._before: int | None = None
        self._now: dict[str, int] = {}
        self._most = 0

    def __enter__(self) -> "GpuMemory":
        if self._program is None:
            return self
        query = [self._program, "--query-gpu=index,memory.used", "--format=csv,noheader,nounits"]
        first = subprocess.run(query, capture_output=True, text=True, check=False)  # noqa: S603
        for line in first.stdout.splitlines():
            self._take(line)
        if first.returncode or not self._now:
            self._now.clear()
            return self
        self._before = self._most = sum(self._now.values())
        self._process = subprocess.Popen(  # noqa: S603
            [*query, f"--loop-ms={GPU_EVERY_MS}"], stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._thread is not None:
            self._process.kill()
            self._process.wait()
            self._thread.join()

    def peak(self) -> tuple[int | None, str | None]:
        """Bytes, or None and why."""
        if self._program is None:
            return None, NO_NVIDIA_SMI
        if self._before is None:
            return None, "nvidia-smi does not tell the memory in use"
        return (self._most - self._before) * 2**20, None

    def _take(self, line: str) -> None:
        index, _, used = line.partition(",")
        with contextlib.suppress(ValueError):
            self._now[index.strip()] = int(used)

    def _read(self) -> None:
        if self._process is None or self._process.stdout is None:
            return
        for line in self._process.stdout:
            self._take(line)
            self._most = max(self._most, sum(self._now.values()))
