"""The judge of an ingest: filters, duplicates, identities and splits of a group of videos.

Works on rows alone. It knows the clips that are in the dataset, and takes back nothing that
was said of them: new clips are duplicates of old ones, never the other way round.
"""

from functools import cached_property
from typing import Any

from dawn.curation.decisions import judge, why_none_passed
from dawn.curation.duplicates import KeptFootage, mark_duplicates
from dawn.curation.splits import EXCLUDED, Identities, assign, speaker_identity
from dawn.curation.tables import Label
from dawn.features.rates import FPS
from dawn.recipe import Recipe
from manifests.catalog import rows
from manifests.marks import read_marks
from manifests.reasons import Rejection
from manifests.schema import CLIPS, EXTRACTED
from manifests.store import Dataset
from pipeline.ingest.asked_splits import Asks
from pipeline.ingest.steps import VideoTask

Rows = list[dict[str, Any]]

_KNOWN = """
SELECT clips.*, videos.split_key, videos.judge_key, videos.labels
FROM clips JOIN videos USING (video_id)
ORDER BY clip_id
"""


class Judge:
    """Judges groups of videos against what the dataset holds and what this run's lists ask."""

    def __init__(self, dataset: Dataset, recipe: Recipe, asks: Asks) -> None:
        self._dataset, self._recipe, self._asks = dataset, recipe, asks
        self._marked = read_marks(dataset)
        self._known = rows(dataset, _KNOWN)
        self._videos = {clip["video_id"] for clip in self._known}
        self._people: Identities | None = None
        for clip in self._known:
            clip["current"] = clip["judge_key"] == self._key_of(clip["labels"])
            clip["settled"] = clip["video_id"] not in asks.labelled_anew
            if clip["speaker"] is not None:  # older datasets hold labels as they were typed
                clip["identity"] = speaker_identity(clip["speaker"])

    def clips_of(self, video: str, part: str) -> Rows:
        """A video's rows in a committed part of `clips`, which others may share."""
        table = self._dataset.read(f"clips/{part}").to_pylist()
        return [row for row in table if row["video_id"] == video]

    def judge(
        self, videos: list[tuple[VideoTask, list[str], str | None]]
    ) -> dict[str, tuple[Rows, Rows]]:
        """Clips and decisions of each video (its work, its names, and its committed part of
        `clips`; None where the clips are staged).
        """
        clips: Rows = []
        for work, sources, part in videos:
            if part is None:
                found = self._dataset.read(f"{work.stage}/clips.parquet").to_pylist()
            else:
                found = self.clips_of(work.video_id, part)
            clips += [_extracted(row) | _marks(row, work.labels, sources) for row in found]
        ours = {work.video_id for work, _, _ in videos}
        if not ours.isdisjoint(self._videos):
            self._kept.forget(c["clip_id"] for c in self._known if c["video_id"] in ours)
        identities = self._identities(ours)
        assign(clips, identities, self._recipe.config.splits)
        for clip in clips:
            clip["duplicate_score"] = None  # not yet known: every other filter first
            clip["marked"] = clip["clip_id"] in self._marked
            clip["eligible"] = not _fails(judge(clip, self._recipe.config.filters))
        mark_duplicates(clips, self._kept, self._recipe.config.filters.max_duplicate)
        result: dict[str, tuple[Rows, Rows]] = {video: ([], []) for video in ours}
        for clip in sorted(clips, key=lambda clip: str(clip["clip_id"])):
            decisions = judge(clip, self._recipe.config.filters)
            clip["reasons"] = _fails(decisions)
            clip["accepted"] = not clip["reasons"]
            row = {column.name: clip[column.name] for column in CLIPS}
            result[clip["video_id"]][0].append(row)
            result[clip["video_id"]][1].extend(decisions)
        self._remember(ours, result)
        return result

    def divided(self) -> set[str]:
        """Videos that show, in accepted clips, someone who is in two splits: an older version let
        a list do that.
        """
        shown: dict[str, dict[str, set[str]]] = {}
        for clip in self._known:
            if clip["accepted"] and clip["split"] != EXCLUDED:
                splits = shown.setdefault(clip["identity"], {})
                splits.setdefault(clip["split"], set()).add(clip["video_id"])
        found = (splits.values() for splits in shown.values() if len(splits) > 1)
        return {video for videos in found for video in set().union(*videos)}

    def video_row(
        self,
        work: VideoTask,
        sources: list[str],
        facts: dict[str, Any],
        clips: Rows,
        decisions: Rows,
    ) -> dict[str, Any]:
        """The `videos` row of a video that was read; `facts` are its measured columns."""
        accepted = sum(1 for clip in clips if clip["accepted"])
        reason = detail = None
        frames = round(facts["duration_s"] * FPS)
        if not clips and work.labels and all(mark.start >= frames for mark in work.labels):
            reason = Rejection.OUTSIDE
            detail = (
                "every range of the list lies outside the video, which lasts "
                f"{facts['duration_s']:.3g} s"
            )
        elif not clips:
            reason, detail = Rejection.NO_FACE, Rejection.NO_FACE.meaning
        elif not accepted:
            reason, detail = Rejection.NO_CLIP_PASSED, why_none_passed(decisions)
        if detail is not None and facts["frames_damaged"]:
            damaged = facts["frames_damaged"]
            detail = f"{detail.rstrip('.')}; source frames left out as corrupt: {damaged}"
        return {
            **{key: value for key, value in facts.items() if not key.endswith("_part")},
            "video_id": work.video_id,
            "sources": sources,
            "status": "ok" if accepted else "rejected",
            "reason": reason and str(reason),
            "detail": detail,
            "bytes": work.size,
            "labels": [mark.as_row() for mark in work.labels],
            "clips_total": len(clips),
            "clips_accepted": accepted,
            "extract_key": work.key,
            "audio_key": self._recipe.audio_key(work.key),
            "judge_key": self._recipe.judge_key(work.key, work.labels),
            "split_key": self._recipe.split_key(),
        }

    @cached_property
    def _kept(self) -> KeptFootage:
        """What new clips may be copies of: what is accepted. Each group adds its own."""
        kept = KeptFootage()
        for clip in self._known:
            if clip["accepted"] and clip["current"]:
                kept.add(clip)
        return kept

    def _identities(self, ours: set[str]) -> Identities:
        """Who is in which split. Splits outlive a change of filters, and identities of videos
        that are judged again stay theirs, so that nobody changes sides unasked.
        """
        judged_again = not ours.isdisjoint(self._videos)
        if self._people is not None and not judged_again:
            return self._people  # `assign` taught them the groups before
        identities = Identities()
        self._people = None if judged_again else identities
        for clip in self._known:
            mine = clip["video_id"] in ours
            if clip["split_key"] == self._recipe.split_key():
                who = clip["identity"], clip["split"], clip["embedding"]
                identities.add(*who, settled=clip["settled"] and not mine)
        for identity, split in self._asks.splits.items():
            identities.splits.setdefault(identity, split)
        return identities

    def _key_of(self, labels: Rows) -> str:
        marks = tuple(Label.from_row(mark) for mark in labels)
        return self._recipe.judge_key(self._recipe.extract_key(marks), marks)

    def _remember(self, ours: set[str], result: dict[str, tuple[Rows, Rows]]) -> None:
        """The next group is held against this one too."""
        extra = {"split_key": self._recipe.split_key(), "current": True, "settled": True}
        new = [clip | extra for clips, _ in result.values() for clip in clips]
        if not ours.isdisjoint(self._videos):
            self._known = [c for c in self._known if c["video_id"] not in ours]
        self._known += new
        self._videos |= ours


def _extracted(row: dict[str, Any]) -> dict[str, Any]:
    """A clip's row as extraction left it; an older version's may lack columns."""
    return {column.name: row.get(column.name) for column in EXTRACTED}


def _marks(row: dict[str, Any], labels: tuple[Label, ...], sources: list[str]) -> dict[str, Any]:
    """What the source list says of a clip: the first label that covers its first frame."""
    covering = (mark for mark in labels if mark.covers(row["start_frame"]))
    mark = next(covering, Label())
    name = sources[0].rsplit("/", 1)[-1]
    return {
        "speaker": mark.speaker,
        "licence": mark.licence,
        "asked_split": mark.split,
        "extra": mark.extra_row(),
        "source_name": name.rsplit(".", 1)[0] if "." in name else name,
    }


def _fails(decisions: Rows) -> list[str]:
    return [str(row["filter"]) for row in decisions if row["verdict"] == "fail"]
