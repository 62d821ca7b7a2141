"""Which of many clips hold a key, and where in them: lists of a search index, as packed arrays.

The newest clips are kept as they come, and in a table of lists once somebody asks; all others are
in arrays of up to 65,536 clips each, in which an entry takes 2 to 6 bytes where a list of Python's
takes 40. Arrays of one size are joined, so that an entry is moved as many times as sizes double.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

PLACE_BITS = 24
"""For the place within a clip."""
_NEWEST = 2048
_MOST = 65536

Numbers = NDArray[np.int64]


class Postings:
    """Keys, whole numbers from 0 up to `keys`, of clips that are numbered in order."""

    def __init__(self, keys: int) -> None:
        self._keys = keys
        self._segments: list[_Segment] = []
        self._newest: list[tuple[Numbers, Numbers]] = []
        """Of each clip that no segment has: its keys and entries."""
        self._lists: dict[int, list[int]] = defaultdict(list)
        """The entries of a key, of as many of the newest as are listed."""
        self._listed = self._first = 0

    def add(self, keys: ArrayLike, places: ArrayLike) -> None:
        """The next clip, with its keys and the place of each in it."""
        found = np.asarray(keys, np.int64)
        entries = np.asarray(places, np.int64) | len(self._newest) << PLACE_BITS
        if found.shape != entries.shape:
            raise ValueError(f"{len(found)} keys with {len(entries)} places")
        self._newest.append((found, entries))
        if len(self._newest) == _NEWEST:
            self._seal()

    def counts(self, keys: Numbers) -> Numbers:
        """How many entries each key has."""
        lists = self._lists_of_newest()
        found = np.array([len(lists.get(key, ())) for key in keys.tolist()], np.int64)
        for segment in self._segments:
            found += segment.starts[keys + 1] - segment.starts[keys]
        return found

    def find(self, keys: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
        """The entries of the keys, some clips at a time: positions in `keys`, and entries, the
        clip's number above `PLACE_BITS` bits of place.
        """
        for segment in self._segments:
            yield segment.find(keys)
        newest = self._lists_of_newest()
        lists = [newest.get(key, []) for key in keys.tolist()]
        entries = np.array([entry for found in lists for entry in found], np.int64)
        which = np.repeat(np.arange(len(keys)), [len(found) for found in lists])
        yield which, entries + (self._first << PLACE_BITS)

    def _lists_of_newest(self) -> dict[int, list[int]]:
        """Made as they are asked for: of many clips in a row nobody asks."""
        for keys, entries in self._newest[self._listed :]:
            for key, entry in zip(keys.tolist(), entries.tolist(), strict=True):
                self._lists[key].append(entry)
        self._listed = len(self._newest)
        return self._lists

    def _seal(self) -> None:
        """Pack the newest, and join what is of one size."""
        keys, entries = map(np.concatenate, zip(*self._newest, strict=True))
        order = np.argsort(keys, kind="stable")
        end = self._first + len(self._newest)
        self._segments.append(
            _Segment.of(self._first, end, keys[order], entries[order], self._keys)
        )
        self._newest, self._lists = [], defaultdict(list)
        self._listed, self._first = 0, end
        while len(self._segments) > 1:
            one, two = self._segments[-2:]
            both = one.clips + two.clips
            if one.clips != two.clips or both > _MOST or one.entries + two.entries >= 2**31:
                break
            self._segments[-2:] = [one.joined(two)]


@dataclass(frozen=True, slots=True)
class _Segment:
    first: int
    clips: int
    starts: NDArray[np.int32]
    """Where the entries of each key begin, and at the end of the last one's: (keys + 1,)."""
    numbers: NDArray[np.uint16]
    """Of the clips, from the segment's first on: in order within a key."""
    places: NDArray[Any]

    @classmethod
    def of(cls, first: int, end: int, keys: Numbers, entries: Numbers, most: int) -> "_Segment":
        """Of entries that are in the order of their keys, with numbers from `first` on."""
        starts = np.zeros(most + 1, np.int32)
        np.cumsum(np.bincount(keys, minlength=most), out=starts[1:])
        places = entries & (1 << PLACE_BITS) - 1
        numbers = (entries >> PLACE_BITS).astype(np.uint16)
        return cls(first, end - first, starts, numbers, _fitting(places))

    @property
    def entries(self) -> int:
        return len(self.numbers)

    def find(self, keys: Numbers) -> tuple[Numbers, Numbers]:
        begin = self.starts[keys]
        counts = self.starts[keys + 1] - begin
        at = np.repeat(begin - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        return np.repeat(np.arange(len(keys)), counts), self._entries(at)

    def joined(self, later: "_Segment") -> "_Segment":
        """With that of the clips that follow, whose entries of a key come after these."""
        count = len(self.numbers) + len(later.numbers)
        numbers = np.empty(count, np.uint16)
        places = np.empty(count, np.promote_types(self.places.dtype, later.places.dtype))
        for part, before in ((self, later.starts[:-1]), (later, self.starts[1:])):
            at = np.arange(len(part.numbers)) + np.repeat(before, np.diff(part.starts))
            numbers[at] = part.numbers + np.uint16(part.first - self.first)
            places[at] = part.places
        starts = self.starts + later.starts
        clips = self.clips + later.clips
        return _Segment(self.first, clips, starts, numbers, _fitting(places))

    def _entries(self, at: Any) -> Numbers:  # noqa: ANN401 - an index
        numbers = self.numbers[at].astype(np.int64) + self.first
        return numbers << PLACE_BITS | self.places[at]


def _fitting(places: NDArray[Any]) -> NDArray[Any]:
    """In as few bytes as they need, which is none where all are zero."""
    most = int(places.max(initial=0))
    if not most:
        return np.broadcast_to(np.uint8(0), len(places))
    return places.astype(np.min_scalar_type(most), copy=False)
