"""Pages of a dataset: clips, one clip, people, duplicates, sources."""

from collections.abc import Iterable
from pathlib import PurePath
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from dawn.curation.decisions import EXPLANATIONS
from manifests.location import Place
from manifests.marks import Mark, read_marks
from manifests.reasons import Quarantine, Rejection
from manifests.store import Dataset
from pipeline.dataset.marking import MOST, mark_clip, unmark_clip
from pipeline.view import search
from pipeline.view.frames import frames_of
from pipeline.view.guard import require_token
from pipeline.view.pages import page
from pipeline.view.snapshot import Snapshot

router = APIRouter(prefix="/data/{name}")

_PEOPLE = """
SELECT identity, coalesce(any_value(speaker), min(source_name)) AS called,
       list_sort(list(DISTINCT split)) AS splits,
       count(*) AS clips, count(*) FILTER (accepted) AS accepted, sum(duration_s) AS seconds,
       count(DISTINCT video_id) AS videos,
       arg_max(clip_id, (accepted::INT) * 1e9 + face_px) AS best
FROM clips {where} GROUP BY identity
ORDER BY accepted DESC, seconds DESC, identity LIMIT ? OFFSET ?
"""
_SPLITS = """
SELECT split, count(DISTINCT identity) AS people, count(*) AS clips,
       count(*) FILTER (accepted) AS accepted, sum(duration_s) FILTER (accepted) AS seconds
FROM clips GROUP BY split ORDER BY clips DESC
"""
_PAIRS = """
SELECT a.clip_id, a.source_name, a.duration_s, a.size, a.accepted, a.reasons, a.duplicate_score,
       b.clip_id AS other, b.source_name AS other_source, b.duration_s AS other_duration_s,
       b.accepted AS other_accepted, b.reasons AS other_reasons
FROM clips a JOIN clips b ON a.duplicate_of = b.clip_id
WHERE a.duplicate_score >= ? ORDER BY a.duplicate_score DESC, a.clip_id LIMIT ? OFFSET ?
"""
_ALIKE = """
SELECT clip_id, source_name, duration_s, accepted, reasons, duplicate_score FROM clips
WHERE duplicate_of = $clip OR clip_id = (SELECT duplicate_of FROM clips WHERE clip_id = $clip)
   OR (clip_id <> $clip AND duplicate_of =
       (SELECT duplicate_of FROM clips WHERE clip_id = $clip))
ORDER BY clip_id = (SELECT duplicate_of FROM clips WHERE clip_id = $clip) DESC,
    duplicate_score DESC NULLS LAST LIMIT 12
"""


def snapshot_of(request: Request, name: str) -> Snapshot:
    """Dependency: the dataset that an address names; 404 where there is none."""
    found: Snapshot | None = request.app.state.snapshots.get(name)
    if found is None:
        raise HTTPException(404, "there is no such dataset here")
    return found


Rows = Annotated[Snapshot, Depends(snapshot_of)]


def summary(snapshot: Snapshot) -> dict[str, Any]:
    """What the overview tells of a dataset, with some clips to show."""
    (told,) = snapshot.rows(
        "SELECT count(*) AS clips, count(*) FILTER (accepted) AS accepted, "
        "sum(duration_s) FILTER (accepted) AS seconds, "
        "count(DISTINCT identity) FILTER (accepted) AS people, "
        "(SELECT count(*) FROM videos) AS videos FROM clips"
    )
    shown = snapshot.rows(
        "SELECT clip_id, duration_s FROM clips WHERE accepted ORDER BY hash(clip_id) LIMIT 3"
    )
    return told | {"shown": shown}


def names_of(request: Request, clips: Iterable[str]) -> dict[str, str]:
    """Clip -> the name of its source video, as far as a dataset here has it."""
    ids = sorted({*clips})
    marks = ", ".join("?" for _ in ids)
    found: dict[str, str] = {}
    for rows in request.app.state.snapshots.values() if ids else ():
        sql = f"SELECT clip_id, source_name FROM clips WHERE clip_id IN ({marks})"  # noqa: S608
        found |= {row["clip_id"]: row["source_name"] for row in rows.rows(sql, ids)}
    return found


