"""What a dataset's card says: counts, labels, filters and distributions, all by SQL.

Nothing here knows a place on this machine: paths of sources stay out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dawn.curation.decisions import EXPLANATIONS, FILTERS
from manifests.catalog import query, rows
from manifests.safe_sql import quoted
from manifests.schema import CLIPS
from manifests.store import Dataset

SPLITS = ("train", "val", "test")
"""The splits that a publication has; what a convention excludes stays out."""


@dataclass(frozen=True, slots=True)
class Funnel:
    """One filter: its bounds, and how many clips it judged and rejected."""

    name: str
    rule: str
    thresholds: tuple[float, ...]
    judged: int
    not_judged: int
    rejected: int
    alone: int
    """Clips that no other filter rejected."""
    explanation: str
    reason: str
    """Why the default bound is what it is."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is said of a dataset's accepted clips in some splits, and of how they were chosen."""

    name: str
    splits: list[dict[str, Any]]
    """split, clips, speakers, videos, hours, frames, blinks_per_minute."""
    labels: dict[str, list[tuple[str | None, int]] | None]
    """Label column -> its values with numbers of clips; None where no list had such a column."""
    sources: list[dict[str, Any]]
    """status, reason, count of source videos."""
    clips_found: int
    clips_accepted: int
    """In the whole dataset, like the funnel."""
    funnel: list[Funnel]
    identity_by: dict[str, int]
    """How speakers are known (label, face, video) -> clips."""
    agreement_by: list[tuple[str | None, int]]
    sizes: tuple[int, int]
    """Smallest and largest side of the written crops, in px."""
    recipe: dict[str, Any]
    recipe_hash: str

    @property
    def clips(self) -> int:
        """Accepted clips in all splits named."""
        return sum(split["clips"] for split in self.splits)

    @property
    def hours(self) -> float:
        """Their length."""
        return float(sum(split["hours"] for split in self.splits))

    @property
    def speakers(self) -> int:
        """Nobody is in two splits, so that speakers add up."""
        return sum(split["speakers"] for split in self.splits)


LABELS = ("licence", "consent", "language", "gender", "age_group")


def facts_of(dataset: Dataset, name: str, splits: Sequence[str] = SPLITS) -> Facts:
    """Ask the dataset. Raises InputError where there is none."""
    info = dataset.info()
    chosen = where(splits)
    return Facts(
        name=name,
        splits=rows(dataset, _SPLITS.format(chosen=chosen)),
        labels={label: _label(dataset, label, chosen) for label in LABELS},
        sources=rows(
            dataset,
            "SELECT status, reason, count(*) AS count FROM videos GROUP BY ALL ORDER BY ALL",
        ),
        clips_found=_count(dataset, "true"),
        clips_accepted=_count(dataset, "accepted"),
        funnel=_funnel(dataset),
        identity_by={
            row["known_by"]: row["clips"] for row in rows(dataset, _KNOWN_BY.format(chosen=chosen))
        },
        agreement_by=_counts(dataset, "agreement_by", chosen),
        sizes=_sizes(dataset, chosen),
        recipe=info["recipe"],
        recipe_hash=info["recipe_hash"],
    )


def where(splits: Sequence[str]) -> str:
    """The condition on `clips` of what is published."""
    return f"accepted AND split IN ({', '.join(map(quoted, splits))})"


def histogram(
    dataset: Dataset, table: str, value: str, chosen: str, bins: int = 40
) -> tuple[list[float], list[int]]:
    """Edges and counts of a column of numbers, over its 0.5th to 99.5th percentile; what lies
    beyond is counted in the outer bins. Both are empty where there is no number.
    """
    values = f"SELECT {value} AS v FROM {table} WHERE {chosen} AND isfinite({value})"  # noqa: S608
    (ends,) = rows(
        dataset,
        f"SELECT min(v) AS least, max(v) AS most, quantile_cont(v, 0.005) AS low, "  # noqa: S608
        f"quantile_cont(v, 0.995) AS high FROM ({values})",
    )
    if ends["low"] is None:
        return [], []
    low, high = float(ends["low"]), float(ends["high"])
    if not high > low:
        room = max(abs(low) * 0.05, 0.5)
        low, high = low - room, high + room
    found = rows(
        dataset,
        f"SELECT least({bins - 1}, greatest(0, floor((v - {low!r}) / {(high - low) / bins!r})))"  # noqa: S608
        f"::INT AS bin, count(*) AS count FROM ({values}) GROUP BY bin ORDER BY bin",
    )
    counts = [0] * bins
    for row in found:
        counts[row["bin"]] = row["count"]
    return [low + (high - low) * i / bins for i in range(bins + 1)], counts


