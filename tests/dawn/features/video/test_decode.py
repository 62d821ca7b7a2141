"""25 fps by timestamps, whatever the source's rate, container, rotation or start."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dawn.features.rates import FPS
from dawn.features.video.decode import read_frames, read_pictures
from dawn.features.video.probe import Limits, probe
from manifests.reasons import Quarantine, UnreadableVideoError
from tests.videos import shown, write_counting_video

RATES = {
    "12.5": Fraction(25, 2),
    "23.976": Fraction(24000, 1001),
    "25": Fraction(25),
    "29.97": Fraction(30000, 1001),
    "50": Fraction(50),
    "60": Fraction(60),
}


def constant(rate: Fraction, seconds: float = 2.0) -> list[Fraction]:
    return [k / rate for k in range(round(seconds * rate))]


def irregular(seconds: float = 2.0) -> list[Fraction]:
    draw = np.random.default_rng(3)
    times, now = [], Fraction(0)
    while now < seconds:
        times.append(now)
        now += Fraction(int(draw.choice([17, 20, 33, 40, 55, 71])), 1000)
    return times


def check(path: Path, times: list[Fraction]) -> int:
    """Every output frame shows the source frame nearest to i / 25 s; returns how many there are."""
    info = probe(path)
    frames = list(read_frames(path, info))
    assert [i for i, _ in frames] == list(range(info.frames))
    for i, picture in frames:
        distances = [abs(float(t) - i / FPS) for t in times]
        allowed = {k % 23 for k, d in enumerate(distances) if d <= min(distances) + 2e-4}
        assert shown(picture) in allowed, f"frame {i}"
    return len(frames)


@pytest.mark.parametrize("rate", RATES)
def test_each_frame_is_the_nearest_in_time(tmp_path: Path, rate: str) -> None:
    times = constant(RATES[rate])
    path = write_counting_video(tmp_path / "v.mp4", times, options={"qp": "0", "bf": "2"})
    assert check(path, times) == 50
    assert probe(path).frame_rate == pytest.approx(float(RATES[rate]), rel=1e-3)


def test_irregular_timestamps(tmp_path: Path) -> None:
    times = irregular()
    path = write_counting_video(tmp_path / "v.mkv", times)
    assert check(path, times) in (50, 51)
    assert probe(path).variable_frame_rate


def test_time_0_is_the_first_frame(tmp_path: Path) -> None:
    times = constant(Fraction(25))
    late = [time + Fraction(7, 2) for time in times]
    path = write_counting_video(tmp_path / "v.mkv", late)
    assert probe(path).stretches[0].raw == pytest.approx(3.5, abs=1e-3)
    assert check(path, times) == 50


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi", "mpg"])
def test_a_span_is_a_piece_of_the_whole(tmp_path: Path, suffix: str) -> None:
    codec = "mpeg2video" if suffix == "mpg" else "libx264"
    options = (
        {"g": "12", "bf": "2", "qmax": "2"}
        if suffix == "mpg"
        else {"g": "12", "bf": "2", "qp": "10"}
    )
    times = constant(Fraction(25), 4.0)
    path = write_counting_video(
        tmp_path / f"v.{suffix}", times, codec=codec, options=options, size=(160, 120)
    )
    info = probe(path)
    whole = dict(read_frames(path, info))
    assert len(whole) == info.frames
    for start, stop in ((0, 7), (30, 61), (info.frames - 3, info.frames + 9)):
        part = dict(read_frames(path, info, start, stop))
        assert sorted(part) == list(range(start, min(stop, info.frames)))
        for i, picture in part.items():
            assert np.array_equal(picture, whole[i]), f"{suffix}: frame {i}"


def test_a_hole_in_time_is_left_out(tmp_path: Path) -> None:
    times = [Fraction(k, 25) for k in range(20)] + [5 + Fraction(k, 25) for k in range(20)]
    path = write_counting_video(tmp_path / "v.mkv", times)
    found = [i for i, _ in read_frames(path, probe(path))]
    assert found == [*range(20), *range(125, 145)]


def test_max_side_scales_down_only(tmp_path: Path) -> None:
    path = write_counting_video(tmp_path / "v.mp4", constant(Fraction(25), 0.2))
    info = probe(path)
    for side, expected in ((32, (24, 32, 3)), (64, (48, 64, 3)), (500, (48, 64, 3))):
        _, picture, size, _ = next(read_pictures(path, info, max_side=side))
        assert picture.shape == expected
        assert size == (64, 48)


def test_limits_are_checked_before_decoding(tmp_path: Path) -> None:
    path = write_counting_video(tmp_path / "v.mp4", constant(Fraction(25)))
    cases = {
        Quarantine.TOO_LARGE: Limits(max_megapixels=0.001),
        Quarantine.TOO_LONG: Limits(max_hours=1 / 3600),
    }
    for reason, limits in cases.items():
        with pytest.raises(UnreadableVideoError) as error:
            probe(path, limits)
        assert error.value.reason is reason
