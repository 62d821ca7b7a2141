"""Bad input to `dawn generate` on the real command line: one line, exit 2, nothing left."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from dawn.lfg.config import LFG_TINY
from tests.conftest import ROOT
from tests.dawn.sampling.test_voice import bad_sounds, chirp, write_wav
from tests.models import write_model, write_network


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> Path:
    """Good and bad models, pictures and sounds."""
    folder = tmp_path_factory.mktemp("material")
    write_model(folder / "model")
    shutil.copytree(folder / "model", folder / "mixed")
    write_network(folder / "mixed" / "lfg", "lfg", replace(LFG_TINY, image_size=128))
    Image.fromarray(astronaut()).save(folder / "face.png")
    Image.new("RGB", (300, 300), "teal").save(folder / "wall.png")
    (folder / "text.png").write_text("words")
    write_wav(folder / "voice.wav", chirp(0.6, 44100), 44100)
    write_wav(folder / "silence.wav", np.zeros((2, 22050)), 44100)
    bad_sounds(folder)
    return folder


def words(material: Path, out: Path, **flags: str) -> list[str]:
    given = {"checkpoint": "model", "image": "face.png", "audio": "voice.wav"} | flags
    arguments = ["--out", str(out), "--steps", "1", "--device", "cpu"]
    for name, value in given.items():
        arguments += [f"--{name}", str(material / value)]
    return ["generate", *arguments]


def in_a_process_of_its_own(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Nothing that other tests imported, or that libraries wrote to stderr before, is there."""
    command = [sys.executable, "-m", "pipeline.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


BAD = [
    ({"image": "text.png"}, "is not a picture"),
    ({"image": "wall.png"}, "no face was found"),
    ({"audio": "cut.flac"}, "is cut off"),
    ({"checkpoint": "model/lfg"}, "no checkpoint of pbnet, a2v"),
    ({"checkpoint": "mixed"}, "lfg is for 128 pixels, a2v for 64"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("flags", "says"), BAD, ids=[says for _, says in BAD])
def test_one_line_and_no_output(material, tmp_path, dawn, flags, says):
    run = in_a_process_of_its_own if says == "no face was found" else dawn
    answer = run(*words(material, tmp_path / "out.mp4", **flags))
    assert answer.returncode == 2, answer.stderr
    assert answer.stderr.startswith("error: ")
    assert answer.stderr.count("\n") == 1
    assert says in answer.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_silence_works(material, tmp_path):
    given = words(material, tmp_path / "out.mp4", audio="silence.wav")
    answer = in_a_process_of_its_own(*given)
    assert answer.returncode == 0, answer.stderr
    assert "13 frames of 256 pixels" in answer.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.slow
def test_no_space_on_the_disk(material, tmp_path, dawn):
    disk, mount = tmp_path / "disk", shutil.which("mount")
    disk.mkdir()
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root can make a small disk")
    made = subprocess.run([mount, "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)], check=False)
    if made.returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        answer = dawn(*words(material, disk / "out.mp4"))
        assert answer.returncode == 2, answer.stderr
        assert answer.stderr.count("\n") == 1
        assert "No space left" in answer.stderr
        assert not list(disk.iterdir())
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)  # noqa: S607
