"""Committing one video, and clearing away what no committed video names."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests.catalog import own_query
from manifests.schema import CLIPS, DECISIONS, VIDEOS, schema
from manifests.store import COMPACT, STAGED, Dataset, Session

_PARTS = "SELECT DISTINCT clips_part, frames_part, audio_part, decisions_part FROM videos"
_MEDIA = """
SELECT video_path AS path FROM clips UNION ALL SELECT sound_path FROM clips
"""
DATA_TABLES = ("clips", "frames", "audio", "decisions")


@dataclass(slots=True)
class NewParts:
    """What a commit puts in place. A table that is left out keeps the part it has."""

    clips: list[dict[str, Any]] | None = None
    decisions: list[dict[str, Any]] | None = None
    staged: dict[str, str] = field(default_factory=dict)
    """Table -> staged file that becomes its part."""
    files: dict[str, Path] = field(default_factory=dict)
    """Table -> file in the session's scratch folder that becomes its part."""


def commit(
    session: Session, row: dict[str, Any], new: NewParts, old: dict[str, Any] | None
) -> dict[str, Any]:
    """Make a video's rows visible; returns its `videos` row with the parts' names.

    `row` carries the keys that name the parts; `old` is the row that is replaced, if any. The
    row goes last: until it is there, nothing has happened; once it is, the old parts are litter.
    """
    session.require_hold()
    dataset, video = session.dataset, row["video_id"]
    row = dict.fromkeys(column.name for column in VIDEOS) | row
    extract, audio = row["extract_key"][:8], (row["audio_key"] or "")[:8]
    judged = f"{video}-{extract}-{audio}-{(row['judge_key'] or '')[:8]}.parquet"
    names = {
        "clips": judged,
        "decisions": judged,
        "frames": f"{video}-{extract}.parquet",
        "audio": f"{video}-{audio}.parquet",
    }
    for name, part in names.items():
        # What a judge says depends on others too, and readers may have the old part open.
        if part == (old or {}).get(f"{name}_part"):
            names[name] = part.replace(".parquet", "-again.parquet")
    if new.clips:
        table = pa.Table.from_pylist(new.clips, schema(CLIPS))
        dataset.publish_table(table, f"clips/{names['clips']}", session.scratch)
        row["clips_part"] = names["clips"]
    if new.decisions:
        table = pa.Table.from_pylist(new.decisions, schema(DECISIONS))
        dataset.publish_table(table, f"decisions/{names['decisions']}", session.scratch)
        row["decisions_part"] = names["decisions"]
    for name, path in new.files.items():
        dataset.publish(path, f"{name}/{names[name]}")
        row[f"{name}_part"] = names[name]
    for name, staged in new.staged.items():
        dataset.move(staged, f"{name}/{names[name]}")
        row[f"{name}_part"] = names[name]
    table = pa.Table.from_pylist([row], schema(VIDEOS))
    dataset.publish_table(table, f"videos/{video}.parquet", session.scratch)
    _delete_superseded(session, row, old)
    return row


def forget(session: Session, row: dict[str, Any]) -> None:
    """Take a video out: its rows first, so that readers never see parts of it.

    Its own row goes after merged ones, which it hides: they may name parts that are gone. What
    merged data parts hold of it is invisible, and is dropped by the next compaction.
    """
    dataset, video = session.dataset, row["video_id"]
    for name in merged(dataset):
        table = dataset.read(f"videos/{name}")
        left = table.filter(pc.not_equal(table["video_id"], video))
        if left.num_rows == 0:
            dataset.delete(f"videos/{name}")
        elif left.num_rows < table.num_rows:
            dataset.publish_table(left, f"videos/{name}", session.scratch)
    dataset.delete(f"videos/{video}.parquet")
    _delete_superseded(session, {}, row)


def finish(session: Session) -> None:
    """End a run of commits: everything that was staged is committed, the rest is litter."""
    session.dataset.delete_folder(STAGED)
    if session.unclean:
        sweep(session)


def merged(dataset: Dataset) -> list[str]:
    """The merged parts of `videos`: one, unless a compaction was killed."""
    return [name for name in dataset.names("videos") if name.startswith(COMPACT)]


def sweep(session: Session) -> int:
    """Delete rows that others hide, and parts and media that no visible row names; how many."""
    dataset = session.dataset
    count = _sweep_rows(dataset)
    parts = own_query(dataset, _PARTS)
    for name in DATA_TABLES:
        named = {*parts[f"{name}_part"].unique().to_pylist()}
        unnamed = [f"{name}/{part}" for part in dataset.names(name) if part not in named]
        dataset.delete_all(unnamed)
        count += len(unnamed)
    return count + _sweep_media(dataset)


def _sweep_rows(dataset: Dataset) -> int:
    """Delete merged parts of `videos` all of whose rows are hidden, in the order of the view."""
    older = merged(dataset)
    seen = {name.removesuffix(".parquet") for name in dataset.names("videos")} - {*older}
    count = 0
    for name in reversed(older):
        ids = {*dataset.read(f"videos/{name}", ["video_id"])["video_id"].to_pylist()}
        if ids <= seen:
            dataset.delete(f"videos/{name}")
            count += 1
        seen |= ids
    return count


def _sweep_media(dataset: Dataset) -> int:
    folders = dataset.names("media")
    if not folders:
        return 0
    there = pa.chunked_array(
        [[f"media/{folder}/{name}" for name in dataset.names(f"media/{folder}")]
         for folder in folders], pa.string()
    )  # fmt: skip
    named = own_query(dataset, _MEDIA)["path"]
    litter = there.filter(pc.invert(pc.is_in(there, named))).to_pylist()
    for name in litter:
        dataset.delete(name)
    return len(litter)


def _delete_superseded(session: Session, row: dict[str, Any], old: dict[str, Any] | None) -> None:
    """Remove what the old row named and the new one does not. Merged parts are shared, so what
    of them is no longer named is left to the sweep.
    """
    dataset = session.dataset
    for name in DATA_TABLES:
        part = (old or {}).get(f"{name}_part")
        if part is None or part == row.get(f"{name}_part"):
            continue
        if str(part).startswith(COMPACT):
            session.unclean = True
            continue
        if name == "clips":
            _delete_old_media(dataset, f"clips/{part}", row.get("clips_part"))
        dataset.delete(f"{name}/{part}")


def _delete_old_media(dataset: Dataset, old_part: str, new_part: str | None) -> None:
    columns = ["video_path", "sound_path"]
    kept = set()
    if new_part is not None:
        table = dataset.read(f"clips/{new_part}", columns)
        kept = {path for column in table.columns for path in column.to_pylist()}
    old = dataset.read(old_part, columns)
    for column in old.columns:
        for path in column.to_pylist():
            if path not in kept:
                dataset.delete(path)
