"""A leaderboard as data: what every page and export is written from."""

import datetime
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from eval.leaderboard import queries
from eval.leaderboard.cells import ALPHA, BY_NAME, Cell, Difference, cell_of, measured, ranked
from eval.leaderboard.distributions import Distribution, Slices, distributions, slices
from eval.leaderboard.featured import Featured, featured
from eval.leaderboard.floor import Floor, floor
from eval.leaderboard.gallery import Picked, choose_metric, gallery
from eval.leaderboard.groups import BOUNDS, Entry, Group
from eval.leaderboard.overview import (
    Drift,
    Failures,
    Speed,
    credentials,
    drift,
    failures,
    same_curves,
    speed,
)
from eval.leaderboard.published import PublishedTable, published_tables
from eval.leaderboard.summary import Measured, Summary, summarise
from eval.metrics.catalogue import is_set
from eval.metrics.interface import Definition, Measure, Status
from eval.metrics.set_distances import SetDistance
from eval.results.comparable import generated_on, other_devices
from eval.results.scores import Results, apart
from eval.results.subgroups import Subgroups
from eval.sensitivity.cards import Fragility
from eval.speed.groups import BenchGroup
from eval.statistics.intervals import FEW_SPEAKERS
from eval.statistics.intervals import groups as drawn_together
from eval.votes.report import VoteReport
from eval.votes.report import report as vote_report
from eval.votes.table import Counted
from manifests.counting import count
from manifests.errors import InputError

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A metric of a sheet: the rows' cells and what lies behind them."""

    definition: Definition
    is_set: bool
    cells: list[Cell | None]
    """One a row."""
    differences: list[Difference]
    distributions: list[Distribution]
    span: tuple[float, float] | None
    """What the bins of the distributions lie between."""
    slices: list[Slices]
    floor: Floor | None
    """Of set metrics: what real clips give at the same number of clips."""
    queries: list[tuple[str, str]]
    """What it answers, and the SQL."""
    conditions: Mapping[str, Any]
    """What its numbers are made under; empty where there are none."""

    @property
    def shown(self) -> bool:
        """Whether any row has a number."""
        return any(cell is not None and cell.value is not None for cell in self.cells)

    @property
    def status(self) -> Status:
        """What its numbers are worth: a single proxy among them, by the metric or by its weights,
        makes the column one.
        """
        proxy = any(cell is not None and cell.status == "proxy" for cell in self.cells)
        return "proxy" if proxy else self.definition.status


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Rows that may be compared, and all that is said of them."""

    entries: list[Entry]
    main: Entry
    """The row whose clips are the sheet's."""
    apart: list[str]
    other: list[str]
    """Numbers that are left out, being made under other conditions."""
    devices: list[str]
    """Numbers that are compared though they were measured on different devices."""
    card: dict[str, Any]
    protocol_hash: str
    facts: dict[str, Any]
    """Dataset, clip list, number of clips and speakers, what these mean for intervals, seconds of
    video.
    """
    columns: list[Column]
    drift: list[Drift]
    drift_width_s: float
    speed: list[Speed]
    failures: list[Failures]
    summary: Summary
    featured: Featured | None
    """One clip by every system beside the real one; None where no videos are shown."""
    votes: VoteReport | None
    """What people said of its systems; None where nobody was asked."""
    gallery: list[Picked]
    gallery_metric: str | None
    missing: list[tuple[str, str]]
    """Bounds that nobody measured, and what each is."""
    queries: dict[str, str] = field(default_factory=dict)
    subgroups: Subgroups | None = None
    """Its numbers by columns of the clips; None where none was asked for."""
    credentials: dict[str, str] = field(default_factory=dict)
    """Row -> how many of its videos carry content credentials, where that was recorded."""
    fragility: list[Fragility] = field(default_factory=list)
    """What small changes do to its numbers, where results have that beside them."""
    bench: list[BenchGroup] = field(default_factory=list)
    """How fast its systems are, a device and its inputs a group; empty where nobody timed them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Everything: sheets of what was measured, and what papers printed."""

    title: str
    made_at: str
    sheets: list[Sheet]
    published: list[PublishedTable]
    price_per_hour: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSettings:
    """What the maker of a board may choose."""

    title: str = "Leaderboard"
    gallery: int = 2
    """Clips a place (worst, median, best) and system; 0: no gallery."""
    gallery_metric: str | None = None
    price_per_hour: float | None = None

    def __post_init__(self) -> None:
        if self.gallery < 0:
            raise ValueError(f"gallery must not be negative, got {self.gallery}")
        if self.price_per_hour is not None and not self.price_per_hour > 0:
            raise ValueError(f"price_per_hour must be positive, got {self.price_per_hour}")


