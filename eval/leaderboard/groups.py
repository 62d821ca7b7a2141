"""Which results may stand in one table, and why others may not.

Numbers of different conditions, clips or real videos never share a column: they are shown apart,
each group with the reason.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from eval.comparable import differences
from eval.scores import Results

Kind = Literal[
    "system", "real", "real-split", "reconstruct", "copy-motion", "static", "shuffled-audio"
]

BOUNDS: dict[Kind, str] = {
    "real": "each real clip against itself: the most that can be had",
    "real-split": "half of the real clips against the other half: how far apart two real sets are",
    "reconstruct": "the real motion through LFG: the most that any predicted motion could reach",
    "copy-motion": "another clip's real motion: lively, but not to this voice",
    "static": "the first frame throughout, with the sound: identity without motion",
    "shuffled-audio": "real pictures with another clip's sound: sync by chance",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a table: a system, or a baseline that bounds what a system can reach."""

    name: str
    kind: Kind
    results: Results
    where: str
    """The results folder as queries and commands on the page name it."""

    @property
    def ranked(self) -> bool:
        """Whether it takes part in best, ties and ranks."""
        return self.kind == "system"


@dataclass(frozen=True, slots=True)
class Group:
    """Results that may be compared with each other."""

    entries: list[Entry]
    apart: list[str]
    """Why it is not one with the first group, one line each; empty for the first."""

    @property
    def protocol(self) -> str:
        """The hash that all its numbers were made under."""
        return self.entries[0].results.protocol_hash

    @property
    def main(self) -> Entry:
        """A row that holds the whole clip list."""
        return next((e for e in self.entries if e.kind != "real-split"), self.entries[0])


def grouped(results: Sequence[Results], where: Mapping[str, str] | None = None) -> list[Group]:
    """Groups in the order given; in each, systems come first, then the bounds.

    `where` maps a folder's URI to how the page names it.
    """
    where = where or {}
    heads: list[list[Results]] = []
    for one in sorted(results, key=lambda r: kind_of(r) == "real-split"):
        home = next((group for group in heads if not _apart(group[0], one)), None)
        if home is None:
            heads.append([one])
        else:
            home.append(one)
    return [
        Group(_entries(members, where), [] if place == 0 else _apart(heads[0][0], members[0]))
        for place, members in enumerate(heads)
    ]


def kind_of(results: Results) -> Kind:
    """What a results folder is about."""
    baseline = results.info.get("baseline")
    return next((known for known in BOUNDS if known == baseline), "system")


def _apart(first: Results, other: Results) -> list[str]:
    """Why two results cannot share a table. Real halves are of the same clips, paired otherwise."""
    if "real-split" in (kind_of(first), kind_of(other)):
        same = first.protocol_hash == other.protocol_hash
        if same and first.info.get("dataset_hash") == other.info.get("dataset_hash"):
            return []
    return differences(first, other)


def _entries(members: Sequence[Results], where: Mapping[str, str]) -> list[Entry]:
    """Named, systems first; names that are there twice also say their folder."""
    times = Counter(results.system for results in members)
    order: list[Kind] = ["system", *BOUNDS]
    entries = []
    for results in members:
        place = where.get(results.folder.uri, results.folder.uri)
        alone = times[results.system] == 1
        name = results.system if alone else f"{results.system} ({place})"
        entries.append(Entry(name, kind_of(results), results, place))
    return sorted(entries, key=lambda entry: order.index(entry.kind))
