"""Every clip's numbers and curves, small enough to travel inside a page.

Numbers are little-endian float32, NaN where there is none; curves are bytes between their kind's
bounds, 255 where there is nothing. Both in base64.
"""

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eval.leaderboard.board import Sheet
from eval.leaderboard.groups import Entry
from eval.leaderboard.names import clip_name, speaker_names

CURVE_BYTES = 6 * 2**20
"""Curves of a page; clips beyond it have none, the gallery's come first."""

_KINDS = ("mouth_generated", "mouth_reference", "loudness", "csim")
_LEVELS = 254


def clip_data(sheet: Sheet, curve_bytes: int = CURVE_BYTES) -> dict[str, Any]:
    """What the page's script shows of single clips: ids, numbers by metric and row, and curves, as
    many as fit into `curve_bytes`.
    """
    main = sheet.main.results
    order = {clip: place for place, clip in enumerate(main.clip_ids)}
    called = speaker_names(main)
    values = {}
    for column in sheet.columns:
        name = column.definition.name
        if not column.is_set and column.shown:
            values[name] = {
                "title": column.definition.title,
                "direction": column.definition.direction,
                "rows": [_of_row(name, entry, order) for entry in sheet.entries],
            }
    card = sheet.card
    return {
        "clips": main.clip_ids,
        "names": [clip_name(main, clip) for clip in main.clip_ids],
        "speakers": [called.get(who or "") for who in main.speakers],
        "seconds": [clip["duration_s"] for clip in main.clips],
        "rows": [entry.name for entry in sheet.entries],
        "metrics": values,
        "curves": _all_curves(sheet, order, curve_bytes),
        "begin": card["skip_first"] / card["fps"],
        "step": card["stride"] / card["fps"],
        "fps": card["fps"],
    }


def _of_row(name: str, entry: Entry, order: dict[str, int]) -> dict[str, str] | None:
    scores = entry.results.scores.get(name)
    if scores is None:
        return None
    values, references = np.full((2, len(order)), np.nan)
    for place, clip in enumerate(entry.results.clip_ids):
        if clip in order:
            values[order[clip]] = scores.values[place]
            references[order[clip]] = scores.references[place]
    packed = {"values": pack(values)}
    if scores.definition.direction == "closer":
        packed["references"] = pack(references)
    return packed


def pack(values: NDArray[np.float64]) -> str:
    """Numbers as float32 in base64; what is beyond its range is the largest there is."""
    most = np.finfo(np.float32).max
    return base64.b64encode(values.clip(-most, most).astype("<f4").tobytes()).decode("ascii")


def _all_curves(sheet: Sheet, order: dict[str, int], left: int) -> dict[str, Any]:
    """Bounds of each kind, and by row and clip its four curves."""
    found = [dict(_read(entry)) for entry in sheet.entries]
    bounds = {kind: _bounds(found, kind) for kind in _KINDS}
    packed: list[dict[int, list[str | None]]] = [{} for _ in sheet.entries]
    names = [entry.name for entry in sheet.entries]
    first = [(names.index(p.system), p.clip_id) for p in sheet.gallery]
    rest = [(row, clip) for clip in order for row in range(len(names))]
    for row, clip in [*first, *rest]:
        curves = found[row].get(clip)
        if curves is None or clip not in order or order[clip] in packed[row]:
            continue
        size = sum(len(curve) for curve in curves.values())
        if not size or size > left:
            continue
        left -= size
        packed[row][order[clip]] = [
            _quantised(curves[kind], bounds[kind]) if kind in curves else None for kind in _KINDS
        ]
    return {"bounds": [bounds[kind] for kind in _KINDS], "rows": packed}


def _read(entry: Entry) -> Iterator[tuple[str, dict[str, NDArray[np.float64]]]]:
    for part in entry.results.folder.batches("clips", ["clip_id", *_KINDS]):
        for row in part.to_pylist():
            curves = {kind: np.array(row[kind], np.float64) for kind in _KINDS if row[kind]}
            yield row["clip_id"], curves


def _bounds(found: Sequence[dict[str, dict[str, Any]]], kind: str) -> list[float]:
    """What all curves of a kind lie between; a rare leap beyond is cut."""
    parts = [c[kind][np.isfinite(c[kind])] for row in found for c in row.values() if kind in c]
    values = np.concatenate(parts) if parts else np.empty(0)
    if not len(values):
        return [0.0, 1.0]
    low, high = np.quantile(values, (0.001, 0.999))
    return [float(low), float(high) if high > low else float(low) + 1.0]


def _quantised(curve: ArrayLike, bounds: Sequence[float]) -> str:
    values = np.asarray(curve, np.float64)
    share = np.clip((values - bounds[0]) / (bounds[1] - bounds[0]), 0, 1)
    levels = np.where(np.isfinite(values), np.nan_to_num(share) * _LEVELS, 255)
    return base64.b64encode(levels.round().astype(np.uint8).tobytes()).decode("ascii")
