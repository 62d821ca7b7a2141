"""Clips that a person marked as bad, each with the reason: `marks/CLIP.json`.

A mark is a decision like a filter's (`marked` in `decisions`) and outlives judging anew: an ingest
reads the marks. Taking it back in `dawn view --edit` lets the filters alone decide again.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from manifests.errors import InputError
from manifests.store import MARKS, Dataset, Session


@dataclass(frozen=True, slots=True)
class Mark:
    """Why a clip is bad, and since when somebody says so (ISO time, UTC)."""

    reason: str
    since: str


def read_marks(dataset: Dataset) -> dict[str, Mark]:
    """Clip -> its mark. Raises InputError for a file that cannot be read."""
    names = [name for name in dataset.names(MARKS) if name.endswith(".json")]
    return {name.removesuffix(".json"): _read(dataset, name) for name in names}


def write_mark(session: Session, clip: str, mark: Mark) -> None:
    """Keep a mark, whole, replacing the clip's earlier one."""
    temporary = session.scratch / "mark.json"
    temporary.write_text(json.dumps(asdict(mark), indent=1) + "\n", encoding="utf-8")
    session.dataset.publish(temporary, f"{MARKS}/{clip}.json")


def write_marks(session: Session, marks: Mapping[str, Mark]) -> None:
    """Keep those of another dataset's."""
    for clip, mark in sorted(marks.items()):
        write_mark(session, clip, mark)


def remove_marks(session: Session, clips: Iterable[str]) -> None:
    """Take back the marks of these clips, where there are any."""
    for clip in clips:
        session.dataset.delete(f"{MARKS}/{clip}.json")


def _read(dataset: Dataset, name: str) -> Mark:
    try:
        record = json.loads(dataset.fs.cat_file(f"{dataset.path}/{MARKS}/{name}"))
        return Mark(str(record["reason"]), str(record["since"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{dataset.uri}/{MARKS}/{name}: cannot be read ({error}); delete it, and mark again"
        ) from error
