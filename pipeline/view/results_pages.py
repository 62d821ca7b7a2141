"""Pages of results and generations: the worst clips first, systems side by side on one clip."""

from collections import Counter, defaultdict
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from dawn.features.rates import FPS
from manifests.location import Place
from manifests.run_search import Run
from pipeline.view.dataset_pages import names_of
from pipeline.view.pages import page
from pipeline.view.scores import ScoreBook

router = APIRouter()

_PER_PAGE = 12
_PREFERRED = ("lip_audio_corr", "lse_c_tracked", "csim_src_mbf128", "lpips_alex", "psnr")
"""Metrics that a page begins with, the first that there is."""


def systems(book: ScoreBook) -> list[dict[str, Any]]:
    """Rows of results, bounds last."""
    return book.rows("SELECT * FROM results ORDER BY baseline IS NOT NULL, system, results")


def made(book: ScoreBook) -> dict[str, dict[str, Any]]:
    """Generation run -> system, and how many videos it has."""
    rows = book.rows(
        "SELECT run_name, any_value(system) AS system, count(*) AS count, "
        "count(*) FILTER (status = 'ok') AS ok FROM generations JOIN folders USING (folder) "
        "GROUP BY run_name ORDER BY run_name"
    )
    return {row["run_name"]: row for row in rows}


@router.get("/results")
def results(
    request: Request, metric: str = "", system: str = "", find: str = "", best: bool = False,
    at: int = 1,
) -> HTMLResponse:  # fmt: skip
    """Clips of a system by a metric, the worst first, and what the others have there."""
    book: ScoreBook = request.app.state.book
    rows, metrics = systems(book), book.metrics()
    names = [row["metric"] for row in metrics]
    keys = [row["results"] for row in rows]
    if (metric and metric not in names) or (system and system not in keys):
        raise HTTPException(404, "there is no such metric or system here")
    metric = metric or next((n for n in (*_PREFERRED, *names) if n in names), "")
    ranked = [row["results"] for row in rows if row["baseline"] is None]
    system = system or next(iter(ranked or keys), "")
    at = max(1, at)
    total, clips = book.worst(
        metric, system, find, best=best, offset=_PER_PAGE * (at - 1), limit=_PER_PAGE
    )
    others: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    shown: dict[str, bool] = {}
    if clips:
        ids = [clip["clip_id"] for clip in clips]
        marks = ", ".join("?" for _ in ids)
        shown = {
            row["clip_id"]: request.app.state.media.there(row["video"])
            for row in book.rows(
                "SELECT clip_id, video FROM clip_rows WHERE results = ? "  # noqa: S608 - marks
                f"AND clip_id IN ({marks})", [system, *ids])
        }  # fmt: skip
        for row in book.rows(
            "SELECT results, clip_id, value FROM numbers WHERE metric = ? "  # noqa: S608 - marks
            f"AND clip_id IN ({marks})",
            [metric, *ids],
        ):
            others[row["clip_id"]][row["results"]] = row["value"]
    return page(
        request, "results.html.j2", systems=rows, metrics=metrics, metric=metric, system=system,
        about=next((row for row in metrics if row["metric"] == metric), None), clips=clips,
        others=others, shown=shown, total=total, at=at, per_page=_PER_PAGE, find=find, best=best,
        table=_table(book), titles=_titles(rows),
        names=names_of(request, (clip["clip_id"] for clip in clips)),
    )  # fmt: skip


@router.get("/results/clip")
def compare(request: Request, clip: str) -> HTMLResponse:
    """All systems on one clip, in step."""
    shown = _shown(request, clip)
    if not shown:
        raise HTTPException(404, "no results and no generations hold this clip")
    book: ScoreBook = request.app.state.book
    table: dict[str, dict[str, Any]] = {}
    for row in book.numbers_of(clip):
        about = {k: row[k] for k in ("metric", "title", "direction", "unit")}
        entry = table.setdefault(row["metric"], about | {"of": {}, "reference": None})
        entry["of"][row["results"]] = row
        if row["reference"] is not None:
            entry["reference"] = row["reference"]
    for entry in table.values():
        costs = [r["cost"] for r in entry["of"].values() if r["cost"] is not None]
        entry["best"] = min(costs) if len(costs) > 1 and min(costs) < max(costs) else None
    holders = [
        name for name, rows in request.app.state.snapshots.items()
        if rows.rows("SELECT 1 FROM clips WHERE clip_id = ?", [clip])
    ]  # fmt: skip
    return page(
        request, "compare.html.j2", name=names_of(request, [clip]).get(clip), clip=clip,
        systems=[one for one in shown if one["kind"] == "results"], shown=shown,
        table=list(table.values()), holders=holders,
    )  # fmt: skip


@router.get("/results/curves")
def curves(request: Request, clip: str) -> JSONResponse:
    """Curves of all systems on one clip."""
    book: ScoreBook = request.app.state.book
    shown = [one for one in _shown(request, clip) if one["kind"] == "results"]
    told = [{"key": one["key"], "curves": book.curves(one["key"], clip)} for one in shown]
    return JSONResponse({"fps": FPS, "systems": told})


