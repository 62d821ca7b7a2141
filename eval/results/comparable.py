"""What of two results folders may be compared: metrics of the same conditions, where clips and
real videos are the same.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dawn.device import TOLERANCE
from eval.protocol.card import deciding
from eval.results.conditions import described, differing, networks_in
from eval.results.scores import Results
from manifests.config import diff
from manifests.counting import count

_SHOWN = 5
_TOLERANCE = 1e-3
"""Of the real clips' own numbers: other CPUs round differently, other videos differ by more."""


def other_conditions(before: Results, after: Results) -> dict[str, list[str]]:
    """Metrics that both have numbers of and that were made under other conditions -> what differs,
    one line each. These may not be compared, all others may.
    """
    return differing(before.protocol["metrics"], after.protocol["metrics"])


def incomparable(
    before: Mapping[str, Any], after: Mapping[str, Any], asked: Iterable[str] = ()
) -> dict[str, list[str]]:
    """Where all that two records share of the metrics asked for (of all, where they share none of
    those) was made under other conditions: what differs. Else empty.
    """
    other = differing(before["metrics"], after["metrics"])
    both = before["metrics"].keys() & after["metrics"].keys()
    needed = both.intersection(asked) or both
    return {name: other[name] for name in sorted(needed)} if needed <= other.keys() else {}


def other_cards(before: Results, after: Results) -> list[str]:
    """In what their cards differ, as far as it decides numbers."""
    old, new = ({"card": deciding(results.protocol["card"])} for results in (before, after))
    return diff(old, new)


def differences(before: Results, after: Results) -> list[str]:
    """Why no numbers of these two may be compared, one line each; empty: some may."""
    found: list[str] = []
    found += described(incomparable(before.protocol, after.protocol))
    old, new = before.info.get("dataset_hash"), after.info.get("dataset_hash")
    if old != new:
        found.append(f"dataset {old or '(none)'} -> {new or '(none)'}")
    if before.info.get("same_take") != after.info.get("same_take"):
        found.append("one pairs each video with its own real clip, the other with any")
    lists = other_clips(before.clip_ids, after.clip_ids)
    return found + lists if found or lists else _other_videos(before, after)


def devices_of(info: Mapping[str, Any]) -> dict[str, list[str]]:
    """By metric: the devices that ran its networks, as `results.json` says. Older versions had the
    CPU alone and do not say it.
    """
    told = info.get("devices")
    if told is not None:
        return {name: list(devices) for name, devices in told.items()}
    found = info.get("protocol", {}).get("metrics", {})
    return {name: ["cpu"] for name, made in found.items() if networks_in(made)}


def other_devices(infos: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Which numbers of these rows, by name with what `results.json` says, were measured on
    different devices, one line for all metrics alike. They may be compared: devices agree within
    `dawn.device.TOLERANCE`.
    """
    found: dict[tuple[tuple[str, str], ...], list[str]] = {}
    by_row = {row: devices_of(info) for row, info in infos.items()}
    for metric in sorted({name for devices in by_row.values() for name in devices}):
        places = {
            row: " and ".join(devices[metric])
            for row, devices in by_row.items()
            if devices.get(metric)
        }
        if len(set(places.values())) > 1:
            found.setdefault(tuple(places.items()), []).append(metric)
    made = generated_on(infos)
    lines = [_generated_elsewhere(made)] if len(set(made.values())) > 1 else []
    return lines + [
        f"{', '.join(metrics)}: measured on different devices "
        f"({', '.join(f'{row}: {place}' for row, place in places)}), which agree within "
        f"{TOLERANCE:.1%}"
        for places, metrics in found.items()
    ]


def generated_on(infos: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The devices that made the videos of these rows, where `results.json` says it: times of
    different ones may not be compared.
    """
    told = {row: info.get("generated_on") for row, info in infos.items()}
    return {row: " and ".join(devices) for row, devices in told.items() if devices}


def _generated_elsewhere(made: Mapping[str, str]) -> str:
    places = ", ".join(f"{row}: {place}" for row, place in made.items())
    return f"real_time_factor: the videos were made on different devices ({places}); not comparable"


def other_clips(before: Iterable[str], after: Iterable[str]) -> list[str]:
    """How the second list of clips differs from the first."""
    old, new = set(before), set(after)
    return [
        f"clip list: the second {what} {len(names)}: {_few(sorted(names))}"
        for names, what in ((old - new, "lacks"), (new - old, "adds"))
        if names
    ]


def _other_videos(before: Results, after: Results) -> list[str]:
    """Clips of one name whose real videos are not the same, by length and by measured numbers."""
    other = {
        old["clip_id"]
        for old, new in zip(before.clips, after.clips, strict=True)
        if None not in (frames := (old["reference_frames"], new["reference_frames"]))
        and frames[0] != frames[1]
    }
    ids = before.clip_ids
    for name in (before.scores.keys() & after.scores.keys()) - other_conditions(
        before, after
    ).keys():
        old, new = before.scores[name].references, after.scores[name].references
        known = np.isfinite(old) & np.isfinite(new)
        gap = np.abs(old - new) > _TOLERANCE * np.maximum(np.abs(old), np.abs(new))
        other |= {ids[place] for place in np.flatnonzero(known & gap)}
    if not other:
        return []
    return [f"other real videos for {count(len(other), 'clip')}: {_few(sorted(other))}"]


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
