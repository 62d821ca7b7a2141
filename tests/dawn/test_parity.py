"""The three networks against recordings of the official ones, and their full-size shapes."""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dawn.a2v.config import A2V_128, A2V_256
from dawn.checkpoints import Config, blueprint
from dawn.lfg.config import LFG_128, LFG_256
from dawn.official import seeded_face_mask_encoder
from dawn.pbnet.config import PBNET_BLINK, PBNET_POSE
from tests import parity

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(
        not parity.RECORDINGS.is_dir(), reason=f"needs recordings in {parity.RECORDINGS}"
    ),
]

NAMES = ["a2v", "lfg", "pbnet_pose", "pbnet_pose_reemb5", "pbnet_blink", "pbnet_joint"]


@pytest.mark.parametrize("name", NAMES)
def test_equals_every_recorded_output(name):
    recording = parity.read(parity.RECORDINGS / f"{name}_small.safetensors")
    gaps = parity.differences(recording)
    assert gaps.keys() == recording.outputs.keys()
    assert max(gaps.values()) <= parity.TOLERANCE, gaps


def test_a_changed_output_fails_the_command(tmp_path: Path, monkeypatch, capsys):
    original = parity.RECORDINGS / "pbnet_joint_small.safetensors"
    tensors = load_file(original)
    tensors["out/decoded"][0, 5, 1] += 2e-4
    changed = tmp_path / "changed.safetensors"
    config = json.dumps(parity.read(original).config)
    save_file(tensors, changed, metadata={"config": config})
    monkeypatch.setattr(sys, "argv", ["parity", str(original)])
    assert parity.main() == 0
    monkeypatch.setattr(sys, "argv", ["parity", str(original), str(changed)])
    assert parity.main() == 1
    assert [line for line in capsys.readouterr().out.splitlines() if "TOO LARGE" in line] == [
        "changed.safetensors  decoded                          0.0002  TOO LARGE"
    ]


def shapes(config: Config, prefix: str = "") -> dict[str, list[int]]:
    state = blueprint(config).state_dict()
    return {
        key.removeprefix(prefix): list(value.shape)
        for key, value in state.items()
        if key.startswith(prefix)
    }


def expected(name: str) -> dict:
    return json.loads((parity.RECORDINGS / f"{name}_full.keys.json").read_text())


@pytest.mark.parametrize("config", [LFG_128, LFG_256])
def test_lfg_has_the_official_keys_and_shapes(config):
    assert shapes(config) == expected("lfg")


@pytest.mark.parametrize("config", [A2V_128, A2V_256])
def test_a2v_has_the_official_keys_and_shapes(config):
    assert shapes(config, "diffusion.") == expected("a2v")


@pytest.mark.parametrize(
    ("config", "variant"),
    [(PBNET_POSE, "pose (transformerreemb6)"), (PBNET_BLINK, "blink (transformerreemb5)")],
)
def test_pbnet_has_the_official_keys_and_shapes(config, variant):
    assert shapes(config) == expected("pbnet")[variant]


@pytest.mark.parametrize("seed", [1234, 2345])
def test_seeding_redraws_the_face_mask_encoder_bit_for_bit(seed):
    drawn = seeded_face_mask_encoder(LFG_128, A2V_128, seed)
    candidate = load_file(parity.RECORDINGS / f"face_mask_encoder_seed{seed}.safetensors")
    assert drawn.keys() == candidate.keys()
    assert all(torch.equal(drawn[key], candidate[key]) for key in drawn)
