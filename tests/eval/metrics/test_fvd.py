import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from eval.metrics.fvd import I3dLogits, fvd, windows
from eval.metrics.interface import Excluded, Reason
from eval.metrics.networks import torchscript
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import Clip, ClipSettings
from manifests.errors import InputError
from tests.films import drift, write_film
from tests.networks import write_i3d

CARD = ProtocolCard(name="test", size=128)


def test_windows_adjoin_and_leave_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = drift(75)
    film = write_film(tmp_path / "a.mkv", pictures)
    settings = ClipSettings(card=CARD, weights={"i3d_k400": write_i3d(tmp_path)})
    expected = np.stack(pictures[1:65]).reshape(4, 16, 128, 128, 3)
    np.testing.assert_array_equal(np.stack(list(windows(Clip(film, settings), 16))), expected)
    monkeypatch.setattr("eval.protocol.clips.FRAME_BUDGET", 0)
    clip = Clip(film, settings)
    np.testing.assert_array_equal(np.stack(list(windows(clip, 16))), expected)
    rows = I3dLogits(16).extract(clip)
    assert not isinstance(rows, Excluded)
    assert rows.shape == (4, 400)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = torch.jit.load(str(settings.weights["i3d_k400"]))
    pixels = torch.from_numpy(expected[2].transpose(3, 0, 1, 2)[None].copy()).float()
    logits = net(pixels / 127.5 - 1, resize=True, return_features=True)[0].detach().numpy()
    np.testing.assert_allclose(rows[2], logits, rtol=1e-4, atol=1e-5)
    assert np.ptp(rows, axis=0).max() > 0


def test_a_clip_shorter_than_a_window_is_excluded(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mkv", drift(32))
    settings = ClipSettings(card=CARD, weights={"i3d_k400": write_i3d(tmp_path)})
    assert I3dLogits(32).extract(Clip(film, settings)) == Excluded(Reason.TOO_SHORT)
    assert not isinstance(I3dLogits(16).extract(Clip(film, settings)), Excluded)


def test_the_two_lengths_have_two_names() -> None:
    assert fvd(16).definition.name != fvd(32).definition.name
    assert fvd(16).feature == I3dLogits(16).name != fvd(32).feature


def test_a_file_that_is_no_torchscript_is_the_user_s_to_mend(tmp_path: Path) -> None:
    path = tmp_path / "i3d.pt"
    path.write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"i3d\.pt: is no TorchScript"):
        torchscript(path)
