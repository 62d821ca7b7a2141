"""What ingest does again and what it does not, and what ends up in the rows."""

import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dawn.curation.decisions import FilterConfig
from dawn.curation.extraction import ExtractConfig
from dawn.recipe import IngestConfig, Recipe
from manifests.catalog import query, rows
from manifests.store import Dataset
from manifests.validate import faults
from pipeline.cluster.executor import Failure, InProcess
from pipeline.ingest import steps as steps
from pipeline.ingest.adopt import adopt
from pipeline.ingest.command import report
from pipeline.ingest.run import Summary, ingest
from pipeline.ingest.sources import find_sources
from tests.conftest import Dawn
from tests.hostile import Film, faces, flipped, plain
from tests.tables import contents

FILTERS = FilterConfig(min_face_px=40.0, min_voiced=None, min_mouth_moves=None)
"""The films show a drifting picture and hum."""
CONFIG = IngestConfig(
    use_weights=False,
    extract=ExtractConfig(span_seconds=4),
    filters=FILTERS,
)
STEPS = ("identify", "prepare", "extract", "finish", "restage_audio")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face for over four seconds (two spans), one for over one, and none."""
    folder = tmp_path_factory.mktemp("films")
    Film(folder / "long.mp4").pictures(faces(110)).sound(4.4).close()
    Film(folder / "short.mp4").pictures(f // 2 + 60 for f in faces(30)).sound(1.2).close()
    (folder / "none.mp4").write_bytes(plain())
    for film in folder.iterdir():
        os.utime(film, (1e9, 1e9))  # not just now: it need not be hashed again
    return folder


class Counting(InProcess):
    """Counts the steps that are run."""

    def __init__(self) -> None:
        super().__init__()
        self.done: Counter[str] = Counter()

    def submit(
        self, key: Any, job: Callable[..., Any], *arguments: object, networks: bool = False
    ) -> None:
        (name,) = (name for name in STEPS if getattr(steps, name) is job)
        self.done[name] += 1
        super().submit(key, job, *arguments, networks=networks)


def run(
    root: Path, sources: list[Any], config: IngestConfig = CONFIG, *, recipe: Recipe | None = None,
    retry: bool = False,
) -> tuple[Summary, Counter[str]]:  # fmt: skip
    """Ingest; returns what it did and how often it did each step."""
    dataset, recipe = Dataset(str(root)), recipe or Recipe.resolve(config)
    adopt(dataset, recipe, update=True)
    executor = Counting()
    found = find_sources([str(source) for source in sources])
    summary = ingest(found, dataset, recipe, executor, retry=retry)
    assert list(faults(dataset)) == []
    return summary, executor.done


@pytest.fixture(scope="module")
def ingested(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The films under `CONFIG`. Tests must not change it."""
    root = tmp_path_factory.mktemp("ingested") / "root"
    summary, done = run(root, [films])
    assert summary.outcomes == {"rejected": 2, "ok": 1}
    assert done == {"identify": 3, "prepare": 3, "extract": 4, "finish": 3}
    return root


@pytest.fixture
def root(ingested: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(ingested, tmp_path / "root"))


def files(root: Path, *tables: str) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for t in tables for p in (root / t).rglob("*") if p.is_file()}


def test_the_second_run_does_nothing(films: Path, root: Path) -> None:
    before = contents(root)
    summary, done = run(root, [films])
    assert summary.outcomes == {"unchanged": 3}
    assert done == {}
    assert contents(root) == before


def test_another_threshold_judges_again_and_nothing_else(films: Path, root: Path) -> None:
    before, kept = contents(root), files(root, "frames", "audio", "media")
    stricter = replace(CONFIG, filters=replace(FILTERS, min_seconds=4.2))
    summary, done = run(root, [films], stricter)
    assert done == {}
    assert summary.outcomes == {"rejected": 2, "unchanged": 1}
    after = contents(root)
    assert files(root, "frames", "audio", "media") == kept
    assert [after[t] == before[t] for t in ("frames", "audio", "media")] == [True] * 3
    assert after["decisions"] != before["decisions"]
    assert after["clips"] != before["clips"]
    run(root, [films])
    assert contents(root) == before, "back again"


