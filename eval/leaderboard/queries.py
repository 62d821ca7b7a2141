"""The DuckDB query behind each number of a page, on the results' own Parquet.

Names and paths are quoted as SQL asks; the queries read files and nothing else, so that they run
in any DuckDB: `duckdb -c "…"`. Intervals are of a bootstrap: SQL draws other random numbers than
we do, so that its bounds agree to about a tenth of the interval's width.
"""
# ruff: noqa: S608 - texts to be shown; nothing here runs them

import math
from collections.abc import Sequence

import numpy as np
import scipy

from eval.leaderboard.distributions import COLUMNS, Slices
from eval.leaderboard.groups import Entry
from eval.metrics.catalogue import METRICS
from eval.metrics.interface import MEAN, POOLED_MEAN, Measure
from eval.statistics.intervals import REPLICATES, groups, reach
from manifests.safe_sql import parts_of, quoted

_COLUMNS = {**COLUMNS, "speaker": "speaker"}


def _files(where: Sequence[str], table: str) -> str:
    """The parts of a table of some results, with the folder each row is of as `results`."""
    files = parts_of([f"{one}/{table}" for one in where])
    return (
        f"(SELECT *, regexp_replace(filename, '/{table}/[^/]*$', '') AS results\n   FROM {files})"
    )


def _places(entries: Sequence[Entry]) -> list[str]:
    return [entry.where for entry in entries]


def _value(metric: Measure, value: str = "value") -> str:
    """The set's number as an expression over clips' rows."""
    return metric.together.sql.format(value=value)


def table(entries: Sequence[Entry]) -> str:
    """Every number of the table as it is stored."""
    return (
        "SELECT results, system, metric, conditions_hash, value, reference, n, n_total, status,\n"
        "       reason\n"
        f"FROM {_files(_places(entries), 'metrics')}\nWHERE clip_id IS NULL ORDER BY metric, system"
    )


def from_clips(metric: Measure, entries: Sequence[Entry]) -> str:
    """A clip metric's number, quantiles and counts, made again from the clips."""
    return (
        f"SELECT results, system, {_value(metric)} AS value,\n"
        "       quantile_cont(value, [0.05, 0.25, 0.5, 0.75, 0.95]) AS quantiles,\n"
        "       count(value) AS n, count(*) AS n_total\n"
        f"FROM {_files(_places(entries), 'metrics')}\n"
        f"WHERE metric = {quoted(metric.definition.name)} AND clip_id IS NOT NULL\n"
        "GROUP BY results, system ORDER BY results"
    )


def interval(metric: Measure, entry: Entry) -> str | None:
    """The bootstrap of one row's number; None where it is no mean."""
    if metric.together not in (MEAN, POOLED_MEAN):
        return None
    scores = entry.results.scores.get(metric.definition.name)
    if scores is None:
        return None
    known = np.isfinite(scores.values)
    group = groups([s for s, ok in zip(entry.results.speakers, known, strict=True) if ok])
    if group.count < 2:
        return None
    who = "coalesce(speaker, clip_id)" if group.count < int(known.sum()) else "clip_id"
    weight = "n" if metric.together is POOLED_MEAN else "1"
    off = reach(group, 0.025)
    share = float(scipy.stats.norm.cdf(-off))
    least, most = metric.definition.limits

    def limited(bound: str) -> str:
        text = bound if least == -math.inf else f"greatest({bound}, {least:g})"
        return text if most == math.inf else f"least({text}, {most:g})"

    return (
        f"WITH one AS (SELECT {who} AS who, sum(value * {weight}) AS s, sum({weight}) AS w\n"
        f"  FROM {_files([entry.where], 'metrics')}\n"
        f"  WHERE metric = {quoted(metric.definition.name)} AND clip_id IS NOT NULL\n"
        "    AND value IS NOT NULL GROUP BY 1),\n"
        "numbered AS (SELECT row_number() OVER (ORDER BY who) - 1 AS i, s, w FROM one),\n"
        f"draws AS (SELECT b, (floor(random() * {group.count}))::BIGINT AS i\n"
        f"  FROM range({REPLICATES}) AS r(b), range({group.count}) AS k(j)),\n"
        "replicates AS (SELECT b, sum(s) / sum(w) AS value FROM draws JOIN numbered USING (i)\n"
        "  GROUP BY b)\n"
        f"SELECT {limited('low')} AS low, {limited('high')} AS high\n"
        f"FROM (SELECT least(quantile_cont(value, {share:.6f}),\n"
        f"         avg(value) - {off:.6f} * stddev_pop(value)) AS low,\n"
        f"       greatest(quantile_cont(value, {1 - share:.6f}),\n"
        f"         avg(value) + {off:.6f} * stddev_pop(value)) AS high\n"
        "  FROM replicates)"
    )


