"""Which votes count, ratings from elsewhere, agreement, and which metric follows people."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.results.scores import load_results
from eval.votes.report import as_markdown, report
from eval.votes.table import counted, from_ratings
from manifests.errors import InputError
from tests.results_folders import write_results


def vote(rater: str, clip: str, a: str, b: str, winner: str, check: bool = False) -> dict[str, Any]:
    return {"rater": rater, "clip_id": clip, "question": "overall", "a": a, "b": b,
            "winner": winner, "check": check, "seconds": 1.0, "source": "test"}  # fmt: skip


def test_the_first_of_two_votes_stays_whichever_side_was_left() -> None:
    found = counted([vote("r", "c", "x", "y", "a"), vote("r", "c", "y", "x", "a")])
    assert [row["winner"] for row in found.rows] == ["a"]
    assert (found.votes, found.duplicates) == (2, 1)


@pytest.mark.parametrize(("right", "kept"), [(3, 1), (2, 1), (1, 0), (0, 0)])
def test_raters_who_miss_their_checks_are_left_out(right: int, kept: int) -> None:
    checks = [
        vote("r", f"c{i}", "real", "broken", "a" if i < right else "b", True) for i in range(3)
    ]
    found = counted([vote("r", "c", "x", "y", "b"), *checks])
    assert len(found.rows) == kept
    assert (found.failed_votes, found.failed_raters) == (1 - kept, 1 - kept)


def test_scores_become_votes_of_every_two_systems() -> None:
    rows = [{"rater": "r", "clip_id": "c", "system": s, "score": v}
            for s, v in (("x", "5"), ("y", "3"), ("z", "3"))]  # fmt: skip
    votes = {(v["a"], v["b"]): v["winner"] for v in from_ratings(rows, "scores.csv")}
    assert votes == {("x", "y"): "a", ("x", "z"): "a", ("y", "z"): "tie"}


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "holds no rating"),
        ([{"who": "r"}], "give the columns"),
        ([{"rater": "r", "clip_id": "c", "a": "x", "b": "y", "winner": "q"}], "line 2: winner 'q'"),
        ([{"rater": "r", "clip_id": "c", "a": "x", "b": "x", "winner": "a"}], "with itself"),
        ([{"rater": "r", "clip_id": "c", "system": "x", "score": "6"}], "not from 1 to 5"),
    ],
)
def test_bad_ratings_are_one_line(rows: list[dict[str, str]], says: str) -> None:
    with pytest.raises(InputError, match=says):
        from_ratings(rows, "ratings.csv")


def test_the_metric_that_people_follow_is_found(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    of, psnr = {}, {}
    for place, name in enumerate(("x", "y", "z")):
        psnr[name] = random.normal(20 + 2 * place, 1, 20)
        values = {"psnr": psnr[name], "ssim": random.uniform(0, 1, 20)}
        write_results(tmp_path / name, values, system=name)
        of[name] = load_results(str(tmp_path / name))
    votes = [
        vote(f"r{r}", f"clip{c:04d}", a, b, "a" if psnr[a][c] > psnr[b][c] else "b")
        for r in range(4)
        for c in range(20)
        for a, b in (("x", "y"), ("x", "z"), ("y", "z"))
    ]
    found = report(counted(votes), of).main
    best = found.following[0]
    assert (best.metric, best.accuracy, best.correlation) == ("psnr", 1.0, 1.0)
    (other,) = [row for row in found.following if (row.metric, row.subgroup) == ("ssim", "all")]
    assert other.low < 0.5 < other.high + 0.1
    assert found.alpha == 1.0
    assert [row.system for row in found.standings] == ["z", "y", "x"]
    assert "PSNR | all | 100%" in as_markdown(report(counted(votes), of))
