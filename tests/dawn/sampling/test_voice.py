"""Any sound to samples and features, and into the video."""

import json
import wave
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from dawn.features.mel import log_mel
from dawn.sampling.voice import read_voice, voice_features
from dawn.sampling.writer import MARK, VideoWriter, video_size
from manifests.errors import InputError
from tests.hostile import Film, faces, tone


def write_wav(path: Path, sound: np.ndarray, rate: int) -> Path:
    """(channels, samples) in -1 … 1 as 16-bit PCM."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(sound))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((sound.T * 32767).astype("<i2").tobytes())
    return path


def chirp(seconds: float, rate: int) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * (200 + 300 * t) * t)).astype(np.float32)[None]


@pytest.mark.parametrize(
    ("rate", "channels"), [(8000, 1), (11025, 2), (16000, 1), (44100, 2), (96000, 6)]
)
def test_any_rate_and_channels_become_mono_16k(tmp_path, rate, channels):
    path = write_wav(tmp_path / "a.wav", np.tile(chirp(1.3, rate), (channels, 1)), rate)
    voice = read_voice(path)
    assert voice.seconds == pytest.approx(1.3, abs=2e-3)
    assert voice.frames == 33
    assert len(voice.samples) == 33 * 640
    expected = chirp(1.3, 16000)[0]
    got = voice.samples[: len(expected)] - voice.samples[: len(expected)].mean()
    lags = np.correlate(got[4000:12000], expected[4100:11900])
    assert abs(int(np.argmax(lags)) - 100) <= 8  # half a millisecond
    assert np.corrcoef(got[2000:18000], expected[2000:18000])[0, 1] > 0.98


def test_stereo_is_averaged(tmp_path):
    left = chirp(1, 16000)
    path = write_wav(tmp_path / "a.wav", np.concatenate([left, -left]), 16000)
    assert np.abs(read_voice(path).samples).max() < 1e-3


def test_the_sound_of_a_video_will_do(tmp_path):
    path = tmp_path / "film.mp4"
    Film(path).pictures(faces(30)).sound(1.2).close()
    assert read_voice(path).seconds == pytest.approx(1.2, abs=0.1)


def test_silence_works_and_a_limit_holds(tmp_path):
    path = write_wav(tmp_path / "quiet.wav", np.zeros((1, 48000)), 16000)
    assert read_voice(path).frames == 75
    voice = read_voice(path, max_seconds=1.01)
    assert voice.seconds == pytest.approx(1.01)
    assert voice.frames == 26
    assert np.isfinite(voice_features(voice.samples, "log_mel")).all()


def test_not_a_number_is_silence(tmp_path):
    path = tmp_path / "nan.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=16000, layout="mono")
        sound = np.full((1, 16000), np.nan, np.float32)
        sound[0, ::2] = 7.0
        frame = av.AudioFrame.from_ndarray(sound, format="flt", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    samples = read_voice(path).samples
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1


def bad_sounds(folder: Path) -> dict[str, Path]:
    good = write_wav(folder / "good.wav", tone(4, 16000), 16000).read_bytes()
    files = {"header": good[:30], "noise": b"\x93" * 5000, "text": b"no sound here, sorry" * 9,
             "empty": b"", "nothing": good[:44]}  # fmt: skip
    paths = {}
    for name, data in files.items():
        paths[name] = folder / f"{name}.wav"
        paths[name].write_bytes(data)
    paths["short"] = write_wav(folder / "short.wav", tone(0.19, 16000), 16000)
    mute = folder / "mute.mp4"
    Film(mute).pictures(faces(5)).close()
    flac = folder / "whole.flac"
    with av.open(str(flac), "w") as container:
        stream = container.add_stream("flac", rate=16000, layout="mono")
        noise = np.random.default_rng(0).integers(-9000, 9000, (1, 80_000)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    cut = folder / "cut.flac"
    cut.write_bytes(flac.read_bytes()[: flac.stat().st_size // 2])
    return paths | {"mute": mute, "none": folder / "none.wav", "folder": folder, "cut": cut}


@pytest.mark.parametrize(
    ("kind", "says"),
    [("header", "."), ("noise", "no sound that can be read"), ("text", "no sound"), ("empty", "."),
     ("nothing", "holds 0.00 s"), ("short", "holds 0.19 s of sound; at least 0.2 s are needed"),
     ("mute", "holds no sound"), ("none", "no such file"), ("folder", "no such file"),
     ("cut", "is cut off: promises 5.0 s")],
)  # fmt: skip
def test_what_is_no_voice(tmp_path, kind, says):
    path = bad_sounds(tmp_path)[kind]
    with pytest.raises(InputError, match=says) as caught:
        read_voice(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_features_in_pieces_are_those_of_the_whole():
    samples = np.random.default_rng(0).normal(0, 0.1, 1203 * 640).astype(np.float32)
    assert np.allclose(voice_features(samples, "log_mel"), log_mel(samples), atol=1e-5)


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (96000, 6)])
def test_the_video_carries_the_sound_in_step_and_says_what_it_is(tmp_path, rate, channels):
    sound = write_wav(tmp_path / "a.wav", np.tile(chirp(1.31, rate), (channels, 1)), rate)
    voice = read_voice(sound)
    out = tmp_path / "out.mp4"
    with VideoWriter(out, 64, sound, voice.seconds, {"seed": 5}) as writer:
        for k in range(voice.frames):
            writer.add(np.full((64, 64, 3), 5 * k, np.uint8))
        writer.finish()
    with av.open(str(out)) as container:
        assert container.metadata["title"] == MARK
        notes = json.loads(container.metadata["comment"])
        assert notes == {"generated": True, "generator": "dawn-pipeline", "seed": 5}
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert video.frames == voice.frames == 33
        assert float(audio.duration * audio.time_base) == pytest.approx(1.31, abs=2e-3)
        assert audio.channels == min(2, channels)
        frames = [f.to_ndarray(format="rgb24").mean() for f in container.decode(video)]
    assert np.allclose(frames, 5 * np.arange(33), atol=2)
    again = read_voice(out).samples[4000:16000]
    lags = np.correlate(again, voice.samples[4100:15900])
    assert abs(int(np.argmax(lags)) - 100) <= 8


def test_small_pictures_are_enlarged_so_that_lips_survive_the_coder(tmp_path):
    """Lips of 6 x 2 pixels that open and close among noise as a small network's frames have it."""
    sound = write_wav(tmp_path / "a.wav", chirp(2.0, 16000)[None], 16000)
    random, frames = np.random.default_rng(0), []
    face = cv2.resize(random.uniform(80, 160, (8, 8, 3)), (64, 64), interpolation=cv2.INTER_CUBIC)
    opening = np.sin(np.arange(50) * 0.9)
    for k in range(50):
        frame = face + random.normal(0, 3, face.shape)
        frame[44:46, 29:35] -= 20 * opening[k]
        frames.append(frame.clip(0, 255).astype(np.uint8))
    with VideoWriter(tmp_path / "a.mp4", 64, sound, 2.0, {}) as writer:
        for frame in frames:
            writer.add(frame)
        writer.finish()
    with av.open(str(tmp_path / "a.mp4")) as container:
        seen = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    assert seen[0].shape == (256, 256, 3)
    lips = np.array([f[176:184, 116:140].mean() for f in seen])
    assert np.corrcoef(lips, -opening)[0, 1] > 0.98
    assert video_size(128) == 128
    assert video_size(512) == 512
