"""docs/extending.md, followed to the letter in an environment of its own."""

import os
import re
import site
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dawn.synthetic.footage import write_footage
from tests.clusters import ray_from_a_terminal
from tests.conftest import ROOT
from tests.test_documents import blocks, split_commands
from tests.warm import warm_ray

DOCUMENT = "docs/extending.md"


def files() -> dict[str, str]:
    """The files that the document shows, by the name in their first line."""
    found = {}
    for language, text in blocks(DOCUMENT):
        name = re.match(r"# (my_dawn/\S+)\n", text)
        if language in ("python", "toml"):
            assert name, text[:80]
            found[name[1]] = text
    return found


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A virtual environment that sees what is installed here; what it installs stays in it."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (own,) = folder.glob("lib/python*/site-packages")
    (own / "outer.pth").write_text("\n".join([str(ROOT), *site.getsitepackages()]) + "\n")
    dawn = folder / "bin/dawn"
    dawn.write_text(f'#!/bin/sh\nexec {folder}/bin/python -m pipeline.cli "$@"\n')
    dawn.chmod(0o755)
    return {
        **os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
        "PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1", "RAY_AUTH_MODE": "token",
    }  # fmt: skip


def run(
    command: str, folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


def done(command: str, folder: Path, environment: dict[str, str]) -> str:
    """What a command that ends well prints."""
    answer = run(command, folder, environment)
    assert answer.returncode == 0, f"{command}\n{answer.stdout}\n{answer.stderr}"
    return answer.stdout


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for name, text in files().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.slow
def test_every_step_of_the_document_works(
    work: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    (work / "footage").mkdir()
    write_footage(work / "footage", kinds=["plain", "second"], seconds=2.4)
    (script,) = (text for language, text in blocks(DOCUMENT) if language == "bash")
    install, *commands = split_commands(script)
    said = {install: done(install, work, environment)}
    python = f"{environment['PATH'].split(':')[0]}/python"
    # Its workers are of the environment, and begin after the plug-in is there.
    with warm_ray(python) as ray, ray_from_a_terminal(tmp_path, environment, ray) as named:
        for command in commands:
            said[command.split("\n")[0]] = done(command, work, environment | named)
    assert any("pass" in text for command, text in said.items() if "moving_head" in command)
    assert (work / "my_runs/mouth/model/mouth/mouth.safetensors").is_file()
    assert "red_share" in (work / "my_page/index.html").read_text()
    assert any("PASS" in text for command, text in said.items() if "dawn regress" in command)
    template = run("dawn config template ingest", work, environment).stdout
    assert yaml.safe_load(template)["filters"]["min_yaw_p95"] == 0.5
    assert "a head on a stick stays below" in template
    template = run("dawn config template train.mouth", work, environment).stdout
    assert yaml.safe_load(template)["frames"] == 25
    info = run("dawn checkpoint info my_runs/mouth/model", work, environment)
    assert info.stdout.startswith("mouth: mouth"), info.stderr


@pytest.mark.slow
def test_a_plug_in_that_cannot_be_imported_is_one_line(
    work: Path, environment: dict[str, str]
) -> None:
    file = work / "my_dawn/my_dawn/red_share.py"
    file.write_text(file.read_text().replace("(RED_SHARE,)", "(undefined,)"))
    entry = work / "my_dawn-1.0.dist-info"
    entry.mkdir()
    (entry / "METADATA").write_text("Metadata-Version: 2.1\nName: my-dawn\nVersion: 1.0\n")
    (entry / "entry_points.txt").write_text("[dawn.metrics]\nred_share = my_dawn.red_share\n")
    path = {"PYTHONPATH": f"{work}:{work / 'my_dawn'}:{ROOT}"}
    answer = run("dawn config template regress", work, environment | path)
    assert answer.returncode == 2, answer.stdout
    assert "the plug-in 'red_share' (dawn.metrics) cannot be imported" in answer.stderr
    assert answer.stderr.count("\n") == 1
