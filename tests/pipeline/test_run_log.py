"""What the logs of commands say, and what is never in them."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError

from dawn.recipe import IngestConfig, Recipe
from manifests.catalog import rows
from manifests.errors import InputError
from manifests.store import Dataset
from manifests.validate import faults
from pipeline.cli import app as cli
from pipeline.cluster.executor import InProcess
from pipeline.cluster.faults import Fault
from pipeline.cluster.tasks import OnRay
from pipeline.evaluate.command import run_evaluate
from pipeline.events import note, stream
from pipeline.ingest import command
from pipeline.run_log import logged
from pipeline.train.run import Resources, train
from tests.conftest import Dawn
from tests.evaluations import options
from tests.films import drift, hum, write_film
from tests.hostile import Film, faces
from tests.logs import lines_of
from tests.pipeline.train.test_run import SHORT, lfg_task
from tests.test_documents import commands


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two videos and a file that is none; `dawn ingest` works in this process."""
    folder = tmp_path / "films"
    folder.mkdir()
    for name, frames in (("anna", 30), ("ben", 34)):
        Film(folder / f"{name}.mp4").pictures(faces(frames)).sound(frames / 25).close()
    (folder / "none.mp4").write_bytes(b"")
    (tmp_path / "config.yaml").write_text("use_weights: false\nfilters: {min_face_px: 40}\n")
    monkeypatch.setattr(command, "OnRay", lambda *_, **__: InProcess())
    return folder


def ingested(dawn: Dawn, films: Path, root: Path | str) -> None:
    config = films.parent / "config.yaml"
    done = dawn("ingest", films, "--dataset", root, "--config", config)
    assert done.returncode == 0, done.stderr


def answered(folder: Path) -> str:
    """What the query of docs/cluster.md says of the logs in `data/` there."""
    (query,) = [one for one in commands("docs/cluster.md") if "read_json" in one]
    shell = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["/bin/bash", "-c", query], cwd=folder, env=shell, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return done.stdout


