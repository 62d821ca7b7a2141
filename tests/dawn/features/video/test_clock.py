"""Clocks that restart, jump, go back or have holes; damage; files that were cut off.

After public reports: video-dev/hls.js#283 and obsproject/obs-studio#4907 (joined streams),
mpv-player/mpv#10277 (jumps and holes), mifi/lossless-cut#158 (no key frame at the start),
PyAV-Org/PyAV#534 (AVI with B frames), PyAV-Org/PyAV#263 (concealed damage).
"""

from fractions import Fraction
from itertools import groupby
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.features.rates import FPS, SAMPLE_RATE
from dawn.features.sound.read import read_sound
from dawn.features.video.decode import read_pictures
from dawn.features.video.probe import Limits, VideoInfo, probe
from manifests.reasons import Quarantine, UnreadableVideoError
from tests.videos import shown, write_counting_video

FRAMES = 40
TIMES = [Fraction(k, 25) for k in range(FRAMES)]
RATE = 48_000
X264 = {"qp": "4", "g": "250", "bf": "2", "sc_threshold": "0"}


def tone(hertz: float, seconds: float = FRAMES / FPS) -> NDArray[np.float32]:
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)[None]


def pitch(samples: NDArray[np.float32]) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * SAMPLE_RATE / len(samples))


def write(path: Path, hertz: float = 440, times: list[Fraction] = TIMES) -> Path:
    return write_counting_video(
        path, times, sound=tone(hertz), rate=RATE, size=(160, 120), options=X264
    )


def shift(path: Path, to: Path, video: int = 0, audio: int = 0) -> Path:
    """The same packets, later by so many seconds."""
    seconds = {"video": video, "audio": audio}
    with av.open(str(path)) as source, av.open(str(to), "w") as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                ticks = int(seconds[packet.stream.type] / packet.time_base)
                packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    return to


def runs(path: Path, info: VideoInfo) -> list[tuple[int, list[int]]]:
    """The first index of each unbroken run of pictures, and which source frames it shows."""
    pictures = [(i, shown(image)) for i, image, *_ in read_pictures(path, info)]
    grouped = groupby(enumerate(pictures), key=lambda pair: pair[1][0] - pair[0])
    found = [[picture for _, picture in group] for _, group in grouped]
    return [(run[0][0], [k for _, k in run]) for run in found]


def counting(begin: int, end: int) -> list[int]:
    return [k % 23 for k in range(begin, end)]


def test_a_clock_that_starts_again_cuts_picture_and_sound_at_one_place(tmp_path: Path) -> None:
    first, second = write(tmp_path / "1.ts", 440), write(tmp_path / "2.ts", 1200)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    info = probe(joined)
    assert len(info.stretches) == 2
    (a, head), (b, tail) = runs(joined, info)
    assert head == counting(0, len(head))
    assert len(head) >= FRAMES - 4  # the muxer's counters jump at the join: what it spoils is out
    assert tail == counting(0, FRAMES)
    assert pitch(read_sound(joined, info, a, a + len(head))) == pytest.approx(440, abs=2)
    assert pitch(read_sound(joined, info, b, b + FRAMES)) == pytest.approx(1200, abs=2)


def test_the_middle_of_a_joined_recording_is_found_by_its_bytes(tmp_path: Path) -> None:
    """As a span of a long recording: the same pictures and sound as when all of it is read."""
    times = [Fraction(k, 25) for k in range(250)]
    options = X264 | {"g": "25"}
    parts = [
        write_counting_video(
            tmp_path / f"{hertz}.ts", times, sound=tone(hertz, 10), rate=RATE, size=(160, 120),
            options=options,
        ).read_bytes()
        for hertz in (440, 1200, 700)
    ]  # fmt: skip
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(parts))
    info = probe(joined)
    assert len(info.entries) >= 4
    whole = {i: image for i, image, *_ in read_pictures(joined, info)}
    for start in (100, 240, 300, 420, 520, 700):
        part = {i: image for i, image, *_ in read_pictures(joined, info, start, start + 30)}
        assert sorted(part) == [i for i in range(start, start + 30) if i in whole]
        assert all(np.array_equal(image, whole[i]) for i, image in part.items())
    sound = read_sound(joined, info, 0, info.frames)
    for start in (100, 300, 420, 520, 700):
        heard = read_sound(joined, info, start, start + 30)
        assert np.abs(heard - sound[start * 640 : (start + 30) * 640]).max() < 1e-3
    assert pitch(read_sound(joined, info, 700, 730)) == pytest.approx(700, abs=2)


