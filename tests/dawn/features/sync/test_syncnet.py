from argparse import Namespace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy.io import wavfile
from syncnet_python.SyncNetInstance import SyncNetInstance, calc_pdist
from syncnet_python.SyncNetModel import S

from dawn.features.sync import syncnet as sync
from dawn.features.sync.syncnet import SyncNet, lse_of, shift_distances
from manifests.errors import InputError


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random numbers in the layout of the released file: PyTorch's format of 2017, from before
    batch normalisation counted its batches.
    """
    torch.manual_seed(0)
    state = S(num_layers_in_fc_layers=1024).state_dict()
    state = {name: t for name, t in state.items() if not name.endswith("num_batches_tracked")}
    path = tmp_path_factory.mktemp("weights") / "syncnet_v2.model"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    return path


@pytest.fixture(scope="module")
def syncnet(weights: Path) -> SyncNet:
    return SyncNet(weights)


def track(frames: int, samples: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """A random picture that changes slowly, and noise whose loudness changes."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (frames, 7, 7, 3), dtype=np.uint8)
    images = np.stack([cv2.resize(image, (224, 224)) for image in coarse])
    samples = frames * 640 if samples is None else samples
    loudness = 3000 * (1 + np.sin(np.arange(samples) / 900))
    return images, (rng.normal(size=samples) * loudness).clip(-32768, 32767).astype(np.int16)


def test_scores_are_those_of_the_reference_program(
    syncnet: SyncNet, weights: Path, tmp_path: Path, monkeypatch
) -> None:
    frames, wav = track(17, samples=17 * 640 + 300)
    for number, frame in enumerate(frames):
        _, png = cv2.imencode(".png", frame)  # lossless, under the name that evaluate looks for
        (tmp_path / f"{number:06d}.jpg").write_bytes(png.tobytes())
    wavfile.write(tmp_path / "audio.wav", 16000, wav)
    reference = SyncNetInstance(S(num_layers_in_fc_layers=1024), device="cpu")
    reference.loadParameters(str(weights))
    options = Namespace(tmp_dir=str(tmp_path), batch_size=20, vshift=15)
    offset, confidence, distance = reference.evaluate(options)
    monkeypatch.setattr(sync, "_BATCH", 5)
    ours = syncnet.lse(frames, wav)
    assert ours.confidence == pytest.approx(confidence, rel=1e-3, abs=1e-5)
    assert ours.distance == pytest.approx(distance, rel=1e-4)
    assert ours.offset_frames == offset


def test_windows_are_independent_of_batches(syncnet: SyncNet, monkeypatch) -> None:
    frames, wav = track(13)
    together = syncnet.features(frames, wav)
    assert [part.shape for part in together] == [(8, 1024), (8, 1024)]
    monkeypatch.setattr(sync, "_BATCH", 3)
    for one, other in zip(together, syncnet.features(frames, wav), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
    # The third window alone: frames 2 to 6, sound rows 8 to 27.
    alone, _ = syncnet.features(frames[2:8], wav[: 6 * 640])
    np.testing.assert_allclose(alone[0], together[0][2], rtol=1e-3, atol=1e-4)


def test_distances_are_those_of_calc_pdist() -> None:
    rng = np.random.default_rng(1)
    faces, sound = rng.normal(size=(2, 40, 64)).astype(np.float32)
    rows = calc_pdist(torch.from_numpy(faces), torch.from_numpy(sound), vshift=15)
    expected = torch.stack(rows, 1).mean(1).numpy()
    ours = shift_distances(faces, sound)
    np.testing.assert_allclose(ours, expected, rtol=1e-5)
    result = lse_of(ours)
    assert result.distance == pytest.approx(expected.min())
    assert result.confidence == pytest.approx(np.median(expected) - expected.min(), rel=1e-4)
    assert result.distance_at_zero == pytest.approx(expected[15])
    assert result.offset_frames == 15 - expected.argmin()


@pytest.mark.parametrize(("late", "offset"), [(0, 0), (4, -4), (-4, 4), (15, -15)])
def test_offset_is_positive_where_sound_leads(late: int, offset: int) -> None:
    content = np.random.default_rng(2).normal(size=(90, 32)).astype(np.float32)
    result = lse_of(shift_distances(content[20:70], content[20 - late : 70 - late]))
    assert result.offset_frames == offset
    assert result.distance < result.per_shift.max() / 2
    assert (result.distance_at_zero == result.distance) == (late == 0)


def test_shortest_track_has_one_window(syncnet: SyncNet) -> None:
    frames, wav = track(6)
    result = syncnet.lse(frames, wav)
    assert result.per_shift.shape == (31,)
    with pytest.raises(InputError, match="hold no window"):
        syncnet.lse(frames[:5], wav)
    with pytest.raises(InputError, match="hold no window"):
        syncnet.lse(frames, wav[:-1])


def test_arrays_of_another_kind_are_refused(syncnet: SyncNet) -> None:
    frames, wav = track(6)
    for bad in (frames[:, :100], frames.astype(np.float32), frames[..., 0]):
        with pytest.raises(InputError, match="expected uint8"):
            syncnet.lse(bad, wav)
    for sound in (wav / 32768, np.stack([wav, wav])):
        with pytest.raises(InputError, match="int16"):
            syncnet.lse(frames, sound)


def test_another_file_is_refused(tmp_path: Path, weights: Path) -> None:
    state = torch.load(weights, weights_only=True)
    del state["netfcaud.3.bias"]
    torch.save(state, tmp_path / "syncnet_v2.model")
    with pytest.raises(InputError, match=r"syncnet_v2\.model: lacks 'netfcaud\.3\.bias'"):
        SyncNet(tmp_path / "syncnet_v2.model")
