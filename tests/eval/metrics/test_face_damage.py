"""Damage that face metrics are for is found, on rendered people and on real ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dawn.features.faces.blinks import find_blinks
from dawn.features.faces.identity import ARCFACE, ArcFace
from eval import damage
from eval.metrics.catalogue import CLIP_METRICS
from eval.metrics.csim import csim_curve
from eval.metrics.interface import Excluded, Value
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import Clip, ClipSettings, Pair
from manifests.errors import InputError
from tests.films import write_film
from tests.onnx_files import weights as projection
from tests.onnx_files import write_network

CARD = ProtocolCard(name="test", size=256, stride=3)
METRICS = {metric.definition.name: metric for metric in CLIP_METRICS}
MOTION = ("pose_std", "thl_lip_dynamics", "thl_head_motion", "thl_eyebrow_dynamics", "head_jerk")


class People:
    """Clips under one set of weights, and damaged copies of them."""

    def __init__(self, folder: Path, weights: dict[str, Path], frames: int = 0) -> None:
        card = ProtocolCard(name="test", size=256, stride=3, max_frames=frames)
        self.settings = ClipSettings(card=card, weights=weights)
        self.folder, self.made = folder, 0
        self.clips: dict[Path, Clip] = {}

    def real(self, path: Path) -> Clip:
        if path not in self.clips:
            self.clips[path] = Clip(path, self.settings)
        return self.clips[path]

    def damaged(self, path: Path, how: damage.Damage) -> Clip:
        clip = self.real(path)
        pictures, sound = how(np.concatenate(list(clip.chunks())), clip.sound)
        self.made += 1
        return Clip(
            write_film(self.folder / f"{self.made}.mkv", list(pictures), sound), self.settings
        )

    def only_sound(self, path: Path, how: damage.Damage) -> Clip:
        """As `damaged`, for what leaves the pictures alone: faces are not searched again."""
        clip = self.damaged(path, how)
        clip.__dict__["landmarks"] = self.real(path).landmarks
        return clip


def number(name: str, generated: Clip, real: Clip) -> Value:
    value = METRICS[name].measure(Pair("x", generated, real))
    assert isinstance(value, Value), (name, value)
    return value


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> People:
    """Two rendered people; their identity is judged by a tiny network of random weights."""
    folder = tmp_path_factory.mktemp("rendered")
    names = {"mobilefacenet": 128, "arcface": ARCFACE}
    weights = {name: write_network(folder / f"{name}.onnx", size) for name, size in names.items()}
    return People(folder, weights)


def test_a_face_is_found_alike_whatever_was_seen_before(rendered: People, footage: Path) -> None:
    path = footage / "plain.mp4"
    first = rendered.real(path).landmarks
    other = Clip(footage / "second.mp4", rendered.settings)
    other.frames = 5
    assert other.face_found.all()
    np.testing.assert_array_equal(Clip(path, rendered.settings).landmarks, first)


def half_of_the_blinks(people: People, path: Path) -> None:
    real = people.real(path)
    blinks = find_blinks(real.eyes)
    assert len(blinks) >= 2
    gone = blinks[: len(blinks) // 2]
    fewer = people.damaged(path, damage.remove_blinks(gone))
    value = number("blink_rate", fewer, real)
    assert value.reference == pytest.approx(len(blinks) * 25 / value.n)
    assert value.value == pytest.approx((len(blinks) - len(gone)) * 25 / value.n)
    lost = number("blink_rate_distance", fewer, real)
    assert METRICS["blink_rate_distance"].combine([lost]) == pytest.approx(len(gone) * 25 / value.n)


def frozen_is_still(people: People, path: Path) -> None:
    real = people.real(path)
    frozen = people.damaged(path, damage.freeze)
    for name in MOTION:
        value = number(name, frozen, real)
        assert value.reference is not None
        # What landmarks tremble by on a still face, which steps from frame to frame hold most.
        noise = 0.2 if name in ("thl_eyebrow_dynamics", "head_jerk") else 0.05
        assert value.value < noise * value.reference, name
    for name in ("lip_audio_corr", "lip_audio_lag", "thl_lipsync"):
        value = METRICS[name].measure(Pair("x", frozen, real))
        # The mesh breathes a little on a still picture; it is no talking mouth.
        assert isinstance(value, Excluded) or abs(value.value) <= 15, name
    assert number("csim_src_mbf128", frozen, real).value > 0.98
    assert number("csim_drift_mbf128", frozen, real).value == pytest.approx(0, abs=0.02)
    assert METRICS["blink_rate"].measure(Pair("x", frozen, real)).value == 0


def late_sound_is_found(people: People, path: Path, corr: float) -> None:
    real = people.real(path)
    before = number("lip_audio_lag", real, real).value
    assert number("lip_audio_corr", real, real).value > corr
    for frames in (5, -5):
        moved = people.only_sound(path, damage.delay_sound(frames))
        # Late sound is behind the picture: its offset is negative.
        assert number("lip_audio_lag", moved, real).value == before - frames
        assert (
            number("lip_audio_corr", moved, real).value < number("lip_audio_corr", real, real).value
        )


@pytest.mark.parametrize("kind", ["plain"])
def test_rendered_people(rendered: People, footage: Path, kind: str) -> None:
    path = footage / f"{kind}.mp4"
    half_of_the_blinks(rendered, path)
    frozen_is_still(rendered, path)
    late_sound_is_found(rendered, path, 0.8)


def test_rendered_sound_that_is_late_from_the_start(rendered: People, footage: Path) -> None:
    """The truth says 200 ms: five frames."""
    late, plain = (rendered.real(footage / f"{name}.mp4") for name in ("delayed", "plain"))
    lags = [number("lip_audio_lag", clip, clip).value for clip in (late, plain)]
    assert lags[0] - lags[1] == -5


def test_another_rendered_person_is_another(rendered: People, footage: Path) -> None:
    """By a network that sees an 8 x 8 picture of the face: enough to tell these two apart."""
    first, second = footage / "plain.mp4", footage / "second.mp4"
    own = rendered.real(first)
    other = np.concatenate(list(rendered.real(second).chunks()))
    swapped = rendered.damaged(first, damage.swap_identity(other))
    for name in ("csim_src_mbf128", "csim_gt_mbf128", "csim_src_arcface-w600k_r50"):
        same, another = number(name, own, own), number(name, swapped, own)
        assert same.value > another.value + 0.02, name
    assert number("csim_gt_mbf128", own, own).value == pytest.approx(1)
    assert number("csim_gt_mbf128", swapped, own).value < 0.95
    pair = Pair("x", own, own)
    curve = csim_curve(pair)
    assert curve is not None
    assert len(curve) == len(own.sampled_indices)
    assert np.nanmean(curve) == pytest.approx(number("csim_src_arcface-w600k_r50", own, own).value)


def test_arcface_takes_pictures_as_insightface_does(tmp_path: Path) -> None:
    net = ArcFace(write_network(tmp_path / "a.onnx", ARCFACE, "batch"))
    crops = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8)
    cells = ((crops - 127.5) / 127.5).reshape(3, 8, 14, 8, 14, 3).mean(axis=(2, 4))
    rows = cells.transpose(0, 3, 1, 2).reshape(3, -1) @ projection(ARCFACE)
    expected = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(net.embed(crops), expected, atol=1e-5)
    net._batch = 2  # as on a GPU
    np.testing.assert_allclose(net.embed(crops), expected, atol=1e-5)
    with pytest.raises(InputError, match="not a 112x112 face to 512"):
        ArcFace(write_network(tmp_path / "b.onnx", 128))


@pytest.fixture(scope="module")
def real_people(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> People:
    weights = {
        "mobilefacenet": shared / "weights/MobileFaceNet.onnx",
        "lr_asd": shared / "weights/lr_asd_ava.model",
    }
    return People(tmp_path_factory.mktemp("real"), weights, 75)


def one(shared: Path, pattern: str) -> Path:
    (path,) = (shared / "clips").glob(pattern)
    return path


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize(
    ("check", "pattern"),
    [(half_of_the_blinks, "c01*"), (half_of_the_blinks, "c04*"), (frozen_is_still, "c03*"),
     (frozen_is_still, "c09*")],
)  # fmt: skip
def test_real_people(
    real_people: People, shared: Path, check: Callable[[People, Path], None], pattern: str
) -> None:
    check(real_people, one(shared, pattern))


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize("pattern", ["c07*", "c09*"])
def test_late_sound_of_real_people(real_people: People, shared: Path, pattern: str) -> None:
    """The clips whose mouths open and close enough for their loudness to be seen in them."""
    late_sound_is_found(real_people, one(shared, pattern), 0.3)


@pytest.mark.slow
@pytest.mark.shared
def test_another_real_person_is_another(real_people: People, shared: Path) -> None:
    clips = [
        real_people.real(one(shared, name)) for name in ("c01*", "c03*", "c04*", "c07*", "c09*")
    ]
    for k, clip in enumerate(clips):
        assert number("csim_src_mbf128", clip, clip).value >= 0.7
        other = clips[(k + 1) % len(clips)]
        for name in ("csim_src_mbf128", "csim_gt_mbf128"):
            assert METRICS[name].measure(Pair("x", other, clip)).value <= 0.3


@pytest.mark.slow
@pytest.mark.shared
def test_the_active_speaker_margin_falls_with_late_sound(real_people: People, shared: Path) -> None:
    path = one(shared, "c07*")
    late = real_people.only_sound(path, damage.delay_sound(10))
    value = number("asd_margin_lrasd", late, real_people.real(path))
    assert value.reference is not None
    assert value.value < value.reference - 0.5
