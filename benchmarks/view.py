"""How long pages of `dawn view` take over many clips: `python -m benchmarks.view --clips 100000`.

Rows are invented, in compacted parts as `dawn dataset compact` leaves them; there are no videos.
"""

import asyncio
import json
import tempfile
import time
from pathlib import Path

import httpx2
import numpy as np
import pyarrow as pa

from benchmarks.report import Report, arguments, parse
from dawn.curation.decisions import FILTERS, FilterConfig
from manifests.parquet import write_parquet
from manifests.schema import CLIPS, DECISIONS, FRAMES, VIDEOS, audio_columns, schema
from pipeline.query import conventions
from pipeline.view.app import make_app
from pipeline.view.library import find
from pipeline.view.search import histograms

PER_VIDEO = 10


def column(kind: pa.DataType, count: int, random: np.random.Generator) -> pa.Array:
    """Values of a type; lists are empty."""
    if pa.types.is_floating(kind):
        return pa.array(random.gamma(2.0, 1.0, count), kind)
    if pa.types.is_integer(kind):
        return pa.array(random.integers(1, 500, count), kind)
    if pa.types.is_boolean(kind):
        return pa.array(random.random(count) < 0.6)
    if pa.types.is_list(kind):
        return pa.array([[]] * count, kind)
    return pa.array([f"name{i % 997}" for i in range(count)], kind)


def write(root: Path, clips: int) -> None:
    """A dataset of so many clips with all their decisions."""
    random = np.random.default_rng(0)
    videos = [f"{i:024x}" for i in range(-(-clips // PER_VIDEO))]
    of = [videos[i // PER_VIDEO] for i in range(clips)]
    ids = [f"{video}-{i % PER_VIDEO:07d}-0" for i, video in enumerate(of)]
    own = {c.name: column(c.type, clips, random) for c in CLIPS}
    own |= {"clip_id": pa.array(ids), "video_id": pa.array(of)}
    own["identity"] = pa.array([f"face:{i % 3000}" for i in range(clips)])
    own["split"] = pa.array([("train", "val", "test")[i % 3] for i in range(clips)])
    save(root, "clips", pa.table(own, schema(CLIPS)))
    config = FilterConfig()
    bounds = {f.name: getattr(config, f.settings[0].name) for f in FILTERS.values()}
    judged = {name: bound for name, bound in bounds.items() if bound is not None}
    n = clips * len(judged)
    names = np.repeat(np.array(list(judged)), clips)
    scores = random.gamma(2.0, 1.0, n).astype(np.float32)
    rows = {
        "clip_id": pa.array(ids * len(judged)), "video_id": pa.array(of * len(judged)),
        "filter": pa.array(names), "score": pa.array(scores),
        "threshold": pa.array(np.repeat(np.array(list(judged.values()), np.float32), clips)),
        "rule": pa.array(np.repeat([FILTERS[name].rule for name in judged], clips)),
        "verdict": pa.array(np.where(random.random(n) < 0.03, "fail", "pass")),
    }  # fmt: skip
    save(root, "decisions", pa.table(rows, schema(DECISIONS)))
    facts = {c.name: column(c.type, len(videos), random) for c in VIDEOS}
    facts |= {"video_id": pa.array(videos), "status": pa.array(["ok"] * len(videos))}
    for table in ("clips", "decisions", "frames", "audio"):
        facts[f"{table}_part"] = pa.array(["compact-0.parquet"] * len(videos))
    save(root, "videos", pa.table(facts, schema(VIDEOS)))
    save(root, "frames", schema(FRAMES).empty_table())
    save(root, "audio", schema(audio_columns(320)).empty_table())
    info = {"format": 1, "recipe": {}, "recipe_hash": "0" * 16}
    (root / "dataset.json").write_text(json.dumps(info))


def save(root: Path, table: str, rows: pa.Table) -> None:
    """One merged part."""
    (root / table).mkdir()
    write_parquet(root / table / "compact-0.parquet", rows)


def main() -> None:
    """Write the rows, then ask for pages."""
    parser = arguments(__doc__)
    parser.add_argument("--clips", type=int, default=100_000)
    options = parse(parser, clips=200)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        root.mkdir()
        write(root, options.clips)
        asyncio.run(measure(root, Report("view")))


def told(report: Report, case: str, begin: float, busy: float) -> None:
    """A figure of what began then: seconds, and how many of them processors worked."""
    worked = time.process_time() - busy
    report.figure(case, time.perf_counter() - begin, "s", processors_s=round(worked, 3))


async def measure(root: Path, report: Report) -> None:
    """Figures of each page."""
    app = make_app(find([str(root)], conventions().kinds), conventions())
    begin, busy = time.perf_counter(), time.process_time()
    histograms(app.state.snapshots["data"])
    told(report, "rows taken, once", begin, busy)
    transport = httpx2.ASGITransport(app)
    pages = {
        "first page of clips": "/data/data",
        "ordered by a score, page 2000": "/data/data?sort=sharp&page=2000",
        "what-if of two bounds, counts": "/data/data/counts?b.sharp=3&b.yaw=1",
        "SQL condition": "/data/data?where=yaw_p95%20>%203%20AND%20voiced%20<%201",
        "one clip": f"/data/data/clip/{'0' * 24}-0000003-0",
        "people": "/data/data/people",
        "near-duplicates": "/data/data/duplicates",
        "source videos": "/data/data/sources",
    }
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for name, address in pages.items():
            begin, busy = time.perf_counter(), time.process_time()
            answer = await client.get(address)
            told(report, name, begin, busy)
            answer.raise_for_status()


if __name__ == "__main__":
    main()
