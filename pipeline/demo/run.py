"""`dawn demo`: renders sample footage, ingests it, shows what came of it; then trains for a moment,
makes videos by the package's own model, and measures them.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.table import Table

from dawn.recipe import IngestConfig, Recipe
from dawn.synthetic.footage import SECONDS, footage_kinds, write_footage
from dawn.synthetic.truth import truth_path
from manifests.catalog import query, rows
from manifests.counting import count
from manifests.errors import InputError
from manifests.store import Dataset
from pipeline.cluster.executor import Executor, Failure, OnDemand
from pipeline.cluster.start import check_workers
from pipeline.cluster.tasks import OnRay
from pipeline.demo.model import run_model
from pipeline.ingest.adopt import adopt
from pipeline.ingest.run import ingest
from pipeline.ingest.sources import find_sources
from pipeline.progress import console
from pipeline.query import show

QUERIES = {
    "How did 11 sources become these clips?": "SELECT * FROM funnel() WHERE count > 0",
    "How often do people blink?": "SELECT * FROM blinks_per_second()",
    "When is the mouth widest, and how loud is it then?": """
SELECT clip_id, frame, mouth, loudness_db FROM frames JOIN audio USING (clip_id, frame)
ORDER BY mouth DESC LIMIT 3""".strip(),
}


def run_demo(out: Path, workers: int | None, *, model: bool = True) -> None:
    """Render, ingest, query, and with `model` train, generate, evaluate and compare. Everything is
    written under `out`; finished work is skipped.
    """
    check_workers(workers, None)
    footage, root = out / "footage", out / "dataset"
    if out.exists() and not footage.exists() and any(out.iterdir()):
        raise InputError(f"{out}: is not empty; give --out a new or empty folder")
    began = time.monotonic()
    dataset, recipe = Dataset(str(root)), Recipe.resolve(IngestConfig())
    footage.mkdir(parents=True, exist_ok=True)
    adopt(dataset, recipe, update=False)
    # What follows joins the Ray that this starts: one of its own for each step would take a minute.
    executor = OnDemand(lambda: OnRay(workers))
    try:
        render_footage(footage, executor)
        console.print(f"ingesting them into {root}", markup=False)
        ingest(find_sources([str(footage)]), dataset, recipe, executor)
        _print_outcomes(dataset)
        for question, sql in QUERIES.items():
            console.print(f'\n[bold]{question}[/bold]\ndawn query "{sql}" --dataset {root}')
            show(query(dataset, sql))
        made = run_model(out, dataset, workers) if model else None
    finally:
        executor.close()
    took = time.monotonic() - began
    console.print(f"\n{took:.0f} s. Footage with its truth: {footage}", markup=False)
    if made is not None:
        film, page = made
        console.print(f"open first: {film.absolute().as_uri()}", markup=False)
        console.print(f"the leaderboard: {page.absolute().as_uri()}", markup=False)
    console.print(f"next: dawn dataset validate {root}", markup=False)
    console.print("      dawn ingest YOUR_VIDEOS --dataset data", markup=False)


def render_footage(folder: Path, executor: Executor) -> None:
    """Render every kind of sample video that is not there yet."""
    missing = [kind.name for kind in footage_kinds() if not (folder / f"{kind.name}.mp4").exists()]
    if not missing:
        return
    console.print(f"rendering {count(len(missing), 'sample video')} into {folder}", markup=False)
    for name in missing:
        executor.submit(name, render_one, folder, name, SECONDS)
    for done, (key, outcome) in enumerate(executor.results(), start=1):
        name = str(key)
        if isinstance(outcome, Failure):
            raise InputError(f"{folder}/{name}.mp4: could not be rendered: {outcome.detail}")
        console.print(f"  {done} of {len(missing)}: {name}.mp4", markup=False)


def render_one(folder: Path, name: str, seconds: float) -> None:
    """Render one kind of sample video under its final name only when it is whole."""
    with TemporaryDirectory(dir=folder) as scratch:
        (video,) = write_footage(Path(scratch), kinds=[name], seconds=seconds)
        truth = truth_path(video)
        truth.replace(folder / truth.name)
        video.replace(folder / video.name)


def _print_outcomes(dataset: Dataset) -> None:
    """Kept, rejected and quarantined, and why."""
    kinds = {kind.name: kind.description for kind in footage_kinds()}
    table = Table("file", "what it is", "outcome", "clips", "why")
    for row in rows(dataset, "SELECT *, sources[1] AS source FROM videos ORDER BY status, source"):
        path = Path(row["source"])
        why = row["detail"] or ""
        table.add_row(path.name, kinds[path.stem], row["status"], str(row["clips_accepted"]), why)
    console.print(table)
