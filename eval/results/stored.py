"""A results folder: what is measured, what is missing, and the numbers of the set.

The numbers of the set are made from stored rows alone, in a fixed order, so that they do not
depend on who measured which clip when.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from eval.metrics.catalogue import METRICS, SET_METRICS, is_set
from eval.metrics.interface import ClipMetric, Features, Reason, SetMetric, TooFewError, Value
from eval.protocol.card import ProtocolCard
from eval.results.conditions import Standing
from manifests.runs import RunFolder

INFO = "results.json"
SET = "of the whole set"
"""The item that the set's own rows are committed as."""

_TRY_AGAIN = {Reason.WORKER, Reason.INTERNAL}
"""What may have passed by the next run."""

_FEATURE_OF = {metric.definition.name: metric.feature for metric in SET_METRICS}


KEEP_BYTES = 256 * 2**20
"""Features of one side that are kept from one pass to the next; larger ones are read again."""


class Stored:
    """One side of a feature, clip by clip, as often as it is iterated."""

    def __init__(self, folder: RunFolder, feature: str, side: str, clips: set[str]) -> None:
        self._folder, self._feature, self._side, self._clips = folder, feature, side, clips
        self._kept: list[Features] | None = None

    def __iter__(self) -> Iterator[Features]:
        if self._kept is not None:
            yield from self._kept
            return
        kept: list[Features] = []
        size = 0
        for rows in self._read():
            size += rows.nbytes
            if size <= KEEP_BYTES:
                kept.append(rows)
            else:
                kept.clear()
            yield rows
        if size <= KEEP_BYTES:
            self._kept = kept

    def _read(self) -> Iterator[Features]:
        return (rows for _, rows in self.items())

    def items(self) -> Iterator[tuple[str, Features]]:
        """Clip ids with their rows, not kept."""
        for part in self._folder.batches("features"):
            mask = pc.and_(
                pc.equal(part["feature"], self._feature), pc.equal(part["side"], self._side)
            )
            kept = part.filter(mask)
            for index in range(kept.num_rows):
                if kept["clip_id"][index].as_py() in self._clips:
                    values = kept["values"][index].values.to_numpy(zero_copy_only=False)
                    yield (
                        kept["clip_id"][index].as_py(),
                        values.reshape(kept["shape"][index].as_py()),
                    )


Sides = tuple[Stored, Stored]


@dataclass(frozen=True, slots=True)
class CommittedClip:
    """What is committed of a clip."""

    inputs: str | None
    metrics: frozenset[str]
    """Metrics that need not be measured again."""


def committed_clips(folder: RunFolder, hashes: Mapping[str, str]) -> dict[str, CommittedClip]:
    """By clip id. A clip without its row in `clips` was not committed, and rows of a metric or
    feature under another hash than that of its conditions count as little.
    """
    metrics: dict[str, set[str]] = {}
    features: dict[str, set[str]] = {}
    for part in folder.batches("metrics", ["clip_id", "metric", "conditions_hash", "reason"]):
        for row in part.to_pylist():
            same = row["conditions_hash"] == hashes.get(row["metric"])
            if same and row["reason"] not in _TRY_AGAIN:
                metrics.setdefault(row["clip_id"], set()).add(row["metric"])
    for part in folder.batches("features", ["clip_id", "feature", "conditions_hash"]):
        for row in part.to_pylist():
            if row["conditions_hash"] == hashes.get(row["feature"]):
                features.setdefault(row["clip_id"], set()).add(row["feature"])
    found = {}
    for part in folder.batches("clips", ["clip_id", "inputs"]):
        for row in part.to_pylist():
            clip = row["clip_id"]
            by_feature = {n for n, f in _FEATURE_OF.items() if f in features.get(clip, ())}
            found[clip] = CommittedClip(
                row["inputs"], frozenset(metrics.get(clip, set()) | by_feature)
            )
    return found


def set_rows(
    folder: RunFolder,
    card: ProtocolCard,
    standings: Mapping[str, Standing],
    system: str,
    clips: set[str],
) -> list[dict[str, Any]]:
    """Rows of `metrics` for the whole set, one a metric that is given with its standing."""
    by_metric = _rows_by_metric(folder, standings, clips)
    rows = []
    sides: dict[tuple[str, frozenset[str]], Sides] = {}
    for metric in METRICS:
        name = metric.definition.name
        if name not in standings:
            continue
        standing = standings[name]
        made: dict[str, Any] = {
            "system": system, "metric": name, "conditions_hash": standing.hash, "n": 0,
            "n_total": len(clips), "status": standing.status, "reason": standing.reason,
        }  # fmt: skip
        if standing.hash is not None:
            of_clips = sorted(by_metric[name], key=lambda r: r["clip_id"])
            if is_set(metric):
                measured = frozenset(clips - {r["clip_id"] for r in of_clips})
                key = metric.feature, measured
                if key not in sides:
                    sides = {key: _sides(folder, metric.feature, set(measured))}  # one is kept
                made |= _distance(metric, sides[key], card, len(measured))
            else:
                made |= _combined(metric, of_clips)
            made["reason"] = "; ".join(
                filter(None, [made["reason"], standing.reason, _lost(of_clips)])
            )
            made["reason"] = made["reason"] or None
        rows.append(made)
    return rows


def _rows_by_metric(
    folder: RunFolder, standings: Mapping[str, Standing], clips: set[str]
) -> dict[str, list[dict[str, Any]]]:
    """Rows of these clips that were made under the metrics' conditions."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in standings}
    columns = ["metric", "clip_id", "conditions_hash", "value", "reference", "n", "reason"]
    for part in folder.batches("metrics", columns):
        for row in part.to_pylist():
            name = row["metric"]
            known = row["clip_id"] in clips and name in standings
            if known and row["conditions_hash"] == standings[name].hash:
                found[name].append(row)
    return found


def _sides(folder: RunFolder, feature: str, clips: set[str]) -> Sides:
    return (
        Stored(folder, feature, "generated", clips),
        Stored(folder, feature, "reference", clips),
    )


def _lost(of_clips: list[dict[str, Any]]) -> str | None:
    """How many clips are left out, and why."""
    out = Counter(row["reason"] for row in of_clips if row["value"] is None)
    lost = ", ".join(f"{count} {why}" for why, count in sorted(out.items()))
    return f"excluded: {lost}" if lost else None


def _combined(metric: ClipMetric, of_clips: list[dict[str, Any]]) -> dict[str, Any]:
    valid = [row for row in of_clips if row["value"] is not None]
    if not valid:
        return {"status": "excluded", "reason": None if of_clips else "no clip was measured"}
    result: dict[str, Any] = {"n": len(valid), "reason": None}
    result["value"] = metric.combine([Value(r["value"], r["reference"], r["n"]) for r in valid])
    if all(row["reference"] is not None for row in valid):
        result["reference"] = metric.combine([Value(r["reference"], n=r["n"]) for r in valid])
    return result


def _distance(metric: SetMetric, sides: Sides, card: ProtocolCard, clips: int) -> dict[str, Any]:
    try:
        value = metric.distance(sides[0], sides[1], card)
    except TooFewError as error:
        return {"status": "unavailable", "reason": str(error), "n": clips}
    if not np.isfinite(value):
        return {"status": "unavailable", "reason": "the distance is not finite", "n": clips}
    return {"value": value, "n": clips, "reason": None}
