"""The table of votes, and what of it counts.

A vote is left out, and counted as such, where it is a rater's second on the same clip, pair and
question (the first one stays), and where its rater failed the attention checks: fewer than two in
three right. Raters without checks, as in tables from elsewhere, stay.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from eval.votes.strengths import Ballots
from manifests.errors import InputError

SCHEMA = pa.schema(
    [
        ("rater", pa.string()),
        ("clip_id", pa.string()),
        ("question", pa.string()),
        ("a", pa.string()),
        ("b", pa.string()),
        ("winner", pa.string()),
        ("check", pa.bool_()),
        ("seconds", pa.float64()),
        ("source", pa.string()),
    ]
)
"""`winner` is `a`, `b` or `tie`; of an attention check `a` is the real clip."""
CHECKS_RIGHT = 2 / 3
"""The least share of its checks that a rater must get right."""
SCORES = (1.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Votes that count, and how many do not."""

    rows: list[dict[str, Any]]
    """Without checks; `a` comes before `b` by name."""
    votes: int
    """All that were read, without checks."""
    duplicates: int
    failed_votes: int
    failed_raters: int
    raters: int
    """Whose votes count."""

    @property
    def questions(self) -> list[str]:
        """In the order of their first vote."""
        return list(dict.fromkeys(row["question"] for row in self.rows))

    def of(self, question: str) -> list[dict[str, Any]]:
        """The votes on one question."""
        return [row for row in self.rows if row["question"] == question]


def counted(rows: Iterable[Mapping[str, Any]]) -> Counted:
    """Apply the rule to rows of the table, in their order."""
    right: dict[str, list[bool]] = {}
    votes: list[dict[str, Any]] = []
    for row in rows:
        if row["check"]:
            right.setdefault(row["rater"], []).append(row["winner"] == "a")
        else:
            votes.append(_ordered(row))
    failed = {rater for rater, seen in right.items() if np.mean(seen) < CHECKS_RIGHT}
    kept: dict[tuple[str, ...], dict[str, Any]] = {}
    outcome: Counter[str] = Counter()
    for row in votes:
        key = tuple(str(row[name]) for name in ("rater", "clip_id", "question", "a", "b"))
        if row["rater"] in failed:
            outcome["failed"] += 1
        elif key in kept:
            outcome["duplicate"] += 1
        else:
            kept[key] = row
    return Counted(
        rows=list(kept.values()),
        votes=len(votes),
        duplicates=outcome["duplicate"],
        failed_votes=outcome["failed"],
        failed_raters=len(failed),
        raters=len({row["rater"] for row in kept.values()}),
    )


def _ordered(row: Mapping[str, Any]) -> dict[str, Any]:
    """The same vote with the systems by name."""
    if row["a"] <= row["b"]:
        return dict(row)
    winner = {"a": "b", "b": "a"}.get(row["winner"], row["winner"])
    return {**row, "a": row["b"], "b": row["a"], "winner": winner}


def ballots(rows: Sequence[Mapping[str, Any]]) -> Ballots:
    """Votes as arrays, systems by name."""
    systems = sorted({row[side] for row in rows for side in ("a", "b")})
    places = {name: place for place, name in enumerate(systems)}
    outcome = {"a": 1, "tie": 0, "b": -1}
    return Ballots(
        systems=systems,
        rater=_numbered([row["rater"] for row in rows]),
        clip=_numbered([row["clip_id"] for row in rows]),
        a=np.array([places[row["a"]] for row in rows], np.intp),
        b=np.array([places[row["b"]] for row in rows], np.intp),
        outcome=np.array([outcome[row["winner"]] for row in rows], np.intp),
    )


def _numbered(names: Sequence[str]) -> np.ndarray[Any, np.dtype[np.intp]]:
    places = {name: place for place, name in enumerate(sorted(set(names)))}
    return np.array([places[name] for name in names], np.intp)


def from_ratings(rows: Sequence[Mapping[str, str]], where: str) -> list[dict[str, Any]]:
    """Votes of a CSV from elsewhere: `rater, clip_id, a, b, winner` (a, b, tie, or a system's
    name), or `rater, clip_id, system, score` from 1 to 5, of which every two of a rater on a clip
    make a vote; `question` where there are several. Raises InputError.
    """
    if not rows:
        raise InputError(f"{where}: holds no rating")
    columns = set(rows[0])
    if {"rater", "clip_id", "a", "b", "winner"} <= columns:
        return [_pairwise(row, number, where) for number, row in enumerate(rows, start=2)]
    if {"rater", "clip_id", "system", "score"} <= columns:
        return _from_scores(rows, where)
    raise InputError(
        f"{where}: give the columns rater, clip_id, a, b, winner, or rater, clip_id, system, score "
        f"(it has {', '.join(sorted(str(name) for name in columns))})"
    )


def _vote(row: Mapping[str, str], where: str, a: str, b: str, winner: str) -> dict[str, Any]:
    return {
        "rater": row["rater"], "clip_id": row["clip_id"],
        "question": row.get("question") or "overall", "a": a, "b": b, "winner": winner,
        "check": False, "seconds": None, "source": where,
    }  # fmt: skip


def _pairwise(row: Mapping[str, str], number: int, where: str) -> dict[str, Any]:
    winner = (row["winner"] or "").strip()
    known = {"a": "a", "b": "b", "tie": "tie", row["a"]: "a", row["b"]: "b"}
    if winner not in known:
        names = ", ".join(known)
        raise InputError(f"{where}: line {number}: winner {winner!r} is none of {names}")
    if row["a"] == row["b"]:
        raise InputError(f"{where}: line {number}: compares {row['a']} with itself")
    return _vote(row, where, row["a"], row["b"], known[winner])


def _from_scores(rows: Sequence[Mapping[str, str]], where: str) -> list[dict[str, Any]]:
    seen: dict[tuple[str, str, str], dict[str, float]] = {}
    for number, row in enumerate(rows, start=2):
        try:
            score = float(row["score"])
        except ValueError:
            score = float("nan")
        if not SCORES[0] <= score <= SCORES[1]:
            raise InputError(f"{where}: line {number}: score {row['score']!r} is not from 1 to 5")
        key = (row["rater"], row["clip_id"], row.get("question") or "overall")
        seen.setdefault(key, {}).setdefault(row["system"], score)
    votes = []
    for (rater, clip, question), scores in seen.items():
        systems = sorted(scores)
        for place, a in enumerate(systems):
            for b in systems[place + 1 :]:
                winner = "tie" if scores[a] == scores[b] else "a" if scores[a] > scores[b] else "b"
                row = {"rater": rater, "clip_id": clip, "question": question}
                votes.append(_vote(row, where, a, b, winner))
    return votes
