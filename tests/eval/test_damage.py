"""Known damage, and that the metrics it is for notice it."""

from pathlib import Path

import numpy as np
import pytest

from dawn.features.faces.eyes import mouth_opening
from dawn.features.faces.landmarks import LANDMARKS, MESH_TO_68, borrow, give_back, to_68
from dawn.features.video.decode import read_frames as read_frames_of
from dawn.features.video.probe import probe
from eval import damage
from eval.metrics.face_distance import FACE_DISTANCE, FaceFeature
from eval.metrics.interface import Excluded, Value
from eval.metrics.pictures import PSNR, SSIM
from eval.metrics.smoothness import FLICKER
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import Clip, ClipSettings, Pair, square
from tests.films import drift, hum, write_film
from tests.footage import read_frames


def test_each_damage_does_what_it_says() -> None:
    pictures, sound = np.stack(drift(8)), hum(8)
    frozen, _ = damage.freeze(pictures, sound)
    assert (frozen == pictures[0]).all()
    stuttered, _ = damage.stutter(4)(pictures, sound)
    order = [0, 1, 2, 2, 4, 5, 6, 6]
    np.testing.assert_array_equal(stuttered, pictures[order])
    _, late = damage.delay_sound(5)(pictures, sound)
    assert not late[: 5 * 640].any()
    np.testing.assert_array_equal(late[5 * 640 :], sound[: 3 * 640])
    _, early = damage.delay_sound(-5)(pictures, sound)
    np.testing.assert_array_equal(early[: 3 * 640], sound[5 * 640 :])
    assert not early[3 * 640 :].any()
    assert not damage.delay_sound(20)(pictures, sound)[1].any()
    fewer, _ = damage.drop_frames(4)(pictures, sound)
    np.testing.assert_array_equal(fewer, pictures[[0, 1, 2, 4, 5, 6, 6, 6]])
    swapped, _ = damage.swap_identity(pictures[2:5])(pictures, sound)
    np.testing.assert_array_equal(swapped, pictures[[2, 3, 4, 3, 2, 3, 4, 3]])
    open_eyes, _ = damage.remove_blinks([(2, 4)], margin=0)(pictures, sound)
    np.testing.assert_array_equal(open_eyes, pictures[[0, 1, 1, 4, 4, 5, 6, 7]])
    open_eyes, _ = damage.remove_blinks([(0, 1), (6, 8)], margin=1)(pictures, sound)
    np.testing.assert_array_equal(open_eyes, pictures[[0, 2, 2, 3, 4, 4, 4, 7]])
    _, silent = damage.mute(pictures, sound)
    assert not silent.any()
    assert silent.shape == sound.shape
    grainy, _ = damage.noise(12)(pictures, sound)
    assert np.std(grainy.astype(int) - pictures) == pytest.approx(12, rel=0.15)
    dark, _ = damage.flicker(8)(pictures, sound)
    np.testing.assert_array_equal(dark[::2], pictures[::2])
    assert 6 < (pictures[1::2].astype(int) - dark[1::2]).mean() <= 8
    for name, function in damage.DAMAGES.items():
        shown, heard = function(pictures, sound)
        assert shown.shape == pictures.shape, name
        assert shown.dtype == np.uint8, name
        assert heard.shape == sound.shape, name
        assert heard.dtype == np.float32, name


