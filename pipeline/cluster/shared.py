"""Whether workers have the code of the command and see its very folders: on a node that does not
share one, a path leads to a folder of its own, where all that is made is lost.
"""

import contextlib
import functools
import hashlib
import platform
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manifests.errors import InputError
from manifests.runs import RunFolder
from manifests.store import Dataset, Session
from pipeline.cluster.faults import living_nodes

PACKAGES = ("manifests", "dawn", "eval", "pipeline")

_TRIES = 6
_PAUSE_S = 0.5
"""Network disks show a new file a moment late."""


class NotSharedError(InputError):
    """A node does not see a folder as the command does."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A file of a folder and what it holds, as the command sees it."""

    folder: str
    file: str
    sha256: str

    @classmethod
    def of(cls, folder: str, file: Path) -> "Sight":
        """What this process sees."""
        return cls(folder, str(file), _digest(file))


@contextlib.contextmanager
def sights_of(held: RunFolder | Session) -> Iterator[tuple[Sight, ...]]:
    """What workers must see of a folder that is held for writing: a file of random content, in its
    hidden scratch, gone afterwards. Of object stores nothing: they are the same everywhere.
    """
    place = held.dataset if isinstance(held, Session) else held
    if not place.local:
        yield ()
        return
    hidden = contextlib.nullcontext(held.scratch) if isinstance(held, Session) else held.scratch()
    with hidden as folder:
        token = folder / "seen"
        token.write_text(secrets.token_hex())
        yield (Sight.of(place.uri, token),)


def sights_of_dataset(uri: str | None) -> tuple[Sight, ...]:
    """What workers must see of a dataset that they only read."""
    if uri is None or not (dataset := Dataset(uri)).local:
        return ()
    return (Sight.of(dataset.uri, Path(dataset.path) / "dataset.json"),)


@functools.cache
def see(sights: tuple[Sight, ...]) -> None:
    """In a worker, once in each process, before its first job. Raises NotSharedError."""
    for sight in sights:
        for left in reversed(range(_TRIES)):
            with contextlib.suppress(OSError):
                if _digest(Path(sight.file)) == sight.sha256:
                    break
            if not left:
                raise NotSharedError(
                    f"{sight.folder}: node {_node()} does not share this folder with the machine "
                    "of this command; give one that all nodes share, or an s3:// address"
                )
            time.sleep(_PAUSE_S)


def check_nodes(sights: tuple[Sight, ...], nodes: Iterable[str] | None = None) -> None:
    """Have each node say which code it has and look, before any job: all, or some as Ray numbers
    them. Raises InputError for the first that has other code, or none, or does not see what is to
    be seen.

    A node that dies meanwhile, or is too busy to answer, is left to its workers.
    """
    mine, there = code_version(), sorted(living_nodes() if nodes is None else nodes)
    for node, version, fault in _from_each_node(there, _code_probe()):
        if version != mine:
            other = "has another version of dawn-pipeline than this command"
            raise InputError(
                f"{node}: {f'cannot import dawn-pipeline ({fault})' if fault else other}; install "
                "the same version on all nodes, such as by one image (docs/cluster.md)"
            )
    if sights:
        for _ in _from_each_node(there, see.__wrapped__, sights):
            pass


@functools.cache
def code_version() -> str:
    """A hash of this project's modules as they are on this machine."""
    digest = hashlib.sha256(platform.python_version().rpartition(".")[0].encode())
    root = Path(__file__).parents[2]
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            digest.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _code_probe() -> Callable[[], tuple[str, str, str]]:
    """What a node has: its name, its version, why it has none. A function of its own, which Ray
    sends as a whole: one of a module would need the module there.
    """

    def probe() -> tuple[str, str, str]:
        import importlib
        import platform

        import ray

        node = f"node {platform.node()} ({ray.util.get_node_ip_address()})"
        try:
            shared = importlib.import_module("pipeline.cluster.shared")
            return node, str(shared.code_version()), ""
        except (ImportError, AttributeError) as error:
            return node, "", str(error)

    return probe


def _from_each_node(
    nodes: Iterable[str], look: Callable[..., Any], *arguments: object
) -> Iterator[Any]:
    """What a function gives on each of the nodes that answers."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0)(look)
    there = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
    for looking in [task.options(scheduling_strategy=node).remote(*arguments) for node in there]:
        try:
            yield ray.get(looking, timeout=60)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, InputError):
                raise error.cause from None
            reason = str(error).strip().splitlines()[-1]
            raise InputError(f"a node cannot do this command's work: {reason}") from error
        except ray.exceptions.RayError:
            continue


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _node() -> str:
    import ray

    address = ray.util.get_node_ip_address()
    number = ray.get_runtime_context().get_node_id()[:8] if ray.is_initialized() else "none"
    return f"{platform.node()} ({address}, Ray's {number})"
