"""Speech is told from everything else that fills a sound track."""

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from dawn.features.rates import SAMPLE_RATE, SAMPLES_PER_FRAME
from dawn.features.sound.read import read_sound
from dawn.features.sound.speech import (
    quality_model,
    speech_probability,
    speech_quality,
    speech_share,
)
from dawn.features.video.probe import probe
from dawn.sampling.voice import read_voice
from dawn.synthetic.identity import make_identity
from dawn.synthetic.voice import speak

SECONDS = 4
TIME = np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE


def at_level(sound: np.ndarray, db: float) -> np.ndarray:
    """Scaled to that root mean square, in dB below full scale."""
    scaled = sound / np.sqrt((sound**2).mean()) * 10 ** (db / 20)
    return np.clip(scaled, -1, 1).astype(np.float32)


def note(hertz: float) -> np.ndarray:
    return sum(np.sin(2 * np.pi * hertz * k * TIME + k) / k**1.3 for k in range(1, 8))


def music() -> np.ndarray:
    """Plucked chords, two a second."""
    draw, beat = np.random.default_rng(3), SAMPLE_RATE // 2
    chords = []
    for _ in range(2 * SECONDS):
        root = 220 * 2 ** (draw.integers(12) / 12)
        chord = sum(note(root * ratio)[:beat] for ratio in (1, 1.26, 1.5))
        chords.append(chord * np.exp(-4 * TIME[:beat]))
    return np.concatenate(chords)


def brown() -> np.ndarray:
    steps = np.random.default_rng(1).standard_normal(len(TIME)).cumsum()
    return sosfilt(butter(1, 20, "high", fs=SAMPLE_RATE, output="sos"), steps)


OTHER = {
    "silence": np.zeros(len(TIME), np.float32),
    "hum at -40 dB": at_level(np.sin(2 * np.pi * 100 * TIME) + note(50) / 5, -40),
    "loud hum": at_level(np.sin(2 * np.pi * 100 * TIME), -10),
    "tone": at_level(np.sin(2 * np.pi * 440 * TIME), -20),
    "white noise": at_level(np.random.default_rng(2).standard_normal(len(TIME)), -30),
    "brown noise": at_level(brown(), -20),
    "a steady chord": at_level(note(220) + note(277.2) + note(329.6), -20),
    "music": at_level(music(), -20),
}


@pytest.mark.parametrize("name", OTHER)
def test_what_is_no_speech_counts_as_none(name: str) -> None:
    assert speech_share(speech_probability(OTHER[name])) < 0.05


@pytest.mark.parametrize("seed", range(6))
def test_the_rendered_people_speak(seed: int) -> None:
    person = make_identity(seed)
    said = speak(float(SECONDS), seed, pitch_hz=person.pitch_hz, tract=person.tract)
    assert speech_share(speech_probability(said)) > 0.4


def test_pauses_are_where_they_are() -> None:
    said = speak(2.0, 2)
    pause = np.zeros(2 * SAMPLE_RATE, np.float32)
    probability = speech_probability(np.concatenate([pause, said, pause]))
    assert probability.shape == (6 * SAMPLE_RATE // SAMPLES_PER_FRAME,)
    assert speech_share(probability[:48]) == 0
    assert speech_share(probability[55:95]) > 0.5
    assert speech_share(probability[110:]) == 0


def test_the_same_sound_gives_the_same_numbers() -> None:
    long = np.tile(speak(5.0, 1), 5)  # more than the detector hears at once
    assert np.array_equal(speech_probability(long), speech_probability(long))
    whole, half = speech_probability(long), speech_probability(long[: len(long) // 2])
    assert np.allclose(whole[: len(half) - 1], half[:-1], atol=1e-5)
    assert speech_probability(np.zeros(0, np.float32)).shape == (0,)


@pytest.mark.shared
def test_real_voices_are_speech(shared: Path) -> None:
    for path in sorted((shared / "speech").glob("*.wav")):
        assert speech_share(speech_probability(read_voice(path).samples)) > 0.5, path.name
    for path in sorted((shared / "clips").glob("c0*.m*")):
        info = probe(path)
        sound = read_sound(path, info, 0, info.frames)
        assert speech_share(speech_probability(sound)) > 0.5, path.name
    (music,) = (shared / "clips").glob("c21*")
    info = probe(music)
    assert speech_share(speech_probability(read_sound(music, info, 0, info.frames))) < 0.05


needs_dnsmos = pytest.mark.skipif(quality_model() is None, reason="needs the extra `quality`")


@needs_dnsmos
def test_noise_lowers_the_background_s_score() -> None:
    said = speak(10.0, 2)
    noise = np.random.default_rng(0).standard_normal(len(said)).astype(np.float32)
    clean, noisy = speech_quality(said), speech_quality(np.clip(said + 0.1 * noise, -1, 1))
    assert noisy.background < clean.background - 0.5
    assert noisy.overall < clean.overall - 0.3
    for score in (clean.signal, clean.background, clean.overall, noisy.overall):
        assert 1 <= score <= 5


@needs_dnsmos
@pytest.mark.parametrize("seconds", [2.0, 9.0, 9.2, 20.0])
def test_sound_of_any_length_is_judged(seconds: float) -> None:
    assert 1 <= speech_quality(speak(seconds, 1)).overall <= 5
