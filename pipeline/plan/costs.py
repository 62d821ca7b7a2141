"""What a trial measured, as a file that later plans read."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from manifests.atomic_write import write_whole
from manifests.errors import InputError


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of processors, and on the clock without the time spent waiting for a processor."""

    cpu_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Job:
    """One job of a worker."""

    step: str
    took: Took


@dataclass(frozen=True, slots=True)
class Item:
    """One clip of a stage's trial."""

    name: str
    seconds: float
    """Of footage, or of video made."""
    accepted_s: float
    """Of clips that the filters accept, or of video made."""
    jobs: tuple[Job, ...]
    read: int
    """Bytes that its jobs read, and wrote: from storage, the page cache and scratch."""
    written: int
    kept: int
    """Bytes that stay in the dataset or the run."""
    requests: int
    """To an object store; 0 in a folder."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The trial of one command."""

    items: tuple[Item, ...]
    command: Took
    """The command on nothing: it starts, has one worker start, and ends."""
    begin: Took
    """A worker's start: its libraries; and what its first job takes longer than later ones."""
    first: Took
    driver: Took
    """In the command itself, for each item, one after the other."""
    peak: int
    """Bytes that a worker held at most."""
    device: str


@dataclass(frozen=True, slots=True)
class Costs:
    """Stages by command, and where and when they were measured."""

    machine: str
    made_at: str
    version: str
    stages: dict[str, Stage]


_MAKE = "make one with `dawn plan --measure CLIP… --costs FILE`"


def read_costs(path: Path) -> Costs:
    """Raises InputError for what is no such file."""
    try:
        return TypeAdapter(Costs).validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file; {_MAKE}") from error
    except (OSError, ValidationError) as error:
        raise InputError(f"{path}: is no file of costs; {_MAKE}") from error


def write_costs(path: Path, costs: Costs) -> None:
    """Replace the file, whole."""
    write_whole(path, TypeAdapter(Costs).dump_json(costs, indent=1) + b"\n")
