"""`dawn dataset sheet`: clips to look at, on one page and on contact sheets.

The page is light: crops and pictures lie beside it and load as they come into view.
"""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from dawn.curation.decisions import EXPLANATIONS
from eval.report.page import fill
from manifests.catalog import rows
from manifests.config import stable_hash
from manifests.counting import count
from manifests.errors import InputError
from manifests.parquet import read_parquet
from manifests.reasons import Quarantine, Rejection
from manifests.safe_sql import quoted
from manifests.store import Dataset
from pipeline.dataset.card import dataset_name
from pipeline.dataset.contact import PER_SHEET, contact_sheet
from pipeline.dataset.looks import look_at
from pipeline.dataset.where import clips_where
from pipeline.dataset.whole_folder import NewFolder, whole_folder
from pipeline.progress import Progress, console

_SMALL = 128
"""Side of each of three pictures in a row, in px."""
_POINTS = 180
"""Of a curve: about what a screen shows."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One number over a clip's frames."""

    name: str
    unit: str
    values: list[float | None]


@dataclass(frozen=True, slots=True)
class Card:
    """One clip of the page."""

    row: dict[str, Any]
    curves: list[Curve]
    blinks: list[tuple[float, float]]
    """Begin and length, in per cent of the clip."""
    failed: list[dict[str, Any]]
    passed: list[dict[str, Any]]
    not_judged: list[str]
    gone: str | None
    """Why there are no pictures."""

    @property
    def reasons(self) -> list[str]:
        """What the page's filter asks for."""
        return list(self.row["reasons"])


@dataclass(frozen=True, slots=True)
class Source:
    """A video that gave no clip. Its name is its file's: places on this machine stay out."""

    names: str
    status: str
    reason: str
    meaning: str
    detail: str | None
    seconds: float | None


def make_sheet(root: str, out: Path, where: str | None, limit: int) -> None:
    """Write the page, its clips and contact sheets. An earlier page in `out` is replaced.

    Raises InputError for a condition that is refused or matches nothing.
    """
    dataset = Dataset(root)
    dataset.info()
    ids = clips_where(dataset, where)
    sources = _sources(dataset) if where is None else []
    if not ids and not sources:
        raise InputError(
            f"{root}: no clip matches --where {shlex.quote(where)}"
            if where
            else f"{root}: is empty; fill it with `dawn ingest`"
        )
    shown = ids[:limit]
    plan = stable_hash([dataset.info()["recipe_hash"], where, shown])
    with whole_folder(out, "sheet", plan, again=True) as folder, TemporaryDirectory() as scratch:
        cards, pictures = [], {}
        with Progress("sheet", len(shown)) as progress:
            for row in _clips(dataset, shown):
                card, picture = _card(dataset, folder, row, Path(scratch))
                cards.append(card)
                pictures[row["clip_id"]] = picture
                progress.advance(1)
        sheets = _contact_sheets(folder, cards, pictures)
        folder.text("index.html", _page(dataset, cards, sources, sheets, len(ids), where))
    page = (out / "index.html").as_uri()
    console.print(f"wrote {count(len(shown), 'clip')}: {page}", markup=False)
    for name in sheets:
        console.print(f"contact sheet: {out / name}", markup=False)
    if len(shown) < len(ids):
        console.print(
            f"{len(shown):,} of {count(len(ids), 'clip')}; narrow with --where or raise --limit",
            markup=False,
        )


