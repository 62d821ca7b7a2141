"""Two systems on the same clips, and what a results folder says of each."""

from pathlib import Path

import numpy as np
import pytest

from eval.results.comparison import bootstrap_p, compare_scores
from eval.results.scores import Results, load_results
from manifests.errors import InputError
from tests.results_folders import write_results

RANDOM = np.random.default_rng(0)
COUNT = 40
SPEAKERS = [f"s{i // 2}" for i in range(COUNT)]
CLIP = RANDOM.normal(size=COUNT)


def folder(path: Path, shift: float, seed: int) -> Results:
    noise = np.random.default_rng(seed).normal(0, 0.1, COUNT)
    real = 1 + 0.1 * CLIP
    values = {
        "psnr": 30 + CLIP + shift + noise,  # higher
        "m_lmd_iod": np.abs(0.5 + 0.05 * CLIP - shift / 10 + noise / 10),  # lower
        "pose_std": real + 2 - shift + noise,  # closer, from above
        "lip_audio_lag": 3 - np.round(2 * shift) + np.arange(COUNT) % 2,  # closer, median
    }
    references = {"pose_std": real, "lip_audio_lag": np.zeros(COUNT)}
    made = write_results(path, values, references=references, speakers=SPEAKERS)
    return load_results(made.uri)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Results]:
    base = tmp_path_factory.mktemp("two")
    return folder(base / "a", 0.0, 1), folder(base / "b", 0.5, 2)


PAIRS = np.stack([np.arange(COUNT)] * 2, axis=1)


@pytest.mark.parametrize("name", ["psnr", "m_lmd_iod", "pose_std", "lip_audio_lag"])
def test_gains_are_positive_where_the_second_is_better(
    two: tuple[Results, Results], name: str
) -> None:
    first, second = (results.scores[name] for results in two)
    better = compare_scores(first, second, PAIRS, SPEAKERS)
    worse = compare_scores(second, first, PAIRS, SPEAKERS)
    assert better.gain > 0
    assert worse.gain == pytest.approx(-better.gain)
    low, high = better.bounds(0.05)
    assert 0 < low <= better.gain <= high
    assert better.p_worse > 0.9
    assert worse.p_worse < 0.01
    assert better.p < 0.02
    assert better.groups.count == COUNT // 2


def test_what_is_told_of_the_systems_is_the_sets_own_number(two: tuple[Results, Results]) -> None:
    for name in ("psnr", "pose_std", "lip_audio_lag"):
        result = compare_scores(two[0].scores[name], two[1].scores[name], PAIRS, SPEAKERS)
        assert result.before == pytest.approx(two[0].set_rows[name]["value"])
        assert result.after == pytest.approx(two[1].set_rows[name]["value"])
    closer = compare_scores(two[0].scores["pose_std"], two[1].scores["pose_std"], PAIRS, SPEAKERS)
    rows = [results.set_rows["pose_std"] for results in two]
    gaps = [abs(row["value"] - row["reference"]) for row in rows]
    assert closer.gain == pytest.approx(gaps[0] - gaps[1])


def test_clips_without_a_number_on_either_side_are_left_out(tmp_path: Path) -> None:
    values = np.arange(12.0)
    holes = [None if i in (2, 5) else float(v) for i, v in enumerate(values)]
    first = load_results(write_results(tmp_path / "a", {"psnr": holes}).uri).scores["psnr"]
    holes = [None if i in (5, 7) else float(v) + 1 for i, v in enumerate(values)]
    second = load_results(write_results(tmp_path / "b", {"psnr": holes}).uri).scores["psnr"]
    result = compare_scores(first, second, PAIRS[:12], [None] * 12)
    assert result.n == 9
    assert result.gain == pytest.approx(1)
    assert first.reasons == {"no_face": 2}
    none = compare_scores(first, second, PAIRS[:0], [])
    assert np.isnan(none.gain)
    assert none.n == 0


def test_bootstrap_p_agrees_with_the_interval() -> None:
    replicates = np.random.default_rng(3).normal(2.0, 1.0, 4000)
    both, worse = bootstrap_p(replicates, 1000)
    assert worse == pytest.approx(1 - 0.0228, abs=0.006)
    assert both == pytest.approx(2 * 0.0228, abs=0.012)
    assert bootstrap_p(-replicates, 1000)[1] == pytest.approx(0.0228, abs=0.006)
    few, _ = bootstrap_p(replicates, 5)
    assert few > both  # fewer speakers, less certainty
    assert np.isnan(bootstrap_p(replicates, 1)[0])
    # 200 replicates that all lie far below 0 are more than their number can say.
    far = np.random.default_rng(4).normal(-8.0, 1.0, 200)
    assert bootstrap_p(far, 20)[1] < 1e-5
    assert bootstrap_p(far, 20)[0] < 1e-5
    assert bootstrap_p(-far, 20)[1] > 0.98


def test_an_unfinished_evaluation_is_refused(tmp_path: Path) -> None:
    made = write_results(tmp_path / "a", {"psnr": [30.0, 31.0]}, complete=False)
    with pytest.raises(InputError, match="not finished"):
        load_results(made.uri)


def test_a_clip_may_be_taken_more_than_once(two: tuple[Results, Results]) -> None:
    part = two[0].subset(np.array([3, 3, 0]))
    assert part.clip_ids == ["clip0003", "clip0003", "clip0000"]
    whole = two[0].scores["psnr"].values
    np.testing.assert_array_equal(part.scores["psnr"].values, whole[[3, 3, 0]])
