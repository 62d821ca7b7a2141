"""Python processes that are forked from one which has imported what they all import.

A worker of Ray imports PyTorch, mediapipe and what else its job needs: seconds of a processor, for
jobs that take less. Here Ray starts its workers by a program that has a warm process fork itself
instead, and so do commands that run again and again. What is imported there starts no session, no
thread of its own and no Ray, so that a fork is as good as a new process. Tests of clusters and
kills have workers that start from nothing.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[1]
IMPORTED = [
    *("torch", "torch._dynamo", "pandas", "scipy.signal", "scipy.stats", "mediapipe", "cv2"),
    *("duckdb", "rich.progress", "typer", "eval.metrics.catalogue", "dawn.curation.extraction"),
    *("dawn.sampling.talking_head", "dawn.training.loop"),
]
"""Nothing of `pipeline`, which looks at the terminal when it is imported."""
RAY_S = ["ray", "ray.train.torch"]
"""Imported for the first worker that is asked for, since Ray reads the environment then."""
PROGRAM = """\
#!{python} -SE
import json, os, socket, sys, time
arguments = sys.argv[1:]
waits = {waits}
if not waits and not any(name.endswith("/default_worker.py") for name in arguments):
    os.execv({python!r}, [{python!r}, *arguments])  # another process of Ray's than a worker
asked = json.dumps([waits, arguments, os.getcwd(), dict(os.environ)]).encode()
with socket.socket(socket.AF_UNIX) as warm:
    while warm.connect_ex({at!r}):
        if not os.path.isdir(os.path.dirname({at!r})):
            sys.exit("who was to be forked has gone")
        time.sleep(0.1)
    socket.send_fds(warm, [len(asked).to_bytes(8, "big")], [0, 1, 2])
    warm.sendall(asked)
    code = warm.recv(1)
    warm.recv(1)  # until it has ended, or there is a worker
sys.exit(code[0] if code else waits)
"""
T = TypeVar("T")


@contextlib.contextmanager
def _warm(python: str, *, waits: bool) -> Iterator[tuple[str, list[str]]]:
    """A program that is that Python, forked, and the command of the process that it asks, which
    ends when its parent does. It `waits` for its fork, or is for Ray, which needs none that does.
    """
    with tempfile.TemporaryDirectory(prefix="warm", dir="/tmp") as folder:  # sockets: short names
        at, program = f"{folder}/socket", Path(folder, "python")
        program.write_text(PROGRAM.format(python=python, at=at, waits=waits))
        program.chmod(0o755)
        yield str(program), [python, "-m", "tests.warm", at]


@contextlib.contextmanager
def _running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def warm_python() -> Iterator[str]:
    """A program that is this Python, forked."""
    with _warm(sys.executable, waits=True) as (program, command), _running(command):
        yield program


@contextlib.contextmanager
def warm_ray(python: str = sys.executable) -> Iterator[str]:
    """Stands for the program `ray` of that Python in a shell, whose PYTHONPATH has the checkout."""
    with _warm(python, waits=False) as (program, command):
        ray = f"import sys; sys.executable = {program!r}; import ray.scripts.scripts as s; s.main()"
        yield f"{shlex.join(command)} & exec {python} -c {shlex.quote(ray)}"


@contextlib.contextmanager
def with_warm_workers(start: Callable[[], T]) -> Iterator[T]:
    """What `start` makes, which starts a Ray from this process."""
    with _warm(sys.executable, waits=False) as (program, command), _running(command):
        python, sys.executable = sys.executable, program
        try:
            started = start()
        finally:
            sys.executable = python
        yield started


def serve(at: str) -> None:
    """Fork for each that asks, and do in the fork what it asks for."""
    parent = os.getppid()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(at)
        server.listen(64)
        server.settimeout(5)
        for name in IMPORTED:
            importlib.import_module(name)
        gc.freeze()
        while os.getppid() == parent:
            with contextlib.suppress(TimeoutError):
                asker, _ = server.accept()
                length, outputs, *_ = socket.recv_fds(asker, 8, 3)
                asked = asker.makefile("rb").read(int.from_bytes(length, "big"))
                waits, arguments, folder, environment = json.loads(asked)
                if not waits and "ray" not in sys.modules:
                    _become(environment | {"RAY_JOB_ID": "ffffffff"})  # of any job
                    for name in RAY_S:
                        importlib.import_module(name)
                if not os.fork():
                    break
                asker.close()
                for output in outputs:
                    os.close(output)
        else:
            return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, output in enumerate(outputs):
        os.dup2(output, number)
        os.close(output)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]
    _become(environment)
    os.chdir(folder)
    if not waits:
        asker.close()
        _work(arguments)
        return
    code = _ended(arguments)
    asker.sendall(bytes([code]))
    sys.exit(code)


def _become(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def _run(arguments: list[str]) -> None:
    """What the interpreter does with a program, in this process."""
    sys.argv = arguments
    if arguments[0] == "-m":
        sys.argv, sys.path[0] = arguments[1:], str(Path.cwd())
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(arguments[0]).parent)
        runpy.run_path(arguments[0], run_name="__main__")


def _ended(arguments: list[str]) -> int:
    """The exit code of a program."""
    try:
        _run(arguments)
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return ended.code or 0
        sys.stderr.write(f"{ended.code}\n")
        return 1
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        return 1
    else:
        return 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _work(arguments: list[str]) -> None:
    """A worker of Ray."""
    from ray._private.runtime_env.context import RuntimeEnvContext
    from ray._private.utils import update_envs

    execute = RuntimeEnvContext.exec_worker

    def executed(self: RuntimeEnvContext, passed: list[str], language: Any) -> None:
        """Ray's set-up ends in another process, with variables of a job's or an actor's own."""
        if self.command_prefix or self.py_executable != sys.executable:
            execute(self, passed, language)
        update_envs(self.env_vars)
        _run(passed)

    RuntimeEnvContext.exec_worker = executed
    _run(arguments)


if __name__ == "__main__":
    serve(sys.argv[1])
