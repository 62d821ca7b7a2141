"""Measuring and reading results in notebooks and scripts; `eval.measure` and `eval.load`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from dawn.device import Placement, pick_device
from eval.metrics.catalogue import CLIP_METRICS, names, select
from eval.protocol.card import read_card
from eval.protocol.clips import Clip, Pair
from eval.results.conditions import Conditions, networks_in
from eval.results.measuring import measure as measure_pair
from eval.results.measuring import metric_rows
from eval.results.stored import INFO, SET
from manifests.errors import InputError
from manifests.location import local_path, location
from manifests.reasons import UnreadableVideoError
from manifests.runs import RunFolder


def measure(
    video: str | Path,
    reference: str | Path,
    metrics: Sequence[str] | None = None,
    protocol: str = "default",
    image: str | Path | None = None,
    device: str = "auto",
) -> pd.DataFrame:
    """Measure one generated video against the real one of the same take.

    Indexed by metric: `value`, `reference` (the real video's, for properties of one video), `n`
    frames or windows behind it, `status` and `reason` where there is no number or a proxy.
    `metrics` are names or how they begin, by default the protocol's; those of sets, such as FID,
    need `dawn evaluate`. `image` is the portrait, where it is not the real video's first frame.
    Networks run on `device`: cpu, cuda, cuda:1, or a GPU where there is one. Raises InputError.
    """
    card, _ = read_card(protocol)
    conditions = Conditions.resolve(card)
    of_clips = {metric.definition.name for metric in CLIP_METRICS}
    asked = select(list(metrics) if metrics else list(card.metrics))
    if metrics and not of_clips.intersection(asked):
        raise InputError(f"{', '.join(asked)}: measured over many clips; use `dawn evaluate`")
    standings = conditions.standings(name for name in asked if name in of_clips)
    possible = [name for name, standing in standings.items() if standing.hash is not None]
    settings = conditions.settings(possible)
    if any(networks_in(conditions.of(name)) for name in possible):
        settings = replace(settings, place=Placement(str(pick_device(device))))
    try:
        pair = Pair(
            Path(video).stem, Clip(local_path(video), settings),
            Clip(local_path(reference), settings), local_path(image) if image else None,
        )  # fmt: skip
    except UnreadableVideoError as error:
        raise InputError(f"{video}, {reference}: {error}") from error
    rows = metric_rows(measure_pair(pair, possible), standings, {})
    rows += [
        {"metric": name, "n": 0, "status": "unavailable", "reason": standing.reason}
        for name, standing in standings.items()
        if standing.hash is None
    ]
    columns = ["metric", "value", "reference", "n", "status", "reason"]
    order = {name: place for place, name in enumerate(names())}
    rows.sort(key=lambda row: order[row["metric"]])
    return pd.DataFrame(rows, columns=columns).set_index("metric")


def load(results: str | Sequence[str], *, clips: bool = False) -> pd.DataFrame:
    """Numbers of results folders: of the sets, or with `clips` of each clip.

    A row for each folder and metric (and clip), with `results` naming the folder; columns as in
    docs/evaluation.md. Raises InputError for a folder that holds no results.
    """
    folders = [results] if isinstance(results, str) else list(results)
    if not folders:
        raise InputError("give at least one folder of results")
    tables = [_table(folder, clips=clips) for folder in folders]
    return pd.concat(tables, ignore_index=True)


def _table(folder: str, *, clips: bool) -> pd.DataFrame:
    run = RunFolder(location(folder), INFO)
    run.info()
    if clips:
        table = run.read("metrics").to_pandas()
        table = table[table["clip_id"].notna()]
    else:
        if not run.has("metrics", SET):
            raise InputError(f"{run.uri}: has no numbers yet; run `dawn evaluate` to its end")
        table = run.read_item("metrics", SET).to_pandas().drop(columns=["clip_id", "speaker"])
    table.insert(0, "results", folder)
    return table
