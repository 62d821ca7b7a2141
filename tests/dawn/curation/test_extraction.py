"""What extraction makes of unusual footage: far faces, one picture again and again, people who
cross, transitions. The truth is in the footage's making.
"""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.curation.extraction import Clip, ExtractConfig, SpanResult, extract_span
from dawn.features.faces.detection import Face, FaceConfig, link
from dawn.features.rates import FPS
from dawn.features.video.decode import read_frames
from dawn.features.video.probe import probe

Picture = NDArray[np.uint8]


def write(path: Path, pictures: Iterable[Picture]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=25, options={"crf": "14", "preset": "ultrafast"}
        )
        stream.pix_fmt = "yuv420p"
        for k, picture in enumerate(pictures):
            if k == 0:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = k, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def pictures_of(footage: Path, name: str, stop: int, start: int = 0) -> list[Picture]:
    path = footage / f"{name}.mp4"
    return [picture for _, picture in read_frames(path, probe(path), start, stop)]


def extract(path: Path, folder: Path) -> SpanResult:
    folder.mkdir()
    info = probe(path)
    return extract_span(path, info, 0, info.frames, ExtractConfig(), folder)


def face_share(clip: Clip) -> float:
    """The longer side of the mesh's face over the side of the crop: the median over time."""
    width, height = clip.boxes[:, 1] - clip.boxes[:, 0], clip.boxes[:, 3] - clip.boxes[:, 2]
    return float(np.median(np.maximum(width, height))) / clip.size


@pytest.mark.parametrize("percent", [5, 8, 10, 12, 20, 30])
def test_the_face_fills_half_of_its_crop_at_any_size(
    footage: Path, tmp_path: Path, percent: int
) -> None:
    """The face as a share of the longer side of a picture of 1920 x 1080."""
    scale = percent / 100 * 1920 / 132  # the face of this footage is 132 pixels wide
    canvas = np.random.default_rng(0).integers(90, 130, (1080, 1920, 3)).astype(np.uint8)
    canvas = cv2.GaussianBlur(canvas, (0, 0), 9)

    def placed(picture: Picture) -> Picture:
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        small = small[:1080]
        whole = canvas.copy()
        left = (1920 - small.shape[1]) // 2
        whole[1080 - len(small) :, left : left + small.shape[1]] = small
        return whole

    path = write(tmp_path / "v.mp4", map(placed, pictures_of(footage, "plain", 20)))
    (clip,) = extract(path, tmp_path / "out").clips
    assert 0.45 <= face_share(clip) <= 0.60
    assert clip.measures["face_px"] == pytest.approx(132 * scale, rel=0.1)
    assert clip.measures["other_faces"] == 0


def test_a_badge_is_no_other_face(footage: Path, tmp_path: Path) -> None:
    mirrored = [picture[:, ::-1] for picture in pictures_of(footage, "plain", 40)]
    result = extract(write(tmp_path / "v.mp4", mirrored), tmp_path / "out")
    (clip,) = result.clips
    assert clip.measures["other_faces"] == 0


def test_two_people_who_dissolve_are_never_one_clip(footage: Path, tmp_path: Path) -> None:
    one, other = pictures_of(footage, "plain", 60), pictures_of(footage, "second", 60)
    share = np.clip((np.arange(85) - 30) / 25, 0, 1)
    mixed = [
        np.rint((1 - s) * one[min(k, 59)] + s * other[max(0, k - 25)]).astype(np.uint8)
        for k, s in enumerate(share)
    ]
    clips = extract(write(tmp_path / "v.mp4", mixed), tmp_path / "out").clips
    spans = [(clip.start, clip.start + clip.frames) for clip in clips]
    assert len(spans) == 2
    assert spans[0][1] <= 36
    assert spans[1][0] >= 49


def test_a_still_picture_and_a_frozen_one_are_measured(footage: Path, tmp_path: Path) -> None:
    moving = pictures_of(footage, "plain", 40)
    (still,) = extract(write(tmp_path / "1.mp4", [moving[0]] * 40), tmp_path / "1").clips
    frozen = [*moving[:20], *[moving[19]] * 15, *moving[20:]]
    (halting,) = extract(write(tmp_path / "2.mp4", frozen), tmp_path / "2").clips
    slow = [moving[k // 2] for k in range(40)]
    (halved,) = extract(write(tmp_path / "3.mp4", slow), tmp_path / "3").clips
    assert still.measures["still_seconds"] > 1
    assert still.measures["mouth_moves"] < 0.003
    assert 0.4 < halting.measures["still_seconds"] < 17 / FPS  # coding refines what stands still
    assert halved.measures["still_seconds"] == pytest.approx(2 / FPS)
    assert halved.measures["repeated"] == pytest.approx(0.5, abs=0.03)
    assert halved.measures["mouth_moves"] > 0.01


def seen(x: float, y: float = 0, side: float = 10) -> Face:
    return Face(np.array([x, y, x + side, y + side], np.float64), confirmed=True)


def test_a_head_that_moves_fast_is_one_track() -> None:
    detections = [(8 * k, [seen(9.0 * k)]) for k in range(6)]
    (track,) = link(detections, FaceConfig())
    assert track.frames == [0, 8, 16, 24, 32, 40]


def test_people_who_cross_keep_their_tracks() -> None:
    detections = [(8 * k, [seen(7.0 * k), seen(70 - 7.0 * k, y=3)]) for k in range(11)]
    tracks = link(detections, FaceConfig())
    assert len(tracks) == 2
    for track, step in zip(tracks, (7, -7), strict=True):
        assert np.allclose(np.diff([face.box[0] for face in track.faces]), step)


def test_a_face_that_appears_elsewhere_is_another_track() -> None:
    detections = [(0, [seen(0)]), (8, [seen(1)]), (16, [seen(40)]), (24, [seen(41)])]
    assert [track.frames for track in link(detections, FaceConfig())] == [[0, 8], [16, 24]]
