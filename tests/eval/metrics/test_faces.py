"""Measures of landmarks against cases worked out by hand."""

from pathlib import Path

import numpy as np
import pytest

from dawn.features.faces.eyes import eye_ratios
from dawn.features.faces.landmarks import MESH_TO_68
from eval.metrics import theval
from eval.metrics.blinks import BLINK_RATE, BLINK_RATE_DISTANCE
from eval.metrics.catalogue import CLIP_METRICS, FEATURES
from eval.metrics.interface import Excluded, Reason, Value
from eval.metrics.landmark_distance import ALL, MOUTH, landmark_distance
from eval.metrics.pose_motion import POSE_STD
from eval.metrics.presence import filled, of_one, speech
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import Clip, ClipSettings, Pair
from tests.films import drift, hum, write_film

SETTINGS = ClipSettings(card=ProtocolCard(name="test", size=128))
METRICS = {metric.definition.name: metric for metric in CLIP_METRICS}


def mesh(frames: int) -> np.ndarray:
    """A made-up face that holds still, (frames, 478, 3): no two points coincide."""
    points = np.random.default_rng(1).uniform(20, 100, (478, 3)).astype(np.float32)
    return np.repeat(points[None], frames, axis=0)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("film") / "a.mkv", drift(60), hum(60))


def seen(film: Path, landmarks: np.ndarray) -> Clip:
    """A clip in which the mesh found just these landmarks."""
    clip = Clip(film, SETTINGS)
    clip.__dict__["landmarks"] = landmarks.astype(np.float32)
    return clip


def test_ear_is_height_over_width() -> None:
    points = mesh(1)
    left = [points[0, MESH_TO_68[k]] for k in (45, 42, 43, 47)]
    right = [points[0, MESH_TO_68[k]] for k in (39, 36, 37, 41)]
    for eye, height in ((left, 6.0), (right, 3.0)):
        eye[0][:], eye[1][:] = (30, 0, 0), (0, 0, 0)
        eye[2][:], eye[3][:] = (20, height, 0), (20, -height, 0)
    np.testing.assert_allclose(eye_ratios(points), [[12 / 30, 6 / 30]], rtol=1e-6)


