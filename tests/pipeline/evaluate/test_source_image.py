"""CSIM to the source: the face that was animated, from wherever the run is evaluated."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from dawn.features.faces.picture import read_picture
from dawn.sampling.portrait import find_portrait
from manifests.runs import RunFolder
from tests.evaluations import of_clips, options, run
from tests.films import write_film
from tests.onnx_files import write_network

CSIM = "csim_src_arcface-w600k_r50"


@pytest.fixture(autouse=True)
def _network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    write_network(weights / "w600k_r50.onnx", 512)
    monkeypatch.setenv("DAWN_WEIGHTS", str(weights))


def wide_picture(path: Path) -> Path:
    """A large face on the left, a small and darker one in the middle."""
    wide = np.full((400, 1000, 3), 90, np.uint8)
    wide[:, :400] = cv2.resize(astronaut(), (400, 400), interpolation=cv2.INTER_AREA)
    small = cv2.resize(astronaut()[:256, 90:346, ::-1], (190, 190), interpolation=cv2.INTER_AREA)
    wide[200:390, 420:610] = small // 2
    Image.fromarray(wide).save(path, save_all=True, append_images=[Image.new("RGB", (1000, 400))])
    return path


def a_run(folder: Path, image: str, crop: np.ndarray, face: int | None) -> tuple[str, Path]:
    """A run of one video that shows the crop throughout, and a folder with its real clip."""
    made = RunFolder(str(folder / "run"), "run.json")
    made.write_info({})
    (folder / "run/videos").mkdir()
    (folder / "real").mkdir()
    write_film(folder / "run/videos/a.mkv", [crop] * 12)
    write_film(folder / "real/a.mkv", [np.ascontiguousarray(crop[:, ::-1])] * 12)
    row = {
        "run": "r", "system": "mine", "item": "a", "checkpoint": "abc", "seed": 0,
        "settings_hash": "s", "device": "cpu", "dtype": "float32", "image": image,
        "face": face, "audio": "a.wav", "video": "videos/a.mkv", "frames": 12, "status": "ok",
    }  # fmt: skip
    made.write("generations", "a", [row])
    return str(folder / "run"), folder / "real"


def csim(
    folder: Path, card: str, image: str, crop: np.ndarray, face: int | None = None
) -> dict[tuple[str, str], Any]:
    where, real = a_run(folder, image, crop, face)
    wanted = options(
        folder / "out", card, real, run=where, metrics=f"{CSIM},psnr", trust_weights=("arcface",)
    )
    results = run(wanted)
    (clip,) = results.read("clips").to_pylist()
    assert clip["frames"] == 12
    return of_clips(results)


@pytest.mark.parametrize("suffix", ["tiff", "gif"])
def test_the_source_is_the_face_that_was_animated(tmp_path: Path, card: str, suffix: str) -> None:
    picture = wide_picture(tmp_path / f"wide.{suffix}")
    crop = find_portrait(read_picture(picture), 128).picture
    number = csim(tmp_path, card, str(picture), crop)["a", CSIM]
    assert number["value"] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("face", [2, 3])
def test_of_several_faces_it_is_the_chosen_one(tmp_path: Path, card: str, face: int) -> None:
    wide = np.full((400, 800, 3), 90, np.uint8)
    wide[:, :400] = cv2.resize(astronaut(), (400, 400), interpolation=cv2.INTER_AREA)
    wide[60:360, 450:750] = cv2.resize(astronaut()[:, ::-1], (300, 300)) // 2
    picture = tmp_path / "wide.png"
    Image.fromarray(wide).save(picture)
    crop = find_portrait(wide, 128, face=2).picture
    number = csim(tmp_path, card, str(picture), crop, face)["a", CSIM]
    if face == 2:  # the other face is its mirror image, which has 0.44
        assert number["value"] == pytest.approx(1, abs=0.01)
    else:
        assert number["reason"] == "no_source"


@pytest.mark.parametrize("fault", ["relative", "gone", "no face", "damaged"])
def test_without_its_picture_there_is_no_number(
    tmp_path: Path,
    card: str,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    picture = wide_picture(tmp_path / "wide.png")
    crop = find_portrait(read_picture(picture), 128).picture
    monkeypatch.chdir(tmp_path)
    if fault == "gone":
        picture.unlink()
    elif fault == "damaged":
        picture.write_bytes(picture.read_bytes()[:5000])
    elif fault == "no face":
        Image.new("RGB", (300, 300)).save(picture)
    numbers = csim(tmp_path, card, "wide.png" if fault == "relative" else str(picture), crop)
    assert numbers["a", CSIM]["value"] is None
    assert numbers["a", CSIM]["reason"] == "no_source"
    assert numbers["a", "psnr"]["value"] is not None
    assert "wide.png" in capsys.readouterr().out.replace("\n", "")
