"""What is forgotten is gone from every file, stays gone, and leaves the rest as it was."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dawn.curation.decisions import FilterConfig
from dawn.curation.extraction import ExtractConfig
from dawn.features.faces.crop import CropConfig
from dawn.recipe import IngestConfig, Recipe
from dawn.training.clips import content_of
from manifests.catalog import rows
from manifests.compact import compact
from manifests.forgotten import WHOLE, Region, read_forgotten
from manifests.parquet import write_parquet
from manifests.runs import LEARNT
from manifests.schema import schema
from manifests.store import Dataset
from manifests.validate import faults
from pipeline.cluster.executor import InProcess
from pipeline.dataset.forget import Targets, run_forget
from pipeline.dataset.report import print_faults
from pipeline.ingest.command import report
from pipeline.ingest.run import ingest
from pipeline.ingest.sources import find_sources
from tests.conftest import Dawn, Once, ingest_into
from tests.manifests.rows import add, clip, decision, written
from tests.pipeline.dataset.killing import KilledError, killed_before
from tests.results_folders import write_results
from tests.run_folders import write_generations, write_training
from tests.tables import contents

STRICT = IngestConfig(use_weights=False, filters=FilterConfig(max_duplicate=0.55))
"""Under this bound, different takes of the rendered person count as copies."""


@pytest.fixture
def root(dataset: Dataset, tmp_path: Path) -> Path:
    """A dataset that may be changed, alone in a folder."""
    return Path(shutil.copytree(dataset.path, tmp_path / "runs" / "d"))


@pytest.fixture
def strict(dataset: Dataset, footage: Path, once: Once) -> Path:
    """The same, with clips that are copies of others."""

    def make(root: Path) -> None:
        shutil.copytree(dataset.path, root)
        ingest_into(root, [footage], STRICT, update=True)

    return once("strict", make)


def video_named(root: Path, name: str) -> str:
    (row,) = rows(
        Dataset(str(root)),
        f"SELECT video_id FROM videos WHERE sources[1] LIKE '%/{name}.mp4'",
    )
    return str(row["video_id"])


def clips_of(root: Path, video: str) -> list[dict[str, Any]]:
    found = rows(Dataset(str(root)), "SELECT * FROM clips ORDER BY clip_id")
    return [row for row in found if row["video_id"] == video]


def whole_text(root: Path) -> str:
    """All that any file of a dataset says, but for the records of what was forgotten."""
    said = [
        str(path.relative_to(root)) for path in root.rglob("*") if "forgotten" not in path.parts
    ]
    said += [str(pq.read_table(path).to_pylist()) for path in root.rglob("*.parquet")]
    said += [path.read_text() for path in root.rglob("*.jsonl")]
    return "\n".join(said)


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_a_forgotten_video_is_in_no_file_and_does_not_come_back(
    root: Path, footage: Path, dawn: Dawn, capfd: pytest.CaptureFixture[str]
) -> None:
    video, before = video_named(root, "plain"), files(root)
    (gone,) = clips_of(root, video)
    other = {row["clip_id"] for row in rows(Dataset(str(root)), "FROM clips")} - {gone["clip_id"]}
    looked = dawn("dataset", "forget", root, "--video", video, "--dry-run")
    assert looked.returncode == 0, looked.stderr
    assert "would forget 1 clip (5.5 s), 1 video as a whole" in looked.stdout
    assert gone["clip_id"] in looked.stdout
    assert files(root) == before
    done = dawn("dataset", "forget", root, "--video", video)
    assert done.returncode == 0, done.stderr
    assert str(footage / "plain.mp4") in done.stdout  # that it is still there
    assert video not in whole_text(root)
    assert (root / f"forgotten/{video}.json").read_text().count("plain") == 0
    assert {row["clip_id"] for row in rows(Dataset(str(root)), "FROM clips")} == other
    assert print_faults(str(root), media=True) == 0
    after = {n: data for n, data in files(root).items() if not n.startswith(("forgotten", "seen"))}
    capfd.readouterr()
    source = footage / "plain.mp4"
    recipe = Recipe.resolve(IngestConfig(use_weights=False))
    summary = ingest(find_sources([str(footage)]), Dataset(str(root)), recipe, InProcess())
    assert summary.outcomes["forgotten"] == 1
    report(Dataset(str(root)), summary)
    assert f"left out, for it was forgotten: {source}; to take that back" in capfd.readouterr().out
    assert {name: data for name, data in files(root).items() if name in after} == after
    assert video not in whole_text(root)
    once_more = dawn("dataset", "forget", root, "--video", video)
    assert once_more.returncode == 0
    assert "forgotten before" in once_more.stdout


def test_a_forgotten_clip_leaves_the_rest_of_its_video_and_stays_out_of_other_recipes(
    root: Path, footage: Path, dawn: Dawn
) -> None:
    video = video_named(root, "cut")
    first, second = clips_of(root, video)
    kept = (root / second["video_path"]).read_bytes()
    done = dawn("dataset", "forget", root, "--clip", first["clip_id"])
    assert done.returncode == 0, done.stderr
    assert read_forgotten(Dataset(str(root))) == {video: (Region.of(first),)}
    assert first["clip_id"] not in whole_text(root)
    (left,) = clips_of(root, video)
    del left["duplicate_of"], left["duplicate_score"], second["duplicate_of"]
    assert left.items() <= second.items()
    assert (root / left["video_path"]).read_bytes() == kept
    assert print_faults(str(root), media=True) == 0
    wider = IngestConfig(
        use_weights=False, extract=ExtractConfig(crop=CropConfig(size=64), span_seconds=30)
    )
    ingest_into(root, [footage / "cut.mp4"], wider, update=True)
    assert [clip["start_frame"] for clip in clips_of(root, video)] == [second["start_frame"]]
    assert clips_of(root, video)[0]["size"] == 64
    assert print_faults(str(root), media=False) == 0
    dawn("dataset", "forget", root, "--clip", clips_of(root, video)[0]["clip_id"])
    assert read_forgotten(Dataset(str(root))) == {video: WHOLE}  # nothing else is in it


def test_a_speaker_goes_with_every_range_that_lists_give(
    footage: Path, tmp_path: Path, dawn: Dawn
) -> None:
    (tmp_path / "list.csv").write_text(
        "path,speaker,consent,start,end\n"
        f"{footage}/cut.mp4,Jose\u0301,yes,0,2.72\n{footage}/cut.mp4,ben,no,2.72,\n"
        f"{footage}/faceless.mp4,Jos\u00e9,yes,0,2\n"
    )
    root = tmp_path / "d"
    ingest_into(root, [tmp_path / "list.csv"])
    video = video_named(root, "cut")
    assert [row["speaker"] for row in clips_of(root, video)] == ["Jos\u00e9", "ben"]
    wrong = dawn("dataset", "forget", root, "--speaker", "jose")
    assert wrong.returncode == 2
    assert "--speaker jose: names nothing in" in wrong.stderr
    assert not (root / "forgotten").exists()
    done = dawn("dataset", "forget", root, "--speaker", "Jose\u0301 ")
    assert done.returncode == 0, done.stderr
    assert [row["speaker"] for row in clips_of(root, video)] == ["ben"]
    assert "Jos" not in whole_text(root)
    assert "Jos" not in "".join(p.read_text() for p in (root / "forgotten").iterdir())
    assert read_forgotten(Dataset(str(root))).keys() == {
        video, *(path.stem for path in (root / "forgotten").iterdir())
    }  # fmt: skip
    assert len(rows(Dataset(str(root)), "FROM videos")) == 2
    assert print_faults(str(root), media=True) == 0
    before = contents(root)
    ingest_into(root, [tmp_path / "list.csv"])
    assert contents(root) == before


def test_copies_are_judged_without_what_is_gone(strict: Path, tmp_path: Path, dawn: Dawn) -> None:
    root = Path(shutil.copytree(strict, tmp_path / "d"))
    gone = clips_of(root, video_named(root, "cut"))
    copies = {
        row["clip_id"]: row["accepted"]
        for row in rows(Dataset(str(root)), "FROM clips WHERE duplicate_score > 0.55")
        if row["duplicate_of"] in {clip["clip_id"] for clip in gone}
    }
    assert len(copies) >= 3
    assert not any(copies.values())
    done = dawn("dataset", "forget", root, *(f"--clip={clip['clip_id']}" for clip in gone))
    assert done.returncode == 0, done.stderr
    now = {row["clip_id"]: row for row in rows(Dataset(str(root)), "FROM clips")}
    accepted = [name for name in copies if now[name]["accepted"]]
    assert accepted
    told = done.stdout[done.stdout.index("accepted now") :]
    assert all(name in told for name in accepted)
    assert all(f"--clip {name}" in done.stdout for name in copies)
    for row in now.values():
        assert row["duplicate_of"] is None or row["duplicate_of"] in now
        assert row["accepted"] or row["reasons"] != ["duplicate"] or (
            now[row["duplicate_of"]]["accepted"]
        )  # fmt: skip
    assert print_faults(str(root), media=False) == 0
    before = contents(root)
    with_same = Recipe.resolve(STRICT)
    summary = ingest(find_sources([str(row) for row in sources(root)]), Dataset(str(root)),
                     with_same, InProcess())  # fmt: skip
    assert set(summary.outcomes) == {"unchanged"}
    assert contents(root) == before


def test_a_person_takes_copies_along_unless_a_list_says_they_show_another(
    strict: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(strict, tmp_path / "d"))
    video = video_named(root, "cut")
    copies = {
        row["clip_id"]: row["duplicate_of"]
        for row in rows(Dataset(str(root)), "FROM clips")
        if "duplicate" in row["reasons"]
    }
    whose = {clip["clip_id"] for clip in clips_of(root, video)}
    expected = {name for name, of in copies.items() if of in whose} | whose
    labelled = sorted(expected - whose)[0]
    for part in (root / "clips").iterdir():
        table = pq.read_table(part).to_pylist()
        changed = [row | {"speaker": "eve"} if row["clip_id"] == labelled else row for row in table]
        pq.write_table(pq.read_table(part).from_pylist(changed, pq.read_schema(part)), part)
    before = {row["clip_id"] for row in rows(Dataset(str(root)), "FROM clips")}
    run_forget(str(root), Targets(speakers=[f"video:{video}"]), [], dry_run=False)
    after = {row["clip_id"] for row in rows(Dataset(str(root)), "FROM clips")}
    assert before - after == expected - {labelled}


def test_merged_parts_lose_the_rows(root: Path, dawn: Dawn) -> None:
    assert dawn("dataset", "compact", root, "--rows-per-file", 300).returncode == 0
    plain, cut = video_named(root, "plain"), video_named(root, "cut")
    first, second = clips_of(root, cut)
    assert (
        dawn("dataset", "forget", root, "--video", plain, "--clip", first["clip_id"]).stderr == ""
    )
    said = whole_text(root)
    assert plain not in said
    assert first["clip_id"] not in said
    assert [clip["clip_id"] for clip in clips_of(root, cut)] == [second["clip_id"]]
    assert print_faults(str(root), media=True) == 0
    assert dawn("dataset", "compact", root).returncode == 0
    assert print_faults(str(root), media=False) == 0


def test_what_cannot_be_forgotten_is_refused_and_nothing_changes(root: Path, dawn: Dawn) -> None:
    before = files(root)
    for arguments, said in [
        ((), "give --speaker, --video or --clip"),
        (("--video", "0" * 24), "names nothing"),
        (("--clip", "nothing"), "names nothing"),
        (("--speaker", "nobody"), "names nothing"),
        (("--video", video_named(root, "plain"), "--clip", "no-1-0"), "--clip no-1-0"),
        (("--video", video_named(root, "plain"), "--runs", "/nonexistent"), "/nonexistent"),
    ]:
        answer = dawn("dataset", "forget", root, *arguments)
        assert answer.returncode == 2
        assert said in answer.stderr
        assert answer.stderr.count("\n") == 1
        assert files(root) == before
    (root / ".staged/x").mkdir(parents=True)
    answer = dawn("dataset", "forget", root, "--video", video_named(root, "plain"))
    assert answer.returncode == 2
    assert "run it again, then forget" in answer.stderr
    assert files(root) == before


def test_runs_that_used_it_are_named(root: Path, dawn: Dawn) -> None:
    video, runs = video_named(root, "cut"), root.parent
    clips = [clip["clip_id"] for clip in clips_of(root, video)]
    other = clips_of(root, video_named(root, "plain"))[0]["clip_id"]
    here = write_training(runs / "train/here", "lfg", {"loss": [1.0]})
    here.write_info(here.info() | {"dataset": str(root)})
    moved = write_training(runs / "train/moved", "lfg", {"loss": [1.0]})
    recipe = {"clips": content_of(Dataset(str(root)))}
    moved.write_info(moved.info() | {"dataset": "/elsewhere", "recipe": recipe})
    foreign = write_training(runs / "train/foreign", "lfg", {"loss": [1.0]})
    foreign.write_info(foreign.info() | {"dataset": "/elsewhere"})
    for name, given in (("given", clips[0]), ("spared", other)):
        listed = write_training(runs / f"train/{name}", "lfg", {"loss": [1.0]})
        listed.write_info(listed.info() | {"dataset": str(root)})
        table = pa.Table.from_pylist([{"clip_id": given, "split": "train"}], schema(LEARNT))
        write_parquet(runs / f"train/{name}/clips.parquet", table)
    write_generations(runs / "videos", [{"clip_id": name} for name in (*clips, other)])
    write_generations(runs / "others", [{"clip_id": other}])
    write_results(runs / "results", {"psnr": [30.0]}, clips=[{"clip_id": clips[0]}])
    looked = dawn("dataset", "forget", root, "--video", video, "--dry-run")
    assert looked.returncode == 0, looked.stderr
    used = looked.stdout[looked.stdout.index("used by:") :]
    assert f"training {runs}/train/here: trained on an earlier state" in used
    assert f"training {runs}/train/moved: trained on the clips as they are now" in used
    assert f"generations {runs}/videos: made videos of 2 clips of them" in used
    assert f"results {runs}/results: measured 1 clip of them" in used
    assert f"training {runs}/train/given: trained on 1 clip of them" in used
    assert "spared" not in used
    assert "foreign" not in used
    assert "others" not in used


def sources(root: Path) -> list[str]:
    return [source for row in rows(Dataset(str(root)), "FROM videos") for source in row["sources"]]


def small(root: Path) -> None:
    """Video `a` with two clips; in `b` and `c` copies of these, `b`'s the better of two; `d`."""
    random = np.random.default_rng(0)
    looks = [
        {
            "picture_hashes": random.integers(0, 2**63, 10).tolist(),
            "motion_curves": random.integers(0, 255, 50 * 4).tolist(),
        }
        for _ in range(3)
    ]
    lost: dict[str, Any] = {"accepted": False, "reasons": ["duplicate"], "duplicate_score": 1.0}
    one, two = clip("a", 0, **looks[0]), clip("a", 60, **looks[1])
    lost_one = lost | looks[0] | {"duplicate_of": one["clip_id"]}
    lost_two = lost | looks[1] | {"duplicate_of": two["clip_id"]}
    videos = {
        "a": [one, two],
        "b": [clip("b", 0, **lost_one | {"face_px": 120.0}), clip("b", 60, **lost_two)],
        "c": [clip("c", 0, **lost_one)],
        "d": [clip("d", 0, **looks[2])],
    }
    with written(str(root)) as session:
        for video, clips in videos.items():
            said = [duplicate(row) for row in clips]
            add(session, video, clips, decisions=said)
    for fault in faults(Dataset(str(root))):
        raise AssertionError(fault)


