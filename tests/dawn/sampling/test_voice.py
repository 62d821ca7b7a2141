"""Any sound to samples and features, and into the video."""

import json
import wave
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from dawn.features.sound.mel import log_mel
from dawn.sampling.voice import read_voice, voice_features
from dawn.sampling.writer import MARK, VideoWriter, video_size
from manifests.errors import InputError
from tests.hostile import Film, faces, noise, tone


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
    path = write_wav(tmp_path / "a.wav", np.concatenate([left, 0 * left]), 16000)
    assert np.abs(read_voice(path).samples - left[0] / 2).max() < 1e-3


def test_a_channel_upside_down_does_not_cancel_the_other(tmp_path):
    left = chirp(1, 16000)
    path = write_wav(tmp_path / "a.wav", np.concatenate([left, -left]), 16000)
    assert np.abs(read_voice(path).samples - left[0]).max() < 1e-3


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


def float_wav(path: Path, sound: np.ndarray) -> Path:
    """(samples,) as 32-bit floats at 16 kHz, whatever they are."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), "flt", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def in_the_video(path: Path) -> np.ndarray:
    """The samples of a video with this sound."""
    voice, out = read_voice(path), path.with_suffix(".out.mp4")
    with VideoWriter(out, 128, path, voice.seconds, {}) as writer:
        for _ in range(voice.frames):
            writer.add(np.zeros((128, 128, 3), np.uint8))
        writer.finish()
    return read_voice(out).samples


def test_a_few_samples_that_are_no_numbers_or_too_large_are_made_harmless(tmp_path):
    clean = chirp(1, 16000)[0]
    bad = clean.copy()
    bad[3000:3010], bad[5000], bad[6000], bad[7000] = np.nan, np.inf, -np.inf, 7e30
    path = float_wav(tmp_path / "bad.wav", bad)
    for samples in (read_voice(path).samples, in_the_video(path)):
        assert np.isfinite(samples).all()
        assert np.abs(samples).max() <= 1
        assert np.corrcoef(samples[8000:15000], clean[8000:15000])[0, 1] > 0.99


@pytest.mark.parametrize("change", [lambda x: x * 32768, lambda x: x * np.nan, lambda x: x + 7])
def test_sound_of_another_scale_is_refused(tmp_path, change):
    path = float_wav(tmp_path / "bad.wav", change(chirp(1, 16000)[0]))
    with pytest.raises(InputError, match="% of its samples are beyond ±1 or no numbers; scale it"):
        read_voice(path)


def level(samples: np.ndarray) -> float:
    return float(np.sqrt((samples[1600:14400].astype(float) ** 2).mean()))


@pytest.mark.parametrize(("rate", "channels"), [(16000, 3), (44100, 6), (96000, 7), (48000, 8),
                                                (44100, 9), (16000, 16)])  # fmt: skip
def test_many_channels_keep_the_level_of_one(tmp_path, rate, channels):
    sound = np.tile(tone(1, rate), (channels, 1))
    path = write_wav(tmp_path / "a.wav", sound, rate)
    assert level(read_voice(path).samples) == pytest.approx(0.3 / 2**0.5, rel=0.01)
    assert level(in_the_video(path)) == pytest.approx(0.3 / 2**0.5, rel=0.02)


@pytest.mark.parametrize("layout", ["3.0", "quad", "5.1", "7.1"])
@pytest.mark.parametrize("codec", ["flac", "aac", "pcm_s16le"])
def test_channels_with_a_place_are_averaged_too(tmp_path, layout, codec):
    path = tmp_path / "a.mka"
    Film(path, "matroska").sound(1, codec, 48000, layout).close()
    for samples in (read_voice(path).samples, in_the_video(path)):
        assert level(samples) == pytest.approx(0.3 / 2**0.5, rel=0.05)


def mp3(path: Path, seconds: float, rate: int, layout: str) -> bytes:
    """A hum without a header, to be put behind another."""
    Film(path, "mp3", write_xing="0", id3v2_version="0").sound(
        seconds, "libmp3lame", rate, layout
    ).close()
    return path.read_bytes()


@pytest.mark.parametrize(
    ("first", "second"),
    [((44100, "stereo"), (48000, "stereo")), ((44100, "mono"), (44100, "stereo")),
     ((48000, "stereo"), (22050, "mono")), ((16000, "mono"), (44100, "stereo"))],
)  # fmt: skip
def test_rate_and_channels_may_change_midway(tmp_path, first, second):
    path = tmp_path / "both.mp3"
    path.write_bytes(mp3(tmp_path / "1.mp3", 1, *first) + mp3(tmp_path / "2.mp3", 1, *second))
    voice = read_voice(path)
    assert voice.seconds == pytest.approx(2.08, abs=0.15)
    for samples in (voice.samples, in_the_video(path)):
        for at in (4000, 22000):
            part = samples[at : at + 8000] * np.hanning(8000)
            assert np.argmax(np.abs(np.fft.rfft(part))) == pytest.approx(100, abs=1)  # 200 Hz
            assert level(np.tile(samples[at : at + 8000], 2)) == pytest.approx(0.212, rel=0.1)


def quiet_then_loud(path: Path, kind: str, codec: str, **flags: str) -> Path:
    """4 s of silence and 2 s of noise: a codec's bit rate at the beginning tells nothing."""
    noise = np.random.default_rng(0).normal(0, 0.2, (1, 2 * 44100))
    sound = np.concatenate([np.zeros((1, 4 * 44100)), noise], axis=1).astype(np.float32)
    with av.open(str(path), "w", format=kind, options=flags) as container:
        options = {"flags": "+qscale", "global_quality": "0"} if codec == "libmp3lame" else {}
        stream = container.add_stream(codec, rate=44100, layout="mono", options=options)
        for at in range(0, sound.shape[1], 1024):
            block = np.ascontiguousarray(sound[:, at : at + 1024])
            frame = av.AudioFrame.from_ndarray(block, "fltp", "mono")
            frame.sample_rate, frame.pts = 44100, at
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


