"""Results folders with given numbers, written and combined as `dawn evaluate` does."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from eval.metrics.catalogue import METRICS, feature_named, weights_of
from eval.protocol.card import ProtocolCard
from eval.results.conditions import Conditions, WeightUse, hash_of
from eval.results.stored import INFO, SET, set_rows
from manifests.runs import RunFolder

Numbers = Mapping[str, Sequence[float | None] | np.ndarray]

_WEIGHTS = {
    name: WeightUse(Path(name), "0" * 64, None) for metric in METRICS for name in weights_of(metric)
}
CONDITIONS = Conditions(ProtocolCard(name="made", size=64), _WEIGHTS, {})
"""With all weights there: numbers are given, no network runs."""


def write_results(
    path: Path | str,
    values: Numbers,
    *,
    system: str = "system",
    references: Numbers | None = None,
    speakers: Sequence[str | None] | None = None,
    features: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    clips: Sequence[Mapping[str, Any]] | None = None,
    conditions: Conditions = CONDITIONS,
    **info: Any,
) -> RunFolder:
    """A folder of `values[metric][clip]` (None: excluded, inf: the same as the real one);
    `features[name]` are (clips, rows, d) of both sides, `clips` more columns of each clip, `info`
    more keys of results.json.
    """
    count = len(next(iter(values.values()))) if values else len(clips or ())
    names = [str((clips or [{}] * count)[i].get("clip_id", f"clip{i:04d}")) for i in range(count)]
    who = list(speakers) if speakers is not None else [None] * count
    folder = RunFolder(str(path), INFO)
    wanted = list(values) + list(info.pop("set_metrics", []))
    standings = conditions.standings(wanted)
    base = {"system": system}
    metrics = []
    for metric, numbers in values.items():
        of_real = (references or {}).get(metric, [None] * count)
        for name, speaker, value, real in zip(names, who, numbers, of_real, strict=True):
            row = {**base, "metric": metric, "conditions_hash": standings[metric].hash}
            row |= {"clip_id": name, "speaker": speaker, "n_total": 1}
            if value is None or not np.isfinite(value):
                reason = "identical" if value == np.inf else "no_face"
                metrics.append(row | {"n": 0, "status": "excluded", "reason": reason})
                continue
            made = None if real is None or not np.isfinite(real) else float(real)
            row |= {"value": float(value), "reference": made, "n": 1}
            row |= {"status": standings[metric].status}
            metrics.append(row)
    rows = [
        {
            **base, "protocol_hash": conditions.card.hash, "clip_id": name, "speaker": speaker,
            "frames": 50, "reference_frames": 50,
            "duration_s": 2.0, "status": "ok", **(clips or [{}] * count)[i],
        }
        for i, (name, speaker) in enumerate(zip(names, who, strict=True))
    ]  # fmt: skip
    stored = [
        {
            **base, "feature": feature, "clip_id": name, "side": side,
            "conditions_hash": hash_of(feature, conditions.of_feature(feature_named(feature))),
            "shape": list(array[i].shape), "values": array[i].astype(np.float32).ravel(),
        }
        for feature, sides in (features or {}).items()
        for side, array in zip(("generated", "reference"), sides, strict=True)
        for i, name in enumerate(names)
    ]  # fmt: skip
    folder.write("metrics", "clips", metrics)
    folder.write("clips", "clips", rows)
    if stored:
        folder.write("features", "clips", stored)
    rows_of_set = set_rows(folder, conditions.card, standings, system, set(names))
    folder.write("metrics", SET, rows_of_set)
    there = [name for name, standing in standings.items() if standing.hash is not None]
    folder.write_info(
        {
            "system": system, "protocol": conditions.as_dict(there),
            "protocol_hash": conditions.card.hash, "dataset_hash": "d" * 16,
            "standings": {name: asdict(standing) for name, standing in standings.items()},
            "clip_list_hash": "c" * 16, "clips": count, "reference": "data:test",
            "checkpoint": None, "same_take": True, "metrics": wanted,
            "unpaired": {"generated": 0, "reference": 0, "generated_names": [],
                         "reference_names": []},
            "code_version": "0", "command": ["dawn", "evaluate"], "complete": True, **info,
        }
    )  # fmt: skip
    return folder
