"""`dawn generate --stream`: the same frames, to a file or a pipe, and what an end leaves behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from pipeline.progress import Progress
from tests.conftest import ROOT, Dawn
from tests.dawn.sampling.test_voice import chirp, write_wav
from tests.models import write_model
from tests.pipeline.generate.test_run import decoded

PLAN = ("--steps", 1, "--stretch", 16, "--first-stretch", 9, "--device", "cpu")


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("material")
    write_model(folder / "model")
    Image.fromarray(astronaut()).save(folder / "face.png")
    write_wav(folder / "voice.wav", chirp(1.0, 22050), 22050)
    write_wav(folder / "speech.wav", chirp(60.0, 16000), 16000)
    return folder


def words(material: Path, out: object, *more: object, audio: str = "voice.wav") -> list[str]:
    given = ("generate", "--checkpoint", material / "model", "--image", material / "face.png",
             "--audio", material / audio, "--out", out, *PLAN, *more)  # fmt: skip
    return [str(word) for word in given]


def start(material: Path, out: object, audio: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pipeline.cli", *words(material, out, "--stream", audio=audio)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def frames_in(path: Path) -> int:
    """Frames that play so far."""
    try:
        with av.open(str(path)) as container:
            return sum(1 for _ in container.decode(video=0))
    except (av.error.FFmpegError, FileNotFoundError):
        return 0


def test_a_stream_shows_what_the_file_of_its_plan_shows(material, tmp_path, dawn: Dawn):
    (tmp_path / "stream.mp4").write_text("an earlier one")
    answer = dawn(*words(material, tmp_path / "stream.mp4", "--stream"))
    assert answer.returncode == 0, answer.stderr
    assert "25 frames of 256 pixels" in answer.stdout
    assert dawn(*words(material, tmp_path / "file.mp4")).returncode == 0
    assert np.array_equal(decoded(tmp_path / "stream.mp4"), decoded(tmp_path / "file.mp4"))
    assert b"moof" in (tmp_path / "stream.mp4").read_bytes()
    assert b"moof" not in (tmp_path / "file.mp4").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.mp4", "stream.mp4"]


def test_a_named_pipe_takes_it(material, tmp_path, dawn):
    pipe, received = tmp_path / "pipe.mp4", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    assert dawn(*words(material, pipe, "--stream")).returncode == 0
    reader.join()
    assert pipe.is_fifo()
    (tmp_path / "out.mp4").write_bytes(received[0])
    assert len(decoded(tmp_path / "out.mp4")) == 25


@pytest.mark.slow
def test_what_goes_to_standard_output_is_the_video_alone(material, tmp_path):
    process = start(material, "-", "voice.wav")
    video, said = process.communicate()
    assert process.returncode == 0, said
    (tmp_path / "out.mp4").write_bytes(video)
    assert len(decoded(tmp_path / "out.mp4")) == 25
    assert video[4:8] == b"ftyp"
    assert b"25 frames of 256 pixels" in said


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_ends_it(material):
    process = start(material, "-", "speech.wav")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read(8)[4:] == b"ftyp"
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    assert process.wait(60) == 1


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_what_is_stopped_leaves_a_file_that_plays(material, tmp_path, sign):
    out = tmp_path / "out.mp4"
    process = start(material, out, "speech.wav")
    while frames_in(out) < 9:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(sign)
    _, said = process.communicate()
    assert process.returncode == (130 if sign == signal.SIGINT else -sign)
    assert b"Traceback" not in said
    assert 9 <= frames_in(out) < 1500
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_before_the_first_fragment_nothing_is_changed(material, tmp_path, dawn, monkeypatch):
    def interrupted(self, units):
        raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "advance", interrupted)
    out = tmp_path / "out.mp4"
    assert dawn(*words(material, out, "--stream")).returncode == 130
    assert not out.exists()
    out.write_text("an earlier one")
    assert dawn(*words(material, out, "--stream")).returncode == 130
    assert out.read_text() == "an earlier one"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_place_that_is_full_is_one_line(material, tmp_path, dawn):
    (tmp_path / "full.mp4").symlink_to("/dev/full")
    answer = dawn(*words(material, tmp_path / "full.mp4", "--stream"))
    assert answer.returncode == 2
    assert (
        answer.stderr == f"error: {tmp_path}/full.mp4: cannot be written: No space left on device\n"
    )


def test_what_does_not_go_together(material, tmp_path, dawn):
    for more, says in (
        (words(material, "-"), "written with --stream"),
        (words(material, tmp_path / "a.avi", "--stream"), "ends in .mp4"),
        (words(material, tmp_path / "a.mp4", "--first-stretch", 4, "--stretch", 3), "must lie"),
        (["generate", "--dataset", "d", "--stream", "--out", "o"], "go with --image"),
    ):
        answer = dawn(*more)
        assert answer.returncode == 2, answer.stderr
        assert says in answer.stderr
    assert not list(tmp_path.iterdir())
