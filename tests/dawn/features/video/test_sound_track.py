"""The sound that is read: the default track that can be, whatever order its channels are in."""

import struct
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from dawn.features.rates import SAMPLE_RATE
from dawn.features.sound.read import read_sound
from dawn.features.video.container import open_media
from dawn.features.video.probe import probe
from dawn.features.video.sound_track import sound_track
from dawn.sampling.voice import read_voice
from manifests.reasons import UnreadableVideoError
from tests.hostile import Film, noise

LOUD = 0.3


def film(path: Path, tracks: list[tuple[str, float, bool]], rate: int = 48_000) -> Path:
    """Two seconds of pictures, and a hum for each (codec, level, is the default)."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mjpeg", rate=25, width=96, height=64, pix_fmt="yuvj420p")
        sounds = [container.add_stream(codec, rate=rate, layout="mono") for codec, _, _ in tracks]
        for sound, (_, _, default) in zip(sounds, tracks, strict=True):
            sound.disposition = Disposition.default if default else Disposition.comment
        for k, picture in enumerate(noise(50)):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuvj420p")
            frame.pts = k
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        wave = np.sin(2 * np.pi * 200 * np.arange(2 * rate) / rate)
        for sound, (_, level, _) in zip(sounds, tracks, strict=True):
            for begin in range(0, len(wave), 1024):
                part = (level * wave[begin : begin + 1024]).astype(np.float32)[None]
                frame = av.AudioFrame.from_ndarray(part, "fltp", "mono")
                frame.sample_rate, frame.pts = rate, begin
                container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
    return path


def level(path: Path) -> float:
    """Of what is heard in the middle of the file; ingest and generation must agree."""
    info = probe(path)
    samples = read_sound(path, info, 0, 50)
    voice = read_voice(path).samples
    middle = slice(SAMPLE_RATE // 2, SAMPLE_RATE)
    assert np.abs(voice[middle]).max() == pytest.approx(np.abs(samples[middle]).max(), abs=0.01)
    return float(np.abs(samples[middle]).max())


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_the_default_track_is_read(tmp_path: Path, suffix: str) -> None:
    path = film(tmp_path / f"v.{suffix}", [("aac", 0.0, False), ("aac", LOUD, True)])
    assert level(path) == pytest.approx(LOUD, abs=0.02)


def test_without_a_default_the_first_is_read(tmp_path: Path) -> None:
    path = film(tmp_path / "v.mkv", [("aac", LOUD, False), ("aac", 0.0, False)])
    assert level(path) == pytest.approx(LOUD, abs=0.02)


def undecodable(path: Path, number: int) -> Path:
    """Make a track of an MP4 one of Apple's spatial sound, for which there is no decoder."""
    raw, at = path.read_bytes(), -1
    for _ in range(number + 1):
        at = raw.index(b"mp4a", at + 1)
    box = raw.index(b"esds", at)
    path.write_bytes(raw[:at] + b"apac" + raw[at + 4 : box] + b"dapa" + raw[box + 4 :])
    return path


@pytest.mark.parametrize("which", [0, 1])
def test_a_track_without_a_decoder_is_passed_over(tmp_path: Path, which: int) -> None:
    path = film(tmp_path / "v.mp4", [("aac", LOUD, True), ("aac", LOUD, False)])
    info = probe(undecodable(path, which))
    assert (info.audio_codec, info.sample_rate) == ("aac", 48_000)
    assert level(path) == pytest.approx(LOUD, abs=0.02)


def test_no_track_that_can_be_read_is_no_sound(tmp_path: Path) -> None:
    path = undecodable(film(tmp_path / "v.mp4", [("aac", LOUD, True)]), 0)
    info = probe(path)
    assert info.audio_codec is None
    assert not read_sound(path, info, 0, 50).any()


def test_an_absurd_rate_is_refused_unless_another_track_can_be_read(tmp_path: Path) -> None:
    def promise(path: Path, rate: int, times: int) -> Path:
        raw = path.read_bytes()
        old, new = (b"\xb5\x88" + struct.pack(">d", r) for r in (48_000, rate))
        assert old in raw
        path.write_bytes(raw.replace(old, new, times))
        return path

    both = film(tmp_path / "v.mkv", [("pcm_s16le", LOUD, True), ("pcm_s16le", LOUD, False)])
    assert level(promise(both, 10**6, 1)) == pytest.approx(LOUD, abs=0.02)
    with pytest.raises(UnreadableVideoError, match="sound of 1000000 Hz"):
        probe(promise(both, 10**6, 1))


READ = """
import sys
from pathlib import Path
import numpy as np
from dawn.features.sound.read import read_sound
from dawn.features.video.probe import probe
from dawn.sampling.voice import read_voice
path = Path(sys.argv[1])
for _ in range(5):
    samples = read_sound(path, probe(path), 0, 50)
    voice = read_voice(path).samples
print(np.abs(samples[8000:16000]).max(), np.abs(voice[8000:16000]).max())
"""


@pytest.mark.parametrize(
    ("layout", "tag"), [("6.1", 0x7D0007), ("7.1", 0x800008), ("5.1", 0x7B0006)]
)
def test_channels_in_an_order_of_the_file_s_own(tmp_path: Path, layout: str, tag: int) -> None:
    """In a process of its own: PyAV used to end it (`double free or corruption`)."""
    path = tmp_path / "v.mov"
    Film(path).pictures(noise(50)).sound(2, "pcm_s16le", 48_000, layout).close()
    raw = path.read_bytes()
    at = raw.index(b"chan") + 8  # QuickTime's tag of the layout, and a bitmap of standard channels
    path.write_bytes(raw[:at] + tag.to_bytes(4, "big") + bytes(4) + raw[at + 8 :])
    with open_media(path) as container:
        track = sound_track(container)
        assert track is not None
        assert sorted(track.channels)[:2] != ["NONE", "NONE"]
        assert "FC" in track.channels
    answer = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    heard, generated = map(float, answer.stdout.split())
    assert heard == pytest.approx(0.3, abs=0.02)  # the same hum in every channel
    assert generated == pytest.approx(heard, abs=0.02)
