"""One pair to its rows: every metric that is wanted, each fault kept to its own metric."""

import math
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from dawn.credentials.carried import carries
from dawn.features.sound.mel import loudness_db
from eval.metrics.catalogue import CLIP_METRICS, FEATURES, SET_METRICS, require_known
from eval.metrics.csim import csim_curve
from eval.metrics.interface import (
    ClipMetric,
    Excluded,
    Feature,
    Features,
    Reason,
    Value,
)
from eval.protocol.clips import Clip, NoSourceError, Pair
from eval.results.conditions import Standing
from manifests.errors import InputError, is_full, is_out_of_reach
from manifests.reasons import UnreadableVideoError

T = TypeVar("T")

_OF_THE_CLIP: set[Reason | None] = {Reason.TOO_SHORT, Reason.UNREADABLE, Reason.INTERNAL}


@dataclass(slots=True)
class Measured:
    """What was measured of a pair."""

    values: dict[str, Value | Excluded] = field(default_factory=dict)
    """By clip metric; by set metric only where the clip is excluded from it."""
    features: dict[str, tuple[Features, Features]] = field(default_factory=dict)
    """By feature: the generated clip's rows and the real one's."""
    faults: list[str] = field(default_factory=list)
    """Our own errors, for people."""


def measure(pair: Pair, wanted: Iterable[str], *, same_take: bool = True) -> Measured:
    """Measure the wanted metrics of a pair; weights of all of them must be in its settings.

    `same_take` says whether the two videos show the same take. Raises InputError for a name that
    no metric has, and where a weights file cannot be used: that is no fault of the clip.
    """
    wanted, result = set(wanted), Measured()
    require_known(sorted(wanted))
    if pair.frames < pair.generated.settings.card.min_frames:
        return Measured({name: Excluded(Reason.TOO_SHORT) for name in wanted})
    for feature in FEATURES:
        users = [m.definition.name for m in SET_METRICS if m.feature == feature.name]
        users = [name for name in users if name in wanted]
        if users:
            _measure_feature(feature, users, pair, result)
    for metric in CLIP_METRICS:
        name = metric.definition.name
        if name not in wanted:
            continue
        if metric.paired and not same_take:
            result.values[name] = Excluded(Reason.NO_COUNTERPART)
        else:
            result.values[name] = _measure_clip(metric, pair, result)
    return result


def excluded(wanted: Iterable[str], reason: Reason) -> Measured:
    """Nothing could be measured."""
    return Measured({name: Excluded(reason) for name in wanted})


def nothing(measured: Measured) -> Reason | None:
    """Why no metric could measure the clip, where the clip itself is the reason."""
    reasons = {v.reason if isinstance(v, Excluded) else None for v in measured.values.values()}
    whole = len(reasons) == 1 and not measured.features
    return reasons.pop() if whole and reasons <= _OF_THE_CLIP else None


def _measure_feature(feature: Feature, users: list[str], pair: Pair, result: Measured) -> None:
    sides = []
    for rows in _sides(feature, pair, result):
        finite = isinstance(rows, Excluded) or np.isfinite(rows).all()
        known = rows if finite else Excluded(Reason.NOT_FINITE)
        if isinstance(known, Excluded):
            result.values |= dict.fromkeys(users, known)
            return
        sides.append(known)
    result.features[feature.name] = (sides[0], sides[1])


def _sides(feature: Feature, pair: Pair, result: Measured) -> Iterator[Features | Excluded]:
    """The rows of the generated clip and of the real one: on a GPU made in common batches."""
    clips = pair.generated, pair.reference
    together = getattr(feature, "extract_all", None)
    if together is not None and pair.generated.settings.place.on_gpu:
        both = guarded(lambda: together(clips), feature.name, result)
        yield from [both] if isinstance(both, Excluded) else both
        return
    for clip in clips:
        yield guarded(lambda clip=clip: feature.extract(clip), feature.name, result)  # type: ignore[misc]


