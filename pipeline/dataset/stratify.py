"""`dawn dataset stratify`: a list of test clips with as many of each kind as asked for.

Which clips are drawn follows from the seed and their ids alone, so that the list is the same
wherever and whenever it is made, and clips that join a dataset move others only where they are
drawn themselves. In a stratum every speaker gives a clip before any gives a second one.
"""

import csv
import hashlib
import io
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.results.columns import By, Grouping, parse_by
from manifests.atomic_write import write_whole
from manifests.catalog import rows
from manifests.counting import count
from manifests.errors import InputError
from manifests.store import Dataset
from pipeline.dataset.columns import read_table
from pipeline.progress import console

_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A clip that may be drawn."""

    clip_id: str
    speaker: str
    split: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """One combination of groups."""

    groups: tuple[str, ...]
    there: int
    chosen: Sequence[Clip]


def draw(clips: Sequence[Clip], quota: int, seed: int) -> list[Clip]:
    """At most `quota` of them, each speaker's first before any second one."""
    mixed = sorted(clips, key=lambda clip: _lot(seed, clip.clip_id))
    turn: Counter[str] = Counter()
    ranked = []
    for clip in mixed:
        ranked.append((turn[clip.speaker], _lot(seed, clip.clip_id), clip))
        turn[clip.speaker] += 1
    return [clip for _, _, clip in sorted(ranked, key=lambda one: one[:2])[:quota]]


def _lot(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()


def strata(
    clips: Sequence[Clip], groupings: Sequence[Grouping], quota: int, seed: int
) -> list[Stratum]:
    """Of all combinations of groups, those without a clip too."""
    found: dict[tuple[int, ...], list[Clip]] = {}
    for clip in clips:
        if all(clip.clip_id in one.of_clip for one in groupings):
            place = tuple(one.of_clip[clip.clip_id] for one in groupings)
            found.setdefault(place, []).append(clip)
    made = []
    for place in itertools.product(*(range(len(one.labels)) for one in groupings)):
        there = found.get(place, [])
        labels = tuple(one.labels[at] for one, at in zip(groupings, place, strict=True))
        made.append(Stratum(groups=labels, there=len(there), chosen=draw(there, quota, seed)))
    return made


def stratify(
    root: str, by: Sequence[str], quota: int, seed: int, out: Path, split: str = "test"
) -> list[Stratum]:
    """Write the list, and say what it holds and where clips are lacking. Raises InputError."""
    wanted = [parse_by(text) for text in by]
    if len({one.column for one in wanted}) < len(wanted):
        raise InputError("--by: names a column twice")
    dataset = Dataset(root)
    dataset.info()
    clips = _clips(dataset, split)
    groupings = [_grouping(root, one, clips) for one in wanted]
    found = strata(clips, groupings, quota, seed)
    write_whole(out, _text(found, [one.column for one in wanted]).encode())
    _say(found, groupings, clips, quota, out, f"{root}:{split}")
    return found


def _clips(dataset: Dataset, split: str) -> list[Clip]:
    which = "" if split == "all" else f"AND split = '{split}'"
    if split not in ("train", "val", "test", "all"):
        raise InputError(f"--split {split}: give train, val, test or all")
    table = rows(
        dataset,
        "SELECT clip_id, coalesce(speaker, identity) AS speaker, split FROM clips "  # noqa: S608
        f"WHERE accepted {which} ORDER BY clip_id",
    )
    if not table:
        raise InputError(f"{dataset.uri}: has no accepted clip in split {split}")
    return [
        Clip(clip_id=r["clip_id"], speaker=r["speaker"] or r["clip_id"], split=r["split"])
        for r in table
    ]


def _grouping(root: str, by: By, clips: Sequence[Clip]) -> Grouping:
    return read_table(root).grouped(by, {clip.clip_id for clip in clips})


def _text(found: Sequence[Stratum], columns: Sequence[str]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["clip_id", "speaker", "split", *(f"stratum_{name}" for name in columns)])
    for stratum in found:
        for clip in sorted(stratum.chosen, key=lambda clip: clip.clip_id):
            writer.writerow([clip.clip_id, clip.speaker, clip.split, *stratum.groups])
    return file.getvalue()


def _say(
    found: Sequence[Stratum], groupings: Sequence[Grouping], clips: Sequence[Clip], quota: int,
    out: Path, reference: str,
) -> None:  # fmt: skip
    chosen = [clip for stratum in found for clip in stratum.chosen]
    unknown: Mapping[str, int] = {one.by: one.unknown for one in groupings if one.unknown}
    console.print(
        f"{count(len(chosen), 'clip')} of {len(clips):,}, of "
        f"{count(len({clip.speaker for clip in chosen}), 'speaker')}, in "
        f"{count(len(found), 'stratum', 'strata')} of at most {quota}: {out}",
        markup=False,
    )
    for name, lacking in unknown.items():
        console.print(f"left out: {count(lacking, 'clip')} without {name}", markup=False)
    for one in groupings:
        if one.others:
            more = count(one.others, "smaller group")
            console.print(f"left out: {more} of {one.by}", markup=False)
    short = [stratum for stratum in found if len(stratum.chosen) < quota]
    for stratum in short[:_SHOWN]:
        names = ", ".join(
            f"{one.by} {label}" for one, label in zip(groupings, stratum.groups, strict=True)
        )
        console.print(f"short: {names}: {stratum.there} of {quota}", markup=False)
    if len(short) > _SHOWN:
        console.print(f"short: {len(short) - _SHOWN} more", markup=False)
    console.print(f"next: dawn evaluate --reference {reference} --clips {out} …", markup=False)
