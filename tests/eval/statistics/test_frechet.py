import numpy as np
import pytest
from scipy.linalg import sqrtm

from eval.statistics.frechet import Sample, frechet_distance


def by_matrix_root(x: np.ndarray, y: np.ndarray) -> float:
    """The definition, with SciPy's matrix root."""
    s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = sqrtm(s1 @ s2)
    shift = x.mean(0) - y.mean(0)
    return float(shift @ shift + np.trace(s1) + np.trace(s2) - 2 * np.trace(root.real))


def draw(n: int, d: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(d, d)) / np.sqrt(d)
    return random.normal(size=(n, d)) @ mixing + 0.3 * seed


@pytest.mark.parametrize(
    ("n1", "n2", "d"), [(500, 400, 20), (30, 25, 64), (300, 40, 64), (40, 300, 64), (65, 64, 64)]
)
def test_agrees_with_the_matrix_root(n1: int, n2: int, d: int) -> None:
    x, y = draw(n1, d, 1), draw(n2, d, 2)
    expected = by_matrix_root(x, y)
    assert frechet_distance(Sample([x]), Sample([y])) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(Sample([y]), Sample([x])) == pytest.approx(expected, rel=1e-6)


def test_two_gaussians_of_known_distance() -> None:
    # Diagonal covariances s², t² and means m apart: |m|² + Σ (s - t)².
    s, t, m = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 0.5]), np.array([1.0, 0.0, -2.0])
    base = draw(200, 3, 0)
    base = base - base.mean(0)
    white = base @ np.linalg.inv(np.linalg.cholesky(np.cov(base, rowvar=False)).T)
    found = frechet_distance(Sample([white * s]), Sample([white * t + m]))
    assert found == pytest.approx(float(m @ m + ((s - t) ** 2).sum()), rel=1e-9)


@pytest.mark.parametrize(("n", "d"), [(50, 64), (400, 64)])
def test_parts_and_their_order_do_not_matter(n: int, d: int) -> None:
    x, y = draw(n, d, 1), draw(n, d, 2)
    whole = frechet_distance(Sample([x]), Sample([y]))
    for size in (1, 7, 100):
        parts = [x[i : i + size] for i in range(0, n, size)]
        assert frechet_distance(Sample(parts), Sample([y])) == pytest.approx(whole, rel=1e-9)
        assert frechet_distance(Sample(parts[::-1]), Sample([y])) == pytest.approx(whole, rel=1e-9)
    assert frechet_distance(Sample([x]), Sample([x])) == pytest.approx(0, abs=1e-9 * d)


def test_a_set_of_many_rows_keeps_moments_alone() -> None:
    sample = Sample(draw(50, 16, seed) for seed in range(40))
    assert sample.n == 2000
    assert sample.covariance() is not None
    assert sum(rows.size for rows in sample._waiting) <= 64 * 16


def test_one_row_or_rows_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match="covariance takes two"):
        frechet_distance(Sample([draw(1, 4, 1)]), Sample([draw(9, 4, 1)]))
    with pytest.raises(ValueError, match="d as before"):
        Sample([draw(3, 4, 1), draw(3, 5, 1)])