def test_a_clock_that_jumps_ahead_leaves_a_hole(tmp_path: Path) -> None:
    first = write(tmp_path / "1.ts", 440)
    late = shift(write(tmp_path / "2.ts", 1200), tmp_path / "late.ts", 600, 600)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + late.read_bytes())
    info = probe(joined)
    (a, head), (b, tail) = runs(joined, info)
    assert (a, b) == (0, 600 * FPS)
    assert head == counting(0, len(head))
    assert tail == counting(0, FRAMES)
    assert pitch(read_sound(joined, info, b, b + FRAMES)) == pytest.approx(1200, abs=2)


def test_sound_that_restarts_without_the_pictures_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "1.ts")
    late = shift(path, tmp_path / "late.ts", video=2)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(late.read_bytes() + path.read_bytes())
    assert len(probe(joined).stretches) == 2  # here both restart
    joined.write_bytes(path.read_bytes() + late.read_bytes())
    with pytest.raises(UnreadableVideoError, match="what belongs together is unknown"):
        probe(joined)


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_before_a_hole_the_picture_is_not_frozen(tmp_path: Path, suffix: str) -> None:
    times = [*TIMES[:15], *TIMES[25:]]
    path = write(tmp_path / f"v.{suffix}", times=times)
    assert runs(path, probe(path)) == [(0, counting(0, 15)), (25, counting(15, 30))]


def test_nothing_is_shown_before_the_first_frame_that_decodes(tmp_path: Path) -> None:
    options = X264 | {"g": "10"}
    path = write_counting_video(tmp_path / "v.ts", TIMES, size=(160, 120), options=options)
    data, packet = path.read_bytes(), 188
    head = tmp_path / "head.ts"
    head.write_bytes(data[len(data) // packet // 8 * packet :])
    ((first, seen),) = runs(head, probe(head))
    assert seen[0] in (10, 20)  # a key frame
    assert seen == counting(seen[0], seen[0] + len(seen))
    assert first > 0


def test_frames_of_an_avi_are_put_in_order(tmp_path: Path) -> None:
    path = write_counting_video(
        tmp_path / "v.avi", TIMES, size=(160, 120), options=X264 | {"bf": "3", "b-pyramid": "2"}
    )
    with av.open(str(path)) as container:
        times = [frame.pts for frame in container.decode(video=0)]
    assert times != sorted(times)  # else this test shows nothing
    assert runs(path, probe(path)) == [(0, counting(0, FRAMES))]


def test_damaged_frames_are_left_out_and_counted(tmp_path: Path) -> None:
    options = X264 | {"g": "10", "qp": "1"}
    path = write_counting_video(tmp_path / "v.ts", TIMES, size=(320, 240), options=options)
    data = bytearray(path.read_bytes())
    for begin in range(188 * (len(data) // 188 // 3), len(data), 188 * 97):
        data[begin : begin + 188] = bytes(188)
    lost = tmp_path / "lost.ts"
    lost.write_bytes(data)
    info = probe(lost)
    whole = {i: image.astype(int) for i, image, *_ in read_pictures(path, probe(path))}
    damaged: list[float] = []
    kept = list(read_pictures(lost, info, damaged=damaged))
    assert 5 < len(kept) < FRAMES
    assert len(damaged) >= FRAMES - len(kept) - 2
    for i, image, *_ in kept:
        assert np.abs(image - whole[i]).mean() < 0.1, f"frame {i} is damaged"


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "avi", "ts", "flv", "mpg", "wmv", "mxf"])
def test_cut_off_files_say_so(tmp_path: Path, suffix: str) -> None:
    codec, options = {
        "webm": ("libvpx", {"b": "2000000"}),
        "mpg": ("mpeg2video", {"qmax": "2"}),
        "mxf": ("mpeg2video", {"qmax": "2"}),
        "wmv": ("wmv2", {"b": "2000000"}),
    }.get(suffix, ("libx264", X264))
    path = write_counting_video(
        tmp_path / f"v.{suffix}",
        [Fraction(k, 25) for k in range(100)],
        size=(160, 120),
        codec=codec,
        options=options,
    )
    assert probe(path).frames >= 99
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 55 // 100])
    with pytest.raises(UnreadableVideoError) as error:
        probe(path)
    assert error.value.reason is Quarantine.TRUNCATED
    if suffix in {"ts", "mpg", "avi", "mkv"}:
        assert 40 < probe(path, Limits(min_data_share=0)).frames < 70
