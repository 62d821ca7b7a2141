"""What a results folder says, as arrays: the input of leaderboards and regression checks."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from eval.metrics.catalogue import METRICS
from eval.metrics.interface import (
    Definition,
    Features,
    Measure,
    Reason,
    SetMetric,
)
from eval.results.conditions import Standing
from eval.results.stored import INFO, SET, Stored
from eval.statistics.intervals import F64, Statistic
from manifests.errors import InputError
from manifests.runs import RunFolder

APART = "apart"
"""Status of a number that is left out of a comparison, being made under other conditions."""


def apart(metric: str, results: "Results") -> bool:
    """Whether a metric's number was left out of a comparison."""
    row = results.set_rows.get(metric)
    return row is not None and row["status"] == APART


_MEASURES = {m.definition.name: m for m in METRICS if isinstance(m, Measure)}


@dataclass(frozen=True, slots=True)
class Scores:
    """A clip metric's numbers, one a clip of the results in their order; NaN where there is none.

    `items` is what a clip weighs in pooled means; `reasons` says why numbers are missing;
    `identical` marks clips that have none because they are the same as the real ones, which is
    better than any number.
    """

    metric: Measure
    values: F64
    references: F64
    items: F64
    reasons: Counter[str]
    identical: NDArray[np.bool_]

    @property
    def definition(self) -> Definition:
        """What the numbers mean."""
        return self.metric.definition

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Which clips have a number, and the real clip's where nearness to it counts."""
        known = np.isfinite(self.values)
        closer = self.definition.direction == "closer"
        return known & np.isfinite(self.references) if closer else known

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Which clips have a number, or none because they are the same as the real ones."""
        return self.valid | self.identical


@dataclass(frozen=True, slots=True)
class Results:
    """One results folder."""

    folder: RunFolder
    info: Mapping[str, Any]
    clips: Sequence[Mapping[str, Any]]
    """Rows of `clips` by clip id; `mouth_spread` and `mouth_spread_of_real` stand for curves."""
    scores: Mapping[str, Scores]
    set_rows: Mapping[str, Mapping[str, Any]]
    """The set's own rows of `metrics`, by metric."""

    @property
    def system(self) -> str:
        """The name for tables."""
        return str(self.info["system"])

    @property
    def protocol_hash(self) -> str:
        """Hash of the card."""
        return str(self.info["protocol_hash"])

    @property
    def protocol(self) -> Mapping[str, Any]:
        """The card, and the conditions of each metric and feature."""
        return cast("Mapping[str, Any]", self.info["protocol"])

    @property
    def clip_ids(self) -> list[str]:
        """Of all clips, in order."""
        return [str(clip["clip_id"]) for clip in self.clips]

    @property
    def speakers(self) -> list[str | None]:
        """Of all clips, in order."""
        return [clip["speaker"] for clip in self.clips]

    def subset(self, places: NDArray[np.intp]) -> "Results":
        """The same of some clips, each as often as it is named; numbers of the set are gone."""
        scores = {
            name: replace(
                s,
                values=s.values[places],
                references=s.references[places],
                items=s.items[places],
                identical=s.identical[places],
            )
            for name, s in self.scores.items()
        }
        clips = [self.clips[place] for place in places]
        return replace(self, clips=clips, scores=scores, set_rows={})

    def without(self, metrics: Mapping[str, str]) -> "Results":
        """The same without the numbers of some metrics, whose rows then say why."""
        gone = {"value": None, "reference": None, "n": 0, "status": APART}
        rows = {
            name: {**row, **gone, "reason": metrics[name]} if name in metrics else row
            for name, row in self.set_rows.items()
        }
        scores = {name: s for name, s in self.scores.items() if name not in metrics}
        return replace(self, scores=scores, set_rows=rows)

    def features(self, metric: SetMetric, side: str, clips: set[str]) -> dict[str, Features]:
        """A set metric's rows of a side ("generated", "reference") by clip."""
        stored = Stored(self.folder, metric.feature, side, clips)
        return dict(stored.items())


