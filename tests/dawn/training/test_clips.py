"""Reading frames and features of clips."""

from pathlib import Path

import av
import numpy as np
import pytest

from dawn.training.clips import ClipError, ClipReader, ClipRow, clips_of, decode_frames
from manifests.store import Dataset


@pytest.fixture(scope="module")
def clip(dataset: Dataset) -> ClipRow:
    return max(clips_of(dataset, "train"), key=lambda clip: clip.frames)


def plainly(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_single_frames_are_those_of_a_plain_decode(dataset: Dataset, clip: ClipRow) -> None:
    path = Path(dataset.path) / clip.video
    whole = plainly(path)
    assert len(whole) == clip.frames
    wanted = [0, 1, 24, 25, 26, 60, clip.frames - 1]
    found = dict(decode_frames(path, wanted, clip.size))
    assert list(found) == wanted
    for index, frame in found.items():
        assert np.abs(frame.astype(int) - whole[index]).max() <= 2, index


def test_frames_come_in_the_order_asked_for_and_from_memory_again(
    dataset: Dataset, clip: ClipRow
) -> None:
    reader = ClipReader(dataset.path, 64)
    frames = reader.frames(clip, [30, 2, 30])
    assert frames.shape == (3, 64, 64, 3)
    assert (frames[0] == frames[2]).all()
    assert (frames[0] != frames[1]).any()
    again = ClipReader(dataset.path, 64, cache_bytes=1)
    assert (again.frames(clip, [30, 2, 30]) == frames).all()
    assert not again._frames


def test_features_have_a_row_a_frame(dataset: Dataset, clip: ClipRow) -> None:
    features = ClipReader(dataset.path, 64).features(clip)
    assert features.pose.shape == (clip.frames, 6)
    assert features.eyes.shape == (clip.frames, 2)
    assert features.audio.shape == (clip.frames, 320)
    face, mouth = features.face, features.mouth
    assert ((face[:, 0] < mouth[:, 0]) & (mouth[:, 1] < face[:, 1])).all()
    assert ((face[:, 2] < mouth[:, 2]) & (mouth[:, 3] < face[:, 3])).all()
    right, left = features.eye_boxes.transpose(1, 0, 2)
    assert (right[:, 1] < left[:, 0]).all()
    assert ((right[:, 3] < mouth[:, 2]) & (left[:, 3] < mouth[:, 2])).all()


@pytest.mark.parametrize("damage", ["missing", "text", "short"])
def test_unusable_media_is_named(
    dataset: Dataset, clip: ClipRow, tmp_path: Path, damage: str
) -> None:
    root = tmp_path / "root"
    target = root / clip.video
    target.parent.mkdir(parents=True)
    if damage == "text":
        target.write_text("no video")
    elif damage == "short":
        target.write_bytes((Path(dataset.path) / clip.video).read_bytes()[:20000])
    with pytest.raises(ClipError, match=clip.clip_id):
        ClipReader(str(root), 64).frames(clip, [0, clip.frames - 1])


def test_a_table_of_another_length_is_named(dataset: Dataset, clip: ClipRow) -> None:
    longer = ClipRow(
        clip.clip_id, clip.frames + 1, clip.size, clip.video, clip.frames_part, clip.audio_part
    )
    with pytest.raises(ClipError, match=rf"has {clip.frames} rows .*, not {clip.frames + 1}"):
        ClipReader(dataset.path, 64).features(longer)
