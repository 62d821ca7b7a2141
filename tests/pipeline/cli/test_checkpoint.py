"""`dawn checkpoint import` and `info` as a user meets them."""

import torch
from typer.testing import CliRunner

from dawn.a2v.config import A2V_TINY
from dawn.a2v.model import A2V
from dawn.sampling.model import find_model
from dawn.weights_registry import REGISTRY
from manifests.errors import InputError
from pipeline.cli.checkpoint import app
from tests.models import write_model


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def official_file(path):
    torch.save({"diffusion": A2V(A2V_TINY).diffusion.state_dict()}, path)
    return path


def test_import_then_info(tmp_path):
    file, to = official_file(tmp_path / "DAWN.pth"), tmp_path / "to"
    result = run("import", file, "--out", to, "--size", "tiny", "--face-mask-encoder", "zeros")
    assert result.exit_code == 0, result.output
    assert "a2v at 64 px" in result.output
    assert "face-mask encoder from zeros" in result.output
    result = run("info", to)
    assert result.exit_code == 0
    assert "source file: DAWN.pth" in result.output


def test_a_file_among_the_weights_is_imported_by_its_name(tmp_path, monkeypatch):
    for name in (name for name in REGISTRY if name.startswith("dawn_")):
        monkeypatch.setenv("DAWN_WEIGHTS", str(tmp_path / name))
        assert "is not in" in str(run("import", name, "--out", tmp_path / "to").exception)
        file = tmp_path / name / REGISTRY[name].file_names[0]
        file.parent.mkdir(parents=True)
        file.write_bytes(b"no checkpoint")
        assert str(file) in str(run("import", name, "--out", tmp_path / "to").exception)
    monkeypatch.setenv("DAWN_WEIGHTS", str(tmp_path))
    official_file(tmp_path / "DAWN_128.pth")
    result = run("import", "dawn_a2v_128", "--out", tmp_path / "to", "--size", "tiny")
    assert result.exit_code == 0, result.exception


def test_the_default_encoder_is_the_authors_seed(tmp_path):
    file = official_file(tmp_path / "DAWN.pth")
    result = run("import", file, "--out", tmp_path / "to", "--size", "tiny")
    assert "face-mask encoder from 1234" in result.output


def test_errors_are_one_line(tmp_path):
    file = official_file(tmp_path / "DAWN.pth")
    for arguments, text in [
        (("import", file, "--out", tmp_path / "to"), "--size"),
        (("import", file, "--out", tmp_path / "to", "--size", "64"), "--size: '64'"),
        (("import", file, "--out", tmp_path / "to", "--face-mask-encoder", "x"), "neither"),
        (("info", tmp_path / "absent"), "not a folder"),
    ]:
        result = run(*arguments)
        assert isinstance(result.exception, InputError)
        assert text in str(result.exception)
        assert "\n" not in str(result.exception)


def test_info_notices_damage(tmp_path):
    file, to = official_file(tmp_path / "DAWN.pth"), tmp_path / "to"
    run("import", file, "--out", to, "--size", "tiny")
    weights = to / "a2v.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    result = run("info", to)
    assert isinstance(result.exception, InputError)
    assert "sha256" in str(result.exception)


def test_info_takes_the_folders_that_generate_takes(tmp_path):
    folder = write_model(tmp_path / "model", split_pbnet=True)
    result = run("info", folder)
    assert result.exit_code == 0, result.output
    told = [line.split(":")[0] for line in result.output.splitlines() if line[0] != " "]
    assert told == ["lfg", "a2v", "pbnet_pose", "pbnet_blink"]
    assert find_model(folder).path == folder
    (folder / "a2v/a2v.json").unlink()
    result = run("info", folder)
    assert isinstance(result.exception, InputError)
    assert "a2v/a2v.json: cannot be read" in str(result.exception)