def test_other_audio_features_read_the_sound_alone(
    films: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, kept = contents(root), files(root, "frames", "media")
    # Stands in for HuBERT: other features, and a recipe that says so.
    recipe = Recipe(CONFIG, {"hubert": "0123456789abcdef"})
    monkeypatch.setattr(
        steps, "_features", lambda samples, _: np.ones((len(samples) // 640, 320), np.float32)
    )
    _, done = run(root, [films], recipe=recipe)
    assert done == {"restage_audio": 2}
    after = contents(root)
    assert files(root, "frames", "media") == kept
    assert [t for t in after if after[t] != before[t]] == ["videos", "audio"]
    assert {tuple(row["features"]) for row in rows(Dataset(str(root)), "FROM audio")} == {
        (1.0,) * 320
    }


def test_videos_that_were_not_named_are_judged_and_heard_again_without_their_files(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, away = tmp_path / "root", tmp_path / "away.mp4"
    shutil.copy(films / "short.mp4", away)
    run(root, [away])
    away.unlink()
    longer = replace(CONFIG, filters=replace(FILTERS, min_seconds=0.5))
    monkeypatch.setattr(
        steps, "_features", lambda samples, _: np.ones((len(samples) // 640, 320), np.float32)
    )
    recipe = Recipe(longer, {"hubert": "0123456789abcdef"})
    summary, done = run(root, [films / "none.mp4"], recipe=recipe)
    assert summary.outcomes == {"ok": 1, "rejected": 1}
    assert done == {"identify": 1, "prepare": 1, "extract": 1, "finish": 1, "restage_audio": 1}
    dataset = Dataset(str(root))
    assert len(rows(dataset, "FROM videos")) == 2
    assert {tuple(row["features"]) for row in rows(dataset, "FROM audio")} == {(1.0,) * 320}


def test_other_spans_redo_everything(films: Path, root: Path, tmp_path: Path) -> None:
    changed = replace(CONFIG, extract=ExtractConfig(span_seconds=5))
    _, done = run(root, [films / "none.mp4"], changed)
    assert done["extract"] == 3, "videos that were not named are redone as well"
    fresh = tmp_path / "fresh"
    run(fresh, [films], changed)
    assert contents(root) == contents(fresh)


@pytest.mark.parametrize("order", ["forwards", "backwards"])
def test_two_commands_give_what_one_gives(
    order: str, films: Path, ingested: Path, tmp_path: Path
) -> None:
    parts = [[films / "long.mp4"], [films / "short.mp4", films / "none.mp4"]]
    for part in parts if order == "forwards" else parts[::-1]:
        run(tmp_path / "twice", part)
    assert contents(tmp_path / "twice") == contents(ingested)


def test_the_same_bytes_under_two_names_at_once_and_later(films: Path, tmp_path: Path) -> None:
    copies = [tmp_path / "films" / name for name in ("a.mp4", "b.mp4", "c.mp4")]
    copies[0].parent.mkdir()
    for number, copy in enumerate(copies):
        shutil.copy(films / "short.mp4", copy)
        os.utime(copy, (1000 * number, 1000 * number))
    summary, done = run(tmp_path / "root", copies[:2])
    assert done["extract"] == 1
    _, done = run(tmp_path / "root", copies)
    assert done == {"identify": 1}, "the new name"
    (row,) = rows(Dataset(str(tmp_path / "root")), "FROM videos")
    assert row["sources"] == [str(copy) for copy in copies]
    assert row["clips_total"] == 1
    assert sum(summary.outcomes.values()) == 1


def test_labels_of_a_list_land_in_the_clips(films: Path, tmp_path: Path) -> None:
    listed = films / "list.csv"
    listed.write_text(
        "path,speaker,licence,split,start,end\n"
        "long.mp4,anna,CC-BY-4.0,val,0.4,2.4\nlong.mp4,ben,,test,2.4,4.4\nshort.mp4,anna,,val,,\n"
    )
    run(tmp_path / "root", [listed])
    dataset = Dataset(str(tmp_path / "root"))
    sql = "SELECT speaker, licence, split, identity, start_frame, frames FROM clips ORDER BY ALL"
    clips = [tuple(row.values()) for row in rows(dataset, sql)]
    assert clips == [
        ("anna", "CC-BY-4.0", "val", "speaker:anna", 10, 50),
        ("anna", None, "val", "speaker:anna", 0, 30),
        ("ben", None, "test", "speaker:ben", 60, 40),
        ("ben", None, "test", "speaker:ben", 100, 10),
    ]


def test_further_columns_of_lists_are_columns_of_clips(
    films: Path, tmp_path: Path, dawn: Dawn
) -> None:
    listed, root = films / "further.csv", tmp_path / "root"
    # `a` and `n` are names that our own queries use.
    listed.write_text(
        "path,language,age,n,a,mixed,start,end\nlong.mp4,de,31,1,x,1.10,0,2\n"
        "long.mp4,,32,2,x,1.10,2,4.4\nnone.mp4,fr,7,3,x,1.10,,\n"
    )
    second = films / "second.parquet"
    day = date(2024, 5, 17)
    pd.DataFrame(
        {"path": ["short.mp4"], "Language": ["en"], "age": [0.5], "day": [day], "mixed": ["x"]}
    ).to_parquet(second)
    run(root, [listed, second])
    dataset = Dataset(str(root))
    sql = "SELECT language, age, n, day, mixed FROM clips ORDER BY start_frame, age"
    table = query(dataset, sql)
    assert [str(kind) for kind in table.schema.types] == [
        "string", "double", "int64", "date32[day]", "string"
    ]  # fmt: skip
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("en", 0.5, None, day, "x"),
        ("de", 31.0, 1, None, "1.10"),
        (None, 32.0, 2, None, "1.10"),
        (None, 32.0, 2, None, "1.10"),
    ]
    grouped = "SELECT language, count(*) AS clips FROM clips GROUP BY 1 ORDER BY 1"
    result = dawn("query", grouped, "--dataset", root, "--format", "csv")
    assert result.stdout.splitlines() == ["language,clips", "de,1", "en,1", ",2"]

    kept = files(root, "frames", "audio", "media")
    listed.write_text(listed.read_text().replace(",de,31,", ",nl,40,").replace("fr", "it"))
    _, done = run(root, [listed])
    assert done == {}, "nothing is read again"
    assert files(root, "frames", "audio", "media") == kept
    assert rows(dataset, "SELECT labels[1].extra[1].value AS v FROM videos ORDER BY v") == [
        {"v": "en"}, {"v": "it"}, {"v": "nl"}
    ]  # fmt: skip
    fresh = tmp_path / "fresh"
    run(fresh, [listed, second])
    assert contents(root)["clips"] == contents(fresh)["clips"]


def test_a_range_outside_the_video_is_a_reason_of_its_own(films: Path, tmp_path: Path) -> None:
    listed = films / "outside.csv"
    listed.write_text("path,speaker,start,end\nlong.mp4,anna,5,\nshort.mp4,ben,7,9\n")
    _, done = run(tmp_path / "root", [listed])
    assert done["extract"] == 0
    found = rows(Dataset(str(tmp_path / "root")), "FROM videos ORDER BY duration_s")
    assert [(row["status"], row["reason"], row["clips_total"]) for row in found] == [
        ("rejected", "outside_video", 0)
    ] * 2
    assert [row["detail"] for row in found] == [
        f"every range of the list lies outside the video, which lasts {seconds} s"
        for seconds in ("1.2", "4.4")
    ]


def test_damaged_frames_are_told_where_no_clip_was_made(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(flipped(plain(), 0.5, 0.55, 40))
    run(tmp_path / "root", [film])
    (row,) = rows(Dataset(str(tmp_path / "root")), "FROM videos")
    assert (row["reason"], row["clips_total"]) == ("no_face", 0)
    assert row["frames_damaged"] > 0
    assert row["detail"] == (
        "No face was seen for long enough to make a clip; source frames left out as corrupt: "
        f"{row['frames_damaged']}"
    )


def splits_of(root: Path) -> dict[str, set[str]]:
    found = rows(Dataset(str(root)), "SELECT source_name, split FROM clips")
    return {
        name: {r["split"] for r in found if r["source_name"] == name} for name in ("long", "short")
    }


def test_nobody_is_in_two_splits_whatever_a_list_asks(films: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"

    def ask(long: str, short: str) -> dict[str, set[str]]:
        listed = films / "asked.csv"
        listed.write_text(f"path,speaker,split\nlong.mp4,anna,{long}\nshort.mp4,anna ,{short}\n")
        run(root, [listed])
        return splits_of(root)

    assert ask("train", "train") == {"long": {"train"}, "short": {"train"}}
    assert ask("test", "test") == {"long": {"test"}, "short": {"test"}}
    assert ask("train", "test") == {"long": {"excluded"}, "short": {"test"}}
    funnel = {r["step"]: r["count"] for r in rows(Dataset(str(root)), "FROM funnel()")}
    assert funnel["fail one_split"] == 2
    assert funnel["accepted clips"] == 0


def test_whom_an_older_version_divided_is_united(films: Path, tmp_path: Path) -> None:
    """Any ingest does it, whatever it was called for, and needs no source for it."""
    listed, root = films / "asked.csv", tmp_path / "root"
    listed.write_text("path,speaker,split\nlong.mp4,anna,train\n")
    run(root, [listed, films / "none.mp4"])
    dataset = Dataset(str(root))
    (part,) = (root / "clips").iterdir()
    old = pq.read_table(part)
    clips = old.to_pylist()
    assert [clip["split"] for clip in clips] == ["train"] * 2
    for clip, split in zip(clips, ("train", "test"), strict=True):
        clip |= {"accepted": True, "reasons": [], "split": split}
    pq.write_table(pa.Table.from_pylist(clips, old.schema), part)
    assert any(fault.startswith("an identity is in one split: not so for speaker:anna; any `dawn "
               "ingest`") for fault in faults(dataset))  # fmt: skip
    summary, _ = run(root, [films / "none.mp4"])
    assert summary.outcomes == {"unchanged": 1, "judged again": 1}
    assert {row["split"] for row in rows(dataset, "FROM clips")} == {"train"}


def test_a_source_that_is_back_replaces_its_absence(films: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.symlink_to(films / "away.mp4")
    summary, _ = run(tmp_path / "root", [film])
    dataset = Dataset(str(tmp_path / "root"))
    (row,) = rows(dataset, "FROM videos")
    assert (row["reason"], summary.outcomes) == ("not_found", {"quarantined": 1})
    assert row["video_id"].startswith("x")
    film.unlink()
    shutil.copy(films / "short.mp4", film)
    run(tmp_path / "root", [film])
    (row,) = rows(dataset, "FROM videos")
    assert (row["status"], row["clips_total"], row["sources"]) == ("rejected", 1, [str(film)])


class Failing(Counting):
    """Has one kind of job fail as if its process had."""

    def __init__(self, step: str, failure: Failure) -> None:
        super().__init__()
        self._step, self._failure = step, failure

    def submit(
        self, key: Any, job: Callable[..., Any], *arguments: object, networks: bool = False
    ) -> None:
        super().submit(key, job, *arguments, networks=networks)
        if job is getattr(steps, self._step):
            key, _, _ = self._jobs.pop()
            self._jobs.append((key, lambda: self._failure, ()))


@pytest.mark.parametrize(
    ("step", "kind", "reason"),
    [("prepare", "crash", "worker_crashed"), ("extract", "timeout", "timeout"),
     ("finish", "crash", "worker_crashed")],
)  # fmt: skip
def test_a_step_that_dies_is_a_quarantine_until_retried(
    step: str, kind: Any, reason: str, films: Path, tmp_path: Path
) -> None:
    dataset, recipe = Dataset(str(tmp_path / "root")), Recipe.resolve(CONFIG)
    adopt(dataset, recipe, update=False)
    sources = find_sources([str(films / "long.mp4")])
    executor = Failing(step, Failure(kind, "stopped after 3 s"))
    summary = ingest(sources, dataset, recipe, executor)
    assert summary.outcomes == {"quarantined": 1}
    (row,) = rows(dataset, "FROM videos")
    assert (row["reason"], row["detail"]) == (reason, f"{step}: stopped after 3 s")
    assert list(faults(dataset)) == []
    summary, done = run(tmp_path / "root", [films / "long.mp4"])
    assert summary.outcomes == {"unchanged": 1}
    assert done == {}
    summary, _ = run(tmp_path / "root", [films / "long.mp4"], retry=True)
    assert summary.outcomes == {"ok": 1}


def test_a_fault_in_one_span_ends_the_video_once_and_leaves_nothing(
    films: Path, tmp_path: Path
) -> None:
    film = tmp_path / "film.mp4"
    Film(film, "mp4").pictures(faces(400)).close()  # four spans
    film.write_bytes(flipped(film.read_bytes(), 0.25, 0.7, 3))
    summary, done = run(tmp_path / "root", [film, films / "short.mp4"])
    assert summary.outcomes == {"quarantined": 1, "rejected": 1}
    (row,) = rows(Dataset(str(tmp_path / "root")), "FROM videos WHERE status = 'quarantined'")
    assert row["reason"] == "corrupt"
    assert done["extract"] == 5
    assert {p.name[:24] for p in (tmp_path / "root" / "media").glob("*/*")}.isdisjoint(
        {row["video_id"]}
    )


# --- the executor on Ray --------------------------------------------------------------------


def test_videos_and_clips_are_counted_as_they_are_read(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not only when their group is committed; and a run with nothing to do says what there is."""
    monkeypatch.setattr("pipeline.progress._LINE_EVERY_S", 0.0)
    dataset = Dataset(str(tmp_path / "d"))
    summary, _ = run(tmp_path / "d", [films])
    said = capsys.readouterr().out
    stages = ["1 read, 2 to go", "2 read, 1 to go", "3 read, 0 to go"]
    assert [said.index(stage) for stage in stages] == sorted(said.index(stage) for stage in stages)
    assert said.index(stages[-1]) < said.index("1 ok")
    assert "3 read, 0 to go, 3 clips found" in said
    assert "read" not in said.splitlines()[-1]
    report(dataset, summary)
    held = "the dataset holds 3 clips of 3 videos: 1 accepted, 0.1 minutes, 1 identity"
    assert held in capsys.readouterr().out
    report(dataset, run(tmp_path / "d", [films])[0])
    said = capsys.readouterr().out
    assert "done: 3 unchanged; nothing to do" in said
    assert held in said
