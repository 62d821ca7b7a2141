"""`dawn evaluate --sensitivity`: changes do what they say, and nothing else; runs go on."""

import json
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from eval.protocol.card import ProtocolCard
from eval.protocol.clips import Clip, ClipSettings
from eval.results.scores import load_results
from eval.sensitivity.cards import cards, load_changed
from eval.sensitivity.changes import CHANGES, changed
from manifests.errors import InputError
from manifests.run_catalog import query_runs
from pipeline.cluster.executor import InProcess
from pipeline.evaluate.command import run_evaluate
from pipeline.evaluate.sensitivity import Sensitivity, chosen
from pipeline.query import conventions
from tests.evaluations import options
from tests.films import drift, hum, write_film

SETTINGS = ClipSettings(card=ProtocolCard(name="small", size=128))


def pictures(clip: Clip) -> np.ndarray:
    return np.concatenate(list(clip.chunks()))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("film") / "a.mkv", drift(25), hum(25))


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_does_what_it_says(film: Path, tmp_path: Path, name: str) -> None:
    before = Clip(film, SETTINGS)
    after = changed(Clip(film, SETTINGS), CHANGES[name], tmp_path / "b.mkv")
    old, new = pictures(before), pictures(after)
    skip = CHANGES[name].skip
    assert abs(len(new) - (len(old) - skip)) <= (CHANGES[name].rate != 25)
    if name in ("fps_25", "bilinear", "lanczos"):  # the film has the protocol's size and rate
        assert (new == old).all()
    elif name == "first_frame":
        assert (new == old[1:]).all()
        assert np.array_equal(after.sound, before.sound[640:])
    elif name.startswith("sound_"):
        assert (new == old).all()
        late = CHANGES[name].shift
        moved = after.sound[320:-320], before.sound[320 - late : -320 - late or None]
        assert np.array_equal(*moved)
    elif name.startswith("fps_"):
        same = [(picture == old[max(0, k - 1) : k + 2]).all((1, 2, 3)).any()
                for k, picture in enumerate(new)]  # fmt: skip
        assert np.mean(same) == 1  # each is a frame of the film, at most one beside its own
        with av.open(str(tmp_path / "b.mkv")) as container:
            assert round(float(container.streams.video[0].average_rate)) == CHANGES[name].rate
    elif name == "colour_range":
        assert np.abs(new - (old * (219 / 255) + 16)).max() <= 0.5
    elif name.startswith("h264"):
        error = np.abs(new.astype(float) - old).mean()
        assert 0 < error < 25
    else:
        share = {"crop_3": 0.97, "crop_5": 0.95, "pad_3": 1.03, "pad_5": 1.05}[name]
        flat = drift(1, noise=0)[0]
        scaled = CHANGES[name].picture(flat, 128)  # type: ignore[misc]
        assert scaled.shape[0] == pytest.approx(128 * share, abs=1.5)
        middle = scaled.shape[0] // 2
        assert (scaled[middle, middle] == flat[64, 64]).all()
    if not name.startswith("sound_") and name != "first_frame":
        assert np.array_equal(
            after.sound[: len(new) * 640 - 640], before.sound[: len(new) * 640 - 640]
        )


def test_higher_crf_and_large_pictures(tmp_path: Path) -> None:
    """Colours stay also where players would take another matrix: in pictures of 720 lines."""
    big = [cv2.resize(p, (720, 720)) for p in drift(10, noise=0)]
    film = write_film(tmp_path / "a.mkv", big, hum(10))
    settings = replace(SETTINGS, card=ProtocolCard(name="big", size=720))
    errors = []
    for name in ("h264_crf18", "h264_crf28"):
        after = changed(Clip(film, settings), CHANGES[name], tmp_path / f"{name}.mkv")
        difference = pictures(after).astype(float) - np.stack(big)
        errors.append(np.abs(difference).mean())
        assert np.abs(difference.mean(axis=(0, 1, 2))).max() < 1.5
    assert errors[0] < errors[1]


def test_effects_are_stored_beside_the_results_and_not_measured_twice(
    real: Path, fake: Path, card: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = Sensitivity(changes=("fps_25", "h264_crf28", "sound_late"))
    given = options(
        tmp_path / "out", card, real, videos=fake, metrics="psnr,flicker", sensitivity=wanted
    )
    run_evaluate(given, InProcess())
    said = capsys.readouterr().out
    assert "sensitivity 2 of 3: H.264 crf 28, 3 clips" in said
    results = load_results(str(tmp_path / "out"))
    found = {c.definition.name: c for c in cards(results, load_changed(results), {})}
    moved = {e.change: e.moved for e in found["psnr"].effects}
    assert moved["fps_25"] == moved["sound_late"] == 0
    assert abs(moved["h264_crf28"]) > 0.01
    assert found["flicker"].most.change == "h264_crf28"
    plan = json.loads((tmp_path / "out/sensitivity/plan.json").read_text())
    assert (plan["seed"], len(plan["clips"])) == (0, 3)
    parts = {p: p.stat().st_mtime_ns for p in (tmp_path / "out/sensitivity").glob("*/clips/*")}
    assert len(parts) == 9
    lost = sorted(p for p in parts if "crf28" in str(p))[0]
    lost.unlink()
    capsys.readouterr()
    run_evaluate(given, InProcess())
    again = {p: p.stat().st_mtime_ns for p in (tmp_path / "out/sensitivity").glob("*/clips/*")}
    assert {p for p in parts if again[p] != parts[p]} == {lost}
    # they are no results of their own to those who look for systems
    assert len(load_results(str(tmp_path / "out")).clips) == 3
    rows = query_runs(
        "SELECT DISTINCT results FROM metrics", [str(tmp_path / "out")], conventions()
    )
    assert rows.to_pylist() == [{"results": "out"}]


def test_a_larger_share_holds_a_smaller_one() -> None:
    clips = [f"clip{i}" for i in range(200)]
    few, many = chosen(clips, 0.1, 0), chosen(clips[::-1], 0.3, 0)
    assert (len(few), len(many)) == (20, 60)
    assert few < many
    assert chosen(clips, 0.1, 1) != few
    assert len(chosen(clips[:50], 0.01, 0)) == 8
    with pytest.raises(InputError, match="--share 2"):
        Sensitivity(share=2)
    with pytest.raises(InputError, match="--changes sepia"):
        Sensitivity(changes=("sepia",))