def _measure_clip(metric: ClipMetric, pair: Pair, result: Measured) -> Value | Excluded:
    value = guarded(lambda: metric.measure(pair), metric.definition.name, result)
    if isinstance(value, Value):
        numbers = [value.value] + ([] if value.reference is None else [value.reference])
        if not all(map(math.isfinite, numbers)):
            return Excluded(Reason.NOT_FINITE)
    return value


def guarded(compute: Callable[[], T], name: str, result: Measured) -> T | Excluded:
    """`compute()`, or why not: the one boundary at which a fault becomes an excluded clip instead
    of an exception. InputError, a full disk or memory, a store out of reach are no fault of it.
    """
    try:
        return compute()
    except UnreadableVideoError as error:
        result.faults.append(f"{error.reason}: {error.detail}")
        return Excluded(Reason.UNREADABLE)
    except NoSourceError as error:
        result.faults.append(str(error))
        return Excluded(Reason.NO_SOURCE)
    except Exception as error:
        fault = isinstance(error, InputError | MemoryError) or is_full(error)
        if fault or is_out_of_reach(error):
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{name}: {type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
        result.faults.append(text.replace("\n", " ")[:500])
        return Excluded(Reason.INTERNAL)


def metric_rows(
    measured: Measured, standings: Mapping[str, Standing], key: dict[str, Any]
) -> list[dict[str, Any]]:
    """Rows of `metrics`: `key` holds system, clip_id and speaker."""
    rows = []
    for name, value in sorted(measured.values.items()):
        standing = standings[name]
        row = key | {"metric": name, "conditions_hash": standing.hash, "n_total": 1}
        if isinstance(value, Value):
            row |= {"value": value.value, "reference": value.reference, "n": value.n}
            row |= {"n_total": value.n, "status": standing.status, "reason": standing.reason}
        else:
            row |= {"n": 0, "status": "excluded", "reason": str(value.reason)}
        rows.append(row)
    return rows


def feature_rows(
    measured: Measured, hashes: Mapping[str, str], key: dict[str, Any]
) -> list[dict[str, Any]]:
    """Rows of `features`: `hashes` are of the features' conditions, `key` holds system and
    clip_id.
    """
    return [
        key
        | {
            "feature": name,
            "conditions_hash": hashes[name],
            "side": side,
            "shape": list(rows.shape),
            "values": rows.astype(np.float32).ravel(),
        }
        for name, sides in sorted(measured.features.items())
        for side, rows in zip(("generated", "reference"), sides, strict=True)
    ]


def clip_facts(pair: Pair, measured: Measured) -> dict[str, Any]:
    """Columns of `clips` that are measured. Curves are of what the metrics looked at anyway: no
    face is searched for their sake.
    """
    facts: dict[str, Any] = {
        "frames": pair.generated.info.frames,
        "reference_frames": pair.reference.info.frames,
        "duration_s": pair.generated.info.duration_s,
        "real_time_factor": (pair.generation or {}).get("real_time_factor"),
        "credentials": carries(pair.generated.video),
    }
    for name, clip in (("mouth_generated", pair.generated), ("mouth_reference", pair.reference)):
        if _looked_for_faces(clip):
            facts[name] = clip.mouth
    if _looked_for_faces(pair.reference) and pair.reference.face_found.any():
        angles = np.abs(pair.reference.pose[pair.reference.face_found])
        facts["yaw_p95"], facts["pitch_p95"] = map(float, np.percentile(angles[:, :2], 95, axis=0))
    if any(name.startswith("csim_") for name in measured.values):
        curve = csim_curve(pair)
        facts |= {} if curve is None else {"csim": curve}
    if pair.generated.has_sound:
        facts["loudness"] = loudness_db(pair.generated.sound)
    return facts


def _looked_for_faces(clip: Clip) -> bool:
    return "landmarks" in clip.__dict__
