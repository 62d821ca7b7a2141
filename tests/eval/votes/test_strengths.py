"""Strengths from votes of known strengths."""

import choix
import numpy as np
import pytest

from eval.votes.strengths import Ballots, fit, votes_needed

TRUE = np.array([0.8, 0.2, -0.2, -0.8])
NAMES = ["w", "x", "y", "z"]


def simulated(
    seed: int,
    *,
    raters: int = 30,
    each: int = 20,
    clips: int = 40,
    nu: float = 0.5,
    of_clip: float = 0.0,
    of_rater: float = 0.0,
    at_random: float = 0.0,
) -> Ballots:
    """Votes by Davidson's model; strengths that differ by clip and by rater with so much deviation,
    and a share of raters who press anything.
    """
    random = np.random.default_rng(seed)
    n = raters * each
    rater = np.repeat(np.arange(raters), each)
    clip = random.integers(0, clips, n)
    a = random.integers(0, 4, n)
    b = (a + random.integers(1, 4, n)) % 4
    strength = TRUE + random.normal(0, of_clip, (clips, 4))[clip]
    strength = strength + random.normal(0, of_rater, (raters, 4))[rater]
    rows = np.arange(n)
    s, t = strength[rows, a], strength[rows, b]
    weights = np.stack([np.exp(s), nu * np.exp((s + t) / 2), np.exp(t)], axis=1)
    weights[rater < at_random * raters] = 1.0
    chance = (weights / weights.sum(axis=1, keepdims=True)).cumsum(axis=1)
    outcome = 1 - (random.uniform(size=(n, 1)) > chance[:, :2]).sum(axis=1)
    return Ballots(systems=NAMES, rater=rater, clip=clip, a=a, b=b, outcome=outcome)


def truth(**how: float) -> np.ndarray:
    """What the strengths of ever more raters and clips come to."""
    return fit(simulated(10**6, raters=400, each=60, clips=1500, **how)).values  # type: ignore[arg-type]


def coverage(times: int, expected: np.ndarray, **how: float) -> float:
    inside = []
    for seed in range(times):
        found = fit(simulated(seed, **how))  # type: ignore[arg-type]
        bounds = [found.interval(place) for place in range(4)]
        inside += [low <= true <= high for (low, high), true in zip(bounds, expected, strict=True)]
    return float(np.mean(inside))


def test_without_ties_strengths_are_bradley_and_terry_s() -> None:
    ballots = simulated(3, nu=1e-9)
    won = [(a, b) if o > 0 else (b, a) for a, b, o in
           zip(ballots.a, ballots.b, ballots.outcome, strict=True)]  # fmt: skip
    expected = choix.ilsr_pairwise(4, won, alpha=0)
    np.testing.assert_allclose(fit(ballots).values, expected - expected.mean(), atol=2e-3)


def test_ties_do_not_shrink_strengths() -> None:
    found = fit(simulated(5, raters=400, nu=4.0))
    assert found.nu == pytest.approx(4.0, rel=0.1)
    np.testing.assert_allclose(found.values, TRUE, atol=0.12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"nu": 4.0},
        {"of_clip": 0.5},
        {"of_rater": 0.5},
        {"of_clip": 0.5, "of_rater": 0.5},
        {"raters": 8, "each": 60, "of_rater": 0.5},
    ],
    ids=["plain", "tie-heavy", "clips differ", "raters differ", "both differ", "few raters"],
)
def test_intervals_cover_the_true_strengths(how: dict[str, float]) -> None:
    """95 % intervals cover in 92 to 98 % of 100 studies of four systems."""
    effects = {key: value for key, value in how.items() if key.startswith(("of_", "nu"))}
    expected = truth(**effects) if "of_clip" in how or "of_rater" in how else TRUE
    assert 0.92 <= coverage(100, expected, **how) <= 0.98


def test_the_winner_is_right_with_a_quarter_of_raters_pressing_anything() -> None:
    right = [np.argmax(fit(simulated(seed, at_random=0.25)).values) == 0 for seed in range(40)]
    assert np.mean(right) >= 0.95


def test_a_system_that_never_loses_has_a_number() -> None:
    wins = np.ones(12, np.intp)
    ballots = Ballots(systems=["a", "b"], rater=np.arange(12) % 4, clip=np.arange(12) % 3,
                      a=0 * wins, b=wins, outcome=wins)  # fmt: skip
    found = fit(ballots)
    assert np.isfinite(found.values).all()
    assert found.wins(0, 1) > 0.9


def test_equal_systems_need_more_votes_than_can_be_had() -> None:
    ballots = simulated(1)
    found = fit(ballots)
    assert votes_needed(found, 0, 3, len(ballots)) == 0
    few = fit(simulated(2, raters=4, each=6))
    needed = votes_needed(few, 1, 2, 24)
    assert needed is None or needed > 0
    with pytest.raises(ValueError, match="two systems"):
        fit(Ballots(systems=["a"], rater=ballots.rater[:0], clip=ballots.clip[:0],
                    a=ballots.a[:0], b=ballots.b[:0], outcome=ballots.outcome[:0]))  # fmt: skip
