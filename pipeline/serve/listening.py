"""Where a server listens, and who reaches it."""

import ipaddress
import socket
from importlib.util import find_spec
from typing import Any

from manifests.errors import InputError

SILENT: Any = {"auto_configure": False, "tracing": False, "metrics": False, "logs": False}
"""FastAPI's `telemetry`: what an environment's variables would make it report stays here, too."""


def check_installed(command: str, extra: str) -> None:
    """Raise InputError where what an extra brings is absent."""
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise InputError(
            f"{command} needs FastAPI and uvicorn: pip install 'dawn-pipeline[{extra}]'"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listening(host: str, port: int) -> socket.socket:
    """A socket that takes connections. Raises InputError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise InputError(
            f"--host {host} --port {port}: cannot be listened on: {error.strerror or error}"
        ) from error
