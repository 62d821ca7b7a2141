"""A Ray that is started as users start one, for the commands that join it."""

import contextlib
import os
import re
import signal
import socket
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


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
