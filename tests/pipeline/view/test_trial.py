"""Trying a model: what is sent is decoded apart, a video plays while it is made."""

import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import av
import httpx2
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from pipeline.query import conventions
from pipeline.view import trial as trial_module
from pipeline.view.app import make_app
from pipeline.view.library import Library
from tests.conftest import ROOT, Dawn
from tests.dawn.sampling.test_voice import chirp, write_wav
from tests.pipeline.view.conftest import Ask, asking

STEPS = 1


def portrait() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(astronaut()).save(stream, "JPEG")
    return stream.getvalue()


def two(face: np.ndarray) -> Image.Image:
    """The same person twice, on the right a little smaller."""
    image = Image.fromarray(face)
    group = Image.new("RGB", (2 * image.width, image.height))
    group.paste(image)
    group.paste(image.resize((image.width * 4 // 5, image.height * 4 // 5)), (image.width, 0))
    return group


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    write_wav(path, chirp(1.0, 22050), 22050)
    return path.read_bytes()


def sent(ask: Ask, voice: bytes) -> dict[str, str]:
    face = ask("/try/portrait", "POST", content=portrait()).json()
    heard = ask("/try/voice", "POST", content=voice).json()
    assert (face["faces"], heard["seconds"]) == (1, pytest.approx(1.0, abs=0.05))
    assert ask(f"/try/portrait/{face['portrait']}.png").content.startswith(b"\x89PNG")
    assert ask(f"/try/voice/{heard['voice']}.wav").content.startswith(b"RIFF")
    return {"portrait": face["portrait"], "voice": heard["voice"]}


def finished(ask: Ask, name: str) -> dict[str, object]:
    while True:
        told = ask(f"/try/videos/{name}").json()
        if told["state"] not in ("waiting", "making"):
            return dict(told)
        time.sleep(0.05)


def frames_of(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_a_portrait_and_a_voice_become_a_video(ask, voice, trial):
    wanted = sent(ask, voice)
    asked = {**wanted, "steps": STEPS, "seed": 3}
    name = ask("/try/videos", "POST", json=asked).json()["video"]
    streamed = ask(f"/try/videos/{name}.mp4").content  # from the first byte to the last
    told = finished(ask, name)
    assert (told["state"], told["fault"], told["done"]) == ("done", None, told["total"])
    whole = ask(f"/try/videos/{name}.mp4", headers={"range": "bytes=0-"})
    assert (whole.status_code, whole.content) == (206, streamed)
    frames = frames_of(streamed)
    assert frames.shape[0] == 25
    still = ask("/try/videos", "POST", json={**asked, "pose": "still", "blink": "still"}).json()
    finished(ask, still["video"])
    other = frames_of(ask(f"/try/videos/{still['video']}.mp4").content)
    assert other.shape == frames.shape
    assert not np.array_equal(other, frames)  # the head is held


def test_a_fault_of_ours_is_told_in_the_terminal(ask, voice, trial, monkeypatch, caplog):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a wheel came off")

    monkeypatch.setattr(trial.model, "write_stream", broken)
    name = ask("/try/videos", "POST", json={**sent(ask, voice), "steps": STEPS}).json()["video"]
    told = finished(ask, name)
    assert told["state"] == "failed"
    assert told["fault"] == "the video could not be made; the terminal says why"
    while "a wheel came off" not in caplog.text:  # the state is set first
        time.sleep(0.05)


def test_a_video_that_nobody_wants_is_stopped(ask, tmp_path):
    path = tmp_path / "long.wav"
    write_wav(path, chirp(50.0, 16000), 16000)
    wanted = sent_long(ask, path.read_bytes())
    name = ask("/try/videos", "POST", json={**wanted, "steps": 50}).json()["video"]
    assert ask(f"/try/videos/{name}", "DELETE").status_code == 200
    assert finished(ask, name)["state"] == "stopped"


def test_each_face_of_a_group_can_be_taken(ask):
    group = io.BytesIO()
    two(astronaut()).save(group, "JPEG")
    one, other = (ask(f"/try/portrait?face={n}", "POST", content=group.getvalue()) for n in (1, 2))
    largest = ask("/try/portrait", "POST", content=group.getvalue())
    assert [a.json()["face"] for a in (one, other, largest)] == [1, 2, 1]
    crops = [
        ask(f"/try/portrait/{a.json()['portrait']}.png").content for a in (one, other, largest)
    ]
    assert crops[0] == crops[2] != crops[1]
    nobody = ask("/try/portrait?face=3", "POST", content=group.getvalue())
    assert (nobody.status_code, "give 1 to 2" in nobody.text) == (422, True)


def sent_long(ask: Ask, voice: bytes) -> dict[str, str]:
    face = ask("/try/portrait", "POST", content=portrait()).json()
    return {"portrait": face["portrait"], **ask("/try/voice", "POST", content=voice).json()}


def test_what_cannot_be_used_is_said_without_a_place(ask, voice, monkeypatch):
    wall = io.BytesIO()
    Image.new("RGB", (300, 300), "teal").save(wall, "PNG")
    for where, content, status, says in (
        ("portrait", b"words", 422, "JPEG, PNG or WebP"),
        ("portrait", b"%!PS-Adobe-3.0 EPSF-3.0\n", 422, "JPEG, PNG or WebP"),
        ("portrait", portrait()[:4000], 422, "the portrait: cannot be read"),
        ("portrait", wall.getvalue(), 422, "no face was found"),
        ("portrait", b"", 422, "empty"),
        ("voice", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", 422, "the voice: is no sound"),
        ("voice", wall.getvalue(), 422, "the voice: "),
    ):
        answer = ask(f"/try/{where}", "POST", content=content)
        assert (answer.status_code, says in answer.text) == (status, True), answer.text
        assert "dawn-view-" not in answer.text
    monkeypatch.setattr(trial_module, "VOICE_BYTES", 1000)
    assert ask("/try/voice", "POST", content=voice).status_code == 413
    for wrong in ({"seed": -1}, {"steps": 0}, {"pose": "real"}, {"portrait": "none"}):
        asked = {"portrait": "p", "voice": "v", **wrong}
        assert ask("/try/videos", "POST", json=asked).status_code == 422
    for address in ("/try/portrait", "/try/voice", "/try/sentence", "/try/videos"):
        assert ask(address, "POST", content=b"x", headers={}).status_code == 403


def test_a_voice_that_is_too_long_is_refused(ask, tmp_path, monkeypatch):
    write_wav(tmp_path / "long.wav", chirp(3.0, 16000), 16000)
    monkeypatch.setattr(trial_module, "MAX_SECONDS", 2.0)
    answer = ask("/try/voice", "POST", content=(tmp_path / "long.wav").read_bytes())
    assert (answer.status_code, "may last 2 s at most" in answer.text) == (422, True)


def test_a_decoder_that_wants_too_much_ends_alone(tmp_path):
    """The child's limits hold: what asks for more memory fails there, with an error."""
    code = (
        "from pipeline.view import decode_media as d; d.MEMORY = 2**30; d.bound()\n"
        "import numpy\nnumpy.ones(2**29)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode != 0
    assert b"MemoryError" in done.stderr


def test_a_sentence_needs_espeak(ask, monkeypatch):
    monkeypatch.setattr(trial_module, "speaks", lambda: False)
    answer = ask("/try/sentence", "POST", json={"text": "hello"})
    assert (answer.status_code, "espeak-ng" in answer.text) == (422, True)


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")
def test_a_sentence_is_spoken(ask):
    told = ask("/try/sentence", "POST", json={"text": "Hello; $(reboot) `x` 'y'"}).json()
    assert told["seconds"] > 0.5
    for text in ("", " ", "x" * 700):
        assert ask("/try/sentence", "POST", json={"text": text}).status_code == 422


def test_without_a_model_the_page_says_how_to_give_one():
    ask = asking(make_app(Library(), conventions()))
    assert "--checkpoint" in ask("/try").text
    assert ask("/try/portrait", "POST", content=b"x").status_code == 404


def test_a_taken_port_is_one_line(dawn: Dawn, folders: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = dawn("view", folders / "runs", "--port", taken.getsockname()[1])
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert "cannot be listened on" in answer.stderr


def test_the_command_says_what_to_open_last_and_ends_by_ctrl_c(folders: Path):
    command = [sys.executable, "-m", "pipeline.cli.app", "view", "runs", "--port", "0"]
    process = subprocess.Popen(
        command, cwd=folders, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        first, last = process.stdout.readline(), process.stdout.readline()
        assert first.startswith("read-only; this machine alone")
        address = re.fullmatch(r"open (http://127\.0\.0\.1:\d+/)\n", last)
        assert address
        assert "a2v" in httpx2.get(address[1]).text
    finally:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate()
    assert said.startswith("ended")
    assert process.returncode == 0
