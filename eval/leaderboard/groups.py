"""Which results may stand in one table, and why others may not.

Results of different cards, clips or real videos are shown apart, each group with the reason. In a
group each metric's numbers are of one set of conditions, those of the most rows: a row whose number
was made under others has none in that column, and says why.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from eval.leaderboard.names import folder_names, public
from eval.report.numbers import number
from eval.results.comparable import differences, other_cards
from eval.results.conditions import OTHER_CONDITIONS, described
from eval.results.scores import Results
from manifests.config import diff
from manifests.counting import count

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
    """The results folder as queries and commands on the page name it: no path."""

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
    other: list[str]
    """Numbers that are left out, being made under other conditions, one line each."""

    @property
    def protocol(self) -> str:
        """The hash of the card that all its numbers were made under."""
        return self.entries[0].results.protocol_hash

    @property
    def main(self) -> Entry:
        """A row that holds the whole clip list: the one that knows most of its clips, the real
        videos where these do.
        """
        whole = [e for e in self.entries if e.kind != "real-split"] or self.entries
        return max(whole, key=lambda entry: (_known(entry.results), entry.kind == "real"))


def grouped(results: Sequence[Results], where: Mapping[str, str] | None = None) -> list[Group]:
    """Groups in the order given; in each, systems come first, then the bounds.

    `where` maps a folder's URI to how the page names it: by default by its last part. Nothing in
    the groups names a path.
    """
    uris = [one.folder.uri for one in results]
    where = where or dict(zip(uris, folder_names(uris), strict=True))
    results = [public(one) for one in results]
    heads: list[list[Results]] = []
    for one in sorted(results, key=lambda r: kind_of(r) == "real-split"):
        home = next((members for members in heads if not _apart(members, one)), None)
        if home is None:
            heads.append([one])
        else:
            home.append(one)
    return [
        _group(_entries(members, where), [] if place == 0 else _apart(heads[0], members[0]))
        for place, members in enumerate(heads)
    ]


def _group(entries: Sequence[Entry], apart: list[str]) -> Group:
    """With what was made under other conditions left out."""
    chosen = _conditions(entries)
    kept, other = [], []
    for entry in entries:
        found = entry.results.protocol["metrics"]
        differs = {n: lines for n, c in found.items() if (lines := diff(chosen[n], c))}
        rows = entry.results.set_rows
        why = {
            name: f"{number(rows[name]['value'])}, {OTHER_CONDITIONS}: {', '.join(lines)}"
            for name, lines in differs.items()
            if name in rows
        }
        kept.append(replace(entry, results=entry.results.without(why)) if why else entry)
        other += [f"{entry.name}: {line}" for line in described(differs)]
    return Group(kept, apart, other)


def _conditions(entries: Sequence[Entry]) -> dict[str, Mapping[str, Any]]:
    """Of each metric those of the most systems, of the most rows, of the first row."""
    found: dict[str, list[tuple[bool, Mapping[str, Any]]]] = {}
    for entry in entries:
        for name, conditions in entry.results.protocol["metrics"].items():
            found.setdefault(name, []).append((entry.ranked, conditions))
    chosen = {}
    for name, rows in found.items():
        votes = [(sum(r for r, c in rows if c == own), [c for _, c in rows].count(own))
                 for _, own in rows]  # fmt: skip
        chosen[name] = rows[votes.index(max(votes))][1]
    return chosen


def _known(results: Results) -> int:
    """Clips that could be looked at."""
    return sum(clip["status"] == "ok" for clip in results.clips)


def kind_of(results: Results) -> Kind:
    """What a results folder is about. Older folders say it in their command alone."""
    info = results.info
    made_by = info["baseline"] if "baseline" in info else _asked(info.get("command") or ())
    return next((known for known in BOUNDS if known == made_by), "system")


def _asked(command: Sequence[str]) -> str | None:
    """What a command names as `--baseline`."""
    words = [part for word in command for part in word.split("=", 1)]
    return next((name for flag, name in pairwise(words) if flag == "--baseline"), None)


def _apart(members: Sequence[Results], other: Results) -> list[str]:
    """Why a result cannot share a table with these; all are asked, as some know less than others
    of their real videos.
    """
    found = (_differences(one, other) for one in members)
    return next((reasons for reasons in found if reasons), [])


def _differences(first: Results, other: Results) -> list[str]:
    """Of two results. Real halves are of the same clips, paired otherwise."""
    cards = [f"other cards: {', '.join(changes)}"] if (changes := other_cards(first, other)) else []
    if kind_of(other) != "real-split" or kind_of(first) == "real-split":
        found = differences(first, other)
        return cards + [line for line in found if not cards or OTHER_CONDITIONS not in line]
    if cards or first.info.get("dataset_hash") != other.info.get("dataset_hash"):
        return cards or differences(first, other)
    whole, half = set(first.clip_ids), set(other.clip_ids)
    if half <= whole and len(half) == len(whole) // 2:
        return []
    return [
        f"real-split: {count(len(half), 'clip')}, which is not half of the {len(whole)} of the "
        "first table"
    ]


def _entries(members: Sequence[Results], where: Mapping[str, str]) -> list[Entry]:
    """Named, systems first; names that are there twice also say their folder."""
    order: list[Kind] = ["system", *BOUNDS]
    places = [where[results.folder.uri] for results in members]
    names = _names([results.system for results in members], places)
    entries = [
        Entry(name, kind_of(results), results, place)
        for name, results, place in zip(names, members, places, strict=True)
    ]
    return sorted(entries, key=lambda entry: order.index(entry.kind))


def _names(names: Sequence[str], places: Sequence[str]) -> list[str]:
    """Each only once: all that is said of a row goes by its name. A name with a folder may be
    another system's own, hence the loop.
    """
    found = list(names)
    while len(set(found)) < len(found):
        times = Counter(found)
        found = [
            name if times[name] == 1 else f"{name} ({place})"
            for name, place in zip(found, places, strict=True)
        ]
    return found