def test_blinks_are_pooled_over_time(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def clip(blinks: list[int], frames: int) -> Clip:
        made = seen(film, mesh(frames))
        made.frames = frames
        eyes = np.full((frames, 2), 0.3, np.float32)
        for at in blinks:
            eyes[at : at + 5] = np.array([0.2, 0.1, 0.04, 0.1, 0.2])[:, None]
        made.__dict__["eyes"] = eyes
        return made

    pairs = [
        Pair("a", clip([10, 30], 60), clip([20], 60)),
        Pair("b", clip([], 30), clip([12], 30)),
    ]
    rates = [BLINK_RATE.measure(pair) for pair in pairs]
    # The first frame is left out: 2 blinks in 59 frames, none in 29.
    assert rates == [Value(2 * 25 / 59, 25 / 59, 59), Value(0.0, 25 / 29, 29)]
    assert BLINK_RATE.combine(rates) == pytest.approx(2 * 25 / 88)
    apart = [BLINK_RATE_DISTANCE.measure(pair) for pair in pairs]
    assert BLINK_RATE_DISTANCE.combine(apart) == pytest.approx(0, abs=1e-12)
    assert BLINK_RATE_DISTANCE.combine(apart[:1]) == pytest.approx(25 / 59)


def test_lmd_ignores_where_the_face_is_but_not_its_shape() -> None:
    real = np.random.default_rng(0).uniform(0, 100, (68, 2))
    real[36], real[45] = (20, 40), (80, 40)  # 60 px apart
    angle = 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = 1.7 * real @ turn.T + [40, -9]
    assert landmark_distance(moved, real, ALL) == pytest.approx(0, abs=1e-12)
    open_mouth = real.copy()
    open_mouth[48:68] += [3, 4]  # 5 px each
    assert landmark_distance(open_mouth, real, MOUTH) == pytest.approx(5 / 60)
    assert landmark_distance(open_mouth, real, ALL) == pytest.approx(5 / 60 * 20 / 68)
    assert landmark_distance(2 * open_mouth, 2 * real, MOUTH) == pytest.approx(5 / 60)


def test_pose_deviation_is_of_the_frames_with_a_face(film: Path) -> None:
    clip = seen(film, mesh(60))
    angles = np.zeros((60, 7), np.float32)
    angles[:, 0] = np.where(np.arange(60) % 2, 3, -3)
    angles[20:30] = np.nan
    clip.__dict__["pose"] = angles
    clip.landmarks[20:30] = np.nan
    value = POSE_STD.measure(Pair("x", clip, clip))
    assert isinstance(value, Value)
    assert value.n == 49
    assert value.value == pytest.approx(1, abs=1e-3)  # 3 degrees in yaw, 0 in the others


def test_theval_s_measures() -> None:
    points = mesh(4)
    points[:, theval.CORNERS[0]], points[:, theval.CORNERS[1]] = (0, 0, 0), (50, 0, 0)
    assert theval.lip_dynamics(points) == 0
    lips = points[0, theval.LIPS, :2]
    wide = points.copy()
    wide[::2, theval.LIPS, :2] *= 1.1  # all distances 10 % larger in half of the frames
    gaps = [np.linalg.norm(a - b) / 50 for k, a in enumerate(lips) for b in lips[:k]]
    expected = np.mean([(0.05 * gap) ** 2 for gap in gaps])
    assert theval.lip_dynamics(wide) == pytest.approx(expected, rel=1e-4)
    assert len(set(theval.LIPS)) == 40

    points[:, theval.EYES[0] + theval.EYES[1], :2] = 0
    points[:, theval.EYES[0], 0] = 40  # eyes' centres 40 px apart
    for side in (0, 1):
        points[:, theval.BROWS[side], :2] = points[:, theval.EYES[side][:1], :2] + [0, 10]
    points[2, theval.BROWS[0], 1] += 4  # one brow up by 4 px in one frame: two steps of six
    assert theval.eyebrow_dynamics(points) == pytest.approx(2 * 4 / 40 / 6, rel=1e-5)

    angles = np.array([[0.0, 0, 0], [2, 0, 0], [0, 0, 0], [2, 0, 0]])
    steps = np.var([2, -2, 2]) / 3
    centres = np.array([[0.0, 0], [0, 4], [0, 0], [0, 4]])
    assert theval.head_motion(angles, centres) == pytest.approx(np.sqrt(1 / 3 * steps + 2))

    opening, volume = np.array([0.0, 1, 2, 4]), np.array([3.0, 3, 5, 7])
    assert theval.lip_sync(opening, volume) == pytest.approx((0 + 0.25 + 0 + 0) / 4, abs=1e-6)

    mouth = mesh(1)
    mouth[:, theval.CORNERS[0]], mouth[:, theval.CORNERS[1]] = (0, 0, 0), (50, 0, 0)
    mouth[:, theval.UPPER, 1], mouth[:, theval.LOWER, 1] = 70, 75
    assert theval.openness(mouth)[0] == pytest.approx(0.1)

    talking = np.array([1] * 3 + [0] * 7 + [1] * 2 + [0] * 8, dtype=bool)
    np.testing.assert_array_equal(np.flatnonzero(theval.silent_frames(talking)), range(12, 20))


def test_speech_bridges_short_pauses() -> None:
    levels = np.full(60, -20.0, np.float32)
    levels[10:17] = -80  # 280 ms
    levels[30:38] = -80  # 320 ms
    levels[50:52] = -45
    expected = np.ones(60, bool)
    expected[30:38] = False
    np.testing.assert_array_equal(speech(levels), expected)


def test_gaps_are_filled_from_their_sides() -> None:
    nan = np.nan
    curve = np.array([nan, 2, nan, nan, 8, nan], np.float32)
    np.testing.assert_allclose(filled(curve), [2, 2, 4, 6, 8, 8])
    rows = np.stack([curve, 2 * curve], axis=1)
    np.testing.assert_allclose(filled(rows), np.stack([filled(curve), 2 * filled(curve)], axis=1))


def test_no_face_is_a_reason_and_never_a_number(film: Path, tmp_path: Path) -> None:
    black = write_film(tmp_path / "b.mkv", [np.zeros((128, 128, 3), np.uint8)] * 60, hum(60))
    nothing = np.full((60, 478, 3), np.nan)
    few = mesh(60)
    few[:31] = np.nan
    names = [
        *("lip_audio_corr", "lip_audio_lag", "bas_a2m", "bas_m2a", "bas_null", "bas_gain"),
        *("blink_rate", "blink_rate_distance", "m_lmd_iod", "f_lmd_iod", "pose_std"),
        *("thl_lip_dynamics", "thl_head_motion", "silent_lip_stability", "thl_lipsync"),
        *("thl_eyebrow_dynamics", "csim_src_mbf128", "csim_gt_mbf128", "csim_drift_mbf128"),
        *("asd_margin_lrasd", "csim_src_arcface-w600k_r50"),
    ]
    real = seen(film, mesh(60))
    for clip, reason in (
        (Clip(black, SETTINGS), Reason.NO_FACE),
        (seen(film, nothing), Reason.NO_FACE),
        (seen(film, few), Reason.FEW_FACES),
    ):
        for name in names:
            assert METRICS[name].measure(Pair("x", clip, real)) == Excluded(reason), name
        for feature in FEATURES:
            if feature.name in ("pose3", "exp10"):
                assert feature.extract(clip) == Excluded(reason)
    value = METRICS["face_rate"].measure(Pair("x", seen(film, few), real))
    assert value == Value(29 / 60, 1.0, 60)


def test_sound_that_is_not_there_is_a_reason(film: Path, tmp_path: Path) -> None:
    dumb = write_film(tmp_path / "dumb.mkv", drift(60))
    mute = write_film(tmp_path / "mute.mkv", drift(60), np.full(60 * 640, 1e-5, np.float32))
    steady = np.ones(60 * 640, np.float32) * 0.1
    level = write_film(tmp_path / "level.mkv", drift(60), steady)
    moving = mesh(60)
    moving[:, MESH_TO_68[66], 1] += np.arange(60) % 7
    names = ("lip_audio_lag", "bas_a2m", "thl_lipsync", "silent_lip_stability", "asd_margin_lrasd")
    for path, reason in ((dumb, Reason.NO_SOUND), (mute, Reason.SILENT)):
        clip = seen(path, moving)
        for name in names:
            assert METRICS[name].measure(Pair("x", clip, clip)) == Excluded(reason), name
    clip = seen(level, moving)
    pair = Pair("x", clip, clip)
    assert METRICS["lip_audio_lag"].measure(pair) == Excluded(Reason.NO_EVENTS)
    assert METRICS["silent_lip_stability"].measure(pair) == Excluded(Reason.NO_EVENTS)
    still = seen(film, mesh(60))
    pair = Pair("x", still, still)
    assert METRICS["lip_audio_corr"].measure(pair) == Excluded(Reason.FROZEN)
    assert METRICS["thl_lipsync"].measure(pair) == Excluded(Reason.FROZEN)
    short = seen(film, moving)
    short.frames = 30
    short.__dict__["landmarks"] = moving[:30]
    for name in ("lip_audio_lag", "bas_a2m", "asd_margin_lrasd", "csim_drift_mbf128"):
        pair = Pair("x", short, short)
        assert METRICS[name].measure(pair) == Excluded(Reason.TOO_SHORT), name


def test_the_real_clip_is_missed_only_where_the_number_needs_it(film: Path) -> None:
    def measure(clip: Clip) -> tuple[float, int] | Excluded:
        return Excluded(Reason.SILENT) if clip is real else (2.0, 3)

    own, real = Clip(film, SETTINGS), Clip(film, SETTINGS)
    pair = Pair("x", own, real)
    assert of_one(measure, against_real=True)(pair) == Excluded(Reason.SILENT)
    assert of_one(measure, against_real=False)(pair) == Value(2.0, None, 3)
    assert of_one(measure, against_real=False)(Pair("x", real, own)) == Excluded(Reason.SILENT)
