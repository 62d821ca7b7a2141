"""Speaker embeddings, on a network of the true shape with random weights and on the true one."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dawn.features.rates import SAMPLE_RATE
from dawn.features.sound.read import read_sound
from dawn.features.sound.speaker import EMBEDDING, SpeakerEncoder
from dawn.features.video.probe import probe
from manifests.errors import InputError


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> SpeakerEncoder:
    path = tmp_path_factory.mktemp("speaker") / "ge2e_speaker.pt"
    torch.manual_seed(0)
    lstm, linear = torch.nn.LSTM(40, 256, 3, batch_first=True), torch.nn.Linear(256, 256)
    state = {f"lstm.{k}": v for k, v in lstm.state_dict().items()}
    state |= {f"linear.{k}": v for k, v in linear.state_dict().items()}
    state["similarity_weight"] = torch.zeros(1)  # of its training
    torch.save({"step": 1, "model_state": state}, path)
    return SpeakerEncoder(path)


def noise(seconds: float, level: float = 0.01) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (level * rng.standard_normal(round(seconds * SAMPLE_RATE))).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.5, 1.6, 5.0])
def test_a_sound_of_any_length_has_a_unit_vector(encoder: SpeakerEncoder, seconds: float) -> None:
    voice = encoder.embed(noise(seconds))
    assert voice is not None
    assert voice.shape == (EMBEDDING,)
    assert np.linalg.norm(voice) == pytest.approx(1, abs=1e-5)


def test_quiet_sound_is_raised_and_silence_is_nobody(encoder: SpeakerEncoder) -> None:
    loud, quiet = encoder.embed(noise(2, 0.02)), encoder.embed(noise(2, 0.002))
    assert loud is not None
    assert quiet is not None
    np.testing.assert_allclose(loud, quiet, atol=1e-4)
    assert encoder.embed(np.zeros(SAMPLE_RATE, np.float32)) is None
    assert encoder.embed(np.zeros(0, np.float32)) is None


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save({"model_state": {"lstm.weight": torch.zeros(3)}}, path)
    with pytest.raises(InputError, match=r"other\.pt: (lacks|has an unknown)"):
        SpeakerEncoder(path)


@pytest.mark.shared
def test_halves_of_a_clip_are_nearer_than_two_people(shared: Path) -> None:
    weights = shared / "weights" / "ge2e_speaker.pt"
    if not weights.exists():
        pytest.skip(f"needs {weights} (dawn weights fetch ge2e_speaker)")
    encoder, voices = SpeakerEncoder(weights), []
    for name in ("c01_wda_f1_512_25fps.mp4", "c03_retalk2_m_844_25fps.mp4"):
        info = probe(shared / "clips" / name)
        samples = read_sound(shared / "clips" / name, info, 0, info.frames)
        half = len(samples) // 2
        voices += [encoder.embed(samples[:half]), encoder.embed(samples[half:])]
    likeness = np.stack([voice for voice in voices if voice is not None])
    likeness = likeness @ likeness.T
    assert min(likeness[0, 1], likeness[2, 3]) > 0.75
    assert likeness[:2, 2:].max() < 0.7
