"""What votes say, as data and as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import krippendorff
import numpy as np

from eval.report.numbers import cell, number
from eval.results.scores import Results
from eval.votes.following import Following, following
from eval.votes.strengths import Strengths, fit, votes_needed
from eval.votes.table import Counted, ballots
from manifests.counting import count

_SHOWN = 12
"""Metrics in the Markdown; the JSON has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A system in the eyes of people: `strength` in log-odds, 0 the mean of all systems."""

    system: str
    strength: float
    low: float
    high: float
    votes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two systems: votes for each, ties, and the votes more that would tell them apart."""

    one: str
    other: str
    wins: int
    ties: int
    losses: int
    chance: float
    """That the first wins where there is no tie, by their strengths."""
    gap: float
    low: float
    high: float
    needed: int | None
    """0: they are told apart; None: more than a hundred times as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """All that is said of one question."""

    question: str
    votes: int
    raters: int
    clips: int
    ties: float
    """Share of votes."""
    alpha: float | None
    """Krippendorff's, ordinal; None where no two raters judged the same pair."""
    standings: list[Standing]
    """The strongest first."""
    pairs: list[Pair]
    following: list[Following]

    def of(self, system: str) -> Standing | None:
        """A system's standing, where it was voted on."""
        return next((row for row in self.standings if row.system == system), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteReport:
    """Everything, by question."""

    counted: Counted
    questions: list[Question]

    @property
    def main(self) -> Question:
        """The question that stands for all: `overall`, else the last one."""
        asked = {question.question: question for question in self.questions}
        return asked.get("overall", self.questions[-1])


def report(found: Counted, of: Mapping[str, Results] | None = None) -> VoteReport:
    """`of` are the results of each system, whose metrics are held against the votes."""
    return VoteReport(
        counted=found,
        questions=[_question(name, found.of(name), of or {}) for name in found.questions],
    )


def _question(name: str, rows: list[dict[str, Any]], of: Mapping[str, Results]) -> Question:
    votes = ballots(rows)
    strengths = fit(votes)
    order = [int(place) for place in np.argsort(-strengths.values)]
    standings = []
    for place in order:
        low, high = strengths.interval(place)
        on = int(((votes.a == place) | (votes.b == place)).sum())
        standings.append(
            Standing(
                system=votes.systems[place], strength=float(strengths.values[place]), low=low,
                high=high, votes=on,
            )
        )  # fmt: skip
    pairs = [
        _pair(rows, strengths, one, other)
        for at, one in enumerate(order)
        for other in order[at + 1 :]
    ]
    return Question(
        question=name,
        votes=len(rows),
        raters=len({row["rater"] for row in rows}),
        clips=len({row["clip_id"] for row in rows}),
        ties=float((votes.outcome == 0).mean()),
        alpha=_alpha(rows),
        standings=standings,
        pairs=pairs,
        following=following(rows, of, strengths) if of else [],
    )


def _pair(rows: Sequence[Mapping[str, Any]], strengths: Strengths, one: int, other: int) -> Pair:
    names = strengths.systems[one], strengths.systems[other]
    both = [row for row in rows if {row["a"], row["b"]} == set(names)]
    won = [row[row["winner"]] for row in both if row["winner"] != "tie"]
    gap, low, high = strengths.difference(one, other)
    return Pair(
        one=names[0], other=names[1], wins=won.count(names[0]), losses=won.count(names[1]),
        ties=len(both) - len(won), chance=strengths.wins(one, other), gap=gap, low=low, high=high,
        needed=votes_needed(strengths, one, other, max(1, len(both))),
    )  # fmt: skip


def _alpha(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Agreement over pairs that two raters or more judged."""
    raters = {name: i for i, name in enumerate(sorted({row["rater"] for row in rows}))}
    units: dict[tuple[str, str, str], dict[int, float]] = {}
    outcome = {"a": 1.0, "tie": 0.0, "b": -1.0}
    for row in rows:
        unit = units.setdefault((row["clip_id"], row["a"], row["b"]), {})
        unit[raters[row["rater"]]] = outcome[row["winner"]]
    shared = [unit for unit in units.values() if len(unit) > 1]
    if len({value for unit in shared for value in unit.values()}) < 2:
        return None
    data = np.full((len(raters), len(shared)), np.nan)
    for column, unit in enumerate(shared):
        for rater, value in unit.items():
            data[rater, column] = value
    return float(krippendorff.alpha(reliability_data=data, level_of_measurement="ordinal"))


def as_dict(found: VoteReport) -> dict[str, Any]:
    """For JSON; single votes stay in their table."""
    told = found.counted
    return {
        "votes": told.votes, "counted": len(told.rows), "raters": told.raters,
        "duplicates": told.duplicates, "votes_of_failed_raters": told.failed_votes,
        "failed_raters": told.failed_raters,
        "questions": [asdict(question) for question in found.questions],
    }  # fmt: skip


def sentences(found: VoteReport) -> list[str]:
    """What was counted, and by which rule."""
    told = found.counted
    said = [f"{count(len(told.rows), 'vote')} of {count(told.raters, 'rater')} count."]
    if told.duplicates:
        said.append(
            f"{count(told.duplicates, 'vote')} left out: a rater's second on the same clip, pair "
            "and question."
        )
    if told.failed_raters:
        said.append(
            f"{count(told.failed_votes, 'vote')} of {count(told.failed_raters, 'rater')} left out: "
            "fewer than two in three attention checks right."
        )
    return said


def as_markdown(found: VoteReport) -> str:
    """For a README or a terminal."""
    lines = ["# What people see", "", " ".join(sentences(found)), ""]
    for one in found.questions:
        agreement = "no pair was judged twice" if one.alpha is None else f"{one.alpha:.2f}"
        lines += [
            f"## {cell(one.question)}",
            "",
            f"{count(one.votes, 'vote')} of {count(one.raters, 'rater')} on "
            f"{count(one.clips, 'clip')}, {one.ties:.0%} ties; agreement between raters "
            f"(Krippendorff's alpha): {agreement}.",
            "",
            "| | system | strength | 95 % interval | votes |",
            "|--:|---|--:|:-:|--:|",
        ]
        lines += [
            f"| {place} | {cell(row.system)} | {row.strength:+.2f} "
            f"| [{row.low:.2f}, {row.high:.2f}] | {row.votes} |"
            for place, row in enumerate(one.standings, start=1)
        ]
        lines += ["", "| pair | won | tied | lost | chance to win | more votes needed |"]
        lines += ["|---|--:|--:|--:|--:|--:|"]
        lines += [
            f"| {cell(pair.one)} against {cell(pair.other)} | {pair.wins} | {pair.ties} "
            f"| {pair.losses} | {pair.chance:.0%} | {_needed(pair)} |"
            for pair in one.pairs
        ]
        lines += ["", *_following_md(one)]
    return "\n".join(lines).rstrip() + "\n"


def _needed(pair: Pair) -> str:
    if pair.needed is None:
        return "over 100 times as many"
    return "told apart" if pair.needed == 0 else f"about {pair.needed:,}"


def _following_md(one: Question) -> list[str]:
    if not one.following:
        return []
    metrics = list(dict.fromkeys(row.metric for row in one.following))[:_SHOWN]
    lines = ["| metric | clips | names the winner | 95 % interval | votes | rank correlation |"]
    lines += ["|---|---|--:|:-:|--:|--:|"]
    for row in one.following:
        if row.metric in metrics:
            rho = "–" if row.correlation is None else (
                f"{row.correlation:.2f} [{number(row.correlation_low, 2)}, "
                f"{number(row.correlation_high, 2)}]"
            )  # fmt: skip
            lines.append(
                f"| {cell(row.title)} | {row.subgroup} | {row.accuracy:.0%} "
                f"| [{row.low:.0%}, {row.high:.0%}] | {row.votes} | {rho} |"
            )
    return [*lines, ""]
