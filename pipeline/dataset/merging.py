"""`dawn dataset merge`: datasets of one recipe as one, in which nobody is in two splits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawn.curation.duplicates import KeptFootage
from dawn.curation.orphans import judge_newcomers
from manifests.catalog import rows
from manifests.config import diff, stable_hash
from manifests.counting import count
from manifests.errors import InputError
from manifests.forgotten import read_forgotten, remember
from manifests.marks import read_marks, write_marks
from manifests.store import STAGED, Dataset
from pipeline.dataset.copying import copy_video, new_dataset
from pipeline.ingest.removal import recipe_of, remove_forgotten
from pipeline.ingest.stored import Judged, Row
from pipeline.progress import Progress, console

_NAMED = 3
"""Clips that a refusal names for each split."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the datasets, and what it gives."""

    dataset: Dataset
    videos: list[Row]
    """Those that no dataset before it gives."""
    clips: list[Row]
    """Of these, with what identities need to be told."""

    @property
    def accepted(self) -> set[str]:
        """Ids of the clips that it accepts."""
        return {clip["clip_id"] for clip in self.clips if clip["accepted"]}


def merge(roots: Sequence[str], out: Path) -> None:
    """Write what the datasets hold as one; a video that several hold is taken from the first.

    Clips that show what an earlier dataset shows are judged as its copies. What was forgotten in
    any is forgotten in the new one. Raises InputError where formats or recipes differ, a video is
    labelled differently, or somebody would be in two splits; then nothing is written.
    """
    datasets = [Dataset(root) for root in roots]
    if len(datasets) < 2:
        raise InputError("give two datasets at least")
    info = _common_info(datasets)
    parts, twice = _parts(datasets)
    names = _same_faces(parts, recipe_of(datasets[0]).config.splits.same_face)
    for part in parts:
        for clip in part.clips:
            clip["identity"] = names.get(clip["identity"], clip["identity"])
    _refuse_divided(parts)
    plan = stable_hash([info, [[v["video_id"], v["judge_key"], v["clips_part"]]
                               for part in parts for v in part.videos]])  # fmt: skip
    total = sum(len(part.videos) for part in parts)
    copies: set[str] = set()
    with new_dataset(out, "merge", info, plan) as session, Progress("merge", total) as progress:
        kept = KeptFootage()
        for part in parts:
            judged, changed = _judged_after(part, kept, names)
            copies |= {c["clip_id"] for c in judged.clips if not c["accepted"]} & part.accepted
            for video in part.videos:
                name = video["video_id"]
                if not session.dataset.has(f"videos/{name}.parquet"):
                    clips = [clip for clip in part.clips if clip["video_id"] == name]
                    again = judged if name in changed else None
                    copy_video(session, part.dataset, video, clips, again)
                progress.advance(1)
        for dataset in datasets:
            remember(session, read_forgotten(dataset))
            write_marks(session, read_marks(dataset))
        remove_forgotten(session)
    console.print(
        f"{count(total, 'video')} of {count(len(datasets), 'dataset')}: {out}; "
        f"{count(twice, 'video')} in more than one, taken once; "
        f"{count(len(copies), 'clip')} rejected as copies of an earlier dataset's",
        markup=False,
    )
    console.print(f"next: dawn dataset validate {out}", markup=False)


def _judged_after(part: _Part, kept: KeptFootage, names: dict[str, str]) -> tuple[Judged, set[str]]:
    """A dataset's clips held against those of earlier ones, which `kept` has and then has of this
    one too, under their new identities; and the videos of which anything changed.
    """
    judged = Judged.of(part.dataset, [video["video_id"] for video in part.videos])
    changed = {*judge_newcomers(judged.clips, judged.decisions, kept)}
    for clip in judged.clips:
        if clip["identity"] in names:
            clip["identity"] = names[clip["identity"]]
            changed.add(clip["clip_id"])
        if clip["accepted"]:
            kept.add(clip)
    return judged, {clip["video_id"] for clip in judged.clips if clip["clip_id"] in changed}


