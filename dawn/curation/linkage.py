"""Who is near whom among many unit vectors: exact, in tiles, so that memory grows with the vectors
and not with their pairs.

Every pair is looked at, by matrix products: 10^5 vectors of 128 numbers among themselves take two
minutes of a core (docs/performance.md), far less than reading the faces did. An approximate index
would miss pairs, and each missed pair may put one person into two splits.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

TILE = 2048
"""Vectors a side of a tile: 16 MB of cosines."""
_EDGES = TILE * TILE
"""Pairs that are gathered before they are joined: at most twice as many are held."""

Vectors = NDArray[np.float32]


class Sliced(Protocol):
    """Vectors, or what makes them a slice at a time."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> Vectors: ...


def single_linkage(vectors: Vectors, least: float) -> NDArray[np.int64]:
    """The cluster of each unit vector, (n, d) -> (n,), numbered from 0: two are in one where a
    chain of cosines of at least `least` joins them.
    """
    labels = np.arange(len(vectors))
    pairs: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    held = 0
    for top in range(0, len(vectors), TILE):
        rows = vectors[top : top + TILE]
        for left in range(top, len(vectors), TILE):
            near = rows @ vectors[left : left + TILE].T >= least
            row, column = np.nonzero(near)
            i, j = labels[top + row], labels[left + column]
            apart = i != j
            pairs.append((i[apart], j[apart]))
            held += len(pairs[-1][0])
            if held > _EDGES:
                labels, pairs, held = _joined(labels, pairs), [], 0
    return _joined(labels, pairs)


def _joined(
    labels: NDArray[np.int64], pairs: list[tuple[NDArray[np.int64], NDArray[np.int64]]]
) -> NDArray[np.int64]:
    """The labels after some of them, in pairs, are found to be one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not pairs:
        return labels
    i, j = (np.concatenate(side) for side in zip(*pairs, strict=True))
    count = int(labels.max()) + 1
    graph = coo_array((np.ones(len(i), bool), (i, j)), shape=(count, count))
    found = connected_components(graph.tocsr(), directed=False)[1]
    return np.asarray(found[labels], np.int64)


def near_kinds(
    vectors: Vectors, others: Sliced, kinds: NDArray[np.integer[Any]], least: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """For each of (m, d) unit vectors the first of (n, d) others whose cosine reaches `least`, -1
    where none does; and which kinds (n,), numbers from 0, these others have: (m, kinds).
    """
    first = np.full(len(vectors), -1)
    which = np.zeros((len(vectors), int(kinds.max(initial=0)) + 1), bool)
    for left in range(0, len(others), TILE):
        tile = others[left : left + TILE]
        for top in range(0, len(vectors), TILE):
            near = vectors[top : top + TILE] @ tile.T >= least
            hit = np.flatnonzero(near.any(1))
            near, at = near[hit], top + hit
            first[at] = np.where(first[at] < 0, left + near.argmax(1), first[at])
            theirs = kinds[left : left + TILE]
            for kind in np.unique(theirs) if len(hit) else ():
                which[at, kind] |= near[:, theirs == kind].any(1)
    return first, which
