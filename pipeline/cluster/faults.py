"""Whose fault it is that a job's process died: the job's, or that of the machine under it."""

import re
from collections.abc import Container
from enum import Enum
from typing import Any

from manifests.errors import InputError

RETRIES = 5
"""Of a job that its machine failed, each after twice the pause of the one before."""

BACK_OFF_S = 2.0


class Fault(Enum):
    """What befell the machine, as people are told it."""

    MEMORY = "its node ran out of memory"
    DISK = "its node had no room on the disk"
    NODE = "its node was lost"

    @property
    def reason(self) -> str:
        """The same as logs and metrics have it."""
        return self.name.lower()


def fault_of(error: Exception, node: str | None) -> Fault | None:
    """What befell the machine when Ray reports `error` of a process on `node` (None: of one that
    did not begin); None where the process died on a node that lives on.
    """
    from ray import exceptions as errors

    if isinstance(error, errors.OutOfMemoryError) or "due to the node running low on memory" in str(
        error
    ):
        return Fault.MEMORY
    if isinstance(error, errors.OutOfDiskError | errors.ObjectStoreFullError):
        return Fault.DISK
    lost = errors.NodeDiedError | errors.LocalRayletDiedError | errors.ObjectLostError
    if isinstance(error, lost) or (node is not None and not answers(node)):
        return Fault.NODE
    return None


def node_short_of_memory(error: Exception) -> str | None:
    """The node that Ray's notice of a process killed for memory names: that may be before the
    process has said where it is.
    """
    found = re.search(r"Memory on the node \(IP: [^,]*, ID: ([0-9a-f]+)\)", str(error))
    return found[1] if found else None


def answers(node: str) -> bool:
    """Whether a node still runs tasks. Ray learns of a lost node later than of its workers' end,
    up to half a minute: a task that must run there tells the one from the other.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    if node not in living_nodes():
        return False
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    task = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=there)(_answer)
    try:
        ray.get(task.remote(), timeout=_ANSWER_S)
    except ray.exceptions.RayError:
        return False
    return True


def require_ray() -> None:
    """See that Ray still runs tasks. Raises InputError when it does not."""
    import ray

    try:
        ray.get(ray.remote(num_cpus=0)(_answer).remote(), timeout=_PROBE_S)
    except ray.exceptions.RayError as error:
        raise InputError("Ray is gone; run the same command again to go on") from error


_ANSWER_S, _PROBE_S = 120.0, 300.0
"""For a node, and for Ray, to start a process on a busy machine; a Ray that is gone answers at
once.
"""


def _answer() -> None:
    """A task that does nothing."""


def living_nodes() -> list[str]:
    """The nodes that do work, as Ray numbers them."""
    import ray

    return [n["NodeID"] for n in ray.nodes() if n["Alive"] and n["Resources"].get("CPU")]


def elsewhere(failed: Container[str | None]) -> list[str]:
    """The living nodes but for those that failed a job."""
    return [node for node in living_nodes() if node not in failed]


def rather_on(node: str) -> Any:  # noqa: ANN401 - Ray's strategies have no common type
    """How to schedule on a node, and on another if that one is gone."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=True)


def told(fault: Fault, attempts: int) -> str:
    """Of a job that its machines failed at each attempt."""
    return (
        f"{fault.value} at each of {attempts} attempts; nothing was recorded of it: give the nodes "
        "more room, or fewer --workers, then run the same command again"
    )