@router.get("")
def clips(request: Request, name: str, rows: Rows) -> HTMLResponse:
    """Clips by what was asked, with sliders over all scores."""
    ask = search.ask_of(request.query_params, rows)
    total, found = search.found(rows, ask)
    values: dict[str, Any] = {
        "splits": search.splits(rows),
        "histograms": search.histograms(rows),
        "reasons": sorted((s for s in rows.scores.values() if s.failed), key=lambda s: -s.failed),
    }
    return page(
        request, "clips.html.j2", name=name, ask=ask, total=total, clips=found, rows=rows,
        counts=search.counts(rows, ask), per_page=search.PER_PAGE, query=ask.as_query(),
        explanations=EXPLANATIONS, **values,
    )  # fmt: skip


@router.get("/counts")
def counts(request: Request, rows: Rows) -> JSONResponse:
    """How many clips would be accepted, for the sliders."""
    told = search.counts(rows, search.ask_of(request.query_params, rows))
    return JSONResponse({key: getattr(told, key) for key in told.__slots__})


@router.get("/clip/{clip}")
def one(request: Request, name: str, clip: str, rows: Rows) -> HTMLResponse:
    """One clip: video, what was measured, how it was judged, what it is alike."""
    row = _clip(rows, clip)
    order = {key: place for place, key in enumerate(rows.scores)}
    decisions = rows.rows("SELECT * FROM decisions WHERE clip_id = ?", [clip])
    decisions.sort(key=lambda d: (d["verdict"] != "fail", order.get(d["filter"], len(order))))
    (who,) = rows.rows(
        "SELECT min(source_name) AS called FROM clips WHERE identity = ?", [row["identity"]]
    )
    return page(
        request, "clip.html.j2", called=who["called"],
        name=name, clip=row, decisions=[_judged(d) for d in decisions],
        mark=_mark_of(rows.dataset, clip), edit=request.app.state.edit, most=MOST,
        alike=_named(rows, _ALIKE, {"clip": clip}), measures=[(m, row[m]) for m in rows.measures],
        around=rows.rows(
            "SELECT clip_id, start_s, duration_s, accepted FROM clips WHERE video_id = ? "
            "ORDER BY start_s, clip_id LIMIT 200", [row["video_id"]],
        ),
    )  # fmt: skip


@router.get("/frames/{clip}")
def frames(clip: str, rows: Rows) -> JSONResponse:
    """What was measured of a clip, frame by frame."""
    return JSONResponse(frames_of(rows.dataset, _clip(rows, clip)))


@router.get("/media/{clip}.mp4")
def media(request: Request, clip: str, rows: Rows) -> Response:
    """A clip's crop with sound."""
    return _send(request, rows.dataset, _clip(rows, clip)["video_path"])


@router.get("/people")
def people(request: Request, name: str, rows: Rows, split: str = "", at: int = 1) -> HTMLResponse:
    """Identities, and the split each is in."""
    at, per = max(1, at), search.PER_PAGE
    where, values = ("WHERE split = ?", [split]) if split else ("", [])
    sql = f"SELECT count(DISTINCT identity) AS n FROM clips {where}"  # noqa: S608 - ours
    (row,) = rows.rows(sql, values)
    found = rows.rows(_PEOPLE.format(where=where), [*values, per, per * (at - 1)])
    return page(
        request, "people.html.j2", name=name, people=found, total=row["n"], at=at, per_page=per,
        split=split, splits=rows.rows(_SPLITS),
    )  # fmt: skip


@router.get("/duplicates")
def duplicates(
    request: Request, name: str, rows: Rows, least: float = 0.0, at: int = 1
) -> HTMLResponse:
    """Pairs that show the same footage, the most alike first."""
    at, per = max(1, at), 12
    (row,) = rows.rows(
        "SELECT count(*) AS n FROM clips WHERE duplicate_of IS NOT NULL AND duplicate_score >= ?",
        [least],
    )
    found = rows.rows(_PAIRS, [least, per, per * (at - 1)])
    bound = rows.scores["duplicate"].bounds[0] if "duplicate" in rows.scores else None
    return page(
        request, "duplicates.html.j2", name=name, pairs=found, total=row["n"], at=at,
        per_page=per, least=least, bound=bound,
    )  # fmt: skip


@router.get("/sources")
def sources(request: Request, name: str, rows: Rows, status: str = "", at: int = 1) -> HTMLResponse:
    """Source videos, those that gave no clip first."""
    at, per = max(1, at), 50
    where, values = ("WHERE status = ?", [status]) if status else ("", [])
    by_status = rows.rows("SELECT status, count(*) AS n FROM videos GROUP BY status ORDER BY 1")
    total = sum(row["n"] for row in by_status if not status or row["status"] == status)
    found = rows.rows(
        f"SELECT * FROM videos {where} ORDER BY status = 'ok', status, reason, video_id "  # noqa: S608
        "LIMIT ? OFFSET ?",
        [*values, per, per * (at - 1)],
    )
    return page(
        request, "sources.html.j2", name=name, sources=[_source(row) for row in found],
        total=total, at=at, per_page=per, status=status, by_status=by_status,
        funnel=_funnel(rows),
    )  # fmt: skip