def duplicate(row: dict[str, Any]) -> dict[str, Any]:
    score = {"filter": "duplicate", "score": row["duplicate_score"], "threshold": 0.75}
    return decision(row, **score, rule="max", verdict="pass" if row["accepted"] else "fail")


def visible(root: Path) -> dict[str, Any]:
    """What readers see, wherever it lies."""
    parts = "clips_part, frames_part, audio_part, decisions_part"
    asked = {"clips": "*", "videos": f"* EXCLUDE ({parts})", "decisions": "*"}
    asked |= {"frames": "clip_id, frame", "audio": "clip_id, frame"}
    return {
        table: sorted(map(repr, rows(Dataset(str(root)), f"SELECT {columns} FROM {table}")))
        for table, columns in asked.items()
    } | {"media": sorted(str(path.relative_to(root)) for path in root.glob("media/*/*"))}


@pytest.mark.parametrize("kills", [3, pytest.param(14, marks=pytest.mark.slow)])
@pytest.mark.parametrize("merged", [False, True])
def test_a_kill_at_any_change_leaves_nothing_half_and_the_same_command_ends_it(
    tmp_path: Path, merged: bool, kills: int
) -> None:
    base, expected = tmp_path / "base", tmp_path / "expected"
    small(base)
    if merged:
        compact(Dataset(str(base)), 10)
    targets = Targets(videos=["d"], clips=["a-0000000-0"])
    log = "logs/20260101T000000.000000Z-ingest-0123abcd.jsonl"
    (base / "logs").mkdir()
    kept = '{"item": "b-0000060-0"}\n'
    (base / log).write_text(f'{{"item": "a-0000000-0"}}\n{kept}')
    shutil.copytree(base, expected)
    with killed_before(None) as made:
        run_forget(str(expected), targets, [], dry_run=False)
    wanted = visible(expected)
    now = {row["clip_id"]: row for row in rows(Dataset(str(expected)), "FROM clips")}
    assert {name: row["duplicate_of"] for name, row in now.items()} == {
        "a-0000060-0": None, "b-0000000-0": None, "b-0000060-0": "a-0000060-0",
        "c-0000000-0": "b-0000000-0",
    }  # fmt: skip
    assert {name for name, row in now.items() if row["accepted"]} == {"a-0000060-0", "b-0000000-0"}
    assert list(faults(Dataset(str(expected)))) == []
    assert len(made) > 20
    litter = ("parts are named", "media are named", "nothing is half done", "what was forgotten")
    for at in range(len(made), 0, -(len(made) // kills + 1)):
        root = Path(shutil.copytree(base, tmp_path / str(at)))
        with pytest.raises(KilledError), killed_before(at):
            run_forget(str(root), targets, [], dry_run=False)
        found = [fault for fault in faults(Dataset(str(root))) if not fault.startswith(litter)]
        assert [fault for fault in found if "holds rows of d, which" not in fault] == [], at
        run_forget(str(root), targets, [], dry_run=False)
        assert visible(root) == wanted, at
        assert list(faults(Dataset(str(root)))) == [], at
        assert "a-0000000-0" not in whole_text(root)
        assert (root / log).read_text() == kept
        shutil.rmtree(root)
