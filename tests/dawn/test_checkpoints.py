"""Checkpoints survive the disk, and damage to them is told in one line."""

import json
from pathlib import Path

import pytest
import torch

from dawn.a2v.config import A2V_TINY
from dawn.checkpoints import build, check_state, found, load_network, pack, save, verify
from dawn.lfg.config import LFG_TINY
from dawn.pbnet.config import PBNET_TINY
from manifests.errors import InputError


def written(folder: Path, config=PBNET_TINY, name="pbnet"):
    torch.manual_seed(0)
    network = build(config)
    return network, save(folder, name, config, network.state_dict(), {"kind": "test"})


def test_hidden_files_are_no_checkpoints(tmp_path):
    _, card = written(tmp_path)
    for suffix in ("json", "safetensors"):
        (tmp_path / f"._pbnet.{suffix}").write_bytes(bytes(4096))
    assert found(tmp_path) == [(tmp_path, card)]


@pytest.mark.parametrize("config", [LFG_TINY, A2V_TINY, PBNET_TINY])
def test_what_is_saved_comes_back(tmp_path, config):
    network, card = written(tmp_path, config, "net")
    loaded, read = load_network(tmp_path, "net")
    assert read == card
    assert card.parameters == sum(p.numel() for p in network.parameters())
    assert not loaded.training
    state = loaded.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    trained = {name for name, p in network.named_parameters() if p.requires_grad}
    assert {name for name, p in loaded.named_parameters() if p.requires_grad} == trained
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.json", "net.safetensors"]


@pytest.mark.parametrize("config", [LFG_TINY, PBNET_TINY])
def test_a_packed_copy_is_half_as_large_and_loads_as_the_original(tmp_path, config):
    network, card = written(tmp_path / "whole", config, "net")
    (small,) = pack(tmp_path / "whole", tmp_path / "half")
    assert small.bytes < 0.55 * card.bytes
    assert small.source["packed"] == {"from_sha256": card.sha256, "dtype": "float16"}
    loaded, _ = load_network(tmp_path / "half" / small.stage, "net")
    for key, value in network.state_dict().items():
        found_ = loaded.state_dict()[key]
        assert found_.dtype == value.dtype
        torch.testing.assert_close(found_, value, rtol=2**-10, atol=1e-7)
    tables = {key for key in network.state_dict() if key.endswith(".pe")}
    assert all(torch.equal(loaded.state_dict()[k], network.state_dict()[k]) for k in tables)


def test_every_fault_of_a_state_is_listed():
    state = dict(build(PBNET_TINY).state_dict())
    state["decoder.extra"] = state.pop("decoder.finallayer.bias")
    state["encoder.mu_layer.weight"] = torch.zeros(3, 4)
    state["encoder.mu_layer.bias"][2] = float("nan")
    state["encoder.sigma_layer.bias"] = "text"
    with pytest.raises(InputError) as error:
        check_state(state, PBNET_TINY, "x.pth")
    message = str(error.value)
    assert "\n" not in message
    for part in (
        "x.pth",
        "missing: decoder.finallayer.bias",
        "unknown: decoder.extra",
        "mis-shaped: encoder.mu_layer.weight [3, 4] instead of [32, 64]",
        "not finite: encoder.mu_layer.bias",
        "not a tensor: encoder.sigma_layer.bias",
    ):
        assert part in message


def test_an_incomplete_state_is_not_saved(tmp_path):
    state = build(PBNET_TINY).state_dict()
    del state["decoder.finallayer.bias"]
    with pytest.raises(InputError, match="missing"):
        save(tmp_path, "net", PBNET_TINY, state, {})
    assert not list(tmp_path.iterdir())


def test_changed_weights_are_noticed(tmp_path):
    _, card = written(tmp_path)
    path = tmp_path / "pbnet.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="sha256"):
        verify(tmp_path, card)
    with pytest.raises(InputError, match="sha256"):
        load_network(tmp_path, "pbnet")
    path.unlink()
    with pytest.raises(InputError, match="missing"):
        load_network(tmp_path, "pbnet")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2"),
        ({"stage": "vae"}, "stage 'vae'"),
        ({"colour": "red"}, "unknown: colour"),
        ({"name": "../other"}, "card of '../other'"),
        ({"shapes": 3}, "shapes"),
    ],
)
def test_a_card_that_is_not_ours_is_refused(tmp_path, change, message):
    written(tmp_path)
    path = tmp_path / "pbnet.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=message):
        found(tmp_path)


def test_a_card_with_impossible_architecture_is_refused(tmp_path):
    written(tmp_path)
    path = tmp_path / "pbnet.json"
    values = json.loads(path.read_text())
    values["architecture"]["heads"] = 5
    path.write_text(json.dumps(values))
    with pytest.raises(InputError, match="heads"):
        load_network(tmp_path, "pbnet")


def test_a_folder_without_cards_is_told(tmp_path):
    with pytest.raises(InputError, match="has no checkpoint"):
        found(tmp_path)
    with pytest.raises(InputError, match="not a folder"):
        found(tmp_path / "nowhere")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        found(tmp_path)
