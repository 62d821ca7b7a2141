"""LSE behind the interface, on random weights of the real networks."""

from argparse import Namespace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy.io import wavfile
from syncnet_python.detectors.s3fd import S3FD
from syncnet_python.detectors.s3fd.nets import S3FDNet
from syncnet_python.syncnet_pipeline import PipelineConfig, SyncNetPipeline
from syncnet_python.SyncNetInstance import SyncNetInstance
from syncnet_python.SyncNetModel import S

from dawn.features.sync.s3fd import S3fd, longest_track
from dawn.features.sync.syncnet import Lse, SyncNet, lse_of, shift_distances
from dawn.features.sync.track_crop import track_crops
from eval.damage import delay_sound
from eval.metrics import lip_sync
from eval.metrics.catalogue import CLIP_METRICS
from eval.metrics.interface import Excluded, Reason, Value
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import Clip, ClipSettings, Pair
from tests.films import drift, hum, write_film

CARD = ProtocolCard(name="test", size=128)
METRICS = {metric.definition.name: metric for metric in CLIP_METRICS}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """SyncNet with random numbers; S3FD that sees one face of 64 px in the middle of its 128."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    torch.save(S(num_layers_in_fc_layers=1024).state_dict(), folder / "syncnet_v2.model")
    net = S3FDNet(device="cpu")
    state = {name: torch.zeros_like(tensor) for name, tensor in net.state_dict().items()}
    for k in range(6):
        state[f"conf.{k}.bias"][0] = 9.0  # background, but for the layer whose boxes are 64 px
    state["conf.2.bias"][:] = torch.tensor([0.0, 5.0])
    torch.save(state, folder / "sfd_face.pth")
    return {"syncnet_v2": folder / "syncnet_v2.model", "s3fd": folder / "sfd_face.pth"}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("film") / "a.mkv", drift(28), hum(28) * speech(28))


def speech(frames: int) -> np.ndarray:
    """A loudness that never repeats."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0.1, 1, frames)
    return np.interp(np.arange(frames * 640) / 640, np.arange(frames), coarse).astype(np.float32)


def clip(path: Path, weights: dict[str, Path], **more) -> Clip:
    return Clip(path, ClipSettings(card=CARD, weights=weights), **more)


def reference(crops: np.ndarray, wav: np.ndarray, weights: Path, folder: Path) -> tuple:
    """syncnet-python's own offset, confidence and distance of BGR crops."""
    folder.mkdir()
    for number, crop in enumerate(crops):
        _, png = cv2.imencode(".png", crop)  # lossless, under the name that evaluate looks for
        (folder / f"{number:06d}.jpg").write_bytes(png.tobytes())
    wavfile.write(folder / "audio.wav", 16000, wav)
    instance = SyncNetInstance(S(num_layers_in_fc_layers=1024), device="cpu")
    instance.loadParameters(str(weights))
    return instance.evaluate(Namespace(tmp_dir=str(folder), batch_size=20, vshift=15))


def test_whole_frames_score_as_syncnet_python_scores_them(
    film: Path, weights: dict[str, Path], tmp_path: Path
) -> None:
    one = clip(film, weights)
    crops = np.concatenate(list(lip_sync.whole_crops(one)))
    assert crops.shape == (28, 224, 224, 3)
    wav = lip_sync.to_int16(one.sound)
    offset, confidence, distance = reference(crops, wav, weights["syncnet_v2"], tmp_path / "x")
    pair = Pair("x", one, clip(film, weights))
    values = {
        kind: METRICS[f"{kind}_wholeframe"].measure(pair)
        for kind in ("lse_c", "lse_d", "av_offset", "lse_zero")
    }
    assert all(isinstance(v, Value) and v.value == v.reference for v in values.values())
    assert values["lse_c"].value == pytest.approx(confidence, abs=1e-3)
    assert values["lse_d"].value == pytest.approx(distance, abs=1e-3)
    assert values["av_offset"].value == abs(offset)
    assert values["lse_zero"].value >= values["lse_d"].value


