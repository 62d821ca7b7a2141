from pathlib import Path

import pytest
from typer.testing import CliRunner

from dawn.weights_registry import REGISTRY
from pipeline.cli.app import app


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAWN_WEIGHTS", str(tmp_path))
    return tmp_path


def test_list_names_every_file_with_its_licence(folder: Path) -> None:
    answer = CliRunner().invoke(app, ["weights", "list"])
    assert answer.exit_code == 0
    flat = "".join(answer.output.split())
    for name, entry in REGISTRY.items():
        assert name[:4] in flat
        assert entry.licence.split()[0] in flat
    assert str(folder.name) in flat


def test_verify_tells_another_file_by_its_exit_code(folder: Path) -> None:
    assert CliRunner().invoke(app, ["weights", "verify"]).exit_code == 0
    (folder / "i3d_torchscript.pt").write_bytes(b"something else")
    answer = CliRunner().invoke(app, ["weights", "verify"])
    assert answer.exit_code == 1
    assert "i3d_k400: mismatch" in answer.output
    assert CliRunner().invoke(app, ["weights", "verify", "vgg19"]).exit_code == 1


def test_fetch_shows_the_licence_and_keeps_what_is_there(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses
    import hashlib

    source = tmp_path / "elsewhere"
    source.write_bytes(b"x" * 99)
    entry = dataclasses.replace(
        REGISTRY["vgg19"], url=source.as_uri(), sha256=hashlib.sha256(b"x" * 99).hexdigest()
    )
    monkeypatch.setitem(REGISTRY, "vgg19", entry)
    answer = CliRunner().invoke(app, ["weights", "fetch", "vgg19"])
    assert answer.exit_code == 0, answer.output
    assert "licence of vgg19-dcbb9e9d.pth: BSD-3-Clause" in answer.output
    assert (folder / "vgg19-dcbb9e9d.pth").read_bytes() == b"x" * 99
    assert "is already installed" in CliRunner().invoke(app, ["weights", "fetch", "vgg19"]).output