def moving_face(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of one grey level a frame and mesh points of a face that moves by 2 pixels each."""
    face = np.zeros((LANDMARKS, 3), np.float32)
    angles = np.linspace(0, np.pi, 17)
    outline = np.stack([64 - 40 * np.cos(angles), 60 + 45 * np.sin(angles)], axis=1)
    inner = {27: (64, 55), 28: (64, 60), 29: (64, 65), 30: (64, 70), 36: (42, 55), 39: (56, 55)}
    inner |= {42: (72, 55), 45: (86, 55)} | {31 + k: (58 + 3 * k, 73) for k in range(5)}
    mouth = {48 + k: (64 - 9 * np.cos(k), 86 + 5 * np.sin(k)) for k in range(20)}
    for place, point in {**dict(enumerate(outline)), **inner, **mouth}.items():
        face[MESH_TO_68[place], :2] = point
    points = np.stack([face + np.array([2 * k, 0, 0]) for k in range(count)]).astype(np.float32)
    levels = np.arange(40, 40 + 10 * count, 10, dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, 128, 128, 3)).copy(), points


def test_a_frozen_mouth_is_laid_where_the_head_is() -> None:
    pictures, points = moving_face(6)
    pictures[0, 84:89, 60:69] = 200
    points[3] = np.nan
    still, sound = damage.freeze_mouth(points)(pictures, hum(6))
    np.testing.assert_array_equal(sound, hum(6))
    for t in (1, 2, 4, 5):
        assert np.abs(still[t, 85:88, 62 + 2 * t : 67 + 2 * t].astype(int) - 200).max() < 12
        assert (still[t, 100, 64 + 2 * t] == 40).all()  # the chin is the first frame's too
        np.testing.assert_array_equal(still[t, :60], pictures[t, :60])  # the eyes are their own
    np.testing.assert_array_equal(still[[0, 3]], pictures[[0, 3]])
    lost = np.full_like(points, np.nan)
    np.testing.assert_array_equal(damage.freeze_mouth(lost)(pictures, sound)[0], pictures)


@pytest.mark.slow
def test_people_with_a_frozen_mouth_still_move(footage: Path) -> None:
    path = footage / "plain.mp4"
    info = probe(path)
    pictures = np.stack([square(p, 256) for _, p in read_frames_of(path, info, 0, 50)])
    mesh = borrow()
    points = np.stack([found for p in pictures if (found := mesh.detect(p)) is not None])
    assert len(points) == len(pictures)
    still, _ = damage.freeze_mouth(points)(pictures, hum(50))
    mesh.forget()
    after = np.stack([found for p in still if (found := mesh.detect(p)) is not None])
    give_back(mesh)
    assert len(after) == len(pictures)
    assert mouth_opening(after).std() < 0.2 * mouth_opening(points).std()
    eyes = to_68(points)[:, [36, 45], :2] - to_68(after)[:, [36, 45], :2]
    assert np.abs(eyes).mean() < 1
    assert to_68(after)[:, 30, 0].std() > 0.8 * to_68(points)[:, 30, 0].std()


@pytest.mark.slow
@pytest.mark.shared
def test_more_blur_is_further_from_real_people(shared: Path, tmp_path: Path) -> None:
    card = ProtocolCard(name="test", size=256, stride=3)
    weights = {"mobilefacenet": shared / "weights/MobileFaceNet.onnx"}
    settings = ClipSettings(card=card, weights=weights)
    takes = [
        np.stack([square(frame, 256) for frame in read_frames(shared, pattern)[:14]])
        for pattern in ("c01*", "c03*", "c09*")
    ]

    def clips(sigma: float | None) -> list[Clip]:
        made = [damage.blur(sigma)(t, hum(14))[0] if sigma else t for t in takes]
        names = [tmp_path / f"{sigma}-{k}.mkv" for k in range(len(takes))]
        return [Clip(write_film(n, list(m)), settings) for n, m in zip(names, made, strict=True)]

    def rows(of: list[Clip]) -> list[np.ndarray]:
        found = [FaceFeature().extract(clip) for clip in of]
        return [part for part in found if not isinstance(part, Excluded)]

    whole = clips(None)
    real = rows(whole)
    assert sum(map(len, real)) >= 14
    distances, fidelity = [], []
    for sigma in (1, 2, 4):
        damaged = clips(sigma)
        distances.append(FACE_DISTANCE.distance(rows(damaged), real, card))
        pair = Pair("x", damaged[0], whole[0])
        values = [metric.measure(pair) for metric in (PSNR, SSIM, FLICKER)]
        assert all(isinstance(value, Value) for value in values)
        fidelity.append([value.value for value in values if isinstance(value, Value)])
    assert 0 < distances[0] < distances[1] < distances[2]
    assert (np.diff(fidelity, axis=0) < 0).all()
