"""What can be measured here: from the catalogue and from what lies on this machine."""

import json
from pathlib import Path

import pytest

from eval.metrics.catalogue import names
from eval.protocol.card import read_card
from eval.results.available import Available, available
from tests.conftest import Dawn
from tests.onnx_files import write_network


def by_name() -> dict[str, Available]:
    return {metric.name: metric for metric in available(read_card("default")[0])}


def test_it_follows_the_weights_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = by_name()
    assert list(found) == names()
    assert found["psnr"].here
    assert found["psnr"].needs == ("the real clip of each video",)
    assert not found["csim_src_arcface-w600k_r50"].here
    assert "w600k_r50.onnx is not in" in str(found["csim_src_arcface-w600k_r50"].note)
    assert "the source picture" in found["csim_src_arcface-w600k_r50"].needs
    assert found["lse_c_tracked"].needs == ("weights syncnet_v2", "weights s3fd", "sound")
    assert found["fid_incep2015"].needs[1].startswith("two clips or more")
    assert found["real_time_factor"].needs == ("a run of `dawn generate`",)
    write_network(tmp_path / "w600k_r50.onnx", 512)
    monkeypatch.setenv("DAWN_WEIGHTS", str(tmp_path))
    arcface = by_name()["csim_src_arcface-w600k_r50"]
    assert arcface.here
    assert "no sha256 is registered" in str(arcface.note)


def test_a_library_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "eval.results.available.installed", lambda name: "absent" if name == "mediapipe" else "1"
    )
    found = by_name()
    assert found["psnr"].here
    assert (found["head_jerk"].here, found["head_jerk"].note) == (False, "not installed: mediapipe")


def test_the_command_has_a_line_for_each(dawn: Dawn) -> None:
    answer = dawn("metrics")
    assert answer.returncode == 0, answer.stderr
    first = [line.split()[0] for line in answer.stdout.splitlines()]
    assert first[1 : len(names()) + 1] == names()
    told = json.loads(dawn("metrics", "--json").stdout)
    assert [metric["name"] for metric in told] == names()
    assert {metric["better"] for metric in told} == {"higher", "lower", "closer"}
