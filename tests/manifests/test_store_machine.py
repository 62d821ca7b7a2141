"""The store as a state machine, held against a plain dictionary.

Commands that ingest, ingest again, change the recipe, quarantine, drop, forget and compact come in
any order, each of them killed before any change to the files, or not at all. What readers see is
always what was committed, every row once. The suite takes a few steps, always the same ones. Many
more:

    DAWN_STORE_STEPS=10000 pytest -s tests/manifests/test_store_machine.py --timeout 0
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from manifests.catalog import rows
from manifests.commit import DATA_TABLES, NewParts, commit, finish, forget
from manifests.compact import compact
from manifests.errors import InputError
from manifests.forgotten import WHOLE, Region, remember
from manifests.store import FORGOTTEN, STAGED, Dataset, Session
from manifests.validate import faults
from pipeline.ingest.removal import remove_forgotten
from tests.manifests.rows import audio_of, clip, decision, frames_of

Row = dict[str, Any]
Seen = dict[str, list[tuple[Any, ...]]]
"""Video -> its rows of all tables."""

# A row each of any table; the mark tells versions apart.
EVERYTHING = """
SELECT video_id, 'videos' AS what, concat_ws(' ', sources[1], status, extract_key) AS name,
       clips_total AS n, bytes AS mark FROM videos
UNION ALL SELECT video_id, 'clips', clip_id, frames, face_px FROM clips
UNION ALL SELECT video_id, 'frames', clip_id, frame, mouth FROM frames
UNION ALL SELECT video_id, 'audio', clip_id, frame, loudness_db FROM audio
UNION ALL SELECT video_id, 'decisions', clip_id, 0, score FROM decisions
"""
LITTER = ("parts are named", "media are named", "nothing is half done")
"""What a run that died may leave until the next one."""

VIDEOS = st.sampled_from("abcde")
OUTCOMES = st.sampled_from(["quarantined", 0, 1, 2])  # or so many clips
STEPS = int(os.environ.get("DAWN_STORE_STEPS", "0"))
DIES = st.one_of(st.none(), st.integers(1, 60))


class KilledError(BaseException):
    """Stands in for a kill: no `except Exception` catches it."""


class Killer:
    """Kills before the n-th change to the files; what is dead changes nothing any more."""

    def __init__(self, at: int | None) -> None:
        self.count, self.at = 0, at

    @property
    def struck(self) -> bool:
        """Whether it has killed."""
        return self.at is not None and self.count >= self.at

    def __call__(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any, **options: Any) -> Any:
            self.count += 1
            if self.at is not None and self.count >= self.at:
                raise KilledError
            return change(*arguments, **options)

        return changed


def planned(old: Row | None, video: str, outcome: Any, recipe: Row, mark: int) -> Row:
    """The row that an ingest commits of a source, as `pipeline.ingest.run` plans it, and under
    `new` the tables that are made anew.
    """
    extract, audio, judge = recipe["extract"], recipe["audio"], recipe["judge"]
    keys = {"extract_key": f"e{extract}000000", "audio_key": f"a{extract}{audio}00000",
            "judge_key": f"j{extract}{judge}00000", "split_key": "s"}  # fmt: skip
    row: Row = {"video_id": video, "sources": [f"/{video}.mp4"], "labels": [], "bytes": mark} | keys
    if old is None or old["extract_key"] != row["extract_key"] or old["status"] == "quarantined":
        if outcome == "quarantined":
            row |= {"status": outcome, "reason": "corrupt", "audio_key": None, "judge_key": None}
            return row | {"clips_total": 0, "clips_accepted": 0, "new": ()}
        new = ("clips", "frames", "audio") if outcome else ()
        return row | told(outcome) | {"new": new}
    row |= {name: value for name, value in old.items() if name.endswith("_part")}
    row |= told(old["clips_total"])
    if old["clips_part"] and old["audio_key"] != row["audio_key"]:
        return row | {"new": ("clips", "audio")}
    if old["clips_part"] and (old["judge_key"] != row["judge_key"] or outcome == 2):
        return row | {"new": ("clips",)}
    return old | {"sources": [f"/{video}{mark}.mp4"], "new": ()}


def told(clips: int) -> Row:
    """What a row says of its clips."""
    status, reason = ("ok", None) if clips else ("rejected", "no_face")
    return {"status": status, "reason": reason, "clips_total": clips, "clips_accepted": clips}


def clips_of(row: Row) -> list[Row]:
    """The clips that a row speaks of: all rows of all tables follow from it."""
    video, key = row["video_id"], row["extract_key"]
    media = [f"media/{video}/{n}-{key}" for n in range(row["clips_total"])]
    return [
        clip(video, 10 * n, face_px=float(row["bytes"]), video_path=f"{path}.mp4", sound_path=path)
        for n, path in enumerate(media)
    ]


def marked(table: str, row: Row) -> float:
    """What extraction gives for a key is always the same; a judge's word depends on others too."""
    return float(row["extract_key" if table == "frames" else "audio_key"][1:])


