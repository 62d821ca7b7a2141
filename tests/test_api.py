"""The Python API, as notebooks use it: no Ray, pandas DataFrames, clear errors."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader

import dawn
import eval as evaluation
import manifests
from dawn.synthetic.footage import write_footage
from manifests.errors import InputError
from manifests.store import Dataset
from pipeline.cluster.executor import InProcess
from pipeline.evaluate.command import plan
from pipeline.evaluate.run import evaluate, results_folder
from tests.conftest import ROOT
from tests.evaluations import options
from tests.films import drift, hum, write_film
from tests.models import write_model

CARD = "name: small\nsize: 128\nstride: 3\n"


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered talking head of two seconds."""
    (video,) = write_footage(tmp_path_factory.mktemp("talk"), kinds=["plain"], seconds=2.4)
    return video


def test_a_dataset_as_tables(dataset: Dataset) -> None:
    data = manifests.open(dataset.path)
    clips = data.clips()
    assert isinstance(clips, pd.DataFrame)
    assert clips.index.name == "clip_id"
    assert clips["accepted"].all()
    assert len(data.clips(accepted=False)) > len(clips) == len(set(clips.index))
    parts = [data.clips(split) for split in ("train", "val", "test")]
    assert sum(map(len, parts)) <= len(clips)
    frames = data.frames(clips.index[0])
    assert len(frames) == clips["frames"].iloc[0]
    assert list(frames.index) == list(range(len(frames)))
    assert len(frames["pose"].iloc[0]) == 7
    assert {"features", "loudness_db", "mouth", "eye_left"} <= set(frames.columns)
    assert data.sql("SELECT count(*) AS n FROM videos")["n"].iloc[0] == len(data.videos())
    assert dataset.path in repr(data)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda data: data.frames("none"), "has no clip none"),
        (lambda data: data.clips("dev"), "give one of train, val, test"),
        (lambda data: data.sql("DROP TABLE clips"), "SQL"),
        (lambda data: data.frames("x' OR '1'='1"), "has no clip"),
    ],
)
def test_what_is_wrong_is_one_line(dataset: Dataset, wrong, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message) as error:
        wrong(manifests.open(dataset.path))
    assert "\n" not in str(error.value)


def test_a_folder_without_a_dataset(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a dataset"):
        manifests.open(str(tmp_path))


def test_clips_for_torch(dataset: Dataset) -> None:
    clips = dawn.clips(dataset.path, size=64)
    assert len(clips) == len(manifests.open(dataset.path).clips("train"))
    clip = clips[-1]
    count = len(clip["pictures"])
    assert clip["pictures"].dtype == torch.uint8
    assert clip["pictures"].shape == (count, 3, 64, 64)
    assert clip["pose"].shape == (count, 6)
    assert clip["eyes"].shape == (count, 2)
    assert len(clip["audio"]) == count
    loaded = list(DataLoader(clips, batch_size=None))
    assert [one["clip_id"] for one in loaded] == [clips[i]["clip_id"] for i in range(len(clips))]
    with pytest.raises(IndexError):
        clips[len(clips)]


def test_a_portrait_speaks(talk: Path, tmp_path: Path) -> None:
    model = dawn.load(write_model(tmp_path / "model"), device="cpu")
    picture = tmp_path / "face.png"
    from PIL import Image

    from dawn.features.video.decode import read_frames
    from dawn.features.video.probe import probe

    Image.fromarray(next(read_frames(talk, probe(talk), stop=1))[1]).save(picture)
    video = model.generate(picture, talk, steps=2, seed=3, max_seconds=0.4)
    assert video.frames.shape == (10, 64, 64, 3)
    assert video.seconds == 0.4
    assert video.path.read_bytes()[4:8] == b"ftyp"
    assert "data:video/mp4;base64," in video._repr_html_()
    kept = model.generate(
        picture, talk, tmp_path / "out/talking.mp4", steps=2, seed=3, max_seconds=0.4
    )
    assert kept.path == tmp_path / "out/talking.mp4"
    assert np.array_equal(kept.frames, video.frames)
    other = model.generate(picture, talk, steps=2, seed=4, max_seconds=0.4, stretch=8)
    assert not np.array_equal(other.frames, video.frames)
    with pytest.raises(InputError, match="unknown key 'stepz'"):
        model.generate(picture, talk, stepz=2)
    with pytest.raises(InputError, match=r"ends in \.mp4"):
        model.generate(picture, talk, tmp_path / "x.avi")
    with pytest.raises(InputError):
        dawn.load(tmp_path / "none")


def test_a_video_is_measured_as_dawn_evaluate_measures_it(tmp_path: Path) -> None:
    for folder, noise in (("real", 4), ("fake", 20)):
        (tmp_path / folder).mkdir()
        write_film(tmp_path / folder / "clip.mkv", drift(20, 0, noise), hum(20))
    (tmp_path / "card.yaml").write_text(CARD)
    fake, real = tmp_path / "fake/clip.mkv", tmp_path / "real/clip.mkv"
    card = str(tmp_path / "card.yaml")
    found = evaluation.measure(fake, real, ["psnr", "flicker", "lse_c_tracked"], card)
    assert list(found.index) == ["lse_c_tracked", "psnr", "flicker"]
    given = options(
        tmp_path / "results", card, tmp_path / "real", videos=tmp_path / "fake",
        metrics="psnr,flicker",
    )  # fmt: skip
    evaluate(plan(given), results_folder(given.out), InProcess())
    clips = evaluation.load(given.out, clips=True).set_index("metric")
    for name in ("psnr", "flicker"):
        assert found.loc[name, "value"] == clips.loc[name, "value"]
        assert found.loc[name, "status"] == clips.loc[name, "status"]
    assert found.loc["lse_c_tracked", "status"] == "unavailable"
    whole = evaluation.load([given.out])
    assert set(whole["metric"]) == {"psnr", "flicker"}
    assert (whole["results"] == given.out).all()
    with pytest.raises(InputError, match="use `dawn evaluate`"):
        evaluation.measure(fake, real, ["fid"], card)
    with pytest.raises(InputError, match="no metric is named 'psnrr'"):
        evaluation.measure(fake, real, ["psnrr"], card)
    with pytest.raises(InputError):
        evaluation.load(str(tmp_path))
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match=r"broken\.mp4"):
        evaluation.measure(tmp_path / "broken.mp4", real, ["psnr"], card)


def test_none_of_it_needs_ray() -> None:
    code = """if True:
        import sys
        sys.modules["ray"] = None
        import dawn.sampling.talking_head, dawn.training.clip_dataset, eval.api, manifests.api
        import dawn, eval, manifests
        print(dawn.load, dawn.clips, eval.measure, eval.load, manifests.open)
    """
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


def test_importing_the_packages_is_cheap() -> None:
    code = "import sys, dawn, eval, manifests; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert not {"torch", "pandas", "duckdb", "cv2"} & set(answer.stdout.split())
