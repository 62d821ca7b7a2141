"""The Ray that does a command's work: one that runs already, or one that is started for it."""

import os
import socket

from manifests.errors import InputError
from pipeline.cluster.devices import VISIBLE
from pipeline.cluster.terminal import processes_without_terminal


def check_workers(workers: int | None, address: str | None) -> None:
    """Raise InputError for more workers than this machine has processors, where the work would run
    on it: before Ray starts, which takes seconds.
    """
    cpus = os.cpu_count() or 1
    if address is None and not os.environ.get("RAY_ADDRESS") and (workers or 1) > cpus:
        raise InputError(f"--workers {workers}: this machine has {cpus} CPUs")


def join_or_start(address: str | None, workers: int | None, gpu: str | None = None) -> bool:
    """Use the Ray that runs, join the one at `address`, or start one; True: it is ours to stop.

    `gpu`: the only one that a Ray that is started here has, as CUDA_VISIBLE_DEVICES names it.
    """
    import ray

    if ray.is_initialized():
        return False
    if gpu is not None:
        os.environ[VISIBLE] = gpu
    _start(address, workers)
    return True


def _start(address: str | None, workers: int | None) -> None:
    """Join the cluster at `address`, else the one that RAY_ADDRESS names, as Ray's own programs
    do; or start a Ray on this machine that ends with us.
    """
    import logging

    import ray

    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    named = f"--address {address}"
    if address is None:
        address = os.environ.get("RAY_ADDRESS") or "local"
        named = f"RAY_ADDRESS={address}"
    if address == "local":
        with processes_without_terminal():
            ray.init(
                "local",
                num_cpus=workers,
                include_dashboard=False,
                object_store_memory=256 * 2**20,
                _metrics_export_port=None,
                **room(),
                **quiet,
            )
        return
    try:
        _require_listener(address)
        ray.init(address, **quiet)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{named}: no Ray cluster answers ({reason}); where it asks for a token, set "
            "RAY_AUTH_MODE=token"
        ) from error


def room() -> dict[str, str]:
    """Where a Ray that is started here keeps its files, as options of `ray.init`.

    Sockets lie there too, and their paths may have 107 bytes. Where the folder for temporary files
    has a long name (a job's own, on many clusters), Ray goes to /tmp, and only what it spills to
    the disk, which may be large, to that folder.
    """
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or _TEMPORARY
    if len(os.fsencode(f"{folder}/{_LONGEST}")) <= _SOCKET_BYTES:
        return {}
    return {"_temp_dir": f"{_TEMPORARY}/ray", "object_spilling_directory": folder}


_TEMPORARY = "/tmp"  # noqa: S108 - where Ray itself goes
_SOCKET_BYTES = 107
_LONGEST = "ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.0"


def _require_listener(address: str) -> None:
    """Raise OSError when nobody listens there; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()
