"""What shares a batch does not matter: rows go back to their clips, and numbers stay within
`TOLERANCE`.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from syncnet_python.SyncNetModel import S

from dawn.device import TOLERANCE
from dawn.features.faces.threeddfa import MobileNet, ThreeDDFA
from dawn.features.sync.direct import DirectPicture, DirectSound
from dawn.features.sync.syncnet import _in_batches
from dawn.features.sync.towers import PictureTower, SoundTower
from eval.metrics import networks
from eval.metrics.batches import Pictures, across
from eval.metrics.fid import InceptionPool3
from eval.metrics.fvd import I3dLogits
from eval.metrics.networks import Inception2015
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import Clip, ClipSettings
from tests.films import drift, write_film
from tests.networks import inception_state, write_i3d

CARD = ProtocolCard(name="test", size=128, skip_first=0, stride=1, min_frames=2)


def near(found: np.ndarray, expected: np.ndarray) -> None:
    """Features agree within a tenth of what numbers may differ by."""
    gap = np.abs(found - expected).max()
    assert gap <= TOLERANCE / 10 * np.abs(expected).max()


def test_batches_are_filled_across_clips_and_rows_go_back_to_theirs() -> None:
    lengths = (5, 0, 3, 9)
    sizes: list[int] = []
    clips = [np.full((n, 2, 2, 3), place, np.uint8) for place, n in enumerate(lengths)]

    def run(pictures: Pictures) -> np.ndarray:
        sizes.append(len(pictures))
        return pictures[:, 0, 0].astype(np.float32)

    chunks = [[clip[at : at + 4] for at in range(0, len(clip), 4)] for clip in clips]
    rows = across(run, [iter(of) for of in chunks], 6)
    assert sizes == [6, 6, 5]
    assert [len(of) for of in rows] == list(lengths)
    for place, of in enumerate(rows):
        assert (of == place).all()


def films(folder: Path, weights: dict[str, Path]) -> list[Clip]:
    """Two clips of 21 and 37 frames: no batch below ends with the first."""
    settings = ClipSettings(card=CARD, weights=weights)
    return [
        Clip(write_film(folder / f"{n}.mkv", drift(n, seed, 12.0)), settings)
        for seed, n in ((1, 21), (2, 37))
    ]


def test_fid_s_features_do_not_depend_on_what_shares_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = Inception2015(inception_state(), "test")
    monkeypatch.setattr(networks, "inception", lambda *_: net)
    clips = films(tmp_path, {"fid_inception": tmp_path})
    for clip in clips:
        clip.frames = 3
    together = InceptionPool3(batch=4).extract_all(clips)
    for clip, rows in zip(clips, together, strict=True):
        near(np.asarray(rows), np.asarray(InceptionPool3(batch=1).extract(clip)))


def test_fvd_s_features_do_not_depend_on_what_shares_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = films(tmp_path, {"i3d_k400": write_i3d(tmp_path)})
    alone = [np.asarray(I3dLogits(16).extract(clip)) for clip in clips]
    monkeypatch.setattr("eval.metrics.fvd.batch_on", lambda *_, **__: 2)
    together = I3dLogits(16).extract_all(clips)
    assert [len(rows) for rows in alone] == [1, 2]
    for rows, expected in zip(together, alone, strict=True):
        near(np.asarray(rows), expected)


def test_3ddfa_of_several_faces_is_that_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    torch.save({"state_dict": MobileNet().state_dict()}, tmp_path / "net.pth")
    monkeypatch.setattr(
        "dawn.features.faces.threeddfa.load_statistics",
        lambda _: (np.zeros(62, np.float32), np.ones(62, np.float32)),
    )
    net = ThreeDDFA(tmp_path / "net.pth", tmp_path / "none.pkl")
    crops = np.random.default_rng(0).integers(0, 256, (5, 120, 120, 3), dtype=np.uint8)
    each = np.stack([net.normalised(crop) for crop in crops])
    np.testing.assert_array_equal(net.all_normalised(crops), each)  # one at a time on a CPU
    net._batch = 3
    near(net.all_normalised(crops), each)


def test_syncnet_as_a_gpu_runs_it_is_the_one_that_a_cpu_runs() -> None:
    torch.manual_seed(0)
    net = S(num_layers_in_fc_layers=1024).eval()
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (11, 224, 224, 3), dtype=np.uint8)
    cepstra = torch.from_numpy(rng.normal(0, 10, (5, 1, 13, 20)).astype(np.float32))
    with torch.inference_mode():
        direct = DirectPicture(net.netcnnlip, net.netfclip)
        whole = _in_batches(direct, "cpu", 64, frames).numpy()
        near(_in_batches(direct, "cpu", 3, frames).numpy(), whole)
        near(PictureTower(net.netcnnlip, net.netfclip)(frames).numpy(), whole)
        sound = DirectSound(net.netcnnaud, net.netfcaud)(cepstra).numpy()
        near(SoundTower(net.netcnnaud, net.netfcaud)(cepstra).numpy(), sound)
