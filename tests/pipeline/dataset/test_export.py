"""Exports: other tools read them, whole or not at all, the same bytes each time."""

import json
import shutil
import tarfile
from pathlib import Path

import mlcroissant
import pyarrow.parquet as pq
import pytest
import webdataset
import yaml

from manifests.catalog import rows
from manifests.errors import InputError
from manifests.schema import FINGERPRINTS
from manifests.store import Dataset
from pipeline.dataset.export import HUGGINGFACE_SPLITS, export
from tests.conftest import Dawn, Once

LAYOUTS = ("webdataset", "huggingface")
ACCEPTED = "FROM clips WHERE accepted ORDER BY clip_id"


@pytest.fixture
def exports(dataset: Dataset, once: Once) -> Path:
    def write(root: Path) -> None:
        for to in LAYOUTS:
            export(dataset.path, root / to, to, "all")

    return once("exports", write)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_webdataset_reads_the_accepted_clips_whole(exports: Path, dataset: Dataset) -> None:
    accepted = {row["clip_id"]: row for row in rows(dataset, ACCEPTED)}
    shards = sorted(map(str, (exports / "webdataset").glob("*.tar")))
    assert [Path(shard).name for shard in shards] == [
        f"{split}-000000.tar" for split in sorted({row["split"] for row in accepted.values()})
    ]
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode())
    assert {sample["__key__"] for sample in samples} == accepted.keys()
    for sample in samples:
        row = accepted[sample["__key__"]]
        assert sample["mp4"] == (Path(dataset.path) / row["video_path"]).read_bytes()
        assert sample["flac"] == (Path(dataset.path) / row["sound_path"]).read_bytes()
        assert sample["json"]["frames"] == row["frames"]
        assert sample["__url__"].endswith(f"{row['split']}-000000.tar")


def test_hugging_face_s_layout_holds_the_same(exports: Path, dataset: Dataset) -> None:
    """By the front matter alone, as `datasets` goes by it."""
    root = exports / "huggingface"
    head = yaml.safe_load((root / "README.md").read_text().split("---\n")[1])
    (config,) = head["configs"]
    found = []
    for part in config["data_files"]:
        table, videos = part["path"]
        listed = pq.read_table(root / table).to_pylist()
        there = {str(path.relative_to((root / table).parent)) for path in root.glob(videos)}
        assert {row["file_name"] for row in listed} == there
        assert {HUGGINGFACE_SPLITS[row["split"]] for row in listed} == {part["split"]}
        found += [(row, (root / table).parent / row["file_name"]) for row in listed]
    accepted = {row["clip_id"]: row for row in rows(dataset, ACCEPTED)}
    assert {row["clip_id"] for row, _ in found} == accepted.keys()
    for row, video in found:
        source = accepted[row["clip_id"]]
        assert video.read_bytes() == (Path(dataset.path) / source["video_path"]).read_bytes()
        sound = (root / row["sound_path"]).read_bytes()
        assert sound == (Path(dataset.path) / source["sound_path"]).read_bytes()
    for kind in ("frames", "audio"):
        files = sorted((root / kind).glob("*.parquet"))
        assert {path.name for path in files} == {
            f"{part['split']}-00000.parquet" for part in config["data_files"]
        }
        ids = [i for path in files for i in pq.read_table(path, columns=["clip_id"])[0].to_pylist()]
        assert {i: ids.count(i) for i in ids} == {i: r["frames"] for i, r in accepted.items()}