_CLIP_COLUMNS = [
    "clip_id", "speaker", "split", "video", "reference", "frames", "reference_frames",
    "duration_s", "yaw_p95", "pitch_p95", "real_time_factor", "credentials", "status", "reason",
]  # fmt: skip


def load_results(uri: str, info_name: str = INFO) -> Results:
    """Read a folder of `dawn evaluate`, whose info file has that name. Raises InputError when it is
    none or is not finished.
    """
    folder = RunFolder(uri, info_name)
    info = folder.info()
    record_of(info, folder.uri)
    if not info.get("complete"):
        raise InputError(f"{folder.uri}: the evaluation is not finished; run it again to go on")
    clips = sorted(_clips(folder), key=lambda clip: str(clip["clip_id"]))
    hashes = {name: standing.hash for name, standing in standings_of(info).items()}
    columns = ["metric", "clip_id", "conditions_hash", "value", "reference", "n", "reason"]
    table = folder.read("metrics", columns)
    places = {clip["clip_id"]: number for number, clip in enumerate(clips)}
    by_metric: dict[str, list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        known = row["clip_id"] in places and row["metric"] in hashes
        if known and row["conditions_hash"] == hashes[row["metric"]]:
            by_metric.setdefault(row["metric"], []).append(row)
    scores = {
        name: _scores(metric, by_metric[name], places)
        for name, metric in _MEASURES.items()
        if name in by_metric
    }
    of_set = {row["metric"]: row for row in _set_rows(folder)}
    return Results(folder, info, clips, scores, of_set)


def record_of(info: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """What a `results.json` records of the card and each metric's conditions. Raises InputError
    where an older version wrote it, which recorded them all as one.
    """
    record = info.get("protocol")
    if "standings" not in info or not isinstance(record, Mapping) or "features" not in record:
        raise InputError(
            f"{where}: was made by an older version, which did not record each metric's own "
            "conditions; evaluate again into a new folder"
        )
    return record


def standings_of(info: Mapping[str, Any]) -> dict[str, Standing]:
    """What a `results.json` says of each metric's numbers."""
    return {name: Standing(**told) for name, told in info["standings"].items()}


def _clips(folder: RunFolder) -> Iterator[dict[str, Any]]:
    """Rows of `clips` with the spread of each curve of the mouth instead of the curve."""
    curves = {"mouth_spread": "mouth_generated", "mouth_spread_of_real": "mouth_reference"}
    for part in folder.batches("clips", [*_CLIP_COLUMNS, *curves.values()]):
        for row in part.to_pylist():
            for name, column in curves.items():
                row[name] = _spread(row.pop(column))
            yield row


def _spread(curve: list[float | None] | None) -> float | None:
    """Standard deviation over the frames with a face; None of fewer than two."""
    known = [value for value in curve or () if value is not None and np.isfinite(value)]
    return float(np.std(known)) if len(known) > 1 else None


def _set_rows(folder: RunFolder) -> list[dict[str, Any]]:
    return folder.read_item("metrics", SET).to_pylist() if folder.has("metrics", SET) else []


def _scores(metric: Measure, rows: list[dict[str, Any]], places: Mapping[str, int]) -> Scores:
    values, references = np.full((2, len(places)), np.nan)
    items, reasons = np.ones(len(places)), Counter[str]()
    identical = np.zeros(len(places), bool)
    for row in rows:
        at = places[row["clip_id"]]
        if row["value"] is None:
            reasons[row["reason"] or "unknown"] += 1
            identical[at] = row["reason"] == Reason.IDENTICAL
            continue
        values[at], items[at] = row["value"], row["n"]
        if row["reference"] is not None:
            references[at] = row["reference"]
    return Scores(metric, values, references, items, reasons, identical)


def statistic_of(metric: Measure, values: F64, items: F64) -> Statistic:
    """The set's number of a metric as a function of how often each clip is drawn."""
    return metric.together.statistic(values, items)
