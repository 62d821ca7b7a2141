"""The three networks against recordings of the official ones, and their full-size shapes."""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from dawn.a2v.config import A2V_128, A2V_256
from dawn.checkpoints import Config, blueprint
from dawn.lfg.config import LFG_128, LFG_256
from dawn.official import seeded_face_mask_encoder
from dawn.pbnet.config import PBNET_BLINK, PBNET_POSE
from tests import parity
from tests.excerpts import SEEDS

pytestmark = pytest.mark.parity

OUTPUTS = dict.fromkeys(SEEDS, 3) | {"a2v": 8, "lfg": 15}
"""How many outputs of each network were recorded."""


def equals_every_output(recording: parity.Recording) -> None:
    gaps = parity.differences(recording)
    assert gaps.keys() == recording.outputs.keys()
    assert max(gaps.values()) <= parity.TOLERANCE, gaps


@pytest.mark.parametrize("name", OUTPUTS)
def test_equals_every_recorded_output(name):
    recording = parity.read(parity.EXCERPTS / f"{name}.safetensors")
    assert len(recording.outputs) == OUTPUTS[name]
    equals_every_output(recording)


@pytest.fixture
def whole(shared: Path, name: str) -> parity.Recording:
    return parity.read(shared / "parity" / f"{name}_small.safetensors")


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("name", OUTPUTS)
def test_equals_every_value_of_the_whole_recordings(whole):
    equals_every_output(whole)


@pytest.mark.shared
@pytest.mark.parametrize("name", OUTPUTS)
def test_an_excerpt_holds_what_the_whole_recording_holds(whole, name):
    part = parity.read(parity.EXCERPTS / f"{name}.safetensors")
    kept = slice(1) if name == "lfg" else slice(None)
    assert part.config == whole.config
    torch.testing.assert_close(part.state, whole.state, rtol=0, atol=1e-6)
    inputs = {key: value[kept] for key, value in whole.inputs.items()}
    torch.testing.assert_close(part.inputs, inputs, rtol=0, atol=1e-6)
    assert part.outputs.keys() == whole.outputs.keys()
    for key, value in part.outputs.items():
        expected = parity.thinned(whole.outputs[key][kept], part.strides.get(key, 1))
        assert torch.equal(value, expected), key


def test_a_changed_output_fails_the_command(tmp_path: Path, monkeypatch, capsys):
    original = parity.EXCERPTS / "pbnet_joint.safetensors"
    tensors = load_file(original)
    tensors["out/decoded"][0, 5, 1] += 2e-4
    changed = tmp_path / "changed.safetensors"
    with safe_open(original, "pt") as file:
        save_file(tensors, changed, metadata=file.metadata())
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
    return json.loads((parity.EXCERPTS / f"{name}_full.keys.json").read_text())


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
    candidate = load_file(parity.EXCERPTS / f"face_mask_encoder_seed{seed}.safetensors")
    assert drawn.keys() == candidate.keys()
    assert all(torch.equal(drawn[key], candidate[key]) for key in drawn)