def test_datasets_loads_it_offline(
    exports: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    datasets = pytest.importorskip(
        "datasets", reason="datasets has no release for the pinned pyarrow and fsspec"
    )
    cache = str(tmp_path / "cache")
    clips = datasets.load_dataset(str(exports / "huggingface"), cache_dir=cache)
    accepted = rows(dataset, ACCEPTED)
    assert {split: clips[split].num_rows for split in clips} == {
        theirs: sum(row["split"] == ours for row in accepted)
        for ours, theirs in HUGGINGFACE_SPLITS.items()
        if any(row["split"] == ours for row in accepted)
    }
    for split in clips:
        part = clips[split].cast_column("video", datasets.Video(decode=False))
        for row in part:
            assert Path(row["video"]["path"]).stem == row["clip_id"]
    for kind in ("frames", "audio"):
        files = str(exports / "huggingface" / kind / "*.parquet")
        table = datasets.load_dataset("parquet", data_files=files, cache_dir=cache)["train"]
        assert table.num_rows == sum(row["frames"] for row in accepted)


@pytest.mark.parametrize("to", LAYOUTS)
def test_croissant_gives_a_record_for_each_clip(exports: Path, dataset: Dataset, to: str) -> None:
    found = mlcroissant.Dataset(jsonld=str(exports / to / "croissant.json")).records("clips")
    ids = sorted(record["clips/clip_id"].decode() for record in found)
    assert ids == [row["clip_id"] for row in rows(dataset, ACCEPTED)]


@pytest.mark.parametrize("to", LAYOUTS)
def test_nothing_tells_places_or_faces(
    exports: Path, dataset: Dataset, footage: Path, to: str
) -> None:
    for name, content in contents(exports / to).items():
        for place in (dataset.path, str(footage), str(exports)):
            assert place.encode() not in content, f"{name}: {place}"
    tables = [pq.read_schema(path).names for path in (exports / to).rglob("*.parquet")]
    fingerprints = {column.name for column in FINGERPRINTS}
    assert tables
    assert not fingerprints & {name for names in tables for name in names}
    for path in (exports / to).glob("*.tar"):
        with tarfile.open(path) as tar:
            row = json.load(tar.extractfile(next(n for n in tar.getnames() if "json" in n)))
        assert not fingerprints & row.keys()


@pytest.mark.parametrize("to", LAYOUTS)
def test_an_export_that_stops_leaves_nothing_whole_and_is_gone_on_with(
    dataset: Dataset, to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.dataset.export._CLIPS_PER_SHARD", 3)
    export(dataset.path, tmp_path / "whole", to, "all")
    root, out, part = tmp_path / "dataset", tmp_path / "out", tmp_path / "out.part"
    shutil.copytree(dataset.path, root)
    last = max(rows(dataset, ACCEPTED), key=lambda row: (row["split"], row["clip_id"]))
    lost = root / last["video_path"]
    content = lost.read_bytes()
    lost.unlink()
    with pytest.raises(InputError, match="is not there"):
        export(str(root), out, to, "all")
    assert not out.exists()
    assert not (part / "README.md").exists()
    made = {path: path.stat().st_mtime_ns for path in part.rglob("[!.]*.[mt][pa][4r]")}
    assert made
    lost.write_bytes(content)
    export(str(root), out, to, "all")
    for path, written in made.items():
        assert (out / path.relative_to(part)).stat().st_mtime_ns == written
    assert not part.exists()
    named = {"README.md", "croissant.json"}  # the name of the folder is the dataset's
    now, then = contents(out), contents(tmp_path / "whole")
    assert now.keys() == then.keys()
    assert [name for name in now if now[name] != then[name] and name not in named] == []
    with pytest.raises(InputError, match="not empty"):
        export(str(root), out, to, "all")


def test_another_plan_starts_anew(dataset: Dataset, tmp_path: Path) -> None:
    part = tmp_path / "out.part"
    part.mkdir()
    (part / "dawn.json").write_text('{"made_by": "dawn dataset export", "plan": "another"}')
    (part / "test-000007.tar").write_bytes(b"of another split")
    export(dataset.path, tmp_path / "out", "webdataset", "train")
    assert {path.name for path in (tmp_path / "out").glob("*.tar")} == {"train-000000.tar"}
    (tmp_path / "next.part").mkdir()
    (tmp_path / "next.part/thesis.tex").write_text("mine")
    with pytest.raises(InputError, match=r"next\.part: holds other files"):
        export(dataset.path, tmp_path / "next", "webdataset", "train")
    assert (tmp_path / "next.part/thesis.tex").exists()


def test_the_command_says_what_it_made_and_how_to_go_on(
    dataset: Dataset, dawn: Dawn, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    answer = dawn("dataset", "export", dataset.path, "--out", out, "--split", "train",
                  "--to", "huggingface")  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    (n,) = rows(dataset, "SELECT count(*) AS n FROM clips WHERE accepted AND split = 'train'")
    assert f"wrote {n['n']} clips to {out}" in answer.stdout
    assert f'datasets.load_dataset("{out}")' in answer.stdout
    answer = dawn("dataset", "export", dataset.path, "--out", tmp_path / "o", "--split", "none")
    assert answer.returncode == 2
    assert "no accepted clip in split none" in answer.stderr
    assert not (tmp_path / "o.part").exists()
