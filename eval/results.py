"""A results folder: what is measured, what is missing, and the numbers of the set.

The numbers of the set are made from stored rows alone, in a fixed order, so that they do not
depend on who measured which clip when.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from eval.conditions import Conditions
from eval.metrics.catalogue import CLIP_METRICS, METRICS, SET_METRICS
from eval.metrics.interface import ClipMetric, Features, Reason, SetMetric, TooFewError, Value
from manifests.runs import RunFolder

INFO = "results.json"
SET = "of the whole set"
"""The item that the set's own rows are committed as."""

_TRY_AGAIN = {Reason.WORKER, Reason.INTERNAL}
"""What may have passed by the next run."""

_FEATURE_OF = {metric.definition.name: metric.feature for metric in SET_METRICS}


class Stored:
    """One side of a feature, clip by clip, read anew each time it is iterated."""

    def __init__(self, folder: RunFolder, feature: str, side: str, clips: set[str]) -> None:
        self._folder, self._feature, self._side, self._clips = folder, feature, side, clips

    def __iter__(self) -> Iterator[Features]:
        for part in self._folder.batches("features"):
            mask = pc.and_(
                pc.equal(part["feature"], self._feature), pc.equal(part["side"], self._side)
            )
            kept = part.filter(mask)
            for index in range(kept.num_rows):
                if kept["clip_id"][index].as_py() in self._clips:
                    values = kept["values"][index].values.to_numpy(zero_copy_only=False)
                    yield values.reshape(kept["shape"][index].as_py())


@dataclass(frozen=True, slots=True)
class There:
    """What is committed of a clip."""

    inputs: str | None
    metrics: frozenset[str]
    """Metrics that need not be measured again."""


def there(folder: RunFolder) -> dict[str, There]:
    """By clip id. A clip without its row in `clips` was not committed."""
    metrics: dict[str, set[str]] = {}
    features: dict[str, set[str]] = {}
    for part in folder.batches("metrics", ["clip_id", "metric", "reason"]):
        for row in part.to_pylist():
            if row["reason"] not in _TRY_AGAIN:
                metrics.setdefault(row["clip_id"], set()).add(row["metric"])
    for part in folder.batches("features", ["clip_id", "feature"]):
        for row in part.to_pylist():
            features.setdefault(row["clip_id"], set()).add(row["feature"])
    found = {}
    for part in folder.batches("clips", ["clip_id", "inputs"]):
        for row in part.to_pylist():
            clip = row["clip_id"]
            by_feature = {n for n, f in _FEATURE_OF.items() if f in features.get(clip, ())}
            found[clip] = There(row["inputs"], frozenset(metrics.get(clip, set()) | by_feature))
    return found


def set_rows(
    folder: RunFolder, conditions: Conditions, system: str, wanted: Iterable[str], clips: set[str]
) -> list[dict[str, Any]]:
    """Rows of `metrics` for the whole set, one a wanted metric."""
    wanted = set(wanted)
    by_metric: dict[str, list[dict[str, Any]]] = {name: [] for name in wanted}
    columns = ["metric", "clip_id", "value", "reference", "n", "reason"]
    for part in folder.batches("metrics", columns):
        for row in part.to_pylist():
            if row["clip_id"] in clips and row["metric"] in wanted:
                by_metric[row["metric"]].append(row)
    rows = []
    for metric in METRICS:
        name = metric.definition.name
        if name not in wanted:
            continue
        status, reason = conditions.standing(metric)
        made: dict[str, Any] = {
            "system": system, "metric": name, "protocol_hash": conditions.hash, "n": 0,
            "n_total": len(clips), "status": status, "reason": reason,
        }  # fmt: skip
        if status != "unavailable":
            of_clips = sorted(by_metric[name], key=lambda r: r["clip_id"])
            made |= _of_set(metric, of_clips, folder, conditions, clips, reason)
        rows.append(made)
    return rows


def _of_set(
    metric: SetMetric | ClipMetric,
    of_clips: list[dict[str, Any]],
    folder: RunFolder,
    conditions: Conditions,
    clips: set[str],
    reason: str | None,
) -> dict[str, Any]:
    out = Counter(row["reason"] for row in of_clips if row["value"] is None)
    lost = ", ".join(f"{count} {why}" for why, count in sorted(out.items()))
    told = "; ".join(filter(None, [reason, f"excluded: {lost}" if lost else None])) or None
    if metric.definition.name in _FEATURE_OF:
        return _distance(metric, folder, conditions, clips - {r["clip_id"] for r in of_clips}, told)  # type: ignore[arg-type]
    (metric,) = [one for one in CLIP_METRICS if one.definition.name == metric.definition.name]
    valid = [row for row in of_clips if row["value"] is not None]
    if not valid:
        return {"status": "excluded", "reason": told or "no clip was measured"}
    result: dict[str, Any] = {"n": len(valid), "reason": told}
    result["value"] = metric.combine([Value(r["value"], r["reference"], r["n"]) for r in valid])
    if all(row["reference"] is not None for row in valid):
        result["reference"] = metric.combine([Value(r["reference"], n=r["n"]) for r in valid])
    return result


def _distance(
    metric: SetMetric,
    folder: RunFolder,
    conditions: Conditions,
    clips: set[str],
    told: str | None,
) -> dict[str, Any]:
    sides = [Stored(folder, metric.feature, side, clips) for side in ("generated", "reference")]
    try:
        value = metric.distance(sides[0], sides[1], conditions.card)
    except TooFewError as error:
        reason = "; ".join(filter(None, [str(error), told]))
        return {"status": "unavailable", "reason": reason, "n": len(clips)}
    if not np.isfinite(value):
        return {"status": "unavailable", "reason": "the distance is not finite", "n": len(clips)}
    return {"value": value, "n": len(clips), "reason": told}
