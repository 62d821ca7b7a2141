"""`dawn evaluate` in one process: what it says of good and of bad videos."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from eval.metrics.steps import installed
from eval.protocol.clips import Clip, Pair
from eval.results.comparable import differences, other_conditions
from eval.results.conditions import hash_of
from eval.results.measuring import measure
from eval.results.scores import load_results
from manifests.errors import InputError
from manifests.runs import RunFolder
from pipeline.cluster.executor import InProcess
from pipeline.evaluate import worker as evaluate_steps
from pipeline.evaluate.command import EvaluateOptions, plan
from pipeline.evaluate.run import evaluate, results_folder
from tests.evaluations import content, of_clips, of_set, options, run
from tests.films import drift, hum, write_film
from tests.networks import write_i3d
from tests.onnx_files import write_network


def test_numbers_rows_and_conditions(
    real: Path,
    fake: Path,
    card: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_i3d(tmp_path)
    monkeypatch.setenv("DAWN_WEIGHTS", str(tmp_path))
    trusting = {"videos": fake, "system": "noisy", "trust_weights": ("i3d_k400",)}
    folder = run(options(tmp_path / "out", card, real, **trusting))
    numbers = of_set(folder)
    assert 15 < numbers["psnr"]["value"] < 30
    assert (numbers["psnr"]["n"], numbers["psnr"]["n_total"]) == (3, 3)
    assert numbers["psnr"]["status"] == "paper"
    assert numbers["flicker"]["value"] > 1.3 * numbers["flicker"]["reference"] > 0
    # A file that is not the registered one never gives the paper's number.
    assert numbers["fvd16_i3d400"]["value"] > 0
    assert numbers["fvd16_i3d400"]["status"] == "proxy"
    assert numbers["fvd16_i3d400"]["reason"] == "weights are not the registered file"
    assert numbers["real_time_factor"]["value"] is None
    assert numbers["real_time_factor"]["status"] == "excluded"
    assert numbers["real_time_factor"]["reason"] == "excluded: 3 no_generation"
    per_clip = of_clips(folder)
    mean = np.mean([per_clip[f"clip{k}", "psnr"]["value"] for k in range(3)])
    assert numbers["psnr"]["value"] == pytest.approx(mean)
    features = folder.read("features").to_pylist()
    assert {(row["feature"], row["side"], tuple(row["shape"])) for row in features} == {
        ("i3d_logits_16", side, (1, 400)) for side in ("generated", "reference")
    }
    info = folder.info()
    assert info["complete"]
    assert info["system"] == "noisy"
    written = yaml.safe_load((tmp_path / "out/protocol.yaml").read_text())
    assert written == info["protocol"]
    assert written["card"]["stride"] == 3
    assert list(written["metrics"]["fvd16_i3d400"]["weights"]) == ["i3d_k400"]
    assert written["metrics"]["psnr"]["weights"] == {}
    hashes = {row["metric"]: row["conditions_hash"] for row in folder.read("metrics").to_pylist()}
    assert hashes == {name: told["hash"] for name, told in info["standings"].items()}
    assert len(set(hashes.values())) == 5
    (feature,) = {row["conditions_hash"] for row in features}
    assert feature == hash_of("i3d_logits_16", written["features"]["i3d_logits_16"])
    clips = folder.read("clips").to_pylist()
    assert [row["status"] for row in clips] == ["ok"] * 3
    assert all(len(row["loudness"]) == 20 and row["frames"] == 20 for row in clips)
    printed = capsys.readouterr().out
    assert "next: dawn leaderboard" in printed
    assert "fvd16_i3d400: proxy, weights are not the registered file" in printed
    assert "real_time_factor: excluded: 3 no_generation" in printed
    row = next(line for line in printed.splitlines() if "psnr" in line)
    assert f"{mean:.4g}" in row
    assert "3 of 3" in row


def test_code_in_weights_is_run_only_when_it_is_vouched_for(
    real: Path, fake: Path, card: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_i3d(tmp_path)
    monkeypatch.setenv("DAWN_WEIGHTS", str(tmp_path))
    loaded: list[Path] = []
    monkeypatch.setattr("eval.metrics.networks.torchscript", lambda path, _: loaded.append(path))
    folder = run(options(tmp_path / "out", card, real, videos=fake))
    number = of_set(folder)["fvd16_i3d400"]
    assert not loaded
    assert (number["value"], number["status"]) == (None, "unavailable")
    assert "damaged or another file" in number["reason"]
    monkeypatch.undo()
    monkeypatch.setenv("DAWN_WEIGHTS", str(tmp_path / "bad"))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/i3d_torchscript.pt").write_bytes(b"garbage")
    with pytest.raises(InputError, match=r"i3d_torchscript\.pt: is no TorchScript"):
        run(options(tmp_path / "bad_out", card, real, videos=fake, trust_weights=("i3d_k400",)))
    with pytest.raises(InputError, match="--trust-weights nonsense"):
        plan(options(tmp_path / "out", card, real, videos=fake, trust_weights=("nonsense",)))


def test_missing_weights_are_unavailable_and_never_a_number(
    real: Path, card: str, tmp_path: Path
) -> None:
    given = options(tmp_path / "out", card, real, baseline="real", metrics="fid,fvd16,lpips")
    numbers = of_set(run(given))
    assert len(numbers) == 5
    for row in numbers.values():
        assert (row["value"], row["n"], row["status"]) == (None, 0, "unavailable")
        assert "is not in" in row["reason"]


def test_bad_videos_are_counted_with_their_reasons(
    real: Path, fake: Path, card: str, tmp_path: Path
) -> None:
    videos, reals = tmp_path / "videos", tmp_path / "reals"
    for folder, source in ((videos, fake), (reals, real)):
        folder.mkdir()
        for k in range(2):
            (folder / f"clip{k}.mkv").write_bytes((source / f"clip{k}.mkv").read_bytes())
    black = [np.zeros((128, 128, 3), np.uint8)] * 20
    cases = {
        "black": (black, None),
        "short": (drift(9), None),
        "silent": (drift(20), None),
        "fast": (drift(24, 5), None),
        "longer": (drift(30, 6), None),
        "wide": ([np.concatenate([p, p], axis=1) for p in drift(20)], None),
    }
    for name, (pictures, sound) in cases.items():
        write_film(videos / f"{name}.mkv", pictures, sound, 30 if name == "fast" else 25)
        write_film(reals / f"{name}.mkv", drift(20, 5), hum(20))
    for folder in (videos, reals):
        (folder / "broken.mkv").write_bytes(b"no video at all")
    write_film(videos / "stranger.mkv", drift(12))
    write_film(reals / "missed.mkv", drift(12))
    folder = run(options(tmp_path / "out", card, reals, videos=videos, metrics="psnr,head_jerk"))
    rows, clips = of_clips(folder), {r["clip_id"]: r for r in folder.read("clips").to_pylist()}

    def outcome(clip: str, metric: str = "psnr") -> str | float:
        row = rows[clip, metric]
        return row["reason"] if row["value"] is None else row["value"]

    assert outcome("broken") == "unreadable"
    assert (clips["broken"]["status"], clips["broken"]["reason"]) == ("excluded", "unreadable")
    assert outcome("short") == outcome("short", "head_jerk") == "too_short"
    assert outcome("wide") == "different_shape"
    assert outcome("black", "head_jerk") == "no_face"
    for clip in ("black", "silent", "fast", "longer"):
        assert isinstance(outcome(clip), float)
    # 24 frames at 30 fps are 20 at 25; of the longer one, what the real clip has is measured.
    assert rows["fast", "psnr"]["n"] == rows["longer", "psnr"]["n"] == 7
    assert (clips["longer"]["frames"], clips["longer"]["reference_frames"]) == (30, 20)
    assert clips["silent"]["loudness"] is None
    psnr = of_set(folder)["psnr"]
    assert (psnr["n"], psnr["n_total"]) == (6, 9)
    assert psnr["reason"] == "excluded: 1 different_shape, 1 too_short, 1 unreadable"
    unpaired = folder.info()["unpaired"]
    assert unpaired["generated_names"] == ["stranger"]
    assert unpaired["reference_names"] == ["missed"]


def test_one_clip_has_no_set_distance(
    real: Path, card: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_i3d(tmp_path)
    monkeypatch.setenv("DAWN_WEIGHTS", str(tmp_path))
    one = tmp_path / "one"
    one.mkdir()
    write_film(one / "clip1.mkv", drift(20, 1, 9))
    given = options(
        tmp_path / "out", card, real, videos=one, metrics="fvd", trust_weights=("i3d_k400",)
    )
    row = of_set(run(given))["fvd16_i3d400"]
    assert (row["value"], row["status"], row["n"]) == (None, "unavailable", 1)
    assert "1 generated clip with" in row["reason"]


def test_baselines(real: Path, card: str, tmp_path: Path) -> None:
    def numbers(kind: str, reference: Path = real) -> dict[str, dict[str, Any]]:
        given = options(
            tmp_path / kind, card, reference, baseline=kind, metrics="psnr,ssim,flicker"
        )
        return of_set(run(given))

    ceiling = numbers("real")
    assert ceiling["psnr"]["value"] is None
    assert ceiling["psnr"]["reason"] == "excluded: 3 identical"
    assert ceiling["ssim"]["value"] == pytest.approx(1)
    assert ceiling["flicker"]["value"] == ceiling["flicker"]["reference"]
    still = numbers("static")
    assert still["flicker"]["value"] == 0 < still["flicker"]["reference"]
    shuffled = numbers("shuffled-audio")
    assert shuffled["ssim"]["value"] == pytest.approx(1)
    with pytest.raises(InputError, match="two halves take four"):
        numbers("real-split")
    four = tmp_path / "four"
    four.mkdir()
    for seed in range(5):
        write_film(four / f"c{seed}.mkv", drift(12, seed))
    split = numbers("real-split", four)
    assert split["ssim"]["reason"] == "excluded: 2 no_counterpart"
    assert (split["flicker"]["n"], split["flicker"]["n_total"]) == (2, 2)


def test_stopped_and_resumed_is_the_same(
    real: Path, fake: Path, card: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"videos": fake, "system": "s"}
    whole = run(options(tmp_path / "whole", card, real, **given))
    commit, calls = evaluate_steps.RunFolder.write, []

    def dies(self: RunFolder, table: str, item: str, rows: list[dict[str, Any]]) -> None:
        calls.append(table)
        if len(calls) == 4:  # between a clip's metrics and its row in `clips`
            raise KeyboardInterrupt
        commit(self, table, item, rows)

    with monkeypatch.context() as patch:
        patch.setattr(evaluate_steps.RunFolder, "write", dies)
        with pytest.raises(KeyboardInterrupt):
            run(options(tmp_path / "part", card, real, **given))
    part = run(options(tmp_path / "part", card, real, **given))
    assert content(part) == content(whole)


def test_nothing_is_measured_twice_and_more_metrics_are_added(
    real: Path, fake: Path, card: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for path in fake.iterdir():
        (videos / path.name).write_bytes(path.read_bytes())
    given: Callable[..., EvaluateOptions] = lambda **more: options(  # noqa: E731
        tmp_path / "out", card, real, **({"videos": videos, "system": "s"} | more)
    )
    whole = run(options(tmp_path / "whole", card, real, videos=videos, system="s", metrics="all"))
    run(given(metrics="psnr"))
    measured: list[str] = []
    measure = evaluate_steps.measure

    def watch(pair: Any, wanted: Any, **more: Any) -> Any:
        measured.append(f"{pair.clip_id}: {len(set(wanted))}")
        return measure(pair, wanted, **more)

    monkeypatch.setattr(evaluate_steps, "measure", watch)
    folder = run(given(metrics="psnr"))
    assert not measured
    folder = run(given(metrics="all"))
    assert len(measured) == 3
    assert content(folder)[0] == content(whole)[0]
    assert of_set(folder).keys() == of_set(whole).keys()
    # A video that was made anew is measured anew, and only that.
    measured.clear()
    write_film(videos / "clip1.mkv", drift(20, 1, 60), hum(20))
    before = of_clips(folder)["clip1", "psnr"]["value"]
    folder = run(given(metrics="psnr"))
    assert [name.split(":")[0] for name in measured] == ["clip1"]
    assert of_clips(folder)["clip1", "psnr"]["value"] < before - 3
    # A clip that is gone leaves no row.
    (videos / "clip2.mkv").unlink()
    folder = run(given(metrics="psnr"))
    assert {clip for clip, _ in of_clips(folder)} == {"clip0", "clip1"}
    assert of_set(folder)["psnr"]["n_total"] == 2


def test_other_conditions_take_another_folder(
    real: Path, fake: Path, card: str, tmp_path: Path
) -> None:
    folder = run(options(tmp_path / "out", card, real, videos=fake, metrics="psnr"))
    with pytest.raises(InputError, match=r"card\.size: 128 -> 256"):
        run(options(tmp_path / "out", "default", real, videos=fake, metrics="psnr"))
    with pytest.raises(InputError, match=r"system: fake.* -> other"):
        run(options(tmp_path / "out", card, real, videos=fake, system="other"))
    again = options(tmp_path / "again", str(tmp_path / "out/protocol.yaml"), real, videos=fake)
    assert plan(again).conditions.of("psnr") == folder.info()["protocol"]["metrics"]["psnr"]
    changed = tmp_path / "changed.yaml"
    text = (tmp_path / "out/protocol.yaml").read_text()
    changed.write_text(text.replace("    version: 1\n", "    version: 7\n"))
    with pytest.raises(InputError, match=r"psnr: made under other conditions \(version: 7 -> 1\)"):
        plan(options(tmp_path / "x", str(changed), real, videos=fake))
    for text, what in (("size: 8", "at least 32"), ("sise: 9", "unknown key"), (": [", "YAML")):
        changed.write_text(f"name: x\n{text}\n")
        with pytest.raises(InputError, match=what):
            plan(options(tmp_path / "x", str(changed), real, videos=fake))
    with pytest.raises(InputError, match="exactly one"):
        plan(options(tmp_path / "x", card, real))
    with pytest.raises(InputError, match="no metric is named 'fidd'; did you mean fid"):
        plan(options(tmp_path / "x", card, real, videos=fake, metrics="fidd"))


def test_a_metric_that_is_unknown_is_refused_from_python_too(
    real: Path, fake: Path, card: str, tmp_path: Path
) -> None:
    job = plan(options(tmp_path / "out", card, real, videos=fake, metrics="psnr"))
    odd = replace(job, wanted=("psnr", "ms_sim"))
    with pytest.raises(InputError, match=r"no metric is named 'ms_sim'; did you mean .*ms_ssim"):
        evaluate(odd, results_folder(str(tmp_path / "out")), InProcess())
    assert not (tmp_path / "out").exists()
    settings = job.conditions.settings(["psnr"])
    clips = [Clip(folder / "clip0.mkv", settings) for folder in (fake, real)]
    with pytest.raises(InputError, match="no metric is named 'psnrr'"):
        measure(Pair("clip0", *clips), ["psnrr"])


def test_weights_that_nobody_asked_for_change_nothing(
    real: Path, fake: Path, card: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"videos": fake, "system": "s", "metrics": "psnr,ssim"}
    one = run(options(tmp_path / "one", card, real, **given))
    write_network(tmp_path / "MobileFaceNet.onnx", 128)
    write_i3d(tmp_path)
    monkeypatch.setenv("DAWN_WEIGHTS", str(tmp_path))
    trusting = given | {"trust_weights": ("mobilefacenet", "i3d_k400")}
    two = run(options(tmp_path / "two", card, real, **trusting))
    assert content(two) == content(one)
    first, second = load_results(one.uri), load_results(two.uri)
    assert (differences(first, second), other_conditions(first, second)) == ([], {})
    # A folder is gone on with, and only what uses them is measured.
    measured: list[str] = []
    measure = evaluate_steps.measure

    def watch(pair: Any, wanted: Any, **more: Any) -> Any:
        measured.extend(wanted)
        return measure(pair, wanted, **more)

    monkeypatch.setattr(evaluate_steps, "measure", watch)
    numbers = of_set(
        run(options(tmp_path / "one", card, real, **trusting | {"metrics": "psnr,fvd16"}))
    )
    assert set(measured) == {"fvd16_i3d400"}
    assert numbers["fvd16_i3d400"]["value"] > 0
    assert numbers["ssim"] == of_set(two)["ssim"]


def test_a_metric_under_other_conditions_is_refused_and_disturbs_no_other(
    real: Path, fake: Path, card: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"videos": fake, "system": "s"}
    folder = run(options(tmp_path / "out", card, real, **given, metrics="psnr,real_time_factor"))
    before = of_set(folder)
    with monkeypatch.context() as patch:
        newer = lambda name: "99" if name == "opencv" else installed(name)  # noqa: E731
        patch.setattr("eval.results.conditions.installed", newer)
        with pytest.raises(InputError, match=r"a worker has opencv \S+, not 99: install"):
            run(options(tmp_path / "mixed", card, real, **given, metrics="ssim"))
        patch.setattr("pipeline.evaluate.worker.installed", newer)
        psnr = r"out: psnr: made under other conditions \(libraries\.opencv: \S+ -> 99\); give"
        with pytest.raises(InputError, match=psnr):
            run(options(tmp_path / "out", card, real, **given, metrics="psnr,ssim"))
        assert of_set(folder) == before
        folder = run(
            options(tmp_path / "out", card, real, **given, metrics="ssim,real_time_factor")
        )
        numbers = of_set(folder)
    assert numbers["psnr"] == before["psnr"]
    assert {row["metric"] for row in of_clips(folder).values()} == set(numbers)
    record = folder.info()["protocol"]["metrics"]
    assert record["ssim"]["libraries"]["opencv"] == "99" != record["psnr"]["libraries"]["opencv"]
    results = load_results(folder.uri)
    assert np.isfinite([results.scores[name].values for name in ("psnr", "ssim")]).all()


def test_a_number_outlives_its_weights(
    real: Path, fake: Path, card: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"videos": fake, "system": "s", "metrics": "fvd16,psnr"}
    with monkeypatch.context() as patch:
        write_i3d(tmp_path)
        patch.setenv("DAWN_WEIGHTS", str(tmp_path))
        trusting = given | {"trust_weights": ("i3d_k400",)}
        before = of_set(run(options(tmp_path / "out", card, real, **trusting)))
    assert before["fvd16_i3d400"]["value"] > 0
    assert of_set(run(options(tmp_path / "out", card, real, **given))) == before


def test_results_of_an_older_version_are_told(
    real: Path, fake: Path, card: str, tmp_path: Path
) -> None:
    given = options(tmp_path / "out", card, real, videos=fake, metrics="psnr")
    folder = run(given)
    told = {key: value for key, value in folder.info().items() if key != "standings"}
    folder.write_info(told)
    for use in (lambda: load_results(folder.uri), lambda: run(given)):
        with pytest.raises(InputError, match=r"out: was made by an older version.*evaluate again"):
            use()


def test_a_fault_of_ours_costs_one_metric_and_is_tried_again(
    real: Path, fake: Path, card: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = options(tmp_path / "out", card, real, videos=fake, metrics="psnr,flicker")
    with monkeypatch.context() as patch:
        patch.setattr("eval.metrics.smoothness.flicker", lambda clip: 1 / 0)
        folder = run(given)
    assert of_clips(folder)["clip0", "flicker"]["reason"] == "internal_error"
    assert of_clips(folder)["clip0", "psnr"]["value"] > 0
    folder = run(given)
    assert of_clips(folder)["clip0", "flicker"]["value"] > 0
    with monkeypatch.context() as patch:
        patch.setattr("eval.metrics.smoothness.flicker", lambda clip: (math.nan, 3))
        bad = run(options(tmp_path / "nan", card, real, videos=fake, metrics="flicker"))
    assert of_set(bad)["flicker"]["reason"] == "excluded: 3 not_finite"