def test_an_ingest_s_log_tells_its_jobs_and_how_each_video_ended(
    films: Path, tmp_path: Path, dawn: Dawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray://me:secret@head:1?token=abcdefghi")
    root = tmp_path / "data"
    ingested(dawn, films, root)
    (path,) = (root / "logs").iterdir()
    lines = lines_of(str(root))
    begun, ended = lines[0], lines[-1]
    assert begun["event"] == "begun"
    assert begun["config"] == Dataset(str(root)).info()["recipe_hash"]
    assert begun["cluster"] == "ray://head:1"
    assert {said["run"] for said in lines} == {path.stem}
    assert [said["time"] for said in lines] == sorted(said["time"] for said in lines)
    jobs = [said for said in lines if said["event"] == "job"]
    assert [said.get("job", "identify").split(":")[0] for said in jobs] == [
        *("identify",) * 3, *("prepare",) * 2, *("extract",) * 2, *("finish",) * 2
    ]  # fmt: skip
    assert all(said["outcome"] == "done" and said["seconds"] >= 0 for said in jobs)
    found = {said["source"]: said for said in lines if said["event"] == "finished"}
    videos = rows(Dataset(str(root)), "FROM videos")
    assert {name: (said["item"], said["outcome"]) for name, said in found.items()} == {
        row["sources"][0]: (row["video_id"], row["status"]) for row in videos
    }
    lost = found[str(films / "none.mp4")]
    assert (lost["level"], lost["reason"]) == ("warning", "empty")
    assert (ended["event"], ended["exit"], ended["level"]) == ("ended", 0, "info")
    assert ended["counts"] == {"quarantined": 1, "rejected": 2}
    ingested(dawn, films, root)
    assert lines_of(str(root))[-1]["counts"] == {"quarantined": 1, "unchanged": 2}
    assert len(list((root / "logs").iterdir())) == 2
    assert re.search(r"finished\W+rejected\W+no_clip_passed\W+2\W", answered(root.parent))
    assert list(faults(Dataset(str(root)))) == []


@pytest.mark.parametrize("store", ["disk", "memory"])
def test_what_is_forgotten_is_in_no_log_nor_comes_back_into_one(
    store: str, films: Path, tmp_path: Path, dawn: Dawn
) -> None:
    root = str(tmp_path / "data") if store == "disk" else f"memory://{tmp_path.name}/data"
    ingested(dawn, films, root)
    ids = {
        Path(row["sources"][0]).stem: row["video_id"] for row in rows(Dataset(root), "FROM videos")
    }

    def naming(*names: str) -> int:
        return sum(any(name in str(said) for name in names) for said in lines_of(root))

    before = len(lines_of(root)), naming(ids["ben"])
    assert naming("anna", ids["anna"]) == 4  # three jobs, and how the video ended
    done = dawn("dataset", "forget", root, "--video", ids["anna"])
    assert done.returncode == 0, done.stderr
    assert naming("anna", ids["anna"]) == 0
    assert (len(lines_of(root)), naming(ids["ben"])) == (before[0] - 4, before[1])
    ingested(dawn, films, root)  # its file is still there
    assert naming("anna", ids["anna"]) == 0
    assert lines_of(root)[-1]["counts"] == {"forgotten": 1, "quarantined": 1, "unchanged": 1}


def test_a_command_that_is_refused_before_it_begins_leaves_no_log(
    films: Path, tmp_path: Path, dawn: Dawn
) -> None:
    dataset = Dataset(str(tmp_path / "data"))
    dataset.ensure(Recipe.resolve(IngestConfig(use_weights=False)).as_dict())
    (films.parent / "config.yaml").write_text("use_weights: false\n")
    with dataset.writing():
        refused = dawn(
            "ingest", films, "--dataset", dataset.uri, "--config", films / "../config.yaml"
        )
    assert refused.returncode == 2
    assert dataset.names("logs") == []


@pytest.mark.parametrize(
    "error",
    [
        InputError("x: y; z"),
        OSError(28, "No space left"),
        EndpointConnectionError(endpoint_url="http://store/a"),
        ValueError("ours"),
        KeyboardInterrupt(),
    ],
)
def test_the_log_has_the_exit_code_of_the_command(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command_line() -> None:
        with logged("ingest", str(tmp_path)):
            note("writing", folder=str(tmp_path))
            raise error

    monkeypatch.setattr(cli, "app", command_line)
    listening = [*stream.handlers]
    code: object = 1  # Python's own, after a traceback
    try:
        cli.main()
    except SystemExit as exit_:
        code = exit_.code
    except ValueError:
        pass
    ended = lines_of(str(tmp_path))[-1]
    said = str(error) or "KeyboardInterrupt"
    assert (ended["event"], ended["exit"], ended["error"]) == ("ended", code, said)
    assert stream.level == logging.NOTSET
    assert stream.handlers == listening


def test_an_evaluation_and_a_training_keep_one_too(dataset: Dataset, tmp_path: Path) -> None:
    for name, noise in (("real", 4), ("fake", 20)):
        (tmp_path / name).mkdir()
        write_film(tmp_path / name / "clip.mkv", drift(20, 0, noise), hum(20))
    (tmp_path / "card.yaml").write_text("name: small\nsize: 128\nstride: 3\n")
    out = tmp_path / "results"
    given = options(
        out,
        str(tmp_path / "card.yaml"),
        tmp_path / "real",
        videos=tmp_path / "fake",
        metrics="psnr",
    )
    for _ in range(2):
        run_evaluate(given, InProcess())
    lines = lines_of(str(out))
    assert [said["item"] for said in lines if said["event"] == "finished"] == ["clip"]
    assert [said["counts"] for said in lines if said["event"] == "ended"] == [
        {"ok": 1}, {"unchanged": 1}
    ]  # fmt: skip
    run = tmp_path / "run"
    with logged("train", str(run)):
        train(lfg_task(dataset, run, SHORT), Resources(), resume=False)
    lines = lines_of(str(run))
    assert [said["event"] for said in lines if said["event"] != "warning"][:2] == [
        "begun",
        "writing",
    ]
    (last, *_) = [said for said in lines if said["event"] == "validated"]
    assert last["values"]
    assert lines[-1]["exit"] == 0


@pytest.mark.ray
def test_jobs_that_begin_anew_are_told_with_the_reason(
    ray_session: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.cluster.tasks.fault_of", lambda *_: Fault.MEMORY)
    monkeypatch.setattr("pipeline.cluster.tasks.RETRIES", 1)
    monkeypatch.setattr("pipeline.cluster.tasks.BACK_OFF_S", 0.0)
    with logged("probe", str(tmp_path)):
        note("writing", folder=str(tmp_path))
        executor = OnRay(2, attempts=1)
        executor.submit(("lives", "here"), len, "four")
        executor.submit("dies", sys.modules["os"]._exit, 1)
        executor.submit(tmp_path / "a file", os.getpid)
        assert len(dict(executor.results())) == 3
    lines = lines_of(str(tmp_path))
    (node,) = [said for said in lines if said["event"] == "node_joined"]
    jobs = {said.get("job"): said for said in lines if said["event"] == "job"}
    assert jobs.keys() == {"lives:here", "dies", None}
    assert (jobs["lives:here"]["attempts"], jobs["lives:here"]["node"]) == (1, node["node"])
    assert (jobs["dies"]["outcome"], jobs["dies"]["attempts"]) == ("node", 2)
    (retry,) = [said for said in lines if said["event"] == "retry"]
    assert (retry["job"], retry["reason"], retry["attempts"]) == ("dies", "memory", 1)
    assert [said["jobs"] for said in lines if said["event"] == "fewer_at_once"] == [1]
