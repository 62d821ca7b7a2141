"""Bootstraps of set metrics from stored features: Fréchet and kernel distances of drawn clips.

A drawn clip brings all its rows. Drawing doubles rows, which shifts these distances upwards: only
their spread is used, about the number of the whole set. So that hundreds of replicates take
seconds, each side is thinned to at most `ROWS` rows, evenly over its clips; fewer rows scatter
more, so that the intervals are, if anything, too wide.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

ROWS = 600
REPLICATES = 200


@dataclass(frozen=True, slots=True)
class Side:
    """Rows (m, d) of a side and the clip (m,) that each is of."""

    rows: F64
    clip: NDArray[np.intp]


def thinned(parts: Iterable[NDArray[np.float32]], clips: int, most: int = ROWS) -> Side:
    """The rows of so many clips, in order, at most `most` of them: of more clips than that one row
    each of evenly spaced ones.
    """
    each = max(1, most // max(1, clips))
    taken = set(np.linspace(0, clips - 1, min(clips, most)).round().astype(int).tolist())
    kept, of_clip = [], []
    for number, rows in enumerate(parts):
        if number not in taken:
            continue
        chosen = np.unique(np.linspace(0, len(rows) - 1, min(each, len(rows))).round().astype(int))
        kept.append(rows[chosen].astype(np.float64))
        of_clip.append(np.full(len(chosen), number))
    return Side(np.concatenate(kept), np.concatenate(of_clip))


def frechet_replicates(generated: Side, reference: Side, times: F64) -> F64:
    """Fréchet distances (B,), each clip counted `times` (B, n) often on both sides.

    Without forming matrices of d x d where rows are fewer, see frechet.py: the trace of the root
    is the nuclear norm of the centred rows' products.
    """
    x, y = generated.rows, reference.rows
    small = x.shape[1] < min(len(x), len(y))
    products = np.empty((0, 0)) if small else x @ y.T
    found = []
    for drawn in times:
        w, v = drawn[generated.clip], drawn[reference.clip]
        if min((w > 0).sum(), (v > 0).sum()) < 2:
            found.append(np.nan)
            continue
        root = _root_small(x, y, w, v) if small else _root(x, y, w, v, products)
        (mean_x, trace_x), (mean_y, trace_y) = _moments(x, w), _moments(y, v)
        found.append(float(((mean_x - mean_y) ** 2).sum()) + trace_x + trace_y - 2 * root)
    return np.array(found)


def _moments(rows: F64, weights: F64) -> tuple[F64, float]:
    """Mean (d,) and trace of the unbiased covariance of weighted rows."""
    count = weights.sum()
    mean = weights @ rows / count
    squares = float(weights @ (rows**2).sum(axis=1) - count * mean @ mean)
    return mean, squares / (count - 1)


def _root(x: F64, y: F64, w: F64, v: F64, products: F64) -> float:
    """Tr((S_x S_y)^1/2) of weighted rows from their products (m, k)."""
    in_x, in_y = w > 0, v > 0
    w, v = w[in_x], v[in_y]
    mean_x, mean_y = w @ x[in_x] / w.sum(), v @ y[in_y] / v.sum()
    centred = products[np.ix_(in_x, in_y)] - (x[in_x] @ mean_y)[:, None]
    centred += mean_x @ mean_y - (y[in_y] @ mean_x)[None, :]
    centred *= np.sqrt(w / (w.sum() - 1))[:, None] * np.sqrt(v / (v.sum() - 1))[None, :]
    if centred.shape[0] > centred.shape[1]:
        centred = centred.T
    return _root_of(centred @ centred.T)


def _root_small(x: F64, y: F64, w: F64, v: F64) -> float:
    """The same from covariances, for fewer dimensions than rows."""
    factors = []
    for rows, weights in ((x, w), (y, v)):
        centred = rows - weights @ rows / weights.sum()
        factors.append(np.sqrt(weights / (weights.sum() - 1))[:, None] * centred)
    first, second = (factor.T @ factor for factor in factors)
    values, vectors = np.linalg.eigh(first)
    half = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    return _root_of(half @ second @ half)


def _root_of(square: F64) -> float:
    return float(np.sqrt(np.clip(np.linalg.eigvalsh(square), 0, None)).sum())


def kernel_replicates(generated: Side, reference: Side, times: F64) -> F64:
    """Squared maximum mean discrepancies (B,) with the kernel of `set_distances.kernel`."""
    x, y = generated.rows, reference.rows
    size = x.shape[1]
    within_x, within_y = (x @ x.T / size + 1) ** 3, (y @ y.T / size + 1) ** 3
    between = (x @ y.T / size + 1) ** 3
    w, v = times[:, generated.clip], times[:, reference.clip]
    n, m = w.sum(axis=1), v.sum(axis=1)

    def own(weights: F64, kernel: F64, count: F64) -> F64:
        total = np.einsum("bi,bi->b", weights @ kernel, weights) - weights @ np.diag(kernel)
        return np.asarray(total / (count * (count - 1)), dtype=np.float64)

    with np.errstate(invalid="ignore", divide="ignore"):
        cross = np.einsum("bi,bi->b", w @ between, v) / (n * m)
        result = own(w, within_x, n) + own(v, within_y, m) - 2 * cross
    return np.asarray(result, dtype=np.float64)


def about(estimate: float, replicates: F64) -> F64:
    """Replicates moved so that their mean is the whole set's number."""
    known = replicates[np.isfinite(replicates)]
    return replicates - (known.mean() if len(known) else 0.0) + estimate
