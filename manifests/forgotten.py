"""What was forgotten, by content: which bytes and which part of them, never who is seen.

`forgotten/VIDEO.json` is written before anything of the video is removed: whoever finds it beside
rows of what it names goes on with the removal. A later ingest of the same bytes leaves out what it
names; deleting the file takes that back.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from manifests.errors import InputError
from manifests.store import FORGOTTEN, Dataset, Session

Clip = Mapping[str, Any]
"""A row of `clips`: its place in the video is what counts."""


@dataclass(frozen=True, slots=True, order=True)
class Region:
    """Frames [start, stop) of a video at 25 fps; no `stop`: to its end."""

    start: int = 0
    stop: int | None = None
    square: tuple[int, int, int] | None = None
    """Left edge, top edge and side of a crop in px of the source; None: the whole picture."""

    @classmethod
    def of(cls, clip: Clip) -> "Region":
        """Where a clip lies."""
        return cls(clip["start_frame"], clip["start_frame"] + clip["frames"], _square(clip))

    def shows(self, clip: Clip) -> bool:
        """Whether a clip, by whatever recipe, has a moment of this place: it overlaps in time, and
        the middle of one crop lies in the other.
        """
        if not self.overlaps(Region.of(clip)):
            return False
        crop = _square(clip)
        return self.square is None or _holds(self.square, crop) or _holds(crop, self.square)

    def overlaps(self, other: "Region") -> bool:
        """Whether they have a moment in common."""
        ends_before = self.stop is not None and self.stop <= other.start
        begins_after = other.stop is not None and other.stop <= self.start
        return not (ends_before or begins_after)

    def covers(self, start: int, stop: int | None) -> bool:
        """Whether all that these frames show is forgotten."""
        ends = self.stop is None or (stop is not None and stop <= self.stop)
        return self.square is None and self.start <= start and ends


WHOLE = (Region(),)
"""All of a video."""


def read_forgotten(dataset: Dataset) -> dict[str, tuple[Region, ...]]:
    """Video -> what of it was forgotten. Raises InputError for a record that cannot be read."""
    return {
        name.removesuffix(".json"): _read(dataset, name)
        for name in dataset.names(FORGOTTEN)
        if name.endswith(".json")
    }


def remember(session: Session, regions: Mapping[str, Iterable[Region]]) -> None:
    """Add to what was forgotten of some videos; each record is whole or as it was."""
    known = read_forgotten(session.dataset)
    for video, more in sorted(regions.items()):
        found = {*known.get(video, ()), *more}
        kept = WHOLE if found >= {*WHOLE} else tuple(sorted(found, key=repr))
        if kept == known.get(video):
            continue
        text = json.dumps({"regions": [asdict(region) for region in kept]}, indent=1) + "\n"
        temporary = session.scratch / "forgotten.json"
        temporary.write_text(text, encoding="utf-8")
        session.dataset.publish(temporary, f"{FORGOTTEN}/{video}.json")


def _read(dataset: Dataset, name: str) -> tuple[Region, ...]:
    try:
        record = json.loads(dataset.fs.cat_file(f"{dataset.path}/{FORGOTTEN}/{name}"))
        return tuple(
            Region(entry["start"], entry["stop"], entry["square"] and tuple(entry["square"]))
            for entry in record["regions"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{dataset.uri}/{FORGOTTEN}/{name}: cannot be read ({error}); restore it from a copy, "
            "or delete it to let its video in again"
        ) from error


def _square(clip: Clip) -> tuple[int, int, int]:
    return clip["crop_x"], clip["crop_y"], clip["crop_side"]


def _holds(outer: tuple[int, int, int], inner: tuple[int, int, int]) -> bool:
    """Whether the middle of a square lies in another."""
    x, y = inner[0] + inner[2] / 2, inner[1] + inner[2] / 2
    return outer[0] <= x <= outer[0] + outer[2] and outer[1] <= y <= outer[1] + outer[2]
