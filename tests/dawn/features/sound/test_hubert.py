import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dawn.features.sound import hubert
from dawn.features.sound.hubert import Hubert, interpolate
from dawn.torchvision_import import prepare_torchvision
from manifests.errors import InputError

prepare_torchvision()
transformers = pytest.importorskip("transformers")


def save_model(folder: Path, layers: int = 2) -> Path:
    """A small random HuBERT in the layout of the large one."""
    torch.manual_seed(0)
    config = transformers.HubertConfig(
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8,) * 7,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        vocab_size=5,
    )
    transformers.HubertForCTC(config).save_pretrained(folder)  # as the released one: with a head
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": True}))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("hubert"))


def noise(samples: int) -> np.ndarray:
    return (np.random.default_rng(samples).normal(size=samples) * 3000).astype(np.int16)


def test_one_segment_is_what_transformers_computes(folder: Path) -> None:
    wav = noise(8000)
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    values = extractor(wav / 32768, sampling_rate=16000, return_tensors="pt").input_values
    with torch.no_grad():
        model = transformers.HubertModel.from_pretrained(folder).eval()
        expected = model(values.float()).last_hidden_state[0].numpy()
    model = Hubert(folder)
    assert model.size == 16
    np.testing.assert_allclose(model.hidden_states(wav), expected, rtol=1e-4, atol=1e-5)
    as_floats = (wav / 32768).astype(np.float32)
    np.testing.assert_allclose(model.hidden_states(as_floats), expected, rtol=1e-4, atol=1e-5)


def test_segments_line_up_with_the_whole_file(tmp_path: Path, monkeypatch) -> None:
    model = Hubert(save_model(tmp_path, layers=0))  # convolutions alone see only their vicinity
    wav = noise(50 * 320 + 123)
    whole = model.hidden_states(wav)
    monkeypatch.setattr(hubert, "SEGMENT", 20 * 320)
    segments = model.hidden_states(wav)
    assert segments.shape == whole.shape
    # Positions are embedded by a convolution over 16 rows, so rows 8 from a border agree.
    for start, stop in ((0, 11), (29, 31), (49, len(whole))):
        np.testing.assert_allclose(segments[start:stop], whole[start:stop], rtol=1e-3, atol=1e-4)
    assert np.abs(segments[19:21] - whole[19:21]).max() > 1e-3


@pytest.mark.parametrize("extra", [0, 1, 79, 80, 81, 319, 320, 399, 400, 401, 719, 720])
def test_any_length_has_the_rows_of_one_segment(folder: Path, monkeypatch, extra: int) -> None:
    model = Hubert(folder)
    monkeypatch.setattr(hubert, "SEGMENT", 10 * 320)
    samples = 2 * 10 * 320 + extra
    assert len(model.hidden_states(noise(samples))) == (samples - 80) // 320


@pytest.mark.parametrize("samples", [1, 100, 399, 400, 719])
def test_very_short_sound_has_one_row_for_every_frame(folder: Path, samples: int) -> None:
    rows = Hubert(folder).features(noise(samples), 3)
    assert (rows.shape, rows.dtype) == ((3, 16), np.float32)
    assert np.isfinite(rows).all()
    assert (rows == rows[0]).all()


def test_released_segment_is_twenty_seconds() -> None:
    assert hubert.SEGMENT == 20 * 16_000
    assert hubert.SEGMENT % hubert.STRIDE == 0


def test_interpolation_keeps_the_ends_and_is_linear() -> None:
    rows = np.array([[0, 10], [1, 20], [4, 30]], np.float32)
    expected = [[0, 10], [0.5, 15], [1, 20], [2.5, 25], [4, 30]]
    assert interpolate(rows, 5).tolist() == expected
    assert interpolate(rows, 2).tolist() == [[0, 10], [4, 30]]
    assert interpolate(rows, 1).tolist() == [[0, 10]]
    assert interpolate(rows, 0).shape == (0, 2)
    assert interpolate(rows[:1], 2).tolist() == [[0, 10], [0, 10]]


def test_old_weight_files_are_read(folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_text((folder / name).read_text())
    torch.save(load_file(folder / "model.safetensors"), tmp_path / "pytorch_model.bin")
    wav = noise(2000)
    np.testing.assert_array_equal(
        Hubert(tmp_path).features(wav, 4), Hubert(folder).features(wav, 4)
    )


def test_unusable_folders_are_named(folder: Path, tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(
        InputError, match=r"preprocessor_config\.json: cannot be read.*needs config"
    ):
        Hubert(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text("{}")
    with pytest.raises(InputError, match="do_normalize"):
        Hubert(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text('{"do_normalize": true}')
    with pytest.raises(InputError, match="is no HuBERT model"):
        Hubert(tmp_path)
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(InputError, match="is no HuBERT model"):
        Hubert(tmp_path)
    state = load_file(folder / "model.safetensors")
    state.pop("hubert.encoder.layer_norm.weight")
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"lacks 'encoder\.layer_norm\.weight'"):
        Hubert(tmp_path)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"pip install 'dawn-pipeline\[hubert\]'"):
        Hubert(folder)


def test_unusable_sound_is_refused(folder: Path) -> None:
    model = Hubert(folder)
    for wav in (noise(800).reshape(2, 400), noise(0), noise(800).astype(np.int32)):
        with pytest.raises(InputError, match="sound"):
            model.features(wav, 2)


def test_segments_that_share_a_batch_give_what_each_gives_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubert, "SEGMENT", 3200)
    model, wav = Hubert(folder), noise(3200 * 5 + 1000)
    alone = model.hidden_states(wav)
    model._batch = 2  # as on a GPU
    together = model.hidden_states(wav)
    assert together.shape == alone.shape
    np.testing.assert_allclose(together, alone, atol=1e-4 * np.abs(alone).max())
