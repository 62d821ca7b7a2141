"""Frames while the rest is made: the file's frames, in time, with their sound; many at once."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import astronaut

import dawn
from benchmarks.models import invented_portrait, random_model
from dawn.sampling.generate import Timer, render_clip
from dawn.sampling.render import Batch, ToHost
from dawn.sampling.settings import GenerateConfig, stream_config
from dawn.sampling.stream import frames_of
from dawn.sampling.turns import Turns
from dawn.sampling.voice import Voice, read_voice
from manifests.errors import InputError
from tests.dawn.sampling.test_voice import chirp, write_wav
from tests.models import write_model

CONFIG = GenerateConfig(steps=1, stretch=16, overlap=4, window=4, first_stretch=6)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wav(tmp_path_factory.mktemp("sound") / "a.wav", chirp(1.19, 16000), 16000)


@pytest.fixture(scope="module")
def voice(sound: Path) -> Voice:
    return read_voice(sound)


def batch(frames: int) -> Batch:
    return Batch(torch.zeros(frames, 4, 4, 3, dtype=torch.uint8))


def dawn_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("dawn-")]


def test_a_portrait_speaks_frame_by_frame(sound, voice, tmp_path):
    model = dawn.load(write_model(tmp_path / "model"), device="cpu")
    Image.fromarray(astronaut()).save(tmp_path / "face.png")
    settings = {"seed": 3, "steps": 1, "stretch": 16, "first_stretch": 9}
    frames = list(model.stream(tmp_path / "face.png", sound, **settings))
    video = model.generate(tmp_path / "face.png", sound, **settings)
    assert np.array_equal([frame.picture for frame in frames], video.frames)
    assert [frame.time for frame in frames] == [number / 25 for number in range(30)]
    assert np.array_equal(np.concatenate([frame.sound for frame in frames]), voice.samples)
    assert all(frame.sound.shape == (640,) for frame in frames)
    stream = model.stream(tmp_path / "face.png", sound, **settings)
    assert np.array_equal(next(stream).picture, video.frames[0])
    stream.close()
    assert not dawn_threads()
    with pytest.raises(InputError, match="first_stretch must lie"):
        model.stream(tmp_path / "face.png", sound, first_stretch=400)
    with pytest.raises(InputError, match="no such file"):
        model.stream(tmp_path / "none.png", sound)


def test_a_stream_begins_with_a_short_stretch_unless_told_otherwise():
    assert (stream_config().first_stretch, stream_config().overlap) == (60, 40)
    assert stream_config(stretch=16).first_stretch == 16
    assert stream_config(first_stretch=100).first_stretch == 100
    with pytest.raises(InputError, match="stretch"):
        stream_config(stretch="long")


def test_the_network_goes_on_while_a_frame_is_looked_at(voice):
    third = threading.Event()

    def make(on_work):
        for number in range(3):
            if number == 2:
                third.set()
            yield batch(1)

    frames = frames_of(make, voice)
    next(frames)
    assert third.wait(60)
    assert len(list(frames)) == 2


def test_the_network_stops_with_its_step_where_a_stream_is_closed(voice):
    steps, closed = [], threading.Event()

    def make(on_work):
        yield batch(2)
        closed.wait(60)
        for step in range(100):
            steps.append(step)
            on_work(1)
            yield batch(1)

    frames = frames_of(make, voice)
    next(frames)
    threading.Timer(0.1, closed.set).start()
    frames.close()
    assert steps == [0]
    assert not dawn_threads()


def test_what_making_raises_whoever_iterates_hears(voice):
    def make(on_work):
        yield batch(1)
        raise torch.OutOfMemoryError("no memory")

    frames = frames_of(make, voice)
    next(frames)
    with pytest.raises(torch.OutOfMemoryError):
        next(frames)
    assert not dawn_threads()


def test_whoever_runs_dry_first_is_next():
    """A long video is well ahead of its viewer; a new one overtakes it, then they alternate."""
    now, order = [0.0], []
    turns = Turns(lambda: now[0])

    def made(name, sizes):
        for size in sizes:
            order.append(name)
            yield batch(size)

    def finish(name, batches):
        for _ in batches:
            now[0] += 0.01

    long = turns.each(made("long", [50, 25, 25, 25]))
    next(long)  # two seconds ahead
    now[0] = 0.5
    busy = threading.Event()

    def hold():
        yield batch(1)
        busy.wait(60)
        yield batch(1)

    holder = turns.each(hold())
    next(holder)
    waiting = [threading.Thread(target=lambda: list(holder))]
    waiting[0].start()
    while not turns._busy:
        time.sleep(0.001)
    new = turns.each(made("new", [25, 25, 25, 25]))
    for name, one in (("long", long), ("new", new)):
        waiting.append(threading.Thread(target=finish, args=(name, one)))
        waiting[-1].start()
    while len(turns._waiting) < 2:
        time.sleep(0.001)
    busy.set()
    for thread in waiting:
        thread.join(60)
    assert order[:4] == ["long", "new", "new", "long"]
    assert sorted(order) == ["long"] * 4 + ["new"] * 4


def test_a_video_that_fails_gives_its_turn_back():
    turns = Turns()

    def broken():
        yield batch(1)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        list(turns.each(broken()))
    assert len(list(turns.each([batch(1), batch(2)]))) == 2


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_videos_that_take_turns_are_those_made_alone(voice, device):
    """What one keeps from stretch to stretch is its own, as are the pictures not fetched yet."""
    model = random_model("tiny", torch.device(device))
    config = replace(CONFIG, render_frames=2)

    def batches(seed):
        return render_clip(model, invented_portrait(64), voice, config, seed, Timer(model.device))

    alone = [fetched(list(batches(seed))) for seed in (0, 1)]
    mixed: list[list[Batch]] = [[], []]
    for pair in zip(batches(0), batches(1), strict=True):
        for made, one in zip(mixed, pair, strict=True):
            made.append(one)
    for made, expected in zip(mixed, alone, strict=True):
        assert np.array_equal(fetched(made), expected)
    assert not np.array_equal(*alone)


def fetched(batches: list[Batch]) -> np.ndarray:
    to_host = ToHost()
    return np.concatenate([to_host(one).copy() for one in batches])
