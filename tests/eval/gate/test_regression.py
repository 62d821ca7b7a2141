"""The gate's decisions, on results with known differences. benchmarks/gate.py measures the same
on damaged videos; the spreads here are like those it finds.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.gate.findings import Finding
from eval.gate.margins import Gate, GateMetric, Speed, read_gate
from eval.gate.regression import Judgement, judge
from eval.metrics.pose_motion import FEATURE
from eval.results.scores import Results, load_results
from tests.results_folders import write_results

SPEAKERS = [f"s{i // 3}" for i in range(60)]
LEVELS = {"csim_src_mbf128": (0.9, 0.03), "ms_ssim": (0.95, 0.02), "m_lmd_iod": (0.03, 0.01)}
"""Mean and deviation between clips."""
SEED_NOISE = {"csim_src_mbf128": 0.01, "ms_ssim": 0.004, "m_lmd_iod": 0.002}
"""Deviation of one clip between seeds."""
GATE = Gate(
    name="test",
    gates=(
        GateMetric(metric="csim_src_mbf128", margin=0.01),
        GateMetric(metric="ms_ssim", margin=0.01),
        GateMetric(metric="m_lmd_iod", relative=0.1),
        GateMetric(metric="lip_audio_corr", margin=0.05),
    ),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Results:
    random = np.random.default_rng(0)
    values = {n: random.normal(mean, sd, 60) for n, (mean, sd) in LEVELS.items()}
    real = random.normal(0.4, 0.1, 60)
    values |= {"lip_audio_corr": real, "flicker": np.full(60, 3.0)}
    references = {"lip_audio_corr": real, "flicker": np.full(60, 3.0)}
    folder = write_results(
        tmp_path_factory.mktemp("gate") / "whole", values, references=references,
        speakers=SPEAKERS, system="old",
    )  # fmt: skip
    return load_results(folder.uri)


def other_seed(
    results: Results, random: np.random.Generator, **shifts: float | np.ndarray
) -> Results:
    """The same checkpoint with another seed, some metrics shifted."""
    scores = dict(results.scores)
    spread = {**SEED_NOISE, "lip_audio_corr": 0.05}
    for name, sd in spread.items():
        count = len(results.clips)
        person = dict.fromkeys(results.speakers, 0.0)
        person = {s: random.normal(0, sd / 2) for s in person}
        noise = random.normal(0, sd, count) + [person[s] for s in results.speakers]
        scores[name] = replace(
            scores[name], values=scores[name].values + noise + shifts.get(name, 0.0)
        )
    return replace(results, scores=scores)


def drawn(results: Results, clips: int, random: np.random.Generator) -> Results:
    chosen = random.choice(20, -(-clips // 3), replace=False)
    places = np.concatenate([np.arange(3 * c, 3 * c + 3) for c in chosen])[:clips]
    return results.subset(places)


def verdict_of(judged: Judgement, name: str, kind: str = "metric") -> str:
    (found,) = [f for f in judged.findings if f.name == name and f.kind == kind]
    return found.verdict


def test_the_same_checkpoint_hardly_ever_fails(whole: Results) -> None:
    random = np.random.default_rng(1)
    verdicts = []
    for _ in range(200):
        part = drawn(whole, 50, random)
        verdicts.append(judge(part, other_seed(part, random), GATE).verdict)
    assert verdicts.count("FAIL") <= 10
    assert verdicts.count("PASS") >= 180  # else nothing would ever ship


DAMAGES: dict[str, dict[str, float]] = {
    "audio shift": {"lip_audio_corr": -0.1},
    "blur": {"csim_src_mbf128": -0.1, "ms_ssim": -0.02},
    "frozen mouth": {"lip_audio_corr": -0.35, "m_lmd_iod": 0.012},
    "swapped identity": {"csim_src_mbf128": -0.8},
    "dropped frames": {"ms_ssim": -0.06, "m_lmd_iod": 0.02},
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_fails_the_metrics_it_moves_and_no_other(whole: Results, name: str) -> None:
    random = np.random.default_rng(2)
    caught, wrong, times = 0, 0, 40
    for _ in range(times):
        part = drawn(whole, 50, random)
        judged = judge(part, other_seed(part, random, **DAMAGES[name]), GATE)
        failed = {f.name for f in judged.findings if f.verdict == "FAIL"}
        caught += failed >= DAMAGES[name].keys()
        wrong += bool(failed - DAMAGES[name].keys())
    assert caught >= 0.9 * times
    assert wrong <= 0.05 * times


def test_few_clips_decide_nothing_and_say_how_many_would(whole: Results) -> None:
    random = np.random.default_rng(3)
    part = whole.subset(np.arange(6))
    hurt = judge(part, other_seed(part, random, ms_ssim=-0.5), GATE)
    assert hurt.verdict == "INCONCLUSIVE"
    (row,) = [f for f in hurt.findings if f.kind == "metric" and f.name == "ms_ssim"]
    assert row.needed is not None
    assert row.needed >= GATE.min_clips
    assert "too few" in row.text
    # Eight that all collapse would be surer than 1 %, and are still too few.
    part = whole.subset(np.arange(0, 24, 3))
    hurt = judge(part, other_seed(part, random, ms_ssim=-0.5), GATE)
    assert hurt.verdict == "INCONCLUSIVE"
    # Many clips, but a difference that they cannot tell from the margin.
    spread = random.normal(0, 0.05, 20)
    near = {f"s{i}": v for i, v in enumerate(spread - spread.mean())}
    shift = np.array([near[str(s)] for s in whole.speakers])
    judged = judge(whole, other_seed(whole, random, ms_ssim=shift - 0.005), GATE)
    (row,) = [f for f in judged.findings if f.kind == "metric" and f.name == "ms_ssim"]
    assert row.verdict == "INCONCLUSIVE"
    assert row.needed is not None
    assert row.needed > 60


def test_identical_results_pass(whole: Results) -> None:
    judged = judge(whole, whole, GATE)
    assert judged.verdict == "PASS"
    assert all(f.gain == 0 for f in judged.findings if f.kind == "metric")


def test_closer_to_real_is_judged_by_the_distance(whole: Results) -> None:
    random = np.random.default_rng(4)
    above = judge(whole, other_seed(whole, random, lip_audio_corr=0.2), GATE)
    assert verdict_of(above, "lip_audio_corr") == "FAIL"
    far = other_seed(whole, random, lip_audio_corr=-0.3)
    back = judge(far, other_seed(whole, random), GATE)
    assert verdict_of(back, "lip_audio_corr") == "PASS"


def test_a_few_clips_that_collapse_are_seen_though_the_mean_holds(whole: Results) -> None:
    random = np.random.default_rng(5)
    lenient = replace(GATE, gates=(GateMetric(metric="ms_ssim", margin=0.05),))
    shift = np.zeros(60)
    shift[::6] = -0.2
    judged = judge(whole, other_seed(whole, random, ms_ssim=shift), lenient)
    assert verdict_of(judged, "ms_ssim") == "PASS"
    assert verdict_of(judged, "ms_ssim", "tail") == "FAIL"
    assert judged.verdict == "FAIL"


def lost(results: Results, count: int, **columns: Any) -> Results:
    clips = [{**c, **(columns if i < count else {})} for i, c in enumerate(results.clips)]
    return replace(results, clips=clips)


@pytest.mark.parametrize(
    ("columns", "check"),
    [
        ({"frames": None}, "videos made"),
        ({"frames": 40}, "length"),
        ({"mouth_spread": 0.0001, "mouth_spread_of_real": 0.05}, "mouth moves"),
    ],
)
def test_videos_that_are_missing_short_or_still_fail(
    whole: Results, columns: dict[str, Any], check: str
) -> None:
    judged = judge(whole, lost(whole, 1, **columns), GATE)
    assert verdict_of(judged, check, "validity") == "FAIL"
    (row,) = [f for f in judged.findings if f.name == check]
    assert "clip0000" in row.text
    # What the baseline did not have either is no loss.
    same = lost(whole, 1, **columns)
    assert verdict_of(judge(same, same, GATE), check, "validity") == "PASS"


def test_frozen_pictures_fail(whole: Results) -> None:
    scores = dict(whole.scores)
    still = scores["flicker"].values.copy()
    still[7] = 0.01
    scores["flicker"] = replace(scores["flicker"], values=still)
    judged = judge(whole, replace(whole, scores=scores), GATE)
    assert verdict_of(judged, "pictures move", "validity") == "FAIL"


@pytest.mark.parametrize(("gone", "verdict"), [(1, "PASS"), (4, "FAIL")])
def test_numbers_that_went_missing(whole: Results, gone: int, verdict: str) -> None:
    scores = dict(whole.scores)
    values = scores["ms_ssim"].values.copy()
    values[:gone] = np.nan
    scores["ms_ssim"] = replace(scores["ms_ssim"], values=values)
    judged = judge(whole, replace(whole, scores=scores), GATE)
    assert verdict_of(judged, "ms_ssim measured", "validity") == verdict


PSNR = np.random.default_rng(8).normal(35, 3, 12)
"""Of twelve clips, as a coder gives them."""


def perfect(values: np.ndarray, *places: int) -> np.ndarray:
    """With some clips bit for bit the real ones."""
    found = values.copy()
    found[list(places)] = np.inf
    return found


@pytest.mark.parametrize("margin", [{"margin": 0.5}, {"relative": 0.01}])
@pytest.mark.parametrize(
    ("before", "after", "verdict", "says"),
    [
        (PSNR, perfect(PSNR, 2, 5), "PASS", "; clips that became identical to the real ones: 2"),
        (
            PSNR,
            perfect(PSNR, *range(11)),
            "PASS",
            "; clips that became identical to the real ones: 11",
        ),
        (
            PSNR,
            perfect(PSNR, *range(12)),
            "PASS",
            "; clips that became identical to the real ones: 12",
        ),
        (
            PSNR - 2,
            perfect(PSNR, 2, 5),
            "PASS",
            "; clips that became identical to the real ones: 2",
        ),
        (perfect(PSNR, 2, 5), perfect(PSNR, 2, 5), "PASS", "margin"),
        (perfect(PSNR, *range(12)), perfect(PSNR, *range(12)), "PASS", "margin"),
        (perfect(PSNR, 2, 5), PSNR, "FAIL", "clips no longer identical to the real ones: 2"),
        (perfect(PSNR, 2), PSNR, "FAIL", "clips no longer identical to the real ones: 1"),
        (perfect(PSNR, 2, 5), PSNR + 4, "FAIL", "clips no longer identical to the real ones: 2"),
        (perfect(PSNR, *range(12)), PSNR, "FAIL", "clips no longer identical to the real ones: 12"),
        (
            perfect(PSNR, 2),
            perfect(PSNR, 5),
            "PASS",
            "; clips that became identical to the real ones: 1",
        ),
        # What the others lost is not made good by two that became perfect.
        (PSNR, perfect(PSNR - 5, 2), "FAIL", "worse by more than the margin"),
    ],
)
def test_identical_is_better_than_any_number(
    tmp_path: Path,
    margin: dict[str, float],
    before: np.ndarray,
    after: np.ndarray,
    verdict: str,
    says: str,
) -> None:
    gate = replace(GATE, gates=(GateMetric(metric="psnr", **margin),))
    old, new = (
        load_results(write_results(tmp_path / name, {"psnr": values}).uri)
        for name, values in (("old", before), ("new", after))
    )
    judged = judge(old, new, gate)
    (row,) = [f for f in judged.findings if f.kind == "metric"]
    assert (judged.verdict, row.verdict) == (verdict, verdict)
    assert says in row.text
    assert row.n == 12
    assert row.gain is not None
    assert np.isfinite([row.gain, row.low, row.high]).all()
    assert verdict_of(judged, "psnr measured", "validity") == "PASS"


def test_a_perfect_baseline_and_candidate_pass_whatever_the_margin(tmp_path: Path) -> None:
    """A share of a distance of 0 is no margin."""
    values = {"m_lmd_iod": np.zeros(60), "ms_ssim": np.ones(60)}
    same = load_results(write_results(tmp_path / "a", values, speakers=SPEAKERS).uri)
    gate = replace(GATE, gates=(GateMetric(metric="m_lmd_iod", relative=0.1),))
    assert judge(same, same, gate).verdict == "PASS"


def test_clips_as_still_as_the_real_ones_are_not_frozen(whole: Results) -> None:
    """A still real clip: the baseline's coder moves it a little, a perfect copy does not."""
    scores, still = dict(whole.scores), np.full(60, 3.0)
    still[7] = 0.0
    scores["flicker"] = replace(scores["flicker"], references=still)
    before = lost(replace(whole, scores=scores), 1, mouth_spread=0.01, mouth_spread_of_real=0.0)
    scores = scores | {"flicker": replace(scores["flicker"], values=still)}
    after = lost(replace(whole, scores=scores), 1, mouth_spread=0.0, mouth_spread_of_real=0.0)
    assert judge(before, after, GATE).verdict == "PASS"