BARE = {"write_xing": "0", "id3v2_version": "0"}


@pytest.mark.parametrize(
    ("kind", "codec", "flags"),
    [("mp3", "libmp3lame", BARE), ("mp3", "libmp3lame", {}), ("adts", "aac", {}),
     ("matroska", "libmp3lame", {"live": "1"}), ("wav", "libmp3lame", {}), ("mp4", "aac", {})],
)  # fmt: skip
def test_what_is_whole_is_never_called_cut_off(tmp_path, kind, codec, flags):
    path = quiet_then_loud(tmp_path / "a.sound", kind, codec, **flags)
    assert read_voice(path).seconds == pytest.approx(6.0, abs=0.1)


@pytest.mark.parametrize(
    ("kind", "codec", "flags"),
    [("mp3", "libmp3lame", {}), ("mp4", "aac", {"movflags": "faststart"}),
     ("matroska", "libmp3lame", {}), ("matroska", "aac", {}), ("flv", "libmp3lame", {}),
     ("wav", "libmp3lame", {}), ("wav", "pcm_f32le", {}), ("flac", "flac", {})],
)  # fmt: skip
def test_a_header_that_promises_more_is_believed(tmp_path, kind, codec, flags):
    if codec in ("pcm_f32le", "flac"):
        path = tmp_path / "a.sound"
        Film(path, kind, **flags).sound(6, codec).close()
    else:
        path = quiet_then_loud(tmp_path / "a.sound", kind, codec, **flags)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(InputError, match=r"is cut off: promises 6\.\d s, holds"):
        read_voice(path)


def test_a_film_that_was_cut_off_is_no_voice(tmp_path):
    path = tmp_path / "film.mkv"
    Film(path).pictures(noise(150)).sound(4).close()
    assert read_voice(path).seconds == pytest.approx(4, abs=0.1)  # shorter than its pictures
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"is cut off: promises 6\.\d s"):
        read_voice(path)


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
