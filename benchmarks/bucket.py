"""What an object store is asked: requests a video of ingest, queries, checks and compaction.

    python -m benchmarks.bucket

Short videos are brought into a dataset in a bucket of an S3 server on this machine, which writes a
line for each request. The floor is one request for each object that a step must read or write.
Requests that are made at once count each.
"""

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.report import Report, arguments, parse
from dawn.curation.decisions import FilterConfig
from dawn.recipe import IngestConfig, Recipe
from manifests.catalog import query
from manifests.compact import compact
from manifests.schema import TABLES
from manifests.store import Dataset
from manifests.validate import faults
from pipeline.cluster.executor import InProcess
from pipeline.ingest.adopt import adopt
from pipeline.ingest.run import ingest
from pipeline.ingest.sources import find_sources
from tests.buckets import new_bucket, s3_server
from tests.hostile import Film, faces

FILTERS = FilterConfig(min_face_px=40.0, min_voiced=None, min_mouth_moves=None)


class Log:
    """The server's log: a line a request."""

    def __init__(self, path: Path) -> None:
        self._path, self._seen = path, 0

    def new(self) -> int:
        """Requests since the last call."""
        count = len(re.findall(rb' HTTP/1\.1"', self._path.read_bytes()))
        fresh, self._seen = count - self._seen, count
        return fresh


def measured(report: Report, folder: Path, videos: int) -> None:
    films = folder / "films"
    films.mkdir()
    for number in range(videos):
        frames = 44 + number % 8
        film = Film(films / f"{number}.mp4").pictures(faces(frames))
        film.sound(frames / 25 + number * 1e-3).close()
    dataset, log = Dataset(f"{new_bucket()}/data"), Log(folder / "s3.log")
    recipe = Recipe.resolve(IngestConfig(use_weights=False, filters=FILTERS))

    def bring() -> None:
        adopt(dataset, recipe, update=False)
        ingest(find_sources([str(films)]), dataset, recipe, InProcess())

    def objects() -> int:
        return sum(len(dataset.names(table)) for table in TABLES)

    steps: list[tuple[str, Callable[[], object], Callable[[], int]]] = [
        ("ingest", bring, lambda: objects() + 2 * videos),
        ("nothing left to ingest", bring, lambda: 1),
        ("funnel()", lambda: query(Dataset(dataset.uri), "FROM funnel()"), objects),
        ("validate", lambda: [*faults(Dataset(dataset.uri))], objects),
        ("compact", lambda: compact(dataset, rows_per_file=10**6), lambda: 5 * videos + 10),
        ("funnel(), compacted", lambda: query(Dataset(dataset.uri), "FROM funnel()"), objects),
    ]
    print("\n| step | requests | a video | objects |\n|---|---|---|---|")
    for name, step, floor in steps:
        log.new()
        step()
        asked = log.new()
        least = floor()
        print(f"| {name} | {asked} | {asked / videos:.1f} | {least} |")
        report.figure(name, asked / videos, "requests a video", floor=least / videos)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--videos", type=int, default=11)
    options = parse(parser, videos=2)
    with tempfile.TemporaryDirectory() as scratch, s3_server(Path(scratch)) as server:
        os.environ.update(server)
        measured(Report("bucket"), Path(scratch), options.videos)


if __name__ == "__main__":
    main()