def make_board(
    groups: Sequence[Group],
    settings: BoardSettings,
    progress: Progress = lambda _: None,
    votes: Counted | None = None,
) -> Board:
    """All numbers of all groups, and votes on their systems; `progress` is told what is being
    worked on.

    Raises InputError for a gallery metric that does not exist.
    """
    chosen = settings.gallery_metric
    if chosen is not None and chosen not in queries.MEASURES:
        raise InputError(f"--gallery-metric {chosen}: no clip metric has this name")
    return Board(
        title=settings.title,
        made_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        sheets=[_sheet(group, settings, progress, votes) for group in groups],
        published=published_tables(),
        price_per_hour=settings.price_per_hour,
    )


def _sheet(
    group: Group, settings: BoardSettings, progress: Progress, votes: Counted | None
) -> Sheet:
    entries = group.entries
    columns = []
    for name in measured(entries):
        progress(name)
        columns.append(_column(name, group))
    progress("videos")
    metric = settings.gallery_metric or choose_metric(entries)
    alike = same_curves(entries, group.main)
    width, curves = drift(alike)
    there = {entry.kind for entry in entries}
    facts = _facts(group.main.results)
    summary = summarise(entries, [_measured(column) for column in columns], _sure(facts, group))
    return Sheet(
        entries=entries,
        main=group.main,
        apart=group.apart,
        other=group.other,
        devices=other_devices({entry.name: entry.results.info for entry in entries}),
        card=dict(group.main.results.info["protocol"]["card"]),
        protocol_hash=group.protocol,
        facts=facts,
        columns=columns,
        drift=curves,
        drift_width_s=width,
        speed=speed(entries, settings.price_per_hour),
        failures=failures(entries),
        credentials={
            entry.name: said
            for entry in entries
            if (said := credentials(entry.results)) is not None
        },
        summary=summary,
        votes=_votes(entries, votes) if votes is not None else None,
        featured=_featured(entries, metric, summary) if settings.gallery else None,
        gallery=gallery(entries, metric, settings.gallery) if metric else [],
        gallery_metric=metric,
        missing=[(kind, what) for kind, what in BOUNDS.items() if kind not in there],
        queries={
            "table": queries.table(entries),
            "drift": queries.drift(alike, width),
            "speed": queries.speed(entries),
            "failures": queries.failures(entries),
        },
    )


def _measured(column: Column) -> Measured:
    return Measured(
        definition=column.definition, cells=column.cells, differences=column.differences
    )


def _votes(entries: Sequence[Entry], votes: Counted) -> VoteReport | None:
    """Of the systems of a sheet, on any clips; None where no two of them were compared."""
    of = {entry.name: entry.results for entry in entries if entry.ranked}
    rows = [row for row in votes.rows if row["a"] in of and row["b"] in of]
    return vote_report(replace(votes, rows=rows), of) if rows else None


def _featured(entries: Sequence[Entry], metric: str | None, summary: Summary) -> Featured | None:
    order = {placing.system: place for place, placing in enumerate(summary.placings)}
    by_rank = sorted(
        entries, key=lambda entry: (not entry.ranked, order.get(entry.name, len(order)))
    )
    return featured(by_rank, metric) if metric else None


