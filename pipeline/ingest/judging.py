"""The judge of an ingest: filters, duplicates, identities and splits of a group of videos.

Works on rows alone. It knows what the dataset holds, and takes back nothing that was said of it:
new clips are duplicates of old ones, never the other way round. Of the clips in the dataset it
holds fingerprints and sums in arrays, not rows: rows are made of a group's clips alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import pyarrow as pa

from dawn.curation.decisions import judge, why_none_passed
from dawn.curation.duplicates import FINGERPRINTS, KeptFootage, mark_duplicates
from dawn.curation.splits import Identities, assign, speaker_identity
from dawn.curation.tables import Label
from dawn.features.rates import FPS
from dawn.recipe import Recipe
from manifests.catalog import own_query
from manifests.marks import read_marks
from manifests.parts import MergedParts
from manifests.reasons import Rejection
from manifests.schema import CLIPS, EXTRACTED
from manifests.store import Dataset
from pipeline.ingest.asked_splits import Asks
from pipeline.ingest.committed import Committed
from pipeline.ingest.steps import VideoTask

Rows = list[dict[str, Any]]

_FACTS = ("video_id", "clips_part", "split_key", "judge_key", "labels")
_SHOWN = """
WITH shown AS (
    SELECT identity, speaker, split, video_id FROM clips WHERE accepted AND split <> 'excluded'
), divided AS (
    SELECT identity FROM shown WHERE speaker IS NULL
    GROUP BY identity HAVING min(split) <> max(split)
)
SELECT DISTINCT * FROM shown WHERE speaker IS NOT NULL OR identity IN (FROM divided)
"""
_KNOWN = ("clip_id", "identity", "speaker", "split", "accepted", "embedding", *FINGERPRINTS)
_AT_ONCE = 4096
"""Videos whose facts are rows at once."""


class ToJudge(NamedTuple):
    """A video whose clips are to be judged."""

    work: VideoTask
    sources: list[str]
    staged: int | None
    """How many clips of it were extracted anew, and wait staged; None: none was, those that the
    dataset has are judged again.
    """
    old: dict[str, Any] | None
    """Its row in the dataset."""


class Judge:
    """Judges groups of videos against what the dataset holds and what this run's lists ask."""

    def __init__(self, dataset: Dataset, recipe: Recipe, asks: Asks, committed: Committed) -> None:
        self._dataset, self._recipe, self._committed = dataset, recipe, committed
        self._marked = read_marks(dataset)
        self._asked = asks.splits
        self._unsettled = {*asks.labelled_anew}
        """Videos whose splits hold only until they are judged."""
        self._key_of = lru_cache(self._judge_key)
        self._may_be_divided = True

    def clips_of(self, old: Iterable[dict[str, Any]]) -> dict[str, Rows]:
        """The clips of videos, each given by its row. Raises FileNotFoundError for a lost part."""
        parts = sorted((row["video_id"], row["clips_part"]) for row in old if row["clips_part"])
        found: dict[str, Rows] = defaultdict(list)
        with closing(MergedParts(self._dataset, "clips")) as merged:
            for batch in merged.rows_of(parts):
                for row in batch.to_pylist():
                    found[row["video_id"]].append(row)
        return found

    def judge(self, videos: list[ToJudge]) -> dict[str, tuple[Rows, Rows]]:
        """Clips and decisions of each video."""
        if not videos:
            return {}
        kept, people = self._known
        before = self.clips_of(v.old for v in videos if v.old and self._has_clips(v.old, v.staged))
        clips: Rows = []
        for work, sources, staged, _ in videos:
            rows = [] if staged == 0 else before.get(work.video_id, [])
            if staged:
                rows = self._dataset.read(f"{work.stage}/clips.parquet").to_pylist()
            clips += [_extracted(row) | _marks(row, work.labels, sources) for row in rows]
        kept.forget(row["clip_id"] for rows in before.values() for row in rows)
        replaced = self._unsettle(people, videos, before)
        assign(clips, people, self._recipe.config.splits, replaced)
        for clip in clips:
            clip["duplicate_score"] = None  # not yet known: every other filter first
            clip["marked"] = clip["clip_id"] in self._marked
            clip["eligible"] = not _fails(judge(clip, self._recipe.config.filters))
        mark_duplicates(clips, kept, self._recipe.config.filters.max_duplicate)
        result: dict[str, tuple[Rows, Rows]] = {v.work.video_id: ([], []) for v in videos}
        for clip in sorted(clips, key=lambda clip: str(clip["clip_id"])):
            decisions = judge(clip, self._recipe.config.filters)
            clip["reasons"] = _fails(decisions)
            clip["accepted"] = not clip["reasons"]
            row = {column.name: clip[column.name] for column in CLIPS}
            result[clip["video_id"]][0].append(row)
            result[clip["video_id"]][1].extend(decisions)
        self._unsettled -= result.keys()
        self._may_be_divided |= bool(before)
        return result

    def forget(self, old: dict[str, Any]) -> None:
        """Nothing is held against the clips of a video any more, which is in the dataset still."""
        if "_known" in vars(self) and self._has_clips(old, 0):
            rows = self.clips_of([old])[old["video_id"]]
            kept, people = self._known
            kept.forget(row["clip_id"] for row in rows)
            if old["split_key"] == self._recipe.split_key():
                settled = old["video_id"] not in self._unsettled
                for row in rows:
                    people.drop(_who(row), row["split"], row["embedding"], settled=settled)

    def divided(self) -> set[str]:
        """Videos that show, in accepted clips, someone who is in two splits: an older version let
        a list do that.
        """
        if not self._may_be_divided or (
            "_known" in vars(self) and not self._known[1].any_divided()
        ):
            return set()
        shown: dict[str, dict[str, set[str]]] = {}
        for batch in own_query(self._dataset, _SHOWN).to_batches(_AT_ONCE):
            for row in batch.to_pylist():
                splits = shown.setdefault(_who(row), {})
                splits.setdefault(row["split"], set()).add(row["video_id"])
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
    def _known(self) -> tuple[KeptFootage, Identities]:
        """What new clips may be copies of, which is what is accepted, and who is in which split;
        each group adds its own. In the order of the clips' ids, a few rows at a time.

        Splits outlive a change of filters, and identities of videos that are judged again stay
        theirs, so that nobody changes sides unasked.
        """
        kept, people, split_key = KeptFootage(), Identities(), self._recipe.split_key()
        people.ask(self._asked)
        there = {*self._dataset.names("clips")}  # what is lost `validate` names
        self._may_be_divided = False
        with closing(MergedParts(self._dataset, "clips")) as merged:
            for facts in self._committed.in_order(_FACTS, _AT_ONCE):
                rows = {row["video_id"]: row for row in facts if row["clips_part"] in there}
                self._may_be_divided |= any(row["clips_part"] for row in facts)
                parts = [(video, row["clips_part"]) for video, row in rows.items()]
                for batch in merged.rows_of(parts, ("video_id", *_KNOWN)):
                    for clip in _light_rows(batch):
                        video = rows[clip["video_id"]]
                        if clip["accepted"] and video["judge_key"] == self._key_of(
                            tuple(Label.from_row(mark) for mark in video["labels"])
                        ):
                            kept.add(clip)
                        if video["split_key"] == split_key:
                            settled = clip["video_id"] not in self._unsettled
                            who = _who(clip), clip["split"], clip.get("embedding")
                            people.add(*who, settled=settled)
        return kept, people

    def _has_clips(self, old: dict[str, Any], staged: int | None) -> bool:
        """Whether there are rows to be replaced. A lost part matters to what is judged again."""
        part = old["clips_part"]
        return bool(part) and (staged is None or self._dataset.has(f"clips/{part}"))

    def _unsettle(self, people: Identities, videos: list[ToJudge], before: dict[str, Rows]) -> Rows:
        """Let what was said of videos hold only until they are judged; the rows of which something
        was, with who is seen.
        """
        found: Rows = []
        for video in videos:
            if video.old is not None and video.old["split_key"] == self._recipe.split_key():
                for row in before.get(video.work.video_id, ()):
                    found.append(row | {"identity": _who(row), "embedding": row.get("embedding")})
                    if video.work.video_id not in self._unsettled:
                        people.unsettle(found[-1]["identity"], row["split"])
        return found

    def _judge_key(self, marks: tuple[Label, ...]) -> str:
        return self._recipe.judge_key(self._recipe.extract_key(marks), marks)


def _light_rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Rows whose lists are arrays, which are made forty times as fast."""
    lists = [name for name in batch.schema.names if pa.types.is_list(batch.schema.field(name).type)]
    columns = {name: batch.column(name) for name in lists}
    values = {name: column.values.to_numpy() for name, column in columns.items()}
    ends = {name: column.offsets.to_numpy() for name, column in columns.items()}
    there = {name: column.is_valid().to_pylist() for name, column in columns.items()}
    for i, row in enumerate(batch.drop_columns(lists).to_pylist()):
        for name in lists:
            begin, end = ends[name][i : i + 2]
            row[name] = values[name][begin:end] if there[name][i] else None
        yield row


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


def _who(clip: dict[str, Any]) -> str:
    """The identity of a clip in the dataset: older ones hold labels as they were typed."""
    if clip["speaker"] is not None:
        return speaker_identity(clip["speaker"])
    return str(clip["identity"])