def test_a_metric_that_only_the_baseline_has_is_never_passed_over(whole: Results) -> None:
    scores = {n: s for n, s in whole.scores.items() if n != "ms_ssim"}
    judged = judge(whole, replace(whole, scores=scores, set_rows={}), GATE)
    assert verdict_of(judged, "ms_ssim") == "INCONCLUSIVE"
    assert judged.verdict == "INCONCLUSIVE"
    both = replace(whole, scores=scores, set_rows={})
    assert "ms_ssim" in judge(both, both, GATE).skipped
    none = replace(whole, scores={}, set_rows={})
    assert judge(none, none, GATE).verdict == "INCONCLUSIVE"


def test_slower_generation_fails(tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    times = random.gamma(20, 0.05, 60)
    found = {}
    for name, factor in (("old", 1.0), ("same", 1.04), ("slow", 1.4)):
        values = {"real_time_factor": factor * times * random.normal(1, 0.03, 60)}
        values["ms_ssim"] = np.full(60, 0.9)
        found[name] = load_results(write_results(tmp_path / name, values, speakers=SPEAKERS).uri)
    assert judge(found["old"], found["same"], GATE).verdict == "PASS"
    slow = judge(found["old"], found["slow"], GATE)
    assert verdict_of(slow, "real_time_factor", "speed") == "FAIL"
    free = replace(GATE, speed=Speed(slowdown=None))
    assert judge(found["old"], found["slow"], free).verdict == "PASS"


def test_a_set_metric_is_judged_from_features(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    real = random.normal(size=(60, 6, 3)) * 5
    gate = replace(GATE, gates=(GateMetric(metric="fd_pose", margin=3.0),))
    found = {}
    for name, shift in (("old", 0.0), ("same", 0.0), ("far", 4.0)):
        made = random.normal(size=(60, 6, 3)) * 5 + shift
        folder = write_results(
            tmp_path / name, {"psnr": np.full(60, 30.0)}, speakers=SPEAKERS,
            features={FEATURE: (made, real)}, set_metrics=["fd_pose"],
        )  # fmt: skip
        found[name] = load_results(folder.uri)
    assert verdict_of(judge(found["old"], found["same"], gate), "fd_pose") == "PASS"
    judged = judge(found["old"], found["far"], gate)
    (row,) = [f for f in judged.findings if f.kind == "metric"]
    assert row.verdict == "FAIL"
    assert row.after == pytest.approx(found["far"].set_rows["fd_pose"]["value"])


def test_of_two_margins_the_larger_counts() -> None:
    both = GateMetric(metric="fid_mfn128", relative=0.1, margin=0.002)
    assert both.allowed(0.001) == pytest.approx(0.002)
    assert both.allowed(0.3) == pytest.approx(0.03)
    assert GateMetric(metric="m_lmd_iod", relative=0.1).allowed(0.02) == pytest.approx(0.002)
    assert GateMetric(metric="ms_ssim", margin=0.01).allowed(0.9) == 0.01
    for given in ({}, {"margin": 0.0}, {"margin": 0.1, "relative": -1.0}):
        with pytest.raises(ValueError, match="give margin"):
            GateMetric(metric="ms_ssim", **given)


def test_the_default_gate_is_valid_and_finds_what_is_measured(whole: Results) -> None:
    judged = judge(whole, whole, read_gate(None))
    decided = {f.name for f in judged.findings if f.kind == "metric"}
    assert decided == {"csim_src_mbf128", "ms_ssim", "m_lmd_iod", "lip_audio_corr"}
    assert "lse_c_tracked" in judged.skipped


def test_findings_combine_to_the_worst() -> None:
    from eval.gate.findings import worst

    def finding(verdict: Any) -> Finding:
        return Finding(kind="metric", name="x", verdict=verdict, text="")

    assert worst([finding("PASS"), finding("INCONCLUSIVE")]) == "INCONCLUSIVE"
    assert worst([finding("INCONCLUSIVE"), finding("FAIL"), finding("PASS")]) == "FAIL"