def _clips(dataset: Dataset, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of `clips`, what was rejected first, with their decisions and curves."""
    if not ids:
        return []
    among = f"clip_id IN ({', '.join(map(quoted, ids))})"
    clips = rows(
        dataset,
        "SELECT clip_id, video_id, source_name, speaker, licence, split, start_s, duration_s, "  # noqa: S608
        "frames, size, face_px, blinks, accepted, reasons, duplicate_of, video_path, "
        "frames_part, audio_part FROM clips JOIN (SELECT video_id, frames_part, audio_part "
        f"FROM videos) USING (video_id) WHERE {among} ORDER BY accepted, reasons, clip_id",
    )
    decisions: dict[str, list[dict[str, Any]]] = {}
    for row in rows(dataset, f"FROM decisions WHERE {among} ORDER BY clip_id, filter"):
        decisions.setdefault(row["clip_id"], []).append(row)
    for clip in clips:
        clip["decisions"] = decisions.get(clip["clip_id"], [])
    return clips


_CURVES = {
    "mouth": ("mouth opening", "of the eyes' distance"),
    "loudness_db": ("loudness", "dB full scale"),
    "yaw": ("yaw", "degree"),
}
_QUIET, _WIDE, _ASIDE = -70.0, 0.1, 15.0
"""Of loudness in dB the lower end; of mouth opening and yaw in degree what is shown at least."""


def _card(
    dataset: Dataset, folder: NewFolder, row: dict[str, Any], scratch: Path
) -> tuple[Card, NDArray[np.uint8] | None]:
    clip = row["clip_id"]
    looks, gone = None, None
    try:
        source = dataset.local_copy(row["video_path"], scratch)
        folder.make(f"clips/{clip}.mp4", lambda path: path.write_bytes(source.read_bytes()))
        looks = look_at(source, row["frames"])
        side = looks.shape[0]
        middle = Image.fromarray(looks[:, side : 2 * side])
        strip = Image.fromarray(looks).resize((3 * _SMALL, _SMALL), Image.Resampling.LANCZOS)
        folder.make(f"pictures/{clip}.jpg", lambda path: middle.save(path, "JPEG", quality=85))
        folder.make(f"pictures/{clip}-3.jpg", lambda path: strip.save(path, "JPEG", quality=82))
        if not dataset.local:
            source.unlink()
    except (av.error.FFmpegError, OSError) as error:
        gone = f"the crop cannot be read ({error.strerror})"
    order = {name: place for place, name in enumerate(EXPLANATIONS)}
    decisions = sorted(row["decisions"], key=lambda d: order.get(d["filter"], len(order)))
    frames = max(1, row["frames"])
    card = Card(
        row=row,
        curves=_curves(dataset, row),
        blinks=[
            (100 * b["start"] / frames, 100 * (b["stop"] - b["start"]) / frames)
            for b in row["blinks"]
        ],
        failed=[_judged(d) for d in decisions if d["verdict"] == "fail"],
        passed=[_judged(d) for d in decisions if d["verdict"] == "pass"],
        not_judged=[d["filter"] for d in decisions if d["verdict"] == "not_judged"],
        gone=gone,
    )
    return card, looks


def _judged(decision: dict[str, Any]) -> dict[str, Any]:
    """A decision with where its score lies: the bound is in the middle of a bar from 0 to twice
    the bound.
    """
    score, threshold = decision["score"], decision["threshold"]
    reach = 2 * abs(threshold) or max(1.0, 2 * abs(score))
    return decision | {
        "explanation": EXPLANATIONS.get(decision["filter"], ""),
        "share": f"{100 * min(1.0, max(0.0, 0.5 + (score - threshold) / reach)):.1f}",
        "sign": "≥" if decision["rule"] == "min" else "≤",
        "threshold": float(f"{threshold:.6g}"),
    }


def _curves(dataset: Dataset, clip: dict[str, Any]) -> list[Curve]:
    """Read from the clip's video's own parts, so that a page costs what it shows."""
    found = _measured(dataset, clip)
    return [
        Curve(title, unit, _thin([row[name] for row in found]))
        for name, (title, unit) in _CURVES.items()
    ]


def _spans(cards: Sequence[Card]) -> dict[str, tuple[float, float]]:
    """What the height of each curve's picture stands for: the same for all clips."""
    mouth, loudness, yaw = (
        [v for card in cards for v in card.curves[i].values if v is not None] for i in range(3)
    )
    aside = max(_ASIDE, *map(abs, yaw), 0)
    ends = ((0.0, max(_WIDE, *mouth, 0)), (_QUIET, max(0.0, *loudness, 0)), (-aside, aside))
    return {title: span for (title, _), span in zip(_CURVES.values(), ends, strict=True)}


def _measured(dataset: Dataset, clip: dict[str, Any]) -> list[dict[str, Any]]:
    """mouth, loudness_db and yaw of a clip's frames."""
    empty = dict.fromkeys(("mouth", "pose", "loudness_db"))
    found: dict[int, dict[str, Any]] = {}
    for table, columns in (("frames", ["mouth", "pose"]), ("audio", ["loudness_db"])):
        part = f"{table}/{clip[f'{table}_part']}"
        if not dataset.has(part):
            continue
        with dataset.open_part(part) as file:
            names = ["clip_id", "frame", *columns]
            part_rows = read_parquet(file, names, ("video_id", clip["video_id"]))
        for row in part_rows.filter(pc.equal(part_rows["clip_id"], clip["clip_id"])).to_pylist():
            found.setdefault(row["frame"], dict(empty)).update(row)
    for row in found.values():
        row["yaw"] = row["pose"] and row["pose"][0]
    return [found[frame] for frame in sorted(found)]


def _thin(values: list[float | None]) -> list[float | None]:
    step = max(1, -(-len(values) // _POINTS))
    return values[::step]


def _sources(dataset: Dataset) -> list[Source]:
    """Videos without a clip that passed: quarantined ones first."""
    found = rows(
        dataset,
        "SELECT sources, status, reason, detail, duration_s FROM videos WHERE status <> 'ok' "
        "ORDER BY status, reason, video_id",
    )
    return [
        Source(
            names=", ".join(PurePath(source).name for source in row["sources"]),
            status=row["status"],
            reason=row["reason"] or "",
            meaning=_meaning(row["reason"]),
            detail=_without_places(row["detail"], row["sources"]),
            seconds=row["duration_s"],
        )
        for row in found
    ]


def _meaning(reason: str | None) -> str:
    kinds = {str(kind): kind.meaning for kind in (*Quarantine, *Rejection)}
    return kinds.get(reason or "", "").replace("`", "")


def _without_places(detail: str | None, sources: Sequence[str]) -> str | None:
    for source in sources:
        detail = detail and detail.replace(source, PurePath(source).name)
    return detail


def _contact_sheets(
    folder: NewFolder, cards: Sequence[Card], pictures: dict[str, NDArray[np.uint8] | None]
) -> list[str]:
    """Contact sheets of what was rejected and what was accepted."""
    names = []
    for kind, accepted in (("rejected", False), ("accepted", True)):
        chosen = [card for card in cards if card.row["accepted"] == accepted]
        for number, begin in enumerate(range(0, len(chosen), PER_SHEET)):
            cells = [
                (
                    pictures[card.row["clip_id"]],
                    f"{card.row['start_s']:.1f} s + {card.row['duration_s']:.1f} s  "
                    f"{card.row['source_name']}",
                    ", ".join(card.reasons) or f"accepted, {card.row['split']}",
                )
                for card in chosen[begin : begin + PER_SHEET]
            ]
            name = f"contact-{kind}-{number + 1:02d}.png"
            picture = contact_sheet(cells, accepted=accepted)
            folder.make(name, partial(picture.save, format="PNG"))
            names.append(name)
    return names


def _page(
    dataset: Dataset,
    cards: Sequence[Card],
    sources: Sequence[Source],
    sheets: Sequence[str],
    matching: int,
    where: str | None,
) -> str:
    failed = Counter(reason for card in cards for reason in card.reasons)
    ended = Counter(source.reason for source in sources)
    chips = [(name, n, EXPLANATIONS.get(name, "")) for name, n in failed.most_common()]
    funnel = rows(dataset, "SELECT * FROM funnel() WHERE count > 0") if where is None else []
    return fill(
        "sheet.html.j2",
        styles=("style.css", "sheet.css"),
        beside=True,
        name=dataset_name(dataset),
        recipe_hash=dataset.info()["recipe_hash"],
        cards=cards,
        sources=sources,
        sheets=sheets,
        chips=chips,
        ended=sorted(ended.items()),
        funnel=funnel,
        matching=matching,
        where=where,
        spans=_spans(cards),
        names={card.row["clip_id"]: card.row["source_name"] for card in cards},
        accepted=sum(card.row["accepted"] for card in cards),
        numbers={name: place for place, name in enumerate([*failed, *ended])},
    )
