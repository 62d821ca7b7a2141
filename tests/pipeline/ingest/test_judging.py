"""The judge says of each clip what a plain one says that has every clip of the dataset as a row."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dawn.curation import linkage
from dawn.curation.decisions import FilterConfig, judge
from dawn.curation.duplicates import FINGERPRINTS
from dawn.curation.splits import SplitConfig, asked_split, hashed_split, held_out, speaker_identity
from dawn.curation.tables import Label
from dawn.features.video import postings
from dawn.features.video.fingerprint import (
    CHANNELS,
    best_matches,
    mirrored,
    movement,
    nearest_picture,
    picture_likeness,
)
from dawn.recipe import IngestConfig, Recipe
from manifests.catalog import rows
from manifests.commit import NewParts, commit
from manifests.compact import compact
from manifests.schema import CLIPS, EXTRACTED, schema
from manifests.store import Dataset
from pipeline.ingest.asked_splits import Asks
from pipeline.ingest.committed import Committed
from pipeline.ingest.judging import Judge, ToJudge
from pipeline.ingest.steps import VideoTask
from tests.dawn.curation.test_duplicates import footage
from tests.manifests.rows import add, clip, written

FILTERS = FilterConfig(min_face_px=64.0, min_seconds=0.1, min_voiced=0.15)
RECIPE = Recipe(
    IngestConfig(use_weights=False, filters=FILTERS, splits=SplitConfig(val=0.3, test=0.3)), {}
)
Row = dict[str, Any]


class PlainJudge:
    """Rows, dictionaries and whole matrices; nothing is remembered but the rows."""

    def __init__(self, known: list[Row], asks: Asks) -> None:
        self.known, self.asks = known, asks

    def judge(self, clips: list[Row], ours: set[str]) -> dict[str, tuple[list[Row], list[Row]]]:
        kept = [
            c for c in self.known if c["accepted"] and c["current"] and c["video_id"] not in ours
        ]
        self._divide(clips, ours)
        for one in clips:
            one["duplicate_score"] = None
            one["eligible"] = all(d["verdict"] != "fail" for d in judge(one, FILTERS))
        for one in sorted(clips, key=lambda c: (-c["face_px"], c["clip_id"])):
            score, name = max([(0.0, ""), *(likeness(one, other) for other in kept)])
            one["duplicate_of"], one["duplicate_score"] = (
                (name, score) if score > 0.3 else (None, 0.0)
            )
            if one["eligible"] and one["duplicate_score"] <= FILTERS.max_duplicate:
                kept.append(one)
        found: dict[str, tuple[list[Row], list[Row]]] = {video: ([], []) for video in ours}
        for one in sorted(clips, key=lambda c: str(c["clip_id"])):
            decisions = judge(one, FILTERS)
            one["reasons"] = [d["filter"] for d in decisions if d["verdict"] == "fail"]
            one["accepted"] = not one["reasons"]
            found[one["video_id"]][0].append({c.name: one[c.name] for c in CLIPS})
            found[one["video_id"]][1].extend(decisions)
        self.known = [c for c in self.known if c["video_id"] not in ours] + [
            one | {"current": True, "here": True, "settled": True} for one in clips
        ]
        return found

    def _divide(self, clips: list[Row], ours: set[str]) -> None:  # noqa: C901 - plain
        clips.sort(key=lambda c: c["clip_id"])
        sure: dict[str, set[str]] = {}
        unsure: dict[str, set[str]] = {}
        faces: dict[str, list[Any]] = {}
        for one in self.known:
            if one["here"]:
                said = sure if one["settled"] and one["video_id"] not in ours else unsure
                if one["split"] != "excluded":
                    said.setdefault(one["identity"], set()).add(one["split"])
                if one["embedding"] is not None and one["identity"].startswith("face:"):
                    faces.setdefault(one["identity"], []).append(one["embedding"])

        def settled(who: str) -> str | None:
            return held_out(sure.get(who, ())) or self.asks.splits.get(who)

        def split_of(who: str) -> str | None:
            return settled(who) or held_out(unsure.get(who, ()))

        names = sorted(faces)
        centres = np.array([unit(np.mean(faces[name], axis=0)) for name in names]).reshape(
            len(names), 8
        )
        clashes, seen = (
            set(),
            [c for c in clips if c["speaker"] is None and c["embedding"] is not None],
        )
        new = np.array([unit(c["embedding"]) for c in seen]).reshape(len(seen), 8)
        for one in clips:
            one["identity"] = f"video:{one['video_id']}"
            if one["speaker"] is not None:
                one["identity"] = speaker_identity(one["speaker"])
        left = [*range(len(seen))]
        while left:
            group = {left[0]}
            while more := {
                j for j in left if j not in group and (new[[*group]] @ new[j] >= 0.5).any()
            }:
                group |= more
            left = [j for j in left if j not in group]
            linked = [k for k in range(len(names)) if (new[[*group]] @ centres[k] >= 0.5).any()]
            clashing = len({split_of(names[k]) for k in linked}) > 1
            for j in group:
                first = min(seen[i]["clip_id"] for i in group)
                seen[j]["identity"] = names[linked[0]] if linked else f"face:{first}"
                clashes |= {seen[j]["clip_id"]} if clashing else set()
        config = RECIPE.config.splits
        asks = {
            c["clip_id"]: asked_split(c["asked_split"], c["source_name"], config) for c in clips
        }
        asked: dict[str, set[Any]] = {}
        for one in clips:
            asked.setdefault(one["identity"], set()).add(asks[one["clip_id"]])
        for one in clips:
            who, ask = one["identity"], asks[one["clip_id"]]
            split = (
                settled(who) or held_out(asked[who]) or split_of(who) or hashed_split(who, config)
            )
            one["divided"] = one["clip_id"] in clashes or ask not in (None, "excluded", split)
            one["split"] = "excluded" if one["divided"] or ask == "excluded" else split


def unit(vector: Any) -> Any:
    return np.asarray(vector, float) / np.linalg.norm(vector)


def likeness(one: Row, other: Row) -> tuple[float, str]:
    """Without an index: all are compared that share a band."""
    if not all(c.get(name) for c in (one, other) for name in FINGERPRINTS):
        return 0.0, ""
    curves, theirs = (
        np.array(c["motion_curves"], float).reshape(-1, CHANNELS) for c in (one, other)
    )
    hashes = np.array(other["picture_hashes"], np.uint64)
    best = (0.0, "")
    for name, mine in (("picture_hashes", curves), ("mirror_hashes", mirrored(curves))):
        ours = np.array(one[name], np.uint64)
        if pieces(ours) & pieces(hashes) and nearest_picture(ours, hashes) >= 0.75:
            (match,) = best_matches(mine, [movement(theirs)])
            score = min(match.score, picture_likeness(ours, hashes, match))
            best = max(best, (score, str(other["clip_id"])))
    return best


def pieces(hashes: Any) -> set[tuple[int, int]]:
    return {(band, int(h) >> 16 * band & 0xFFFF) for h in hashes for band in range(4)}


def made(random: np.random.Generator, video: str) -> list[Row]:
    """Clips of all kinds: with and without faces, names, sound and fingerprints; copies."""
    found = []
    for number in range(random.integers(1, 4)):
        take = footage(
            int(random.integers(0, 9)),
            face=int(random.integers(0, 3)),
            mirror=bool(random.integers(2)),
        )
        face = None
        if random.random() < 0.7:  # sums of such numbers are exact, in whatever order
            face = [0.0] * 8
            face[random.integers(0, 8)] = 1.0
            face[random.integers(0, 8)] += float(random.integers(0, 7)) / 8
        changes: Row = {
            "face_px": float(random.choice([50.0, 80.0, 100.0, 120.0])), "embedding": face,
            "voiced": random.choice([None, 0.0, 0.5]), "agreement": random.choice([None, 1.5]),
            "agreement_by": None, "agreement_offset": None, "duration_s": 2.0,
            "speaker": random.choice([None, None, None, "Anna", " ben"]),
            "split": str(random.choice(["train", "val", "test", "excluded"])),
            "accepted": bool(random.random() < 0.8),
            **{name: take[name] for name in FINGERPRINTS},
        }  # fmt: skip
        if random.random() < 0.2:
            changes["motion_curves"] = None
        who = f"face:{video[0]}{random.integers(3)}" if face else f"video:{video}"
        changes["identity"] = who if changes["speaker"] is None else f"speaker:{changes['speaker']}"
        found.append(clip(video, number, **changes))
    return found


def labels_of(random: np.random.Generator) -> tuple[Label, ...]:
    speaker = random.choice([None, None, "Anna", "Ben", "Cleo"])
    split = random.choice([None, None, None, "train", "test"])
    return () if speaker is None and split is None else (Label(speaker=speaker, split=split),)


@pytest.mark.parametrize(("seed", "merged"), [(0, False), (1, True), (2, True)])
def test_verdicts_are_those_of_a_plain_judge(
    tmp_path: Path, seed: int, merged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postings, "_NEWEST", 3)
    monkeypatch.setattr(linkage, "TILE", 4)
    random, root = np.random.default_rng(seed), str(tmp_path / "d")
    known: list[Row] = []
    with written(root) as session:
        for number in range(9):
            video, here = f"k{number:02d}", bool(random.random() < 0.8)
            current = bool(random.random() < 0.7)
            clips = made(random, video)
            key = RECIPE.judge_key(RECIPE.extract_key(()), ()) if current else "another"
            row = add(session, video, clips)
            row |= {"judge_key": key, "split_key": RECIPE.split_key() if here else "another"}
            commit(session, row, NewParts(), row)
            for one in pa.Table.from_pylist(clips, schema(CLIPS)).to_pylist():
                who = (
                    one["identity"] if one["speaker"] is None else speaker_identity(one["speaker"])
                )
                facts = {"identity": who, "current": current, "here": here}
                known.append(one | facts | {"settled": number % 5 > 0})
    dataset = Dataset(root)
    if merged:
        compact(dataset, 20)
    asks = Asks({"speaker:Cleo": "val"}, frozenset(f"k{n:02d}" for n in range(0, 9, 5)))
    ours, plain, there = (
        Judge(dataset, RECIPE, asks, Committed(dataset)),
        PlainJudge(known, asks),
        set(),
    )
    with dataset.writing() as session:
        for group in range(3):
            old = {row["video_id"]: row for row in rows(dataset, "FROM videos")}
            again = random.choice(sorted(old), 4 * (group > 0), replace=False).tolist()
            asked, clips = [], []
            for video in (*again, *(f"n{group}{i}" for i in range(4))):
                work = VideoTask(
                    root, None, RECIPE, video, Path(f"{video}.mp4"), 1, "", labels_of(random)
                )
                fresh = video not in old or random.random() < 0.3
                found = [c for c in plain.known if c["video_id"] == video]
                if fresh:
                    found = made(random, video)
                    table = pa.Table.from_pylist(found, schema(EXTRACTED))
                    dataset.publish_table(table, f"{work.stage}/clips.parquet", session.scratch)
                    found = table.to_pylist()
                asked.append(
                    ToJudge(work, [f"{video}.mp4"], len(found) if fresh else None, old.get(video))
                )
                (mark,) = work.labels or (Label(),)
                clips += [
                    {c.name: one.get(c.name) for c in EXTRACTED}
                    | {"speaker": mark.speaker, "licence": None, "asked_split": mark.split}
                    | {"extra": [], "source_name": video}
                    for one in found
                ]  # fmt: skip
            asked.sort(key=lambda one: one.work.video_id)
            said = ours.judge(asked)
            assert said == plain.judge(clips, {one.work.video_id for one in asked})
            there |= {d["verdict"] for _, decisions in said.values() for d in decisions}
            there |= {bool(c["duplicate_of"]) for clips, _ in said.values() for c in clips}
            for one in asked:
                judged, decisions = said[one.work.video_id]
                facts = {"duration_s": 1.0, "frames_damaged": 0}
                row = ours.video_row(
                    one.work, one.sources, (one.old or {}) | facts, judged, decisions
                )
                commit(session, row, NewParts(judged, decisions), one.old)
    assert there == {"pass", "fail", "not_judged", True, False}