def _column(name: str, group: Group) -> Column:
    entries, metric = group.entries, BY_NAME[name]
    cells = [cell_of(name, entry.results) for entry in entries]
    cells, differences = (cells, []) if _made_apart(name, entries) else ranked(name, entries, cells)
    spread, span = distributions(name, entries)
    parts = [] if is_set(metric) else slices(name, entries, group.main.results)
    return Column(
        definition=metric.definition,
        is_set=is_set(metric),
        cells=cells,
        differences=differences,
        distributions=spread,
        span=span,
        slices=parts,
        floor=floor(metric, group) if isinstance(metric, SetDistance) else None,
        queries=_queries(name, group, differences, parts),
        conditions=_conditions(name, entries),
    )


def _made_apart(name: str, entries: Sequence[Entry]) -> bool:
    """Whether a measure of how videos were made is of different devices, and so ranks nobody."""
    metric = BY_NAME[name]
    if not isinstance(metric, Measure) or not metric.of_run:
        return False
    made = generated_on({e.name: e.results.info for e in entries if e.ranked})
    return len(set(made.values())) > 1


def _conditions(name: str, entries: Sequence[Entry]) -> Mapping[str, Any]:
    """Those of the rows that are not left out."""
    found = (e.results.protocol["metrics"].get(name) for e in entries if not apart(name, e.results))
    return next((conditions for conditions in found if conditions), {})


def _queries(
    name: str, group: Group, differences: Sequence[Difference], parts: Sequence[Slices]
) -> list[tuple[str, str]]:
    measure = queries.MEASURES.get(name)
    entries = [e for e in group.entries if name in e.results.scores]
    if measure is None or not entries:
        return []
    by_name = {entry.name: entry for entry in group.entries}
    found: list[tuple[str, str | None]] = [
        ("numbers and quantiles, from the clips", queries.from_clips(measure, entries))
    ]
    found += [(f"interval of {e.name}", queries.interval(measure, e)) for e in entries]
    found += [
        (
            f"{d.best} against {d.system}",
            queries.difference(measure, by_name[d.system], by_name[d.best]),
        )
        for d in differences
    ]
    found += [
        (f"by {part.by}", queries.slice_(measure, part, group.main, entries)) for part in parts
    ]
    return [(what, sql) for what, sql in found if sql is not None]


def _facts(results: Results) -> dict[str, Any]:
    seconds = [clip["duration_s"] for clip in results.clips if clip["duration_s"] is not None]
    return {
        "reference": results.info.get("reference"),
        "dataset_hash": results.info.get("dataset_hash"),
        "clip_list_hash": results.info.get("clip_list_hash"),
        "clips": len(results.clips),
        "speakers": len({s for s in results.speakers if s is not None}) or None,
        "caveat": _caveat(results.speakers),
        "seconds": sum(seconds),
    }


def _sure(facts: Mapping[str, Any], group: Group) -> str:
    """What the numbers rest on, in one sentence; that nothing can be shown, where that is so: the
    paired test flips the sign of each speaker, and so has a least p value.
    """
    clips = count(facts["clips"], "clip")
    of = f" of {count(facts['speakers'], 'speaker')}" if facts["speakers"] else ""
    caveat = f"; {facts['caveat']}" if facts["caveat"] else ""
    there = drawn_together(group.main.results.speakers)
    tests = max(1, sum(entry.ranked for entry in group.entries) - 1)
    needed = math.floor(math.log2(2 * tests / ALPHA)) + 1
    if there.count < needed:
        who = "speaker" if there.by_speaker else "clip"
        caveat += (
            f"; with so few no paired test can show a difference, which takes "
            f"{count(needed, who)} or more"
        )
    return f"Measured on {clips}{of}; bars are 95 % intervals{caveat}."


def _caveat(speakers: Sequence[str | None]) -> str | None:
    """What a reader must know where clips are drawn and not speakers."""
    if all(speaker is None for speaker in speakers):
        return "speakers are not known: intervals are too narrow where clips share one"
    if drawn_together(speakers).by_speaker:
        return None
    return f"fewer than {FEW_SPEAKERS} speakers: intervals and tests speak of these people alone"
