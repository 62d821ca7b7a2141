"""One clip: two threads, one video; a short first stretch; errors of either thread."""

import io
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from benchmarks.models import invented_portrait, random_model
from dawn.sampling import generate as generate_module
from dawn.sampling.generate import Timer, generate, render_clip, work
from dawn.sampling.model import Model
from dawn.sampling.settings import GenerateConfig
from dawn.sampling.voice import Voice, read_voice
from tests.dawn.sampling.test_voice import chirp, write_wav

CPU = torch.device("cpu")
CONFIG = GenerateConfig(steps=1, stretch=16, overlap=4, window=4)
EARLY = replace(CONFIG, first_stretch=6)


@pytest.fixture(scope="module")
def model() -> Model:
    return random_model("tiny", CPU)


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Voice:
    """1.5 s: 38 frames."""
    return read_voice(write_wav(tmp_path_factory.mktemp("v") / "a.wav", chirp(1.5, 22050), 22050))


Make = Callable[..., np.ndarray]


@pytest.fixture
def make(model: Model, voice: Voice, tmp_path: Path) -> Make:
    """Generates, and returns the pictures as rendered."""

    def run(config: GenerateConfig, out: object = tmp_path / "out.mp4", **more) -> np.ndarray:
        seen: list[np.ndarray] = []
        portrait = invented_portrait(64)
        made = generate(
            model, portrait, voice, config, 0, out,
            on_picture=lambda picture: seen.append(picture.copy()), **more,
        )  # fmt: skip
        assert made.frames == len(seen) == voice.frames
        assert made.wall_s >= made.network_s + made.render_s + made.wait_s > 0
        assert made.wall_s >= made.encode_s > 0
        return np.stack(seen)

    return run


def test_the_work_that_is_heard_adds_up_and_is_heard_in_one_thread(make, voice):
    heard, threads = [], set()

    def hear(units):
        heard.append(units)
        threads.add(threading.current_thread())

    make(EARLY, on_work=hear)
    assert sum(heard) == work(voice.frames, EARLY)
    assert threads == {threading.current_thread()}


def test_a_stream_shows_the_frames_of_the_file_of_the_same_plan(make, model, voice):
    pictures = make(EARLY)
    sink = io.BytesIO()
    assert np.array_equal(make(EARLY, sink), pictures)
    assert not np.array_equal(make(CONFIG), pictures)  # another plan
    batches = render_clip(model, invented_portrait(64), voice, EARLY, 0, Timer(CPU))
    first = next(batches).pictures.numpy()
    assert len(first) == EARLY.first_stretch - EARLY.overlap
    rest = [batch.pictures.numpy() for batch in batches]
    assert np.array_equal(np.concatenate([first, *rest]), pictures)
    sink.seek(0)
    with av.open(sink) as container:
        assert sum(1 for _ in container.decode(video=0)) == voice.frames


def test_file_and_stream_hold_the_same_coded_pictures_and_sound(make, tmp_path):
    sink = io.BytesIO()
    make(EARLY)
    make(EARLY, sink)
    sink.seek(0)
    for kind in ("video", "audio"):
        found = []
        for source in (str(tmp_path / "out.mp4"), sink):
            with av.open(source) as container:
                stream = container.streams.get({kind: 0})[0]
                packets = [p for p in container.demux(stream) if p.size]
                found.append([(p.pts * p.time_base, bytes(p)) for p in packets])
            sink.seek(0)
        assert found[0] == found[1]
        assert found[0]


def test_frames_leave_before_the_second_stretch_is_denoised(model, voice):
    """The network cannot get on until the first pictures can be decoded from what was written."""
    sink, seen, second = io.BytesIO(), threading.Event(), 20

    class Watched:
        def write(self, data):
            sink.write(data)
            if decodable(sink.getvalue()):
                seen.set()
            return len(data)

    def hear(units):
        if units == second:
            assert seen.wait(60)
            heard.append(units)

    heard: list[int] = []
    config = GenerateConfig(steps=2, stretch=second, first_stretch=10, overlap=4, window=4)
    generate(model, invented_portrait(64), voice, config, 0, Watched(), on_work=hear)
    assert len(heard) == 2


def decodable(data: bytes) -> int:
    """Frames that can be decoded from the beginning of a file."""
    try:
        with av.open(io.BytesIO(data)) as container:
            return sum(1 for _ in container.decode(video=0))
    except av.error.FFmpegError:
        return 0


class Full:
    """Takes a few bytes, then none."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> int:
        if len(self.data) + len(data) > 3000:
            raise OSError(28, "No space left on device")
        self.data += bytes(data)
        return len(data)


def test_an_error_of_the_encoder_stops_the_network(model, voice):
    threads, sink, heard = threading.active_count(), Full(), []
    with pytest.raises(OSError, match="No space left"):
        generate(model, invented_portrait(64), voice, CONFIG, 0, sink, on_work=heard.append)
    assert threading.active_count() == threads


def test_an_error_of_the_network_ends_the_encoder_and_what_was_written_plays(
    model, voice, monkeypatch
):
    original, threads, sink = generate_module.flow.sample_motion, threading.active_count(), None

    def broken(*arguments, **options):
        parts = original(*arguments, **options)
        yield next(parts)
        yield next(parts)
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(generate_module.flow, "sample_motion", broken)
    sink = io.BytesIO()
    with pytest.raises(torch.OutOfMemoryError):
        generate(model, invented_portrait(64), voice, CONFIG, 0, sink)
    assert threading.active_count() == threads
    assert 0 < decodable(sink.getvalue()) < voice.frames
