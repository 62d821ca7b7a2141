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
    """
    with Nodes(environment) as nodes:
        nodes.start(workers)
        yield nodes.environment


class Nodes:
    """Ray on this machine as if on several, which come, go and die.

    On each node the temporary folder is its own under the same path, by a mount of its own where
    the system permits one, else under another path.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="dawn", dir="/tmp"))  # sockets: short names
        self._private, self._port = self._folder / "t", free_port()
        self._private.mkdir()
        self.environment = {
            **environment, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "TMPDIR": str(self._private), "RAY_ADDRESS": f"127.0.0.1:{self._port}",
            "RAY_raylet_start_wait_time_s": "300", "RAY_agent_register_timeout_ms": "300000",
        }  # fmt: skip
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._how: dict[int, tuple[str, dict[str, str], str]] = {}
        unshare = shutil.which("unshare") or "/bin/false"
        tried = subprocess.run([unshare, "-m", "/bin/true"], capture_output=True, check=False)
        self.mounts = tried.returncode == 0

    def __enter__(self) -> "Nodes":
        return self

    def __exit__(self, *_: object) -> None:
        for number in reversed(list(self._running)):
            self.end(number, signal.SIGTERM, wait=False)
        for number in list(self._running):
            self.end(number)
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self, workers: int) -> None:
        """The head, which is number 0, and nodes 1 to `workers`."""
        self._run(0, f"--head --port={self._port} --num-cpus=0 --include-dashboard=false", {})
        self.await_nodes(1)
        for number in range(1, workers + 1):
            self.join(number)
        self.await_nodes(1 + workers)

    def join(self, number: int, scratch: str = "", **variables: str) -> None:
        """One more node of one processor, with variables of its own; `scratch` is the size of the
        folder for temporary files, as mount takes it: without it what the system gives.
        """
        self._run(number, f"--address=127.0.0.1:{self._port} --num-cpus=1", variables, scratch)

    def end(self, number: int, how: signal.Signals = signal.SIGKILL, wait: bool = True) -> None:
        """All processes of a node end so; those that have not within a minute are killed."""
        process = self._running[number]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        if wait:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:  # it had only begun to start
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            del self._running[number]

    def there(self, number: int) -> bool:
        """Whether it was started and not ended."""
        return number in self._running

    def await_nodes(self, count: int) -> None:
        """Until so many are there, the head included. Those that gave up are started again: on a
        busy machine some of Ray's own patience, which nobody can set, is too short.
        """
        end = time.monotonic() + 1200
        while True:
            for number, process in list(self._running.items()):
                if process.poll() is not None:
                    self._run(number, *self._how[number])
            done = subprocess.run(
                [sys.executable, "-c", _COUNT], env=self.environment, capture_output=True,
                text=True, check=False, cwd=self._folder,
            )  # fmt: skip
            if done.stdout.strip() == str(count):
                return
            assert time.monotonic() < end, self.said() + done.stderr
            time.sleep(1)

    def said(self) -> str:
        """The last words of each node."""
        return "\n".join(log.read_text()[-2000:] for log in self._folder.glob("*.log"))

    def _run(self, number: int, options: str, variables: dict[str, str], scratch: str = "") -> None:
        self._how[number] = options, variables, scratch
        own = self._private if self.mounts else self._folder / f"t{number}"
        own.mkdir(exist_ok=True)
        temporary = own / "small" if scratch else own
        script = (
            f"exec {sys.executable} -m ray.scripts.scripts start {options} --block "
            f"--disable-usage-stats --object-store-memory=80000000 --temp-dir={own}/ray "
            f"--node-ip-address=127.0.0.{number + 1} {_agents_ports()}"
        )
        if scratch:
            script = (
                f"mkdir -p {temporary}; mount -t tmpfs -o size={scratch} none {temporary}; {script}"
            )
        if self.mounts and number:
            inner = f"mount -t tmpfs none {own}; cd {own}; {script}"
            script = f"exec unshare -m /bin/bash -c {shlex.quote(inner)}"
        environment = {**self.environment, "RAY_ADDRESS": "", "TMPDIR": str(temporary), **variables}
        with (self._folder / f"node{number}.log").open("wb") as out:
            self._running[number] = subprocess.Popen(
                ["/bin/bash", "-c", script], cwd=own, env=environment, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip


def _agents_ports() -> str:
    """Given, and not found by agents whose start on a busy machine a raylet does not wait for."""
    agents = "metrics-export", "dashboard-agent-grpc", "dashboard-agent-listen", "runtime-env-agent"
    return " ".join(f"--{agent}-port={free_port()}" for agent in agents)


_COUNT = "import ray; ray.init(logging_level=50); print(sum(n['Alive'] for n in ray.nodes()))"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