def test_parts_of_a_clip_score_as_the_whole(film: Path, weights: dict[str, Path]) -> None:
    one = clip(film, weights)
    crops, wav = np.concatenate(list(lip_sync.whole_crops(one))), lip_sync.to_int16(one.sound)
    net = SyncNet(weights["syncnet_v2"])
    whole = net.lse(crops, wav)
    cuts = [0, 3, 4, 11, 28]
    parts = (crops[a:b] for a, b in pairwise(cuts))
    apart = lip_sync.streamed(net, parts, 28, wav)
    np.testing.assert_allclose(apart.per_shift, whole.per_shift, rtol=1e-4)


def test_the_tracked_crop_is_cut_where_the_pipeline_cuts(
    film: Path, weights: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """syncnet-python's own `_crop` on the same boxes, its video writer replaced by a list."""
    rng = np.random.default_rng(0)
    middle = np.array([64, 60])
    centre = middle + np.cumsum(rng.normal(0, 0.7, (28, 2)), axis=0)
    half = rng.uniform(18, 24, (28, 2))
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    one = clip(film, weights)
    names = []
    for number, picture in enumerate(np.concatenate(list(one.chunks()))):
        names.append(str(tmp_path / f"{number:06d}.png"))
        cv2.imwrite(names[-1], picture[..., ::-1])
    written: list[np.ndarray] = []

    class Writer:
        def __init__(self, *_: object) -> None: ...
        def write(self, picture: np.ndarray) -> None:
            written.append(picture)

        def release(self) -> None:
            raise StopIteration  # before ffmpeg is called

    monkeypatch.setattr(cv2, "VideoWriter", Writer)
    pipeline = SyncNetPipeline.__new__(SyncNetPipeline)
    pipeline.cfg = PipelineConfig()
    with pytest.raises(StopIteration):
        pipeline._crop({"frame": np.arange(28), "bbox": boxes}, names, None, tmp_path / "c/0")
    ours = np.concatenate(list(lip_sync.tracked_crops(one, 0, boxes)))
    theirs = np.stack(written)
    assert ours.shape == theirs.shape == (28, 224, 224, 3)
    # The medians of both reach over the ends, where theirs sees zeros too.
    assert np.mean(ours == theirs) > 0.99
    later = np.concatenate(list(lip_sync.tracked_crops(one, 5, boxes[5:])))
    whole = track_crops(list(np.concatenate(list(one.chunks()))[5:]), boxes[5:].astype(np.float32))
    np.testing.assert_array_equal(later, whole[..., ::-1])


def test_tracked_and_whole_frames_are_different_numbers(
    film: Path, weights: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lip_sync, "MIN_FRAMES", 8)
    one = clip(film, weights)
    one.frames = 10
    tracked, whole = (lip_sync.lse(one, variant) for variant in ("tracked", "wholeframe"))
    assert isinstance(tracked, Lse)
    assert isinstance(whole, Lse)
    assert tracked.distance != whole.distance


def test_late_sound_moves_the_distances_by_as_many_frames(
    film: Path, weights: dict[str, Path], tmp_path: Path
) -> None:
    """What SyncNet hears of late sound is what it heard, later, and the offset says so."""
    net = SyncNet(weights["syncnet_v2"])
    one = clip(film, weights)
    crops = np.concatenate(list(lip_sync.whole_crops(one)))[:26]
    _, late = delay_sound(5)(crops, one.sound)
    early = delay_sound(-5)(crops, one.sound)[1]
    sound, moved, ahead = (net.sound(lip_sync.to_int16(s), 26) for s in (one.sound, late, early))
    np.testing.assert_allclose(moved[5:], sound[:-5], rtol=1e-3, atol=1e-3)
    # A face that fits its sound: the best shift is where it fits. Features of random weights
    # hardly differ from their mean, so that is taken away.
    mean = sound.mean(axis=0)
    faces = sound[3:20] - mean
    results = [lse_of(shift_distances(faces, side[3:20] - mean)) for side in (sound, moved, ahead)]
    assert [result.offset_frames for result in results] == [0, -5, 5]
    assert results[1].distance_at_zero > results[1].distance


def test_what_cannot_be_measured_is_excluded_with_its_reason(
    film: Path, weights: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mute = write_film(tmp_path / "mute.mkv", drift(26), np.zeros(26 * 640, np.float32))
    dumb = write_film(tmp_path / "dumb.mkv", drift(26))
    short = write_film(tmp_path / "short.mkv", drift(20), hum(20))
    state = torch.load(weights["s3fd"], weights_only=True)
    state["conf.2.bias"][:] = torch.tensor([9.0, 0.0])
    torch.save(state, tmp_path / "blind.pth")
    for path, reason in ((mute, Reason.SILENT), (dumb, Reason.NO_SOUND), (short, Reason.TOO_SHORT)):
        for variant in ("tracked", "wholeframe"):
            pair = Pair("x", clip(path, weights), clip(film, weights))
            assert METRICS[f"lse_d_{variant}"].measure(pair) == Excluded(reason)
    # A real clip without sound takes the reference away, not the number.
    pair = Pair("x", clip(film, weights), clip(dumb, weights))
    value = METRICS["lse_d_wholeframe"].measure(pair)
    assert isinstance(value, Value)
    assert value.reference is None
    monkeypatch.setattr(lip_sync, "MIN_FRAMES", 8)
    one = clip(film, weights | {"s3fd": tmp_path / "blind.pth"})
    one.frames = 10
    assert lip_sync.lse(one, "tracked") == Excluded(Reason.NO_TRACK)


def test_s3fd_boxes_are_the_package_s(weights: dict[str, Path]) -> None:
    detector = S3fd(weights["s3fd"])
    boxes = detector.detect(drift(1)[0])
    assert boxes.shape[1] == 4
    sides = boxes[:, 2:] - boxes[:, :2]
    np.testing.assert_allclose(sides, 64 / 128 * 512, atol=1)


def test_several_pictures_have_the_boxes_of_each_as_the_package_finds_them(
    weights: dict[str, Path], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    state = torch.load(weights["s3fd"], weights_only=True)
    for name, tensor in state.items():
        if name.startswith("vgg") and tensor.dim() == 4:
            torch.nn.init.kaiming_normal_(tensor, nonlinearity="relu")
        if name.startswith("L2Norm"):
            tensor.fill_(5.0)
    state["loc.2.weight"].normal_(0, 1e-3)  # each picture moves its boxes
    torch.save(state, tmp_path / "s3fd.pth")
    detector, pictures = S3fd(tmp_path / "s3fd.pth"), np.stack(drift(3, noise=20.0))
    net = S3FDNet(device="cpu")
    net.load_state_dict(state)
    package = S3FD(net=net, device="cpu")
    each = [detector.detect(picture) for picture in pictures]
    for picture, boxes in zip(pictures, each, strict=True):
        large = cv2.resize(picture, (512, 512), interpolation=cv2.INTER_CUBIC)
        theirs = package.detect_faces(large, conf_th=0.9, scales=[0.25])[:, :4]
        np.testing.assert_allclose(boxes, theirs, atol=1e-3)
    assert not np.array_equal(each[0], each[1])
    detector._batch = 2  # as on a GPU
    for boxes, expected in zip(detector.detect_all(pictures), each, strict=True):
        np.testing.assert_allclose(boxes, expected, atol=1e-2)


def test_a_track_is_followed_over_gaps_and_the_longest_is_kept() -> None:
    def box(x: float, side: float = 150) -> np.ndarray:
        return np.array([x, 100, x + side, 100 + side])

    found = [np.stack([box(300), box(10 + t)]) if t % 3 else box(10 + t)[None] for t in range(40)]
    found[10:20] = [np.empty((0, 4))] * 10
    begin, boxes = longest_track(found, 24)
    assert (begin, len(boxes)) == (0, 40)
    np.testing.assert_allclose(boxes[:, 0], np.arange(10, 50))  # through the gap
    assert longest_track(found, 30) is None  # it was seen in 30 frames only
    small = [box(10, 90)[None]] * 40
    assert longest_track(small, 24) is None
    apart = [box(10)[None]] * 10 + [np.empty((0, 4))] * 26 + [box(10)[None]] * 26
    assert longest_track(apart, 24)[0] == 36
