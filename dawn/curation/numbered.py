"""Very many texts, numbered as they come, in a third of the memory of a dictionary."""

from array import array
from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray


class Numbered:
    """Texts and their numbers, from 0 up. A text's hash says where in a table its number is, or
    which free place is the next after that.
    """

    def __init__(self) -> None:
        self._texts, self._ends = bytearray(), array("q", [0])
        self._hashes = array("q")
        self._table = array("i", [-1]) * 1024

    def __len__(self) -> int:
        return len(self._hashes)

    def __getitem__(self, number: int) -> str:
        begin, end = self._ends[number], self._ends[number + 1]
        return self._texts[begin:end].decode()

    def get(self, text: str) -> int | None:
        """A text's number, if it has one."""
        number = self._table[self._place(text)]
        return None if number < 0 else number

    def add(self, text: str) -> int:
        """A text's number, the next one for a text that is new."""
        encoded, place = text.encode(), self._place(text)
        number = self._table[place]
        if number >= 0:
            return number
        self._table[place] = number = len(self)
        self._hashes.append(hash(text))
        self._texts += encoded
        self._ends.append(len(self._texts))
        if 2 * len(self) > len(self._table):
            self._grow()
        return number

    def _place(self, text: str) -> int:
        hashed, last = hash(text), len(self._table) - 1
        place = hashed & last
        while (number := self._table[place]) >= 0:
            if self._hashes[number] == hashed and self[number] == text:
                break
            place = (place + 1) & last
        return place

    def _grow(self) -> None:
        table = array("i", [-1]) * (2 * len(self._table))
        last = len(table) - 1
        for number, hashed in enumerate(self._hashes):
            place = hashed & last
            while table[place] >= 0:
                place = (place + 1) & last
            table[place] = number
        self._table = table


class InOrder:
    """Some numbers in the order of their texts, in which most of them come."""

    def __init__(self, texts: Numbered) -> None:
        self._texts, self._order = texts, array("i")
        self._late: list[int] = []

    def __len__(self) -> int:
        return len(self._order) + len(self._late)

    def add(self, number: int) -> None:
        """One more; each once."""
        if not self._order or self._texts[self._order[-1]] < self._texts[number]:
            self._order.append(number)
        else:
            self._late.append(number)

    def numbers(self) -> NDArray[np.int32]:
        """All of them, (n,)."""
        text = self._texts.__getitem__
        late = sorted(self._late, key=text)
        at = [bisect_left(self._order, text(number), key=text) for number in late]
        found = np.insert(np.array(self._order, np.int32), at, late)
        if late:
            self._order, self._late = array("i", found.tobytes()), []
        return found
