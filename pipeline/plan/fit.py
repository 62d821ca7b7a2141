"""Whether a run fits the machines that there are."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.cluster.start import join_or_start


@dataclass(frozen=True, slots=True)
class Node:
    """A machine that takes jobs."""

    name: str
    cpus: float
    gpus: float
    memory: float
    """Bytes that its jobs may hold."""


def nodes(address: str | None) -> list[Node]:
    """Of the cluster at an address, else of the one that RAY_ADDRESS names, else this machine."""
    if address is None and not os.environ.get("RAY_ADDRESS"):
        from torch.cuda import device_count

        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return [Node("this machine", os.cpu_count() or 1, device_count(), memory)]
    import ray

    ours = join_or_start(address, None)
    try:
        living = [node for node in ray.nodes() if node["Alive"]]
    finally:
        if ours:
            ray.shutdown()
    found = ((node["NodeManagerHostname"], node["Resources"]) for node in living)
    return [
        Node(name, has["CPU"], has.get("GPU", 0), has.get("memory", 0))
        for name, has in found
        if has.get("CPU")
    ]


def misfits(there: Sequence[Node], workers: int, gpus: float, peak: int) -> Iterator[str]:
    """What is missing: a line each, with what there is."""
    cpus = sum(node.cpus for node in there)
    if workers > cpus:
        yield f"{workers} workers need {workers} CPUs, and there are {cpus:g}"
    has = sum(node.gpus for node in there)
    if gpus > has:
        yield f"{gpus:g} GPUs are wanted, and there are {has:g}"
    room = sum(min(node.cpus, node.memory // max(1, peak)) for node in there)
    if workers > room and workers <= cpus:
        yield (
            f"{workers} workers may hold {peak / 1e9:.1f} GB each; the memory there is suits "
            f"{room:g} of them"
        )
