"""Model folders: every layout that is written, and what does not belong together."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dawn.device import pick_device
from dawn.lfg.config import LFG_TINY
from dawn.sampling.conventions import STATE_HIGH, conventions_of
from dawn.sampling.drive import Changes, changes_from, complete, still
from dawn.sampling.model import find_lfg, find_model, load_model
from dawn.sampling.portrait import Portrait
from dawn.sampling.settings import precision_on
from manifests.errors import InputError
from tests.models import PBNET_MEL, write_model, write_network

CPU = torch.device("cpu")
PORTRAIT = Portrait(
    picture=np.zeros((64, 64, 3), np.uint8),
    pose=np.array([5, -3, 1, 4.8e-4, 56, 64], np.float32),
    eyes=np.array([0.3, 0.31], np.float32),
    box=np.array([0.2, 0.8, 0.2, 0.9], np.float32),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def copy(folder, tmp_path) -> Path:
    return shutil.copytree(folder, tmp_path / "model")


def test_a_folder_a_stage_or_all_in_one(folder, tmp_path):
    joint = find_model(folder)
    assert (joint.size, joint.window, len(joint.pbnets)) == (64, 8, 1)
    apart = find_model(write_model(tmp_path / "apart", split_pbnet=True))
    assert len(apart.pbnets) == 2
    assert apart.digest != joint.digest
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in folder.glob("*/*"):
        shutil.copy(path, flat)
        (flat / f"._{path.name}").write_bytes(bytes(4096))  # as macOS leaves them
    assert find_model(flat).digest == joint.digest
    assert find_lfg(flat).card.stage == "lfg"


def test_narrow_networks_keep_their_schedule_exact(folder):
    wide, narrow = (load_model(find_model(folder), CPU, kind) for kind in ("float32", "bfloat16"))
    a, b = wide.a2v.diffusion, narrow.a2v.diffusion
    assert torch.equal(a.alphas_cumprod, b.alphas_cumprod)
    assert b.denoise_fn.init_conv.weight.dtype == torch.bfloat16
    assert narrow.lfg.generator.final.weight.dtype == torch.float32
    assert not any(p.requires_grad for p in wide.a2v.parameters())


def test_a_missing_stage_is_named(copy):
    shutil.rmtree(copy / "pbnet")
    with pytest.raises(InputError, match=r"holds no checkpoint of pbnet .* only a2v, lfg"):
        find_model(copy)
    with pytest.raises(InputError, match="no checkpoint of pbnet, a2v"):
        find_model(copy / "lfg")
    with pytest.raises(InputError, match="is not a folder"):
        find_model(copy / "none")
    (copy / "empty").mkdir()
    with pytest.raises(InputError, match="it holds none"):
        find_model(copy / "empty")


def test_another_stage_in_a_stages_folder(copy):
    shutil.rmtree(copy / "a2v")
    shutil.copytree(copy / "lfg", copy / "a2v")
    with pytest.raises(InputError, match="holds a checkpoint of stage lfg, not a2v"):
        find_model(copy)


def test_another_resolution(copy):
    write_network(copy / "lfg", "lfg", replace(LFG_TINY, image_size=128))
    with pytest.raises(InputError, match="lfg is for 128 pixels, a2v for 64"):
        find_model(copy)


def test_other_features_or_channels(copy):
    write_network(copy / "lfg", "lfg", replace(LFG_TINY, block_expansion=4))
    with pytest.raises(InputError, match="16 feature channels, a2v takes 32"):
        find_model(copy)
    write_network(copy / "lfg", "lfg", LFG_TINY)
    write_network(copy / "pbnet", "pbnet", replace(PBNET_MEL, audio_dim=1024))
    with pytest.raises(InputError, match="hears 1024 audio features"):
        find_model(copy)
    write_network(copy / "pbnet", "pbnet", replace(PBNET_MEL, eye_dim=0))
    with pytest.raises(InputError, match="6 pose and 0 eye values"):
        find_model(copy)


def test_a_damaged_file(copy):
    path = copy / "a2v" / "a2v.safetensors"
    path.write_bytes(path.read_bytes()[:-9] + b"\0" * 9)
    with pytest.raises(InputError, match="sha256"):
        load_model(find_model(copy), CPU, "float32")


def test_cards_say_what_numbers_mean(copy):
    low, high = [0.0] * 8, [2.0] * 8
    write_network(
        copy / "pbnet", "pbnet", PBNET_MEL,
        audio={"features": "log_mel", "mean": -4.0, "std": 2.0}, states={"low": low, "high": high},
    )  # fmt: skip
    (found,) = find_model(copy).pbnets
    means = conventions_of(found.card)
    assert (means.normalised_audio(np.full((2, 320), -4, np.float32)) == 0).all()
    assert (means.state_changes(np.ones((3, 8), np.float32)) == 2).all()
    assert conventions_of(find_model(copy).a2v.card).state_high == STATE_HIGH
    for bad in ({"states": {"low": high, "high": low}}, {"audio": {"std": 0}}, {"audio": 3},
                {"audio": {"features": "smell"}}, {"states": {"low": [1, "a"]}},
                {"audio": {"features": "hubert"}}, {"audio": {"mean": float("nan")}}):  # fmt: skip
        write_network(copy / "pbnet", "pbnet", PBNET_MEL, **bad)
        with pytest.raises(InputError, match="pbnet"):
            find_model(copy)


def test_unknown_devices():
    for name in ("toaster", "cuda:99", "mps:0:0", "meta"):
        with pytest.raises(InputError, match="--device"):
            pick_device(name)


def test_pose_and_eyes_come_from_where_they_shall(folder, tmp_path):
    audio = np.random.default_rng(0).normal(size=(30, 320)).astype(np.float32)
    for path in (folder, write_model(tmp_path / "apart", split_pbnet=True)):
        model = load_model(find_model(path), CPU, "float32")
        pose, eyes = complete(Changes(), model, PORTRAIT, audio, seed=1)
        assert pose.shape == (30, 6)
        assert eyes.shape == (30, 2)
        assert pose.std() > 0
        assert eyes.std() > 0
        kept, same = complete(Changes(pose=still(30, 6)), model, PORTRAIT, audio, seed=1)
        assert not kept.any()
        assert np.array_equal(same, eyes)
        other, _ = complete(Changes(), model, PORTRAIT, audio, seed=2)
        assert not np.array_equal(other, pose)


def test_changes_begin_at_zero_and_go_back_and_forth():
    states = np.arange(4, dtype=np.float32)[:, None] + 7
    assert changes_from(states, 9)[:, 0].tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert changes_from(states[:1], 3)[:, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("device", "asked", "expected"),
    [("cpu", "auto", "float32"), ("cuda", "auto", "bfloat16"), ("cuda", "float32", "float32")],
)
def test_a_gpu_computes_in_bfloat16_unless_told_otherwise(device, asked, expected):
    assert precision_on(torch.device(device), asked) == expected