@router.post("/clip/{clip}/mark", dependencies=[Depends(require_token)])
def mark(
    request: Request, clip: str, rows: Rows, reason: Annotated[str, Body(embed=True)]
) -> JSONResponse:
    """Mark a clip as bad, for a reason."""
    _require_edit(request)
    _clip(rows, clip)
    made = mark_clip(rows.dataset, clip, reason)
    rows.forget()
    return JSONResponse({"reason": made.reason, "since": made.since})


@router.delete("/clip/{clip}/mark", dependencies=[Depends(require_token)])
def unmark(request: Request, clip: str, rows: Rows) -> JSONResponse:
    """Take a mark back."""
    _require_edit(request)
    _clip(rows, clip)
    unmark_clip(rows.dataset, clip)
    rows.forget()
    return JSONResponse({})


def _require_edit(request: Request) -> None:
    if not request.app.state.edit:
        raise HTTPException(403, "read-only: start dawn view with --edit to mark clips")


def _clip(rows: Snapshot, clip: str) -> dict[str, Any]:
    """A clip's row with the parts of its video; 404 where there is none."""
    found = rows.rows(
        "SELECT clips.*, sources, width, height, frame_rate, frames_part, audio_part "
        "FROM clips JOIN videos USING (video_id) WHERE clip_id = ?",
        [clip],
    )
    if not found:
        raise HTTPException(404, "there is no such clip, or no longer")
    return found[0]


def _named(rows: Snapshot, sql: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    with rows.cursor() as cursor:
        return cursor.sql(sql, params=values).to_arrow_table().to_pylist()


def _mark_of(dataset: Dataset, clip: str) -> Mark | None:
    return read_marks(dataset).get(clip)


def _send(request: Request, dataset: Dataset, name: str) -> Response:
    place = Place(dataset.fs, dataset.path, dataset.local)
    sent: Response = request.app.state.media.inside(place, name)
    return sent


def _judged(decision: dict[str, Any]) -> dict[str, Any]:
    """A decision with where its score lies: the bound is in the middle of a bar from 0 to twice
    the bound.
    """
    score, threshold = decision["score"], decision["threshold"]
    share = None
    if score is not None:
        reach = 2 * abs(threshold) or max(1.0, 2 * abs(score))
        share = f"{100 * min(1.0, max(0.0, 0.5 + (score - threshold) / reach)):.1f}"
    return decision | {
        "explanation": EXPLANATIONS.get(decision["filter"], ""),
        "share": share,
        "sign": "≥" if decision["rule"] == "min" else "≤",
        "threshold": float(f"{threshold:.6g}"),
    }


def _source(row: dict[str, Any]) -> dict[str, Any]:
    """A video by its files' names: places on this machine stay out."""
    meanings = {str(kind): kind.meaning for kind in (*Quarantine, *Rejection)}
    detail = row["detail"]
    for source in row["sources"]:
        detail = detail and detail.replace(source, PurePath(source).name)
    meaning = meanings.get(row["reason"] or "", "").replace("`", "")
    return row | {
        "names": ", ".join(dict.fromkeys(PurePath(source).name for source in row["sources"])),
        "detail": None if detail == meaning else detail,
        "meaning": meaning,
    }


def _funnel(rows: Snapshot) -> list[dict[str, Any]]:
    """From sources to accepted clips, a step a row."""
    (told,) = rows.rows(
        "SELECT count(*) AS videos, count(*) FILTER (status = 'quarantined') AS quarantined, "
        "count(*) FILTER (status <> 'quarantined' AND clips_total = 0) AS empty, "
        "(SELECT count(*) FROM clips) AS clips, "
        "(SELECT count(*) FROM clips WHERE accepted) AS accepted FROM videos"
    )
    steps = [
        ("source videos", told["videos"], True), ("not readable", told["quarantined"], False),
        ("without a clip", told["empty"], False), ("clips", told["clips"], True),
        *((f"fail {s.name}", s.failed, False) for s in rows.scores.values()),
        ("accepted clips", told["accepted"], True),
    ]  # fmt: skip
    return [{"step": step, "count": n, "kept": kept} for step, n, kept in steps if n]