def difference(metric: Measure, other: Entry, best: Entry) -> str | None:
    """Paired differences on common clips, positive where the best row is better; None for
    metrics whose clips have no gain of their own.
    """
    if metric.together is not MEAN or metric.definition.direction == "closer":
        return None
    sign = "" if metric.definition.direction == "higher" else "-"
    name = quoted(metric.definition.name)
    return (
        f"SELECT avg({sign}(b.value - a.value)) AS gain, count(*) AS n,\n"
        f"       count(*) FILTER ({sign}(b.value - a.value) > 0) AS wins\n"
        f"FROM {_files([other.where], 'metrics')} AS a\n"
        f"JOIN {_files([best.where], 'metrics')} AS b USING (clip_id, metric)\n"
        f"WHERE metric = {name} AND a.value IS NOT NULL AND b.value IS NOT NULL"
    )


def slice_(metric: Measure, part: Slices, main: Entry, entries: Sequence[Entry]) -> str:
    """A clip metric by one property of the clips, which the main row's `clips` say."""
    column = _COLUMNS[part.by]
    if part.by == "speaker":
        label = "speaker"
    else:
        cases = "".join(
            f" WHEN {column} <= {bin_.high!r} THEN {quoted(bin_.label)}"
            for bin_ in part.bins
            if bin_.high is not None
        )
        label = f"CASE{cases} ELSE {quoted(part.bins[-1].label)} END"
    return (
        f"WITH bins AS (SELECT clip_id, {label} AS bin FROM {_files([main.where], 'clips')}\n"
        f"  WHERE {column} IS NOT NULL)\n"
        f"SELECT results, bin, {_value(metric)} AS value, count(value) AS clips\n"
        f"FROM {_files(_places(entries), 'metrics')} JOIN bins USING (clip_id)\n"
        f"WHERE metric = {quoted(metric.definition.name)} AND value IS NOT NULL\n"
        "GROUP BY results, bin ORDER BY bin, results"
    )


def drift(entries: Sequence[Entry], width: float) -> str:
    """Mean similarity to the source by second."""
    card = entries[0].results.info["protocol"]["card"]
    second = f"({card['skip_first']} + (i - 1) * {card['stride']}) / {card['fps']}"
    return (
        f"WITH frames AS (SELECT results, clip_id, unnest(csim) AS csim,\n"
        "    unnest(generate_series(1, len(csim))) AS i\n"
        f"  FROM {_files(_places(entries), 'clips')} WHERE csim IS NOT NULL)\n"
        f"SELECT results, floor({second} / {width!r}) * {width!r} AS second, avg(csim) AS csim,\n"
        "       count(DISTINCT clip_id) AS clips\n"
        "FROM frames WHERE isfinite(csim) GROUP BY ALL ORDER BY ALL"
    )


def speed(entries: Sequence[Entry]) -> str:
    """Seconds of work for a second of video, and hours for the set."""
    return (
        "SELECT results, count(real_time_factor) AS clips,\n"
        "       sum(real_time_factor * duration_s) / sum(duration_s) AS factor,\n"
        "       median(real_time_factor) AS median,\n"
        "       quantile_cont(real_time_factor, 0.95) AS p95,\n"
        "       sum(real_time_factor * duration_s) / 3600 AS hours\n"
        f"FROM {_files(_places(entries), 'clips')}\n"
        "WHERE real_time_factor IS NOT NULL GROUP BY results ORDER BY results"
    )


def failures(entries: Sequence[Entry]) -> str:
    """Clips that failed as a whole, and why."""
    return (
        f"SELECT results, clip_id, status, reason FROM {_files(_places(entries), 'clips')}\n"
        "WHERE status <> 'ok' ORDER BY results, clip_id"
    )


MEASURES = {m.definition.name: m for m in METRICS if isinstance(m, Measure)}