def pose_counts(dataset: Dataset, chosen: str, step: int = 2) -> list[dict[str, Any]]:
    """How many frames have which yaw and pitch, in squares of `step` degrees."""
    return rows(
        dataset,
        f"SELECT (floor(pose[1] / {step}) * {step})::INT AS yaw, "  # noqa: S608 - our own text
        f"(floor(pose[2] / {step}) * {step})::INT AS pitch, count(*) AS count "
        f"FROM frames SEMI JOIN (SELECT clip_id FROM clips WHERE {chosen}) USING (clip_id) "
        "WHERE found GROUP BY ALL ORDER BY ALL",
    )


_SPLITS = """
SELECT split, count(*) AS clips, count(DISTINCT identity) AS speakers,
       count(DISTINCT video_id) AS videos, sum(duration_s) / 3600 AS hours,
       sum(frames)::BIGINT AS frames,
       60 * sum(len(blinks)) / sum(duration_s) AS blinks_per_minute
FROM clips WHERE {chosen} GROUP BY split
ORDER BY list_position(['train', 'val', 'test'], split), split
"""

_KNOWN_BY = """
SELECT CASE WHEN speaker IS NOT NULL THEN 'label'
            WHEN embedding IS NOT NULL THEN 'face' ELSE 'video' END AS known_by, count(*) AS clips
FROM clips WHERE {chosen} GROUP BY ALL ORDER BY ALL
"""

_FUNNEL = """
SELECT filter, any_value(rule) AS rule, list_sort(list(DISTINCT threshold)) AS thresholds,
       count(*) FILTER (verdict <> 'not_judged') AS judged,
       count(*) FILTER (verdict = 'not_judged') AS not_judged,
       count(*) FILTER (verdict = 'fail') AS rejected,
       count(*) FILTER (verdict = 'fail' AND fails = 1) AS alone
FROM (SELECT *, count(*) FILTER (verdict = 'fail') OVER (PARTITION BY clip_id) AS fails
      FROM decisions)
GROUP BY filter
"""


def _funnel(dataset: Dataset) -> list[Funnel]:
    places = {name: place for place, name in enumerate(EXPLANATIONS)}
    found = rows(dataset, _FUNNEL)
    found.sort(key=lambda row: (places.get(row["filter"], len(places)), row["filter"]))
    return [
        Funnel(
            name=row["filter"],
            rule=row["rule"],
            thresholds=tuple(row["thresholds"]),
            judged=row["judged"],
            not_judged=row["not_judged"],
            rejected=row["rejected"],
            alone=row["alone"],
            explanation=EXPLANATIONS.get(row["filter"], ""),
            reason="; ".join(s.reason for s in FILTERS[row["filter"]].settings)
            if row["filter"] in FILTERS
            else "",
        )
        for row in found
    ]


def _label(dataset: Dataset, name: str, chosen: str) -> list[tuple[str | None, int]] | None:
    expression = _place(query(dataset, "FROM clips LIMIT 0").schema, name)
    return None if expression is None else _counts(dataset, expression, chosen)


def _place(schema: pa.Schema, name: str) -> str | None:
    """Where `clips` holds a label: a column, or a field of a column of labels."""
    if name in schema.names:
        return f'"{name}"'
    known = {column.name for column in CLIPS}
    for field in schema:
        if pa.types.is_struct(field.type) and field.type.get_field_index(name) >= 0:
            return f'"{field.name}"."{name}"'
        if pa.types.is_map(field.type) and field.name not in known:
            return f"\"{field.name}\"['{name}']"
    return None


def _counts(dataset: Dataset, expression: str, chosen: str) -> list[tuple[str | None, int]]:
    found = rows(
        dataset,
        f"SELECT {expression}::VARCHAR AS value, count(*) AS clips "  # noqa: S608 - our own text
        f"FROM clips WHERE {chosen} GROUP BY ALL ORDER BY clips DESC, value",
    )
    return [(row["value"], row["clips"]) for row in found]


def _count(dataset: Dataset, condition: str) -> int:
    (row,) = rows(dataset, f"SELECT count(*) AS count FROM clips WHERE {condition}")  # noqa: S608
    return int(row["count"])


def _sizes(dataset: Dataset, chosen: str) -> tuple[int, int]:
    (row,) = rows(
        dataset,
        f"SELECT min(size) AS low, max(size) AS high FROM clips WHERE {chosen}",  # noqa: S608
    )
    return row["low"] or 0, row["high"] or 0
