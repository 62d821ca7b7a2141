import base64
import os
from pathlib import Path

import fsspec
import numpy as np
import pytest

from dawn.features.video.decode import read_frames
from dawn.features.video.probe import probe
from eval.leaderboard.gallery import choose_metric, gallery
from eval.leaderboard.groups import Entry, grouped
from eval.leaderboard.side_by_side import SECONDS, SIZE, side_by_side
from eval.results.scores import load_results
from tests.films import drift, hum, write_film
from tests.results_folders import write_results


def entry(path: Path, values: dict, **others: object) -> Entry:
    write_results(path, values, **others)  # type: ignore[arg-type]
    return grouped([load_results(str(path))])[0].entries[0]


def entry_of_video(path: Path | str, video: str) -> Entry:
    clip = {"clip_id": "a", "video": video, "reference": video}
    write_results(path, {"psnr": [20.0]}, clips=[clip])
    return grouped([load_results(str(path))])[0].entries[0]


@pytest.mark.parametrize(
    ("metric", "values", "references", "worst"),
    [
        ("psnr", [3.0, 1.0, 2.0, 5.0, 4.0], None, 1),
        ("m_lmd_iod", [3.0, 1.0, 2.0, 5.0, 4.0], None, 3),
        ("blink_rate", [0.5, 0.5, 0.5, 0.5, 0.5], [0.5, 0.4, 0.6, 0.5, 2.0], 4),
    ],
)
def test_worst_by_direction(
    tmp_path: Path, metric: str, values: list, references: list | None, worst: int
) -> None:
    of_real = {metric: references} if references else None
    found = gallery([entry(tmp_path / "a", {metric: values}, references=of_real)], metric, 1)
    assert [p.place for p in found] == ["worst", "median", "best"]
    assert found[0].clip_id == f"clip{worst:04d}"


@pytest.mark.parametrize(("clips", "shown"), [(1, 1), (2, 2), (3, 3), (4, 4), (7, 6), (40, 6)])
def test_a_clip_is_shown_once(tmp_path: Path, clips: int, shown: int) -> None:
    values = {"psnr": [float(i) for i in range(clips)]}
    found = gallery([entry(tmp_path / "a", values)], "psnr", 2)
    assert len({p.clip_id for p in found}) == len(found) == shown


def test_excluded_clips_and_bounds_are_not_shown(tmp_path: Path) -> None:
    system = entry(tmp_path / "a", {"psnr": [1.0, None, 2.0]})
    real = entry(tmp_path / "r", {"psnr": [1.0, 2.0, 3.0]}, baseline="real")
    found = gallery([system, real], "psnr", 5)
    assert {p.clip_id for p in found} == {"clip0000", "clip0002"}
    assert {p.system for p in found} == {system.name}


def test_the_lips_are_preferred(tmp_path: Path) -> None:
    both = entry(tmp_path / "a", {"psnr": [1.0, 2.0], "lip_audio_corr": [0.1, 0.2]},
                 references={"lip_audio_corr": [0.5, 0.5]})  # fmt: skip
    other = entry(tmp_path / "b", {"flicker": [1.0, 2.0]}, references={"flicker": [1.0, 1.0]})
    assert choose_metric([both]) == "lip_audio_corr"
    assert choose_metric([other]) == "flicker"
    assert choose_metric([entry(tmp_path / "c", {"psnr": [None, None]})]) is None


def decoded(source: str, to: Path) -> np.ndarray:
    to.write_bytes(base64.b64decode(source.removeprefix("data:video/mp4;base64,")))
    info = probe(to)
    return np.stack([frame for _, frame in read_frames(to, info, 0, info.frames)])


def test_both_halves_and_the_sound_are_in_one_video(tmp_path: Path) -> None:
    left, right = tmp_path / "left.mkv", tmp_path / "right.mkv"
    write_film(left, np.full((20, 64, 64, 3), 30, np.uint8), hum(20))
    write_film(right, np.full((12, 64, 64, 3), 220, np.uint8), hum(12))
    shown = side_by_side(left, right)
    assert shown.fault is None
    assert not shown.cut
    frames = decoded(str(shown.source), tmp_path / "page.mp4")
    assert frames.shape == (20, SIZE, 2 * SIZE, 3)
    assert abs(frames[:, :, : SIZE - 8].mean() - 30) < 4
    assert abs(frames[:12, :, SIZE + 8 :].mean() - 220) < 4
    assert abs(frames[12:, :, SIZE + 8 :].mean() - 128) < 4  # the real one has ended
    assert probe(tmp_path / "page.mp4").sample_rate is not None


def test_long_clips_are_cut_and_say_so(tmp_path: Path) -> None:
    video = tmp_path / "long.mkv"
    write_film(video, np.zeros((round(SECONDS * 25) + 10, 32, 32, 3), np.uint8), None)
    shown = side_by_side(video, video)
    assert shown.cut
    assert shown.seconds == SECONDS


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    video, text = tmp_path / "a.mkv", tmp_path / "b.mp4"
    write_film(video, drift(12, 0), hum(12))
    text.write_text("not a video")
    assert side_by_side(None, video).fault == "no video was made for this clip"
    assert side_by_side(tmp_path / "gone.mp4", video).fault == "gone.mp4: the file is gone"
    assert "b.mp4" in str(side_by_side(text, video).fault)
    half = side_by_side(video, text)
    assert half.source is not None
    assert "the real clip b.mp4" in str(half.fault)


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:9/a.mp4", "sftp://example.com/a.mp4", "simplecache::http://x/a.mp4"]
)
def test_an_address_elsewhere_is_not_asked(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = entry_of_video(tmp_path / "a", uri)
    monkeypatch.setattr("fsspec.core.url_to_fs", lambda *_: pytest.fail("it was asked"))
    (picked,) = gallery([system], "psnr", 1)
    assert picked.shown.source is None
    assert "not fetched" in str(picked.shown.fault)


def test_devices_and_pipes_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    for number, path in enumerate(["/dev/zero", str(tmp_path / "pipe.mp4"), str(tmp_path)]):
        (picked,) = gallery([entry_of_video(tmp_path / str(number), path)], "psnr", 1)
        assert picked.shown.fault == f"{Path(path).name}: is no file"


def test_videos_in_an_object_store_are_fetched(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mkv", drift(12, 0), hum(12))
    store = fsspec.filesystem("memory")
    store.pipe_file(f"/{tmp_path.name}/a.mkv", film.read_bytes())
    system = entry_of_video(f"memory://{tmp_path.name}/r", f"memory://{tmp_path.name}/a.mkv")
    (picked,) = gallery([system], "psnr", 1)
    assert picked.shown.source is not None
