"""`dawn dataset compare`: what two recipes make of the same footage, as a table and as a page."""

import base64
import io
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
from PIL import Image
from rich.markup import escape
from rich.table import Table

from eval.report.numbers import number, plus
from eval.report.page import fill
from manifests.config import diff, stable_hash
from manifests.counting import count
from manifests.errors import InputError
from manifests.store import Dataset
from pipeline.dataset.card import dataset_name
from pipeline.dataset.changes import KINDS, Changes, FilterChange, Pair, changes_between
from pipeline.dataset.looks import look_at
from pipeline.dataset.whole_folder import whole_folder
from pipeline.progress import Progress, console

_SIDE = 112
"""Of each of the three pictures of a clip, in px."""
_SHOWN = 20
"""Clips that the terminal lists."""


def compare(first: str, second: str, out: Path, limit: int) -> None:
    """Print what changed from the first dataset to the second, and write a page with pictures of
    the clips that moved. An earlier page in `out` is replaced.

    Raises InputError where they have no video in common.
    """
    datasets = Dataset(first), Dataset(second)
    recipes = [dataset.info()["recipe"] for dataset in datasets]
    changes = changes_between(*datasets)
    if not changes.videos[0]:
        raise InputError(
            f"{first} and {second}: have no video in common; videos are known by content"
        )
    recipe = diff(*recipes)
    _print(datasets, changes, recipe)
    shown = changes.moved[:limit]
    plan = stable_hash([[d.uri for d in datasets], recipe, [p.one["clip_id"] for p in shown]])
    with whole_folder(out, "compare", plan, again=True) as folder:
        with Progress("compare", len(shown)) as progress, TemporaryDirectory() as scratch:
            cards = []
            for pair in shown:
                cards.append(_card(datasets, pair, Path(scratch)))
                progress.advance(1)
        page = fill(
            "compare.html.j2",
            styles=("style.css", "sheet.css"),
            names=[dataset_name(dataset) for dataset in datasets],
            changes=changes,
            recipe=recipe,
            cards=cards,
            kinds=_kinds(changes),
            meanings=KINDS,
            filters=[_line(entry) for entry in changes.filters if entry.changed],
            same=[entry.name for entry in changes.filters if not entry.changed],
        )
        folder.text("index.html", page)
    console.print(f"page: {(out / 'index.html').as_uri()}", markup=False)
    if len(shown) < len(changes.moved):
        console.print(
            f"{len(shown)} of {count(len(changes.moved), 'clip')} are on it; raise --limit"
        )


def _print(datasets: tuple[Dataset, Dataset], changes: Changes, recipe: list[str]) -> None:
    both, only_first, only_second = changes.videos
    console.print(
        f"{count(both, 'video')} in both, {only_first:,} only in {datasets[0].uri}, "
        f"{only_second:,} only in {datasets[1].uri}",
        markup=False,
    )
    for line in recipe:
        console.print(f"recipe: {line}", markup=False)
    for name, before, now in changes.statuses[:_SHOWN]:
        console.print(f"video {name}: {before} -> {now}", markup=False)
    matched = changes.matched
    accepted = [sum(pair[side]["accepted"] for pair in matched) for side in (0, 1)]
    console.print(
        f"{count(len(matched), 'clip')} in both: {accepted[0]:,} accepted before, "
        f"{accepted[1]:,} now"
    )
    table = Table("filter", "bound", "rejected", "fails now", "passes now", "score, median change")
    for entry in changes.filters:
        if entry.changed:
            table.add_row(*map(escape, _line(entry)))
    if table.row_count:
        console.print(table)
    same = [entry.name for entry in changes.filters if not entry.changed]
    console.print(f"filters as before: {', '.join(same) or 'none'}", markup=False)
    moved = changes.moved
    if not moved:
        console.print("no clip moved")
    for kind, number_ in _kinds(changes).items():
        console.print(f"{count(number_, 'clip')} {kind}: {KINDS[kind]}", markup=False)
    for pair in moved[:_SHOWN]:
        why = f": {pair.why()}" if pair.why() else ""
        clip = pair.one
        console.print(
            f"  {pair.kind} {clip['source_name']} {clip['start_s']:.1f} s + "
            f"{clip['duration_s']:.1f} s, {clip['clip_id']}{why}",
            markup=False,
        )
    if len(moved) > _SHOWN:
        console.print(f"  and {len(moved) - _SHOWN:,} more")


def _kinds(changes: Changes) -> dict[str, int]:
    counts = Counter(pair.kind for pair in changes.moved)
    return {kind: counts[kind] for kind in KINDS if counts[kind]}


def _line(entry: FilterChange) -> list[str]:
    """A filter's row of the table."""
    bounds = ["off" if bound is None else f"{bound:g}" for bound in entry.bounds]
    bound = bounds[0] if bounds[0] == bounds[1] else " -> ".join(bounds)
    before, now = entry.rejected
    rejected = str(now) if before == now else f"{before} -> {now}"
    shift = plus(entry.shift) if entry.shift is not None else number(None)
    return [entry.name, bound, rejected, str(entry.fails_now), str(entry.passes_now), shift]


def _card(datasets: tuple[Dataset, Dataset], pair: Pair, scratch: Path) -> dict[str, Any]:
    """What the page shows of a clip: pictures of both, and the filters whose word changed."""
    sides: list[dict[str, Any]] = []
    for dataset, clip in zip(datasets, (pair.before, pair.after), strict=True):
        if clip is None:
            sides.append({"clip": None, "picture": None})
            continue
        sides.append({"clip": clip, "picture": _picture(dataset, clip, scratch)})
    before = pair.before["decisions"] if pair.before else {}
    after = pair.after["decisions"] if pair.after else {}
    verdicts = []
    for name in sorted(before | after):
        told = before.get(name), after.get(name)
        fails = [side is not None and side["verdict"] == "fail" for side in told]
        if fails[0] != fails[1]:
            verdicts.append({"filter": name, "sides": [_verdict(side) for side in told]})
    return {"pair": pair, "sides": sides, "verdicts": verdicts}


def _verdict(decision: dict[str, Any] | None) -> str:
    if decision is None:
        return "not judged"
    sign = "≥" if decision["rule"] == "min" else "≤"
    return (
        f"{number(decision['score'], 3)}, {sign} {decision['threshold']:g}: {decision['verdict']}"
    )


def _picture(dataset: Dataset, clip: dict[str, Any], scratch: Path) -> str | None:
    """Three frames as a data URI; None where the crop cannot be read."""
    try:
        source = dataset.local_copy(clip["video_path"], scratch)
        looks = Image.fromarray(look_at(source, clip["frames"]))
    except (av.error.FFmpegError, OSError):
        return None
    file = io.BytesIO()
    small = looks.resize((3 * _SIDE, _SIDE), Image.Resampling.LANCZOS)
    small.save(file, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
