import numpy as np
import pytest

from dawn.features.sync.track_crop import track_crops, track_squares
from manifests.errors import InputError


def test_square_is_wider_than_the_face_and_moved_down() -> None:
    boxes = np.tile([[100, 200, 180, 300]], (20, 1)).astype(np.float32)
    # Half of the longer side is 50, the centre (140, 250).
    assert track_squares(boxes).tolist() == [[70, 200, 210, 340]] * 20


def test_a_stray_box_does_not_move_the_track() -> None:
    boxes = np.tile([[100.0, 200, 180, 300]], (30, 1)).astype(np.float32)
    boxes[11:14] += 70
    assert (track_squares(boxes) == track_squares(boxes)[0]).all()


@pytest.mark.parametrize("frames", [1, 2, 5, 12, 13, 14])
def test_short_tracks_keep_their_place(frames: int) -> None:
    boxes = np.tile([[100.0, 200, 180, 300]], (frames, 1)).astype(np.float32)
    assert track_squares(boxes).tolist() == [[70, 200, 210, 340]] * frames


def test_crop_is_grey_outside_of_the_picture_and_keeps_colours() -> None:
    frame = np.zeros((60, 60, 3), np.uint8)
    frame[..., 2] = 255
    boxes = np.array([[0, 0, 50, 50], [0, 0, 50, 50]], np.float32)
    crops = track_crops([frame, frame], boxes)  # x from -10 to 60, y from 0 to 70
    assert (crops.shape, crops.dtype) == ((2, 224, 224, 3), np.uint8)
    assert crops[0, 100, 10].tolist() == [110, 110, 110]
    assert crops[0, 215, 100].tolist() == [110, 110, 110]
    assert crops[0, 100, 100].tolist() == [0, 0, 255]


def test_unusable_tracks_are_refused() -> None:
    frame = np.zeros((60, 60, 3), np.uint8)
    good = np.array([[0, 0, 50, 50]], np.float32)
    with pytest.raises(InputError, match="one frame for each of 1"):
        track_crops([frame, frame], good)
    for bad in (good[:, ::-1], good * np.nan, good[:0]):
        with pytest.raises(InputError, match="face track"):
            track_crops([frame], bad)