@router.get("/results/{results}/video")
def video(request: Request, results: str, clip: str, side: str = "video") -> Response:
    """A system's video of a clip, or the real one's."""
    run: Run | None = request.app.state.library.results.get(results)
    if run is None or side not in ("video", "reference"):
        raise HTTPException(404, "there are no such results here")
    rows = request.app.state.book.rows(
        f"SELECT {side} AS place FROM clip_rows WHERE results = ? AND clip_id = ?",  # noqa: S608
        [results, clip],
    )
    if not rows or rows[0]["place"] is None:
        raise HTTPException(404, "no video was made for this clip")
    beside = Place(run.folder.fs, run.folder.path, run.folder.local)
    sent: Response = request.app.state.media.elsewhere(rows[0]["place"], beside)
    return sent


@router.get("/generations/{name}")
def generations(
    request: Request, name: str, find: str = "", at: int = 1, failed: bool = False
) -> HTMLResponse:
    """Videos of a run, a page at a time."""
    if name not in request.app.state.library.generations:
        raise HTTPException(404, "there is no such generation run here")
    book: ScoreBook = request.app.state.book
    at = max(1, at)
    source = (
        "FROM generations JOIN folders USING (folder) WHERE run_name = ? "
        "AND contains(lower(concat_ws(' ', item, speaker)), ?)"
        + (" AND status <> 'ok'" if failed else "")
    )
    values = [name, find.lower()]
    (row,) = book.rows(
        f"SELECT count(*) AS n, count(*) FILTER (status <> 'ok') AS failed {source}",
        values,
    )
    rows = book.rows(
        "SELECT item, clip_id, speaker, seed, steps, guidance, device, dtype, duration_s, size, "
        f"real_time_factor, status, reason, video IS NOT NULL AS has_video, system {source} "
        f"ORDER BY status = 'ok', item LIMIT {_PER_PAGE} OFFSET {_PER_PAGE * (at - 1)}",
        values,
    )
    return page(
        request, "generations.html.j2", name=name, items=rows, total=row["n"],
        failures=row["failed"], at=at, per_page=_PER_PAGE, find=find, failed=failed,
        names=names_of(request, (row["clip_id"] for row in rows if row["clip_id"])),
        told=made(book).get(name, {"system": name, "count": 0, "ok": 0}),
    )  # fmt: skip


@router.get("/generations/{name}/video")
def generated(request: Request, name: str, item: str) -> Response:
    """A video of a generation run."""
    run: Run | None = request.app.state.library.generations.get(name)
    if run is None:
        raise HTTPException(404, "there is no such generation run here")
    rows = request.app.state.book.rows(
        "SELECT video FROM generations JOIN folders USING (folder) "
        "WHERE run_name = ? AND item = ? AND video IS NOT NULL",
        [name, item],
    )
    if not rows:
        raise HTTPException(404, "no video was made for this item")
    place = Place(run.folder.fs, run.folder.path, run.folder.local)
    sent: Response = request.app.state.media.inside(place, rows[0]["video"])
    return sent


def _titles(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Results -> the system's name, with the folder's where two systems are named alike."""
    often = Counter(row["system"] for row in rows)
    return {
        row["results"]: f"{row['system']} ({row['results']})" if often[row["system"]] > 1
        else row["system"]
        for row in rows
    }  # fmt: skip


def _shown(request: Request, clip: str) -> list[dict[str, Any]]:
    """What there is to see of a clip: the real one first, then results, then further runs."""
    book: ScoreBook = request.app.state.book
    rows = book.rows(
        "SELECT results AS key, system, baseline, clip_rows.speaker, clip_rows.duration_s, "
        "reference, status, reason, video AS place FROM clip_rows JOIN results USING (results) "
        "WHERE clip_id = ? "
        "ORDER BY baseline IS NOT NULL, system, results",
        [clip],
    )
    shown: list[dict[str, Any]] = []
    there = request.app.state.media.there
    real = next((row for row in rows if there(row["reference"])), None)
    if real is not None:
        shown.append({"kind": "real", "key": real["key"], "title": "Real clip", "reason": None,
                      "speaker": real["speaker"], "has_video": True})  # fmt: skip
    titles = _titles([{"results": row["key"], "system": row["system"]} for row in rows])
    shown += [
        {"kind": "results", "key": row["key"], "title": titles[row["key"]],
         "reason": row["reason"] or "its file is gone", "speaker": row["speaker"],
         "has_video": there(row["place"])}
        for row in rows
    ]  # fmt: skip
    told = {row["place"] for row in rows}
    made_of = book.rows(
        "SELECT run_name AS key, system, item, reason, speaker, video, folder FROM generations "
        "JOIN folders USING (folder) WHERE clip_id = ? ORDER BY run_name",
        [clip],
    )
    return shown + [
        {"kind": "generations", "key": row["key"], "title": f"{row['system']} (not measured)",
         "item": row["item"], "reason": row["reason"], "speaker": row["speaker"],
         "has_video": row["video"] is not None}
        for row in made_of
        if f"{row['folder']}/{row['video']}" not in told
    ]  # fmt: skip


def _table(book: ScoreBook) -> list[dict[str, Any]]:
    """The sets' numbers: a metric a row, a system a column."""
    table: dict[str, dict[str, Any]] = {}
    for row in book.of_sets():
        about = {k: row[k] for k in ("metric", "title", "direction", "unit")}
        table.setdefault(row["metric"], about | {"of": {}})["of"][row["results"]] = row
    return [e for e in table.values() if any(r["value"] is not None for r in e["of"].values())]