def _common_info(datasets: Sequence[Dataset]) -> dict[str, Any]:
    """What `dataset.json` says of all. Raises InputError with what differs."""
    first = datasets[0].info()
    for other in datasets[1:]:
        info = other.info()
        changes = diff(
            {"format": first["format"], "recipe": first["recipe"]},
            {"format": info["format"], "recipe": info["recipe"]},
        )
        if changes:
            raise InputError(
                f"{other.uri}: was made otherwise than {datasets[0].uri} ({'; '.join(changes)}); "
                "bring one to the other's recipe with `dawn ingest --update-recipe`"
            )
    for dataset in datasets:
        if dataset.names(STAGED):
            raise InputError(
                f"{dataset.uri}: its last ingest was stopped; run it again, then merge"
            )
    return first


_CLIPS = """
SELECT clip_id, video_id, identity, split, accepted, embedding, video_path, sound_path FROM clips
ORDER BY clip_id
"""


def _parts(datasets: Sequence[Dataset]) -> tuple[list[_Part], int]:
    """What each dataset gives, and how many videos several hold: the first that could read it has
    it.

    Raises InputError for a video that lists label differently, or that another recipe made.
    """
    held = [rows(dataset, "SELECT * FROM videos ORDER BY video_id") for dataset in datasets]
    holders: dict[str, list[tuple[Dataset, Row]]] = {}
    for dataset, videos in zip(datasets, held, strict=True):
        for row in videos:
            holders.setdefault(row["video_id"], []).append((dataset, row))
    owner = {}
    for video, found in holders.items():
        first, row = min(found, key=lambda entry: entry[1]["status"] == "quarantined")
        for dataset, other in found:
            if _said(row) != _said(other):
                raise InputError(
                    f"video {video} ({row['sources'][0]}): {first.uri} and {dataset.uri} label it "
                    "differently; ingest it into one of them with the other's list"
                )
        owner[video] = first
    parts = []
    for dataset, videos in zip(datasets, held, strict=True):
        own = [row for row in videos if owner[row["video_id"]] is dataset]
        ids = {row["video_id"] for row in own}
        clips = [clip for clip in rows(dataset, _CLIPS) if clip["video_id"] in ids]
        parts.append(_Part(dataset, own, clips))
    return parts, sum(len(found) > 1 for found in holders.values())


def _said(row: Row) -> tuple[str, str]:
    return repr(row["labels"]), row["extract_key"]


def _same_faces(parts: Sequence[_Part], same_face: float) -> dict[str, str]:
    """Face clusters of later datasets -> the cluster of an earlier one that is the same person."""
    known: dict[str, NDArray[np.float32]] = {}
    names: dict[str, str] = {}
    for part in parts:
        centres = dict(_centres(part.clips))
        for name, centre in sorted(centres.items()):
            likeness = {other: float(centre @ vector) for other, vector in known.items()}
            best = max(likeness, key=lambda other: (likeness[other], other), default=None)
            if best is not None and likeness[best] >= same_face and name not in known:
                names[name] = best
        known |= {name: centre for name, centre in centres.items() if name not in names}
    return names


def _centres(clips: Sequence[Row]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    faces: dict[str, list[NDArray[np.float32]]] = {}
    for clip in clips:
        if clip["embedding"] is not None and clip["identity"].startswith("face:"):
            faces.setdefault(clip["identity"], []).append(np.asarray(clip["embedding"], np.float32))
    for name, vectors in faces.items():
        mean = np.mean(vectors, axis=0)
        yield name, (mean / max(float(np.linalg.norm(mean)), 1e-9)).astype(np.float32)


def _refuse_divided(parts: Sequence[_Part]) -> None:
    """Raise InputError, with clips, for the first identity that would be in two splits."""
    seen: dict[str, dict[str, list[str]]] = {}
    for part in parts:
        for clip in part.clips:
            if clip["accepted"] and clip["split"] != "excluded":
                splits = seen.setdefault(clip["identity"], {})
                splits.setdefault(clip["split"], []).append(
                    f"{part.dataset.uri}: {clip['clip_id']}"
                )
    divided = {name: splits for name, splits in seen.items() if len(splits) > 1}
    if not divided:
        return
    name, splits = min(divided.items())
    asked = "; ".join(f"{split}: {_some(clips)}" for split, clips in sorted(splits.items()))
    others = len(divided) - 1
    more = f" (and {count(others, 'identity', 'identities')} more like this)" if others else ""
    raise InputError(
        f"{name}: would be in more than one split ({asked}){more}; ingest the videos of one "
        "dataset again with a list that gives the other's split, or leave these clips out with "
        "`dawn dataset filter`"
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
