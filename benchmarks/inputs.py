"""Inputs that benchmarks make: rendered people and datasets of them."""

import csv
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from dawn.recipe import IngestConfig, Recipe
from dawn.synthetic.footage import Kind, render_clip
from manifests.store import Dataset
from pipeline.cluster.executor import InProcess
from pipeline.ingest.adopt import adopt
from pipeline.ingest.run import ingest
from pipeline.ingest.sources import find_sources


def render_person(folder: Path, number: int, seconds: float) -> Path:
    """One talking head; a video that is there already is kept."""
    kind = Kind(f"person{number:02d}", "a talking head", people=(number,))
    path = folder / f"{kind.name}.mp4"
    return path if path.exists() else render_clip(path, kind, seconds=seconds)


def render_people(
    folder: Path, people: Iterable[int], seconds: float, processes: int = 1
) -> list[Path]:
    """Talking heads of different people."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = list(people)
    if processes == 1:
        return [render_person(folder, number, seconds) for number in numbers]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        folders, lengths = [folder] * len(numbers), [seconds] * len(numbers)
        return list(pool.map(render_person, folders, numbers, lengths))


def make_dataset(out: Path, splits: Mapping[int, str], seconds: float, processes: int = 1) -> str:
    """The root of a dataset of rendered people, each in the split that is asked for."""
    root = out / "dataset"
    if (root / "dataset.json").exists():
        return str(root)
    videos = render_people(out / "footage", splits, seconds, processes)
    listing = out / "footage.csv"
    with listing.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "speaker", "split"])
        for video, (number, split) in zip(videos, splits.items(), strict=True):
            writer.writerow([video, f"p{number}", split])
    ingest_here([listing], root)
    return str(root)


def ingest_here(sources: Iterable[Path], root: Path) -> Dataset:
    """A new dataset, ingested in this process without optional networks."""
    dataset, recipe = Dataset(str(root)), Recipe.resolve(IngestConfig(use_weights=False))
    adopt(dataset, recipe, update=False)
    ingest(find_sources(map(str, sources)), dataset, recipe, InProcess())
    return dataset
