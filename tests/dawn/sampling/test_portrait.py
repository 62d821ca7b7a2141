"""Pictures of all kinds, faces or none."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation
from skimage.data import astronaut

from dawn.features.faces.landmarks import following
from dawn.features.faces.picture import numbered, read_picture
from dawn.features.faces.pose import head_pose
from dawn.sampling.portrait import cautions, find_portrait
from manifests.errors import InputError
from tests.hostile import Film, faces


@pytest.fixture(scope="module")
def person() -> np.ndarray:
    return np.ascontiguousarray(astronaut())


def test_the_face_is_cropped_and_measured(person):
    portrait = find_portrait(person, 64)
    assert portrait.picture.shape == (64, 64, 3)
    assert portrait.faces == 1
    x_min, x_max, y_min, y_max = portrait.box
    assert 0.1 < x_min < 0.45 < 0.55 < x_max < 0.9
    assert 0.1 < y_min < 0.6 < y_max < 1.0
    assert np.abs(portrait.pose[:3]).max() < 30
    assert (portrait.eyes > 0.1).all()
    assert (portrait.eyes < 0.6).all()


def test_a_large_picture_gives_the_same_crop(person):
    large = cv2.resize(person, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    a, b = find_portrait(person, 64), find_portrait(large, 64)
    assert np.abs(a.box - b.box).max() < 0.06
    assert np.abs(a.picture.astype(int) - b.picture).mean() < 12


def test_of_several_faces_the_largest_is_taken(person):
    small = cv2.resize(person, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
    both = np.full((512, 930, 3), 90, np.uint8)
    both[:, :512] = person
    both[50:460, 516:926] = small
    portrait = find_portrait(both, 64)
    assert portrait.faces == 2
    alone = find_portrait(person, 64)
    assert np.abs(portrait.picture.astype(int) - alone.picture).mean() < 30


def test_a_face_is_chosen_by_its_number(person):
    both = np.full((512, 930, 3), 90, np.uint8)
    both[50:460, 4:414] = cv2.resize(person, (410, 410), interpolation=cv2.INTER_AREA)
    both[:, 418:] = person
    first, second = find_portrait(both, 64, face=1), find_portrait(both, 64, face=2)
    assert (first.face, second.face) == (1, 2)
    assert first.boxes[0, 0] > 418 > second.boxes[1, 2]
    assert np.array_equal(first.picture, find_portrait(both, 64).picture)
    assert not np.array_equal(first.picture, second.picture)
    preview = numbered(both, list(first.boxes))
    assert preview.shape == both.shape
    for x0, y0, *_ in first.boxes.round().astype(int):
        assert tuple(preview[y0, x0 + 20]) == (255, 220, 0)
    with pytest.raises(InputError, match=r"^two.png: there is no face 3: 2 faces were"):
        find_portrait(both, 64, "two.png", face=3)
    with pytest.raises(InputError, match="there is no face 2: one face was found; give 1"):
        find_portrait(person, 64, face=2)


def test_all_five_people_of_a_group_are_found(shared):
    group = read_picture(shared / "portraits/p5_pyfeat_multi_5people.jpg")
    portraits = [find_portrait(group, 64, face=number) for number in range(1, 6)]
    assert portraits[0].faces == 5
    covered = [bool(portrait.cautions) for portrait in portraits]
    assert covered == [False, False, False, True, False]  # one wears sunglasses
    assert "sunglasses" in portraits[3].cautions[0]


def test_bare_eyes_are_no_reason_for_a_warning(person):
    assert find_portrait(person, 64).cautions == ()
    assert find_portrait(person // 3, 64).cautions == ()  # at night


@pytest.mark.parametrize(("strength", "warns"), [(1.0, True), (0.85, True), (0.25, False)])
def test_glasses_are_noticed_where_they_are_dark(person, strength, warns):
    portrait = find_portrait(person, 64)
    x0, y0, x1, y1 = portrait.boxes[0]
    glasses = person.copy()
    for share in (0.3, 0.72):
        at = (round(x0 + share * (x1 - x0)), round(y0 + 0.22 * (y1 - y0)))
        axes = (round(0.19 * (x1 - x0)), round(0.16 * (y1 - y0)))
        cv2.ellipse(glasses, at, axes, 0, 0, 360, (20, 20, 20), -1)
    worn = cv2.addWeighted(glasses, strength, person, 1 - strength, 0)
    assert bool(find_portrait(worn, 64).cautions) == warns


def test_a_profile_is_noticed(person):
    with following() as mesh:
        points = mesh.detect(person)
    middle, yaws = points.mean(axis=0), {}
    for degrees in (0, 30, 70):
        turn = Rotation.from_euler("y", degrees, degrees=True).as_matrix()
        turned = ((points - middle) @ turn.T + middle).astype(np.float32)
        yaw = float(head_pose(turned[None])[0][0, 0])
        yaws[degrees] = yaw
        assert any("from the side" in text for text in cautions(person, points, yaw)) == (
            degrees == 70
        )
    assert abs(yaws[70] - yaws[0]) == pytest.approx(70, abs=3)


def test_no_face_is_said(person):
    with pytest.raises(InputError, match=r"wall.png: no face was found; give"):
        find_portrait(np.full((200, 200, 3), 128, np.uint8), 64, "wall.png")


def test_cameras_rotation_and_transparency_are_undone(tmp_path, person):
    turned = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    Image.fromarray(np.rot90(person)).save(turned, exif=exif, quality=95)
    assert np.abs(read_picture(turned).astype(int) - person).mean() < 4
    clear = tmp_path / "clear.png"
    rgba = np.dstack([person, np.zeros(person.shape[:2], np.uint8)])
    Image.fromarray(rgba).save(clear)
    assert (read_picture(clear) == 255).all()
    for mode in ("L", "P", "CMYK"):
        path = tmp_path / f"{mode}.tiff"
        Image.fromarray(person).convert(mode).save(path)
        assert read_picture(path).shape == person.shape


GREY = {
    "16-bit.png": lambda grey: Image.fromarray(grey.astype(np.uint16) * 257),
    "16-bit.tiff": lambda grey: Image.fromarray(grey.astype(np.uint16) * 257),
    "16-bit.pgm": lambda grey: Image.fromarray(grey.astype(np.uint16) * 257),
    "big-endian.tiff": lambda grey: Image.fromarray(grey.astype(">u2") * 257),
    "32-bit, 8 used.tiff": lambda grey: Image.fromarray(grey.astype(np.int32)),
    "32-bit, 16 used.tiff": lambda grey: Image.fromarray(grey.astype(np.int32) * 257),
    "share.tiff": lambda grey: Image.fromarray((grey / 255).astype(np.float32)),
    "float.tiff": lambda grey: Image.fromarray(grey.astype(np.float32)),
    "alpha.png": lambda grey: Image.fromarray(grey).convert("LA"),
}


@pytest.mark.parametrize("name", GREY)
def test_grey_pictures_of_any_depth_are_those_of_8_bits(tmp_path, person, name):
    grey = np.asarray(Image.fromarray(person).convert("L"))
    GREY[name](grey).save(tmp_path / name)
    assert np.array_equal(read_picture(tmp_path / name), np.repeat(grey[..., None], 3, axis=2))


def test_16_bit_pictures_are_turned_and_flattened_too(tmp_path, person):
    grey = np.asarray(Image.fromarray(person).convert("L"))
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = np.rot90(grey).astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "a.png", exif=exif, transparency=int(grey[0, 0]) * 257)
    read = read_picture(tmp_path / "a.png")[..., 0]
    assert np.array_equal(read, np.where(grey == grey[0, 0], 255, grey))


def test_transparent_palettes_are_white_and_of_an_animation_the_first_picture_counts(
    tmp_path, person
):
    few = Image.fromarray(person).quantize(64)
    few.save(tmp_path / "a.png", transparency=7)
    clear = np.asarray(few) == 7
    assert (read_picture(tmp_path / "a.png")[clear] == 255).all()
    stills = [Image.fromarray(person), Image.fromarray(person[::-1])]
    for kind in ("gif", "webp", "png"):
        stills[0].save(tmp_path / f"b.{kind}", save_all=True, append_images=stills[1:])
        assert np.abs(read_picture(tmp_path / f"b.{kind}").astype(int) - person).mean() < 5


def bad_pictures(folder: Path) -> dict[str, Path]:
    text = folder / "text.png"
    text.write_text("not a picture")
    video = folder / "video.png"
    Film(folder / "v.mp4").pictures(faces(3)).close()
    (folder / "v.mp4").rename(video)
    cut = folder / "cut.png"
    Image.fromarray(astronaut()).save(cut)
    cut.write_bytes(cut.read_bytes()[:20_000])
    bomb = folder / "bomb.png"
    Image.new("1", (12_000, 12_000)).save(bomb)
    empty = folder / "empty.png"
    empty.touch()
    return {"text": text, "video": video, "cut": cut, "bomb": bomb, "empty": empty,
            "none": folder / "none.png", "folder": folder}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "says"),
    [("text", "is not a picture"), ("video", "is a video; give a picture"),
     ("cut", "cannot be read as a picture"), ("bomb", "megapixels"), ("empty", "is not a picture"),
     ("none", "there is no such file"), ("folder", "cannot be read")],
)  # fmt: skip
def test_what_is_no_picture(tmp_path, kind, says):
    path = bad_pictures(tmp_path)[kind]
    with pytest.raises(InputError, match=says) as caught:
        read_picture(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
