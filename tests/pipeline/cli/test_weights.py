import dataclasses
import hashlib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dawn.weights import enabling
from dawn.weights_registry import REGISTRY
from eval.metrics.catalogue import METRICS, weights_of
from manifests.errors import InputError
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


def serve_from_disk(names: list[str], folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Files of these names have an address on this disk."""
    for name in names:
        source = folder / f"{name}.source"
        source.write_bytes(name.encode())
        digest = hashlib.sha256(name.encode()).hexdigest()
        entry = dataclasses.replace(REGISTRY[name], url=source.as_uri(), sha256=digest, member=None)
        patch.setitem(REGISTRY, name, entry)


def test_fetch_for_a_purpose_gets_what_it_needs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["syncnet_v2", "s3fd", "fid_inception", "mobilefacenet"]
    serve_from_disk(names, tmp_path, monkeypatch)
    answer = CliRunner().invoke(app, ["weights", "fetch", "--for", "lse", "--for", "fid", "s3fd"])
    assert answer.exit_code == 0, answer.output
    licences = [line for line in answer.output.splitlines() if line.startswith("licence of ")]
    assert len(licences) == 4
    assert "for research; about 54 MB" in licences[1]
    assert answer.output.index(licences[-1]) < answer.output.index("s3fd: ")
    for name in names:
        assert (folder / REGISTRY[name].file_names[0]).read_text() == name


def test_what_has_no_address_of_its_own_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match=r"get 5 files by hand: .*dawn_a2v_128 from http") as found:
        CliRunner().invoke(
            app, ["weights", "fetch", "--for", "official-128"], catch_exceptions=False
        )
    assert "256" not in str(found.value)
    for words in (["--for", "beauty"], []):
        with pytest.raises(InputError, match=r"one of lse, av, fid, .*official-128|give names"):
            CliRunner().invoke(app, ["weights", "fetch", *words], catch_exceptions=False)


def test_every_metric_s_name_leads_to_its_weights() -> None:
    for metric in METRICS:
        for name in weights_of(metric):
            assert name in enabling(metric.definition.name), metric.definition.name
    assert set(enabling("csim")) == {"arcface", "mobilefacenet"}
    assert enabling("lse_c_wholeframe") == ["syncnet_v2"]
    assert enabling("fvd") == ["i3d_k400"]


def test_fetch_shows_the_licence_and_keeps_what_is_there(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
