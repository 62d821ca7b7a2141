"""The files: their times, cuts, sound, damage, and that they are the same every time."""

import itertools
from fractions import Fraction

import av
import numpy as np
import pytest

from dawn.synthetic.footage import Kind, footage_kinds, render_clip, write_footage
from dawn.synthetic.truth import read_truth, truth_path
from dawn.synthetic.voice import speak


def test_every_kind_has_a_name_and_a_description():
    kinds = footage_kinds()
    assert len({kind.name for kind in kinds}) == len(kinds)
    assert all(kind.description for kind in kinds)


@pytest.mark.parametrize("kind", ["plain", "ntsc", "variable", "cut", "rotated", "faceless"])
def test_frames_come_at_the_true_times(clip, kind):
    times = [float(frame.pts * frame.time_base) for frame in clip(kind).decoded]
    assert times == pytest.approx(clip(kind).truth.frames.time, abs=1e-9)
    assert 5.3 < times[-1] < 5.5


def test_ntsc_frames_are_exactly_1001_30000ths_apart(clip):
    moments = [frame.pts * frame.time_base for frame in clip("ntsc").decoded]
    assert {b - a for a, b in itertools.pairwise(moments)} == {Fraction(1001, 30000)}


def test_variable_frames_come_at_irregular_times(clip):
    steps = np.diff(clip("variable").truth.frames.time)
    assert len(np.unique(steps.round(6))) > 5
    assert clip("variable").truth.fps is None


def test_the_cut_is_where_truth_says(clip):
    frames = np.stack(clip("cut").frames).astype(np.float32)
    change = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
    (cut,) = clip("cut").truth.cut_frames
    assert change.argmax() + 1 == cut
    assert np.sort(change)[-2] < change.max() / 4


def test_rotated_pixels_lie_sideways_under_a_matrix(clip):
    frame = clip("rotated").decoded[0]
    truth = clip("rotated").truth
    assert frame.rotation == -90  # counter-clockwise, so players turn clockwise
    assert truth.rotation == 90
    assert (frame.width, frame.height) == (truth.height, truth.width)


def test_silent_has_no_sound_and_the_rest_do(clip):
    for kind in ("silent", "plain", "faceless"):
        with av.open(str(clip(kind).path)) as file:
            assert len(file.streams.audio) == clip(kind).truth.has_audio == (kind != "silent")


def test_sound_starts_with_the_first_frame(tmp_path):
    """The encoder's own delay must not shift the sound."""
    path = render_clip(tmp_path / "a.mp4", Kind("some", "", people=()), seconds=2.0)
    with av.open(str(path)) as file:
        heard = np.concatenate([b.to_ndarray()[0] for b in file.decode(audio=0)])[::3]
    from dawn.synthetic.footage import _take

    said = speak(2.0, _take(Kind("some", "", people=()), 0, 0))
    span = min(len(heard), len(said))
    spectrum = np.fft.rfft(heard[:span]) * np.conj(np.fft.rfft(said[:span]))
    lag = int(np.fft.irfft(spectrum, span).argmax())
    assert min(lag, span - lag) <= 16  # a millisecond


@pytest.mark.parametrize("kind", ["truncated", "text"])
def test_damaged_files_cannot_be_opened(clip, kind):
    assert not clip(kind).truth.readable
    with pytest.raises(av.FFmpegError):
        av.open(str(clip(kind).path))


@pytest.mark.parametrize("kind", [footage_kinds()[0], Kind("waves", "", people=())])
def test_same_seed_same_frames_other_seed_other_frames(tmp_path, kind):
    def decode(seed: int) -> np.ndarray:
        with av.open(str(render_clip(tmp_path / "a.mp4", kind, seconds=1.5, seed=seed))) as file:
            return np.stack([f.to_ndarray(format="rgb24") for f in file.decode(video=0)])

    first = decode(0)
    assert all(np.array_equal(first, decode(0)) for _ in range(4))
    assert not np.array_equal(first, decode(1))


def test_truth_survives_its_file(clip, tmp_path):
    truth = clip("cut").truth
    truth.write(tmp_path / "again.json")
    assert read_truth(tmp_path / "again.json") == truth
    assert truth_path(clip("cut").path).name == "cut.truth.json"
    assert [shot.identity for shot in truth.shots] == [4, 5]


def test_unknown_kind_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no such footage: nonsense"):
        write_footage(tmp_path, kinds=["plain", "nonsense"])
