"""`dawn evaluate --sensitivity`: a share of the videos measured again under small changes.

Each change has a folder of rows beside the results, made by the evaluation itself, so that what
stopped goes on where it was, clip by clip.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.table import Table

from eval.leaderboard.cells import cell_of
from eval.report.numbers import number, plus
from eval.results.pairing import Pairing
from eval.results.scores import Results, load_results
from eval.sensitivity.cards import FOLDER, INFO, PLAN, Card, cards, load_changed
from eval.sensitivity.changes import CHANGES
from manifests.counting import count
from manifests.errors import InputError
from manifests.runs import RunFolder
from pipeline.cluster.executor import Executor
from pipeline.evaluate.run import Evaluation, evaluate, prepare
from pipeline.progress import console

FEWEST = 8
"""Clips that are taken at least, where there are as many: effects differ from clip to clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """What is measured again."""

    share: float = 0.1
    seed: int = 0
    changes: tuple[str, ...] = tuple(CHANGES)

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise InputError(f"--share {self.share:g}: give a share over 0 and at most 1")
        other = [name for name in self.changes if name not in CHANGES]
        if other or not self.changes:
            known = ", ".join(CHANGES)
            raise InputError(f"--changes {', '.join(other)}: give some of {known}")


def sensitivity_of(share: float, seed: int, changes: str | None) -> Sensitivity:
    """From the command's flags. Raises InputError."""
    words = tuple(word.strip() for word in (changes or "").split(",") if word.strip())
    return Sensitivity(share=share, seed=seed, changes=words or tuple(CHANGES))


def chosen(clips: Sequence[str], share: float, seed: int) -> set[str]:
    """Clips by their lots: a larger share holds a smaller one, and systems on the same clips have
    the same ones.
    """
    wanted = max(min(FEWEST, len(clips)), math.ceil(share * len(clips)))
    lots = sorted(clips, key=lambda clip: hashlib.sha256(f"{seed} {clip}".encode()).hexdigest())
    return set(lots[:wanted])


def measure_changes(
    job: Evaluation, results: RunFolder, wanted: Sensitivity, executor: Executor
) -> None:
    """Measure what is missing under each change, and write down what was chosen."""
    names = chosen([pair.clip_id for pair in job.pairing.pairs], wanted.share, wanted.seed)
    pairs = [pair for pair in job.pairing.pairs if pair.clip_id in names]
    _plan(results, wanted, names)
    for place, name in enumerate(wanted.changes, start=1):
        console.print(
            f"sensitivity {place} of {len(wanted.changes)}: {CHANGES[name].title}, "
            f"{count(len(pairs), 'clip')}",
            markup=False,
        )
        folder = RunFolder(f"{results.uri}/{FOLDER}/{name}", INFO)
        changed = replace(job, pairing=Pairing([replace(pair, change=name) for pair in pairs]))
        prepare(changed, folder)
        summary = evaluate(changed, folder, executor)
        for line in summary.details[:3]:
            console.print(f"  {line}", markup=False)


def _plan(results: RunFolder, wanted: Sensitivity, names: set[str]) -> None:
    plan: dict[str, Any] = {
        "share": wanted.share,
        "seed": wanted.seed,
        "clips": sorted(names),
        "changes": {name: CHANGES[name].title for name in wanted.changes},
    }
    folder = RunFolder(f"{results.uri}/{FOLDER}", PLAN)
    folder.write_text(PLAN, json.dumps(plan, indent=1, ensure_ascii=False) + "\n")


def widths_of(results: Results) -> dict[str, float]:
    """Of each number's 95 % interval, where it has one."""
    found = {}
    for name in results.set_rows:
        cell = cell_of(name, results)
        if cell is not None and cell.low is not None and cell.high is not None:
            found[name] = cell.high - cell.low
    return found


def cards_of(results: Results) -> list[Card]:
    """All that is stored beside some results."""
    return cards(results, load_changed(results), widths_of(results))


def report_changes(folder: RunFolder) -> None:
    """The cards as a table."""
    results = load_results(folder.uri)
    table = Table(title="how fragile each number is")
    for name in ("metric", "number", "spread", "of its interval", "most moved by", "clips"):
        table.add_column(name, no_wrap=True)
    for card in cards_of(results):
        share = "–" if card.of_interval is None else f"{card.of_interval:.0%}"
        most = f"{card.most.title}: {plus(card.most.moved)}" if card.spread else "nothing"
        table.add_row(
            card.definition.name, number(card.value), number(card.spread, 3), share, most,
            str(max(effect.n for effect in card.effects)),
        )  # fmt: skip
    console.print(table, width=max(console.width, 120), crop=False)
