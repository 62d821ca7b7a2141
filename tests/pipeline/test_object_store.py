"""Everything on a real S3 server: the same tables as in folders."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dawn.recipe import IngestConfig, Recipe
from dawn.sampling.settings import GenerateConfig
from manifests.catalog import query, rows
from manifests.errors import InputError
from manifests.lease import _creates_once
from manifests.location import Place
from manifests.runs import RunFolder
from manifests.store import Dataset
from manifests.validate import faults
from pipeline.cluster.actors import OneHere
from pipeline.cluster.executor import InProcess
from pipeline.generate.command import ManyOptions, generate_many, plan_run
from pipeline.generate.worker import Maker
from pipeline.ingest.adopt import adopt
from pipeline.ingest.run import Summary, ingest
from pipeline.ingest.sources import find_sources
from tests.conftest import ROOT, Dawn
from tests.dawn.sampling.test_voice import chirp, write_wav
from tests.hostile import Film, faces
from tests.models import write_model
from tests.results_folders import write_results

PLAIN = Recipe.resolve(IngestConfig(use_weights=False))


def upload(source: Path, target: str) -> str:
    place = Place.of(target)
    files = [source] if source.is_file() else [f for f in source.rglob("*") if f.is_file()]
    for file in files:
        below = "" if file == source else f"/{file.relative_to(source)}"
        place.fs.put_file(str(file), f"{place.path}{below}")
    return target


def text(uri: str) -> str:
    place = Place.of(uri)
    return str(place.fs.cat_file(place.path).decode())


def brought(dataset: Dataset, *sources: str) -> Summary:
    adopt(dataset, PLAIN, update=False)
    return ingest(find_sources(sources), dataset, PLAIN, InProcess())


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films") / "footage"
    (folder / "more").mkdir(parents=True)
    Film(folder / "a.mp4").pictures(faces(30)).sound(1.2).close()
    Film(folder / "more/b.mp4").pictures(faces(34)).sound(1.4).close()
    (folder / "list.csv").write_text("path,speaker\na.mp4,anna\nmore/b.mp4,ben\n")
    return folder


def test_sources_are_found_by_address(bucket: str, films: Path) -> None:
    root = upload(films, f"{bucket}/footage")
    for name in ("more/.hidden.mp4", "data/media/x.mp4", "notes.txt"):
        upload(films / "a.mp4", f"{root}/{name}")
    Place.of(root).fs.pipe_file(f"{root}/data/dataset.json", b'{"recipe_hash": ""}')
    both = [f"{root}/a.mp4", f"{root}/more/b.mp4"]

    def found(*arguments: str) -> list[str]:
        return [str(source.path) for source in find_sources(arguments)]

    assert found(root) == found(f"{root}/") == found(f"{root}/list.csv") == both
    assert found(f"{root}/more/*.mp4", f"{root}/a.mp4") == both
    assert [s.labels[0].speaker for s in find_sources([f"{root}/list.csv"])] == ["anna", "ben"]
    for wrong, why in {
        f"{root}/none": "no such file, folder or match",
        f"{bucket}x/none.mp4": "no such file",
        f"{root}/data/media/*.txt": "no such file, folder or match",
        "s4://bucket/x": "cannot be reached",
    }.items():
        with pytest.raises(InputError, match=why):
            found(wrong)


def test_a_list_here_may_name_what_lies_elsewhere(tmp_path: Path, bucket: str) -> None:
    lists = tmp_path / "list.csv"
    lists.write_text(f"path\n{bucket}/a.mp4\nb.mp4\n")
    assert [s.path for s in find_sources([str(lists)])] == [tmp_path / "b.mp4", f"{bucket}/a.mp4"]
    lists.write_text("path\n/b.mp4\n")
    remote = upload(lists, f"{bucket}/list.csv")
    with pytest.raises(InputError, match=r"names /b\.mp4 on a machine"):
        find_sources([remote])


def test_a_dataset_in_a_bucket_is_the_one_in_a_folder(
    bucket: str, films: Path, tmp_path: Path, dawn: Dawn
) -> None:
    footage = upload(films, f"{bucket}/footage")
    there, here = Dataset(f"{bucket}/data"), Dataset(str(tmp_path / "data"))
    assert brought(there, f"{footage}/a.mp4").outcomes == {"rejected": 1}
    assert brought(there, footage).outcomes == {"rejected": 1, "unchanged": 1}
    brought(here, str(films / "a.mp4"))
    brought(here, str(films))
    tables = {
        "videos": "* EXCLUDE (sources, step_seconds)", "clips": "*", "decisions": "*",
        "frames": "*", "audio": "*",
    }  # fmt: skip
    for table, columns in tables.items():
        sql = f"SELECT {columns} FROM {table} ORDER BY ALL"
        assert query(there, sql).equals(query(here, sql)), table
    assert rows(there, "SELECT sources FROM videos ORDER BY duration_s") == [
        {"sources": [f"{footage}/a.mp4"]}, {"sources": [f"{footage}/more/b.mp4"]}
    ]  # fmt: skip
    for folder in (there, here):
        assert dawn("dataset", "compact", folder.uri).returncode == 0
        assert list(faults(folder)) == []
    told = [dawn("query", "FROM funnel()", "--dataset", f.uri).stdout
            for f in (there, here)]  # fmt: skip
    assert told[0] == told[1] != ""
    assert there.names("videos") != []
    assert brought(there, footage).outcomes == {"unchanged": 2}


def test_a_source_that_is_gone_or_empty_is_named(bucket: str, films: Path) -> None:
    place = Place.of(bucket)
    upload(films / "a.mp4", f"{bucket}/footage/a.mp4")
    sources = find_sources([f"{bucket}/footage/a.mp4"])
    data = Dataset(f"{bucket}/data")
    adopt(data, PLAIN, update=False)
    place.fs.rm_file(f"{place.path}/footage/a.mp4")
    ingest(sources, data, PLAIN, InProcess())
    place.fs.pipe_file(f"{place.path}/footage/empty.mp4", b"")
    brought(data, f"{bucket}/footage/empty.mp4")
    found = {row["reason"] for row in rows(data, "FROM videos")}
    assert found == {"not_found", "empty"}


def test_models_and_lists_in_a_bucket_make_the_same_videos(
    bucket: str, tmp_path: Path, shared_inputs: Path
) -> None:
    model = write_model(tmp_path / "model")
    made: list[bytes] = []
    for base in (str(tmp_path), bucket):
        if base == bucket:
            upload(model, f"{bucket}/model")
            upload(shared_inputs, f"{bucket}/inputs")
        inputs = shared_inputs if base != bucket else f"{bucket}/inputs"
        wanted = ManyOptions(
            config=GenerateConfig(steps=1, stretch=16, overlap=4, window=4),
            checkpoint=f"{base}/model", out=f"{base}/run", list_=f"{inputs}/jobs.csv",
            max_seconds=0.4, device="cpu",
        )  # fmt: skip
        summary = generate_many(wanted, OneHere(Maker, plan_run(wanted).task))
        assert summary.counts == {"ok": 1, "already done": 0}
        run = RunFolder(f"{base}/run", "run.json")
        (row,) = run.read("generations").to_pylist()
        made.append(run.fs.cat_file(run.at(row["video"])))
    assert made[0] == made[1]
    with pytest.raises(InputError, match=f"{bucket}/none: has no checkpoint"):
        plan_run(ManyOptions(config=wanted.config, checkpoint=f"{bucket}/none",
                             out=f"{bucket}/other", list_=f"{bucket}/inputs/jobs.csv"))  # fmt: skip


@pytest.fixture
def shared_inputs(tmp_path: Path) -> Path:
    from PIL import Image
    from skimage.data import astronaut

    folder = tmp_path / "inputs"
    folder.mkdir()
    Image.fromarray(astronaut()).save(folder / "face.png")
    write_wav(folder / "voice.wav", chirp(0.4, 22050), 22050)
    (folder / "jobs.csv").write_text("image,audio\nface.png,voice.wav\n")
    return folder


def test_results_pages_reports_and_the_baseline_may_be_in_a_bucket(
    bucket: str, tmp_path: Path, dawn: Dawn
) -> None:
    pages, reports = [], []
    for base in (str(tmp_path), bucket):
        rng = np.random.default_rng(0)
        for name, gain in (("old", 0.0), ("new", 0.5)):
            numbers = {"psnr": 30 + gain + rng.normal(0, 0.1, 12)}
            speakers = [f"s{i // 2}" for i in range(12)]
            write_results(f"{base}/{name}", numbers, speakers=speakers, system=name)
        done = dawn("leaderboard", f"{base}/old", f"{base}/new", "--out", f"{base}/page")
        assert done.returncode == 0, done.stderr
        assert f"{base}/page/index.html" in done.stdout.replace("\n", "")
        (sheet,) = json.loads(text(f"{base}/page/leaderboard.json"))["sheets"]
        pages.append({metric["metric"]: metric["cells"] for metric in sheet["metrics"]})
        accepted = ("--baseline", f"{base}/baseline.json", "--candidate", f"{base}/old")
        assert dawn("regress", "accept", *accepted, "--reason", "first").returncode == 0
        done = dawn("regress", "--baseline", f"{base}/baseline.json", "--candidate",
                    f"{base}/new", "--report", "json", "--out", f"{base}/reports")  # fmt: skip
        assert done.returncode in (0, 1), done.stderr
        assert json.loads(text(f"{base}/baseline.json"))["results"] == "old"
        reports.append(json.loads(text(f"{base}/reports/regression.json"))["findings"])
    assert pages[0] == pages[1]
    assert reports[0] == reports[1]
    assert dawn("leaderboard", f"{bucket}/old", "--out", bucket).returncode == 2
    assert not Path("s3:").exists()


def test_the_server_lets_one_of_two_drivers_write(bucket: str) -> None:
    """A second process begins while the first one holds the dataset: it is told by whom."""
    data = Dataset(f"{bucket}/data")
    assert _creates_once(data.fs)
    data.ensure({"a": 1})
    code = f"""
from manifests.store import Dataset
with Dataset("{data.uri}").writing():
    print("held", flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, text=True, stdin=-1, stdout=-1
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(FileExistsError):
            data.fs.pipe_file(f"{data.path}/.lock", b"mine", mode="create")
        with pytest.raises(InputError, match=rf"another dawn command .*process {holder.pid} on "):
            data.ensure({"a": 2}, update=True)
        holder.communicate("\n", timeout=60)
    assert data.info()["recipe"] == {"a": 1}
    with data.writing() as session:
        session.require_hold()
    assert not data.has(".lock")
