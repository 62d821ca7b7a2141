"""What `dawn ingest` prints and decides around the ingest itself."""

from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from dawn.features.video.container import open_media
from dawn.recipe import IngestConfig, Recipe
from manifests.catalog import rows
from manifests.config import load_yaml
from manifests.content_ids import label
from manifests.counting import count
from manifests.location import Where
from manifests.reasons import UnreadableVideoError
from manifests.staging import at_hand
from manifests.store import FORGOTTEN, Dataset
from pipeline.cluster.devices import check_device, told
from pipeline.cluster.executor import OnDemand
from pipeline.cluster.start import check_workers
from pipeline.cluster.tasks import OnRay
from pipeline.ingest.adopt import adopt
from pipeline.ingest.asked_splits import refuse_conflicts
from pipeline.ingest.run import Summary, ingest
from pipeline.ingest.sources import Source, find_sources
from pipeline.ingest.steps import networks_of
from pipeline.progress import console
from pipeline.run_log import logged

# Of one core and one minute of footage, where a dataset has no timings of its own yet; from
# docs/performance.md.
SECONDS_PER_MINUTE = 16.0
BYTES_PER_MINUTE = 8.6e6
_NAMED = 5
_NOTHING_DONE = ("unchanged", "forgotten")

_HELD = """
SELECT count(*) AS clips, count(*) FILTER (accepted) AS accepted,
       coalesce(sum(duration_s) FILTER (accepted), 0) AS seconds,
       count(DISTINCT identity) FILTER (accepted) AS identities,
       (SELECT count(*) FROM videos) AS videos
FROM clips
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestOptions:
    """The flags of `dawn ingest`."""

    sources: tuple[str, ...]
    dataset: str
    config: Path | None = None
    address: str | None = None
    workers: int | None = None
    limit: int | None = None
    timeout_s: float = 900.0
    dry_run: bool = False
    update_recipe: bool = False
    retry: bool = False
    verify: bool = False
    device: str = "auto"
    gpus_per_worker: float | None = None


def run_ingest(options: IngestOptions) -> None:
    """Ingest, then say what there is now and what to do next."""
    sources = find_sources(options.sources, options.limit)
    config = load_yaml(IngestConfig, options.config) if options.config else IngestConfig()
    recipe = Recipe.resolve(config)
    check_workers(options.workers, options.address)
    check_device(options.device, options.gpus_per_worker, options.address)
    dataset = Dataset(options.dataset)
    refuse_conflicts(sources, dataset, recipe)
    if options.dry_run:
        _plan(sources, dataset, options.workers)
        return
    # Refuse before Ray starts, which takes seconds.
    for change in adopt(dataset, recipe, update=options.update_recipe):
        console.print(f"recipe: {change}", markup=False)
    networks = ", ".join(sorted(recipe.weights)) or "none (no weights found)"
    console.print(f"{count(len(sources), 'source')}; optional networks: {networks}", markup=False)
    device, share = options.device, options.gpus_per_worker
    if not any(networks_of(recipe)):
        device, share = "cpu", None

    def start() -> OnRay:
        ray = OnRay(
            options.workers, options.address, options.timeout_s, device=device,
            gpus_per_worker=share,
        )  # fmt: skip
        for line in told(ray.place):
            console.print(line, markup=False)
        return ray

    executor = OnDemand(start)
    how = {"retry": options.retry, "verify": options.verify}
    config_hash = str(dataset.info()["recipe_hash"])
    with logged("ingest", dataset.uri, address=options.address, config=config_hash):
        try:
            summary = ingest(sources, dataset, recipe, executor, **how)
        finally:
            executor.close()
    report(dataset, summary)


def report(dataset: Dataset, summary: Summary) -> None:
    """What this run did, why videos are missing, and what to run next."""
    counts = ", ".join(f"{n} {outcome}" for outcome, n in sorted(summary.outcomes.items()))
    new = {outcome for outcome in summary.outcomes if outcome not in _NOTHING_DONE}
    clips = f"; {count(summary.clips, 'clip')} accepted" if new else "; nothing to do"
    console.print(f"done: {counts}{clips}")
    (held,) = rows(dataset, _HELD)
    console.print(
        f"the dataset holds {count(held['clips'], 'clip')} of {count(held['videos'], 'video')}: "
        f"{held['accepted']:,} accepted, {held['seconds'] / 60:.1f} minutes, "
        f"{count(held['identities'], 'identity', 'identities')}"
    )
    if summary.forgotten:
        names = summary.forgotten[:_NAMED] + ["…"] * (len(summary.forgotten) > _NAMED)
        console.print(
            f"left out, for it was forgotten: {', '.join(names)}; to take that back, delete its "
            f"record in {dataset.uri}/{FORGOTTEN}",
            markup=False,
        )
    lost = rows(
        dataset,
        "SELECT status, reason, detail, sources[1] AS source FROM videos WHERE status <> 'ok' "
        "ORDER BY status, reason, source LIMIT 20",
    )
    for row in lost:
        line = f"  {row['status']}: {row['source']}: {row['detail']} [{row['reason']}]"
        console.print(line, markup=False)
    console.print(f'next: dawn query "FROM funnel()" --dataset {dataset.uri}', markup=False)
    console.print(f"      dawn dataset info {dataset.uri}", markup=False)


def _plan(sources: list[Source], dataset: Dataset, workers: int | None) -> None:
    """What would be read, and an estimate of its cost."""
    there: set[str] = set()
    rate, size = SECONDS_PER_MINUTE, BYTES_PER_MINUTE
    basis = "this project's reference machine"
    if dataset.exists:
        there = {s for row in rows(dataset, "SELECT sources FROM videos") for s in row["sources"]}
        measured = rows(
            dataset,
            "SELECT sum(seconds) / sum(footage_s) * 60 AS rate FROM timings WHERE step = 'total'",
        )
        if measured and measured[0]["rate"]:
            rate, basis = measured[0]["rate"], "this dataset's own timings"
    seconds, unreadable = 0.0, 0
    table = Table("source", "minutes", "state")
    for source in sources:
        length = _promised_seconds(source.path)
        name = label(source.path)
        known = name in there
        state = "known" if known else "to do" if length is not None else "cannot be opened"
        unreadable += length is None
        seconds += 0 if known else length or 0
        table.add_row(escape(name), f"{(length or 0) / 60:.2f}", state)
    console.print(table)
    cores = workers or 1
    console.print(
        f"{count(len(sources), 'source')}, {unreadable} of them cannot be opened; "
        f"{seconds / 60:.1f} minutes of footage to do: about {seconds / 60 * rate / cores:.0f} s "
        f"on {count(cores, 'core')} and {seconds / 60 * size / 1e6:.0f} MB (from {basis}). "
        "Nothing was written.",
        markup=False,
    )


def _promised_seconds(where: Where) -> float | None:
    """What the header says; good enough for an estimate."""
    try:
        with at_hand(where) as path:
            if not path.is_file():
                return None  # opening a pipe would wait for whoever writes to it
            with open_media(path) as container:
                return (container.duration or 0) / 1e6
    except (FileNotFoundError, UnreadableVideoError):
        return None