def seen_of(row: Row) -> list[tuple[Any, ...]]:
    """What readers see of a row."""
    name = f"{row['sources'][0]} {row['status']} {row['extract_key']}"
    found: list[tuple[Any, ...]] = [("videos", name, row["clips_total"], row["bytes"])]
    for of in clips_of(row):
        found += [("clips", of["clip_id"], 4, of["face_px"])]
        found += [("decisions", of["clip_id"], 0, of["face_px"])]
        found += [
            (t, of["clip_id"], i, marked(t, row)) for t in ("frames", "audio") for i in range(4)
        ]
    return sorted(found)


def without(seen: list[tuple[Any, ...]], gone: set[str]) -> list[tuple[Any, ...]]:
    """What readers see of a video that lost clips."""
    left = [entry for entry in seen if entry[1] not in gone]
    return sorted(
        (what, name, number - len(gone), *more) if what == "videos" else (what, name, number, *more)
        for what, name, number, *more in left
    )


class OnDisk(RuleBasedStateMachine):
    """Datasets in a folder."""

    CHANGES: tuple[tuple[object, str], ...] = tuple(
        (os, name) for name in ("replace", "rename", "remove", "unlink", "rmdir", "mkdir")
    )
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="store"))
        self.dataset = Dataset(self.root())
        self.recipe = {"extract": 0, "audio": 0, "judge": 0}
        self.dataset.ensure(self.recipe)
        self.model: Seen = {}
        self.after: Seen = {}
        self.mark = 0

    def root(self) -> str:
        return str(self.folder / "d")

    def teardown(self) -> None:
        self.validate()
        shutil.rmtree(self.folder)

    @rule(videos=st.dictionaries(VIDEOS, OUTCOMES, min_size=1, max_size=3), dies=DIES)
    def ingest(self, videos: dict[str, Any], dies: int | None) -> None:
        with self.may_die(dies), self.dataset.writing() as session:
            known = {row["video_id"]: row for row in rows(self.dataset, "FROM videos")}
            for video, outcome in videos.items():
                self.mark += 1
                row = planned(known.get(video), video, outcome, self.recipe, self.mark)
                self.after = self.model | {video: seen_of(row)}
                self.commit(session, row, known.get(video))
                self.model = self.after
            finish(session)

    @rule(key=st.sampled_from(["extract", "audio", "judge"]), version=st.integers(0, 2), dies=DIES)
    def change_recipe(self, key: str, version: int, dies: int | None) -> None:
        with self.may_die(dies):
            self.dataset.ensure(self.recipe | {key: version}, update=True)
        self.recipe = self.dataset.info()["recipe"]

    @rule(video=VIDEOS, dies=DIES)
    def drop(self, video: str, dies: int | None) -> None:
        """Take out what was said of a file that was not there."""
        with self.may_die(dies), self.dataset.writing() as session:
            for row in rows(self.dataset, f"FROM videos WHERE video_id = '{video}'"):
                self.after = {name: seen for name, seen in self.model.items() if name != video}
                forget(session, row)
                self.model = self.after
            finish(session)

    @rule(video=VIDEOS, number=st.sampled_from([None, 0, 1]), dies=DIES)
    def forget_for_good(self, video: str, number: int | None, dies: int | None) -> None:
        """A video, or a clip of it; what a kill left is gone on with. The record is then taken
        back, so that later steps may ingest it again.
        """
        clips = [entry for entry in self.model.get(video, ()) if entry[0] == "clips"]
        whole = number is None or len(clips) == 1
        if self.dataset.names(STAGED) or video not in self.model or not (whole or clips):
            return
        gone = {clips[number or 0][1]} if not whole else {entry[1] for entry in clips}
        self.after = {name: seen for name, seen in self.model.items() if name != video}
        if not whole:
            self.after[video] = without(self.model[video], gone)
        after, killer = self.after, Killer(dies)
        region = Region(start=10 * (number or 0), stop=10 * (number or 0) + 4)
        with self.may_die(killer=killer), self.dataset.writing() as session:
            remember(session, {video: WHOLE if whole else [region]})
            remove_forgotten(session)
            self.model = after
        if killer.struck and self.dataset.names(FORGOTTEN):
            with self.dataset.writing() as session:
                remove_forgotten(session)
            self.model = after
        names = {name for table in DATA_TABLES for name in self.names_in(table)}
        assert not names & gone or not self.dataset.names(FORGOTTEN), "not in any file"
        self.dataset.delete_folder(FORGOTTEN)

    def names_in(self, table: str) -> set[str]:
        """Clips of which a part of a table has rows, seen or not."""
        return {
            name
            for part in self.dataset.names(table)
            for name in self.dataset.read(f"{table}/{part}", ["clip_id"])["clip_id"].to_pylist()
        }

    @rule(rows_per_file=st.sampled_from([1, 5, 10**6]), dies=DIES)
    def compact(self, rows_per_file: int, dies: int | None) -> None:
        with self.may_die(dies):
            try:
                compact(self.dataset, rows_per_file)
            except InputError:
                assert self.dataset.names(STAGED), "only an ingest that was killed is in the way"
            else:
                assert len(self.dataset.names("videos")) == min(1, len(self.model))

    @rule()
    def validate(self) -> None:
        """`validate` finds what a run that died left, and nothing else."""
        found = [fault for fault in faults(self.dataset) if not self.is_forgotten(fault)]
        assert found == [] or self.dataset.names(".tmp")
        assert [fault for fault in found if not fault.startswith(LITTER)] == []

    @invariant()
    def readers_see_every_row_once(self) -> None:
        OnDisk.steps += 1
        assert self.seen() == self.model

    @contextmanager
    def may_die(self, at: int | None = None, killer: Killer | None = None) -> Iterator[None]:
        """Run a command that dies before its n-th change; all of a video is there, or nothing."""
        if killer is None:
            self.after, killer = self.model, Killer(at)
        try:
            with pytest.MonkeyPatch.context() as patch:
                for owner, name in self.CHANGES:
                    patch.setattr(owner, name, killer(getattr(owner, name)))
                yield
        except KilledError:
            seen = self.seen()
            assert seen in (self.model, self.after), f"killed before change {killer.at}"
            self.model = seen

    def seen(self) -> Seen:
        """What a reader sees, who knows nothing of the writer."""
        found: Seen = {}
        for row in rows(Dataset(self.root()), EVERYTHING):
            video, *rest = row.values()
            found.setdefault(video, []).append(tuple(rest))
        return {video: sorted(seen) for video, seen in found.items()}

    def is_forgotten(self, fault: str) -> bool:
        """Rows of a forgotten video wait in merged parts for the next compaction."""
        gone = {*"abcde"} - {*self.model}
        return any(f"holds rows of {video}, which has none in videos/" in fault for video in gone)

    def commit(self, session: Session, row: Row, old: Row | None) -> None:
        """Stage what is new of a video and commit it, as workers and `pipeline.ingest.run` do."""
        clips, stage = clips_of(row), f"{STAGED}/{row['video_id']}-{row['extract_key']}"
        new, staged = row.pop("new"), {}
        if "frames" in new:
            for path in {c[k] for c in clips for k in ("video_path", "sound_path")}:
                (session.scratch / "media").write_bytes(b"media")
                self.dataset.publish(session.scratch / "media", path)
        for table, make in (("frames", frames_of), ("audio", audio_of)):
            if table in new:
                column = "mouth" if table == "frames" else "loudness_db"
                part = pa.concat_tables([make(c) for c in clips])
                marks = pa.array([marked(table, row)] * part.num_rows, pa.float32())
                index = part.schema.get_field_index(column)
                part = part.set_column(index, part.schema.field(index), marks)
                staged[table] = f"{stage}/{table}.parquet"
                self.dataset.publish_table(part, staged[table], session.scratch)
        parts = NewParts(clips, [decision(c) for c in clips], staged) if new else NewParts()
        commit(session, row, parts, old)
        self.dataset.delete_folder(stage)


class OnObjects(OnDisk):
    """Datasets in an object store."""

    CHANGES = tuple(
        (MemoryFileSystem, name) for name in ("pipe_file", "put_file", "cp_file", "rm_file")
    )

    def root(self) -> str:
        return f"memory://{self.folder.name}/d"

    def teardown(self) -> None:
        super().teardown()
        MemoryFileSystem().rm(f"/{self.folder.name}", recursive=True)


def run(machine: type[RuleBasedStateMachine], examples: int, length: int) -> None:
    """Take a machine through some programs of so many steps."""
    chosen = settings(
        max_examples=STEPS // 50 or examples,
        stateful_step_count=50 if STEPS else length,
        derandomize=not STEPS,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    before = OnDisk.steps
    run_state_machine_as_test(machine, settings=chosen)
    print(f"{machine.__name__}: {OnDisk.steps - before} steps")  # noqa: T201


def test_on_a_disk() -> None:
    run(OnDisk, examples=3, length=16)


def test_on_objects() -> None:
    run(OnObjects, examples=1, length=12)
