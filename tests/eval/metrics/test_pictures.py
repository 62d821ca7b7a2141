from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from dawn.torchvision_import import prepare_torchvision
from dawn.weights import load_state
from eval.metrics.interface import Excluded, Reason, Value
from eval.metrics.lpips import lpips
from eval.metrics.networks import Lpips, to_tensor
from eval.metrics.pictures import MS_SSIM, PSNR, SSIM, ms_ssim
from eval.metrics.smoothness import FLICKER
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import Clip, ClipSettings, Pair
from tests.films import drift, write_film
from tests.networks import write_squeezenet

CARD = ProtocolCard(name="test", size=128, skip_first=1, stride=2)


def pair(tmp_path: Path, a: list[np.ndarray], b: list[np.ndarray], **weights: Path) -> Pair:
    settings = ClipSettings(card=CARD, weights=weights)
    films = [write_film(tmp_path / f"{name}.mkv", p) for name, p in (("a", a), ("b", b))]
    return Pair("x", Clip(films[0], settings), Clip(films[1], settings))


def test_psnr_ssim_and_ms_ssim_are_torchmetrics_s(tmp_path: Path) -> None:
    prepare_torchvision()
    from torchmetrics.functional.image import (
        multiscale_structural_similarity_index_measure,
        peak_signal_noise_ratio,
        structural_similarity_index_measure,
    )

    a, b = drift(11, 0, 4), drift(11, 1, 20)
    both = pair(tmp_path, a, b)
    x, y = (to_tensor(np.stack(p)[1::2]) for p in (a, b))
    psnr, ssim = PSNR.measure(both), SSIM.measure(both)
    assert isinstance(psnr, Value)
    assert isinstance(ssim, Value)
    assert psnr.n == ssim.n == 5
    expected = peak_signal_noise_ratio(x, y, data_range=1.0)
    assert psnr.value == pytest.approx(float(expected), rel=1e-5)
    # In float32, as it is mostly called, torchmetrics itself is off by a few 1e-5.
    expected = structural_similarity_index_measure(x.double(), y.double(), data_range=1.0)
    assert ssim.value == pytest.approx(float(expected), rel=1e-6)
    theirs = [
        structural_similarity(
            p, q, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, channel_axis=2
        )
        for p, q in zip(a[1::2], b[1::2], strict=True)
    ]
    assert ssim.value == pytest.approx(np.mean(theirs), abs=0.02)  # it leaves out the border

    large = [np.stack(drift(2, seed, 9, 256))[:, :177, :200] for seed in (0, 1)]
    expected = multiscale_structural_similarity_index_measure(
        *(to_tensor(p).double() for p in large), data_range=1.0, normalize="relu"
    )
    ours = np.mean([ms_ssim(x, y) for x, y in zip(*large, strict=True)])
    assert ours == pytest.approx(float(expected), rel=1e-6)


def test_ms_ssim_takes_large_pictures(tmp_path: Path) -> None:
    films = [write_film(tmp_path / f"{n}.mkv", drift(4, n, 9, 256)) for n in range(2)]
    card = ProtocolCard(name="large", size=192, stride=2)
    clips = [Clip(film, ClipSettings(card=card)) for film in films]
    value = MS_SSIM.measure(Pair("x", clips[0], clips[1]))
    assert isinstance(value, Value)
    assert 0 < value.value < 1
    small = pair(tmp_path, drift(11), drift(11, 1))
    assert MS_SSIM.measure(small) == Excluded(Reason.TOO_SMALL)


def test_lpips_is_torchmetrics_s_with_the_real_heads(tmp_path: Path) -> None:
    prepare_torchvision()
    from torchmetrics.functional.image.lpips import _LPIPS

    state = load_state(write_squeezenet(tmp_path))
    theirs = _LPIPS(pretrained=True, net="squeeze", pnet_rand=True)
    trunk = {k.removeprefix("features."): v for k, v in state.items() if "features" in k}
    for part in theirs.net.slices:
        for name, layer in part.named_children():
            own = {k.split(".", 1)[1]: v for k, v in trunk.items() if k.split(".")[0] == name}
            layer.load_state_dict(own)
    x, y = (to_tensor(np.stack(drift(2, seed, 20))) for seed in (0, 1))
    with torch.inference_mode():
        ours = Lpips("squeeze", state, "test")(x, y)
        expected = theirs(x, y, normalize=True)[:, 0, 0, 0]
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-7)
    both = pair(tmp_path, drift(11), drift(11, 1), squeezenet=write_squeezenet(tmp_path))
    value = lpips("squeeze").measure(both)
    assert isinstance(value, Value)
    assert value.value > 0


def test_identical_and_misshapen_pictures_are_excluded(tmp_path: Path) -> None:
    same = pair(tmp_path, drift(11), drift(11))
    assert PSNR.measure(same) == Excluded(Reason.IDENTICAL)
    value = SSIM.measure(same)
    assert isinstance(value, Value)
    assert value.value == pytest.approx(1)
    wide = [np.concatenate([p, p], axis=1) for p in drift(11)]
    for metric in (PSNR, SSIM):
        assert metric.measure(pair(tmp_path, drift(11), wide)) == Excluded(Reason.DIFFERENT_SHAPE)


def test_flicker_is_the_second_difference(tmp_path: Path) -> None:
    still = [np.full((128, 128, 3), 100, np.uint8)] * 12
    blinking = [np.full((128, 128, 3), 100 + 10 * (k % 2), np.uint8) for k in range(12)]
    value = FLICKER.measure(pair(tmp_path, blinking, still))
    assert isinstance(value, Value)
    assert (value.value, value.reference, value.n) == (pytest.approx(20, abs=1e-4), 0, 9)


def test_long_clips_are_streamed_to_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = drift(40, 0), drift(40, 1)
    kept = pair(tmp_path, a, b)
    expected = [metric.measure(kept) for metric in (PSNR, SSIM, FLICKER)]
    monkeypatch.setattr("eval.protocol.clips.FRAME_BUDGET", 0)
    streamed = pair(tmp_path, a, b)
    assert [metric.measure(streamed) for metric in (PSNR, SSIM, FLICKER)] == expected
    assert streamed.generated._kept is None
