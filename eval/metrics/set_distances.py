"""Set metrics by the two distances that most of them are, Fréchet and kernel."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.metrics.interface import Definition, Features, TooFewError
from eval.protocol.card import ProtocolCard
from eval.statistics.frechet import Sample, frechet_distance
from manifests.counting import count

KERNEL_ROWS = 5_000
"""Rows a side from which the kernel distance takes evenly spaced ones only."""

_BLOCK = 1_000


@dataclass(frozen=True)
class SetDistance:
    """A set metric that is one distance between all rows of a feature."""

    definition: Definition
    feature: str
    between: Callable[[Iterable[Features], Iterable[Features]], float]

    def distance(
        self,
        generated: Iterable[Features],
        reference: Iterable[Features],
        card: ProtocolCard,  # noqa: ARG002 - see SetMetric
    ) -> float:
        """See SetMetric."""
        return self.between(generated, reference)


def frechet(generated: Iterable[Features], reference: Iterable[Features]) -> float:
    """Fréchet distance of all rows. Raises TooFewError below two clips or rows a side."""
    samples = []
    for side, parts in (("generated", generated), ("real", reference)):
        clips, sample = 0, Sample()
        for rows in parts:
            sample.add(rows)
            clips += 1
        _enough(side, clips, sample.n)
        samples.append(sample)
    return max(0.0, frechet_distance(*samples))


def kernel(generated: Iterable[Features], reference: Iterable[Features]) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (x·y / d + 1)³ over all rows
    (Bińkowski et al. 2018, arXiv 1801.01401); may be slightly negative. Raises TooFewError.
    """
    x, y = _rows("generated", generated), _rows("real", reference)
    within = sum((_kernel_sum(z, z, diagonal=False)) / (len(z) * (len(z) - 1)) for z in (x, y))
    return float(within - 2 * _kernel_sum(x, y, diagonal=True) / (len(x) * len(y)))


def _rows(side: str, parts: Iterable[Features]) -> Features:
    """All rows, or KERNEL_ROWS evenly spaced ones; memory stays under twice that."""
    kept: list[Features] = []
    clips, seen, held, step = 0, 0, 0, 1
    for rows in parts:
        clips += 1
        chosen = rows[(-seen) % step :: step]
        seen += len(rows)
        kept.append(chosen)
        held += len(chosen)
        if held > 2 * KERNEL_ROWS:  # thinning by two keeps every (2 step)-th row of all
            kept = [np.concatenate(kept)[::2]]
            step, held = step * 2, len(kept[0])
    _enough(side, clips, seen)
    return np.concatenate(kept)


def _kernel_sum(x: Features, y: Features, *, diagonal: bool) -> float:
    """Sum of the kernel over all pairs of rows, in blocks."""
    total = 0.0
    for a, begin in _blocks(x):
        for b, _ in _blocks(y):
            total += float(((a @ b.T / x.shape[1] + 1) ** 3).sum())
        if not diagonal:
            own = y[begin : begin + len(a)].astype(np.float64)
            total -= float((((a * own).sum(axis=1) / x.shape[1] + 1) ** 3).sum())
    return total


def _blocks(rows: Features) -> Iterator[tuple[NDArray[np.float64], int]]:
    for begin in range(0, len(rows), _BLOCK):
        yield rows[begin : begin + _BLOCK].astype(np.float64), begin


def _enough(side: str, clips: int, rows: int) -> None:
    if clips < 2 or rows < 2:
        raise TooFewError(
            f"{count(clips, f'{side} clip')} with {count(rows, 'row')}: a distance of sets takes "
            "two clips"
        )
