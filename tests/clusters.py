"""A Ray that is started as users start one, for the commands that join it."""

import contextlib
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.terminals import Terminal


@contextlib.contextmanager
def ray_from_a_terminal(
    folder: Path, environment: dict[str, str], ray: str = "ray", cpus: int = 1
) -> Iterator[dict[str, str]]:
    """A Ray started from a terminal, so that its workers inherit that: what names it to others.

    Commands that join it are spared a Ray of their own, which costs ten seconds of a processor.
    """
    dashboard = free_port()
    script = (
        f"{ray} start --head --block --port=0 --num-cpus={cpus} --node-ip-address=127.0.0.1 "
        f"--dashboard-port={dashboard} --dashboard-agent-listen-port={free_port()} "
        "--disable-usage-stats"
    )
    terminal = Terminal(script, folder, environment)
    end = time.monotonic() + 300
    while not (found := re.search(r"--address='([\d.:]+)'", terminal.text)):
        assert terminal.read(0.5), terminal.text
        assert time.monotonic() < end, terminal.text
    try:
        yield {"RAY_ADDRESS": found[1], "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{dashboard}"}
    finally:
        os.killpg(terminal.process.pid, signal.SIGTERM)
        terminal.wait(120)


@contextlib.contextmanager
def nodes_that_share_nothing(
    environment: dict[str, str], workers: int = 2
) -> Iterator[dict[str, str]]:
    """A head that does no work and nodes of one processor, with nothing in common but the network:
    the environment of commands that join them, which names the head's temporary folder.

    On each node that folder is its own under the same path, by a mount of its own where the system
    permits one, else under another path.
    """
    folder = Path(tempfile.mkdtemp(prefix="dawn", dir="/tmp"))  # sockets have short names
    private, port = folder / "t", free_port()
    private.mkdir()
    token = secrets.token_hex(32)
    head = {**environment, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token,
            "TMPDIR": str(private), "RAY_ADDRESS": f"127.0.0.1:{port}",
            "RAY_raylet_start_wait_time_s": "300",
            "RAY_agent_register_timeout_ms": "300000"}  # fmt: skip
    unshare = shutil.which("unshare") or "/bin/false"
    mounts = subprocess.run([unshare, "-m", "/bin/true"], capture_output=True, check=False)
    ray = f"{sys.executable} -m ray.scripts.scripts start --block --disable-usage-stats "
    ray += "--object-store-memory=80000000 "
    # Given, and not found by agents whose start on a busy machine a raylet does not wait for.
    agents = (
        "metrics-export",
        "dashboard-agent-grpc",
        "dashboard-agent-listen",
        "runtime-env-agent",
    )

    def ports() -> str:
        return " ".join(f"--{agent}-port={free_port()}" for agent in agents)

    running = []
    try:
        start = (
            f"{ray} --head --port={port} --node-ip-address=127.0.0.1 --num-cpus=0 "
            f"--include-dashboard=false --temp-dir={private}/ray {ports()}"
        )
        running.append(_started(start, private, {**head, "RAY_ADDRESS": ""}, folder / "head.log"))
        _await_nodes(head, 1, folder)
        for number in range(1, workers + 1):
            own = private if mounts.returncode == 0 else folder / f"t{number}"
            own.mkdir(exist_ok=True)
            join = (
                f"{ray} --address=127.0.0.1:{port} --node-ip-address=127.0.0.{number + 1} "
                f"--num-cpus=1 --temp-dir={own}/ray {ports()}"
            )
            if mounts.returncode == 0:
                inner = f"mount -t tmpfs none {own} && cd {own} && exec {join}"
                join = f"exec unshare -m /bin/bash -c {shlex.quote(inner)}"
            apart = {**head, "TMPDIR": str(own), "RAY_ADDRESS": ""}
            running.append(_started(join, own, apart, folder / f"node{number}.log"))
        _await_nodes(head, 1 + workers, folder)
        yield head
    finally:
        for process in reversed(running):
            os.killpg(process.pid, signal.SIGTERM)
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def _started(
    script: str, folder: Path, environment: dict[str, str], log: Path
) -> "subprocess.Popen[bytes]":
    with log.open("wb") as out:
        return subprocess.Popen(
            ["/bin/bash", "-c", script], cwd=folder, env=environment, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip


_COUNT = "import ray; ray.init(logging_level=50); print(sum(n['Alive'] for n in ray.nodes()))"


def _await_nodes(environment: dict[str, str], count: int, folder: Path) -> None:
    end = time.monotonic() + 1200  # a busy machine takes minutes
    while True:
        done = subprocess.run(
            [sys.executable, "-c", _COUNT], env=environment, capture_output=True, text=True,
            check=False, cwd=folder,
        )  # fmt: skip
        if done.stdout.strip() == str(count):
            return
        logs = "\n".join(log.read_text()[-2000:] for log in folder.glob("*.log"))
        assert time.monotonic() < end, logs + done.stderr
        time.sleep(1)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
