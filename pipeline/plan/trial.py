"""What the trials of all commands have in common."""

import contextlib
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dawn.device import CPU, Placement
from dawn.recipe import IngestConfig
from dawn.sampling.settings import GenerateConfig
from manifests.location import Place
from pipeline.plan.costs import Took


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is tried, and where what it makes lies meanwhile."""

    clips: tuple[Path, ...]
    config: IngestConfig
    at: str
    """A folder or an address, in which a folder of its own is made and removed."""
    checkpoint: str | None = None
    """A model with which a video of each accepted clip is made."""
    generate: GenerateConfig = field(default_factory=GenerateConfig)
    max_seconds: float | None = None
    device: str = "cpu"

    @property
    def place(self) -> Placement:
        """Where networks run, one job at a time."""
        return Placement("cuda", 1.0) if self.device.startswith("cuda") else CPU

    @contextlib.contextmanager
    def folder(self) -> Iterator[str]:
        """A new folder for what is made, gone at the end."""
        place = Place.of(f"{self.at.rstrip('/')}/dawn-plan-{uuid.uuid4().hex[:8]}")
        try:
            yield place.uri
        finally:
            if place.fs.exists(place.path):
                place.fs.rm(place.path, recursive=True)


def so_far() -> Took:
    """What this process took since it began: the import of its libraries, which is all work."""
    return Took(time.process_time(), time.process_time())


def less(took: Took, other: Took, by: int = 1) -> Took:
    """A share of what one took more than another."""
    return Took(max(0.0, took.cpu_s - other.cpu_s) / by, max(0.0, took.wall_s - other.wall_s) / by)


def total(parts: list[Took]) -> Took:
    """Of all together."""
    return Took(sum(part.cpu_s for part in parts), sum(part.wall_s for part in parts))
