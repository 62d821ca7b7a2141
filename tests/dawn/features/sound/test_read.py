"""Sound on the video's clock: right place, right length, no seams."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dawn.features.rates import SAMPLE_RATE, SAMPLES_PER_FRAME
from dawn.features.sound.read import read_sound
from dawn.features.video.encode import read_flac, write_flac
from dawn.features.video.probe import probe
from tests.hostile import Film, noise, tone
from tests.videos import write_counting_video


def film(path: Path, sound: np.ndarray, rate: int, start: Fraction = Fraction(0)) -> Path:
    times = [start + Fraction(k, 25) for k in range(75)]
    return write_counting_video(path, times, sound=sound, rate=rate, channels=len(sound))


def click(rate: int, at_s: float, seconds: float = 3.0, channels: int = 1) -> np.ndarray:
    """A short bump of sound at one moment."""
    t = np.arange(round(seconds * rate)) / rate
    return np.tile(0.8 * np.exp(-(((t - at_s) / 0.001) ** 2)), (channels, 1)).astype(np.float32)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_click_lands_where_it_was(tmp_path: Path, rate: int, channels: int) -> None:
    path = film(tmp_path / "v.mkv", click(rate, 1.2345, channels=channels), rate)
    samples = read_sound(path, probe(path), 0, 75)
    assert len(samples) == 75 * SAMPLES_PER_FRAME
    assert abs(np.abs(samples).argmax() / SAMPLE_RATE - 1.2345) < 1.5 / min(rate, SAMPLE_RATE)
    assert np.abs(samples).max() == pytest.approx(0.8, rel=0.15)


def test_time_0_is_the_first_picture_s(tmp_path: Path) -> None:
    path = film(tmp_path / "v.mkv", click(48_000, 2.0), 48_000, start=Fraction(3, 2))
    samples = read_sound(path, probe(path), 0, 75)
    assert np.abs(samples).argmax() / SAMPLE_RATE == pytest.approx(0.5, abs=0.001)


def test_shorter_sound_is_followed_by_silence(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(np.arange(48_000) * 0.1)[None].astype(np.float32)
    path = film(tmp_path / "v.mkv", tone, 48_000)
    samples = read_sound(path, probe(path), 0, 75)
    assert np.abs(samples[: SAMPLE_RATE // 2]).max() > 0.4
    assert not samples[round(1.1 * SAMPLE_RATE) :].any()


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
def test_spans_join_without_a_seam(tmp_path: Path, suffix: str, rate: int) -> None:
    # A chirp, and leeway for AAC: it stores noise as "noise here", which decoders draw anew.
    leeway = 0.02 if suffix == "mp4" else 1e-6
    t = np.arange(3 * rate) / rate
    chirp = 0.5 * np.sin(2 * np.pi * (200 + 300 * t) * t)[None].astype(np.float32)
    path = film(tmp_path / f"v.{suffix}", chirp, rate)
    info = probe(path)
    whole = read_sound(path, info, 0, 75)
    for start, stop in ((0, 30), (30, 61), (61, 75)):
        part = read_sound(path, info, start, stop)
        expected = whole[start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME]
        assert np.abs(part - expected).max() < leeway, (start, stop)
        assert np.array_equal(part, read_sound(path, info, start, stop))


def test_no_sound_is_silence(tmp_path: Path) -> None:
    path = write_counting_video(tmp_path / "v.mp4", [Fraction(k, 25) for k in range(10)])
    info = probe(path)
    assert info.sample_rate is None
    assert np.array_equal(read_sound(path, info, 2, 9), np.zeros(7 * SAMPLES_PER_FRAME))


@pytest.mark.parametrize("channels", [3, 6, 7, 8, 9, 16])
def test_many_channels_are_averaged(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "v.mkv"
    Film(path).pictures(noise(50)).sound(2, "pcm_s16le", 48_000, f"{channels} channels").close()
    samples = read_sound(path, probe(path), 0, 50)
    assert samples[1600:30_000].std() == pytest.approx(0.3 / 2**0.5, rel=0.01)


def test_samples_that_are_no_numbers_stay_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    rows = tone(2, 48_000)
    rows[0, 24_000:24_010] = np.nan
    rows[0, 48_000] = np.inf
    with av.open(str(path), "w") as container:
        video = container.add_stream("mjpeg", rate=25, width=96, height=64, pix_fmt="yuvj420p")
        sound = container.add_stream("pcm_f32le", rate=48_000, layout="mono")
        for k, picture in enumerate(noise(50)):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuvj420p")
            frame.pts = k
            container.mux(video.encode(frame))
        frame = av.AudioFrame.from_ndarray(rows, "flt", "mono")
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux([*video.encode(None), *sound.encode(frame), *sound.encode(None)])
    samples, clean = read_sound(path, probe(path), 0, 50), tone(2, 16_000)[0]
    assert np.isfinite(samples).all()
    far = np.abs(samples - clean)[100:-100] > 0.02
    assert far.sum() < 60


def test_flac_gives_back_every_sample(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).uniform(-1, 1, 12_345).astype(np.float32)
    write_flac(tmp_path / "a.flac", samples)
    back = read_flac(tmp_path / "a.flac")
    assert len(back) == len(samples)
    assert np.abs(back - samples).max() <= 0.5 / 32767 + 1e-6
