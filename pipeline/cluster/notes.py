"""What executors tell of jobs and nodes (`pipeline.events`)."""

import logging
from collections.abc import Collection
from pathlib import Path

from manifests.location import is_uri
from pipeline.cluster.faults import Fault
from pipeline.cluster.room import Room
from pipeline.events import note


def note_job(
    key: object, outcome: str, seconds: float, attempts: int = 1, node: str | None = None
) -> None:
    """A job ended: `done`, or the kind of its failure; `seconds` of its last attempt."""
    note(
        "job", level=logging.INFO if outcome == "done" else logging.WARNING, job=named(key),
        outcome=outcome, seconds=round(seconds, 3), attempts=attempts, node=_short(node),
    )  # fmt: skip


def note_retry(
    key: object, reason: str, node: str | None, attempts: int, wait_s: float = 0.0
) -> None:
    """A job will be tried again, once it was held back so long."""
    note(
        "retry", level=logging.WARNING, job=named(key), reason=reason, attempts=attempts,
        wait_s=wait_s, node=_short(node),
    )  # fmt: skip


def lessen(room: Room, to: int) -> None:
    """Fewer jobs at once, for memory was short."""
    room.lessen(to)
    note("fewer_at_once", level=logging.WARNING, reason=Fault.MEMORY.reason, jobs=max(1, to))


def note_nodes(event: str, nodes: Collection[str]) -> None:
    """Some nodes, as Ray numbers them, joined or left."""
    import ray

    for node in ray.nodes() if nodes else ():
        if node["NodeID"] in nodes:
            note(
                event, node=_short(node["NodeID"]), host=node["NodeManagerHostname"],
                address=node["NodeManagerAddress"],
            )  # fmt: skip


def named(key: object) -> str | None:
    """A job in logs. Files are not named: one may have been forgotten."""
    if isinstance(key, tuple):
        return ":".join(map(str, key))
    return None if isinstance(key, Path) or is_uri(str(key)) else str(key)


def _short(node: str | None) -> str | None:
    return node and node[:8]
