"""The Fréchet distance between two sets of features, each taken for a Gaussian.

    d² = |m1 - m2|² + Tr(S1 + S2 - 2 (S1 S2)^½)      (Heusel et al. 2017, arXiv 1706.08500)

with unbiased covariances. The trace of the root is computed without a matrix root: its square
roots of eigenvalues are the singular values of A Bᵀ, where A and B are the centred rows divided
by √(n - 1). That needs no offset, leaves no imaginary part and is exact for fewer rows than
dimensions. Sets with more rows than dimensions are kept as moments alone, so that memory does
not grow with them: then it is the eigenvalues of S1^½ S2 S1^½. All in float64.

The value is biased upwards by small sets: compare only numbers of the same n.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32] | NDArray[np.float64]
F64 = NDArray[np.float64]


class Sample:
    """A set of rows, given array by array: the rows themselves while there are few, else their
    count, mean and scatter matrix (Chan et al. 1979), which merge exactly.
    """

    def __init__(self, parts: Iterable[Rows] = ()) -> None:
        self.n = 0
        self._waiting: list[F64] = []
        self._waiting_rows = 0
        self._mean: F64 = np.empty(0)
        self._scatter: F64 | None = None
        for rows in parts:
            self.add(rows)

    def add(self, rows: Rows) -> None:
        """Take in (k, d) rows. Raises ValueError when d is not that of the others."""
        if rows.ndim != 2 or (self._waiting and rows.shape[1] != self._waiting[0].shape[1]):
            raise ValueError(f"rows of shape {rows.shape}: expected (k, d) with d as before")
        self._waiting.append(rows.astype(np.float64))
        self._waiting_rows += len(rows)
        self.n += len(rows)
        if self._waiting_rows > max(rows.shape[1], 64):
            self._fold()

    @property
    def mean(self) -> F64:
        """(d,)"""
        if self._scatter is None:
            return np.asarray(np.concatenate(self._waiting).mean(axis=0), dtype=np.float64)
        self._fold()
        return self._mean

    def factor(self) -> F64:
        """A (r, d) with Aᵀ A the unbiased covariance; r is n, or d where n is larger."""
        if self._scatter is None:
            rows = np.concatenate(self._waiting)
            return np.asarray((rows - rows.mean(axis=0)) / np.sqrt(self.n - 1), dtype=np.float64)
        self._fold()
        values, vectors = np.linalg.eigh(self._scatter / (self.n - 1))
        return np.asarray(np.sqrt(np.maximum(values, 0))[:, None] * vectors.T, dtype=np.float64)

    def covariance(self) -> F64 | None:
        """(d, d) where the set is kept as moments, else None: it would be larger than the rows."""
        if self._scatter is None:
            return None
        self._fold()
        return np.asarray(self._scatter / (self.n - 1), dtype=np.float64)

    def _fold(self) -> None:
        """Put the waiting rows into the moments."""
        if not self._waiting_rows:
            return
        rows = np.concatenate(self._waiting)
        mean = rows.mean(axis=0)
        centred = rows - mean
        scatter = centred.T @ centred
        if self._scatter is None:
            self._mean, self._scatter = mean, scatter
        else:
            before, new = self.n - len(rows), len(rows)
            shift = mean - self._mean
            self._scatter += scatter + np.outer(shift, shift) * (before * new / self.n)
            self._mean = self._mean + shift * (new / self.n)
        self._waiting, self._waiting_rows = [np.empty((0, rows.shape[1]))], 0


def frechet_distance(first: Sample, second: Sample) -> float:
    """The distance (the square, as FID is reported). Raises ValueError for fewer than two rows."""
    if min(first.n, second.n) < 2:
        raise ValueError(f"{first.n} and {second.n} rows: a covariance takes two")
    shift = first.mean - second.mean
    if first.covariance() is not None and second.covariance() is None:
        first, second = second, first
    factor, other = first.factor(), second.covariance()
    if other is None:
        other_factor = second.factor()
        root = float(np.linalg.svd(factor @ other_factor.T, compute_uv=False).sum())
        other_trace = float((other_factor**2).sum())
    else:
        values = np.linalg.eigvalsh(factor @ other @ factor.T)
        noise = values.max() * len(values) * np.finfo(np.float64).eps
        root = float(np.sqrt(values[values > noise]).sum())
        other_trace = float(np.trace(other))
    return float(shift @ shift) + float((factor**2).sum()) + other_trace - 2 * root
