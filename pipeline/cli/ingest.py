"""`dawn ingest`."""

from typing import Annotated

import typer

from manifests.location import location
from pipeline.cli.options import (
    Address,
    Config,
    Dataset,
    Device,
    GpusPerWorker,
    Limit,
    Retry,
    Timeout,
    Workers,
)


def ingest(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE…",
            parser=location,
            help="Videos, folders, globs, or CSV/Parquet lists with a column path and, if "
            "wanted, speaker, licence, split, start, end (seconds).",
        ),
    ],
    dataset: Dataset,
    config: Config = None,
    address: Address = None,
    workers: Workers = None,
    limit: Limit = None,
    timeout_seconds: Timeout = 900.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and an estimate.")
    ] = False,
    update_recipe: Annotated[
        bool,
        typer.Option("--update-recipe", help="Reprocess what a changed configuration affects."),
    ] = False,
    retry: Retry = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Hash every source, also those of unchanged size and time."),
    ] = False,
    device: Device = "auto",
    gpus_per_worker: GpusPerWorker = None,
) -> None:
    """Turn talking videos into a dataset of face clips, landmarks, pose and audio features.

    Finished work is skipped, so a stopped run resumes where it was.
    Example: [bold]dawn ingest footage/ --dataset data/[/bold]
    """
    from pipeline.ingest.command import IngestOptions, run_ingest

    run_ingest(
        IngestOptions(
            sources=tuple(sources), dataset=dataset, config=config, address=address,
            workers=workers, limit=limit, timeout_s=timeout_seconds, dry_run=dry_run,
            update_recipe=update_recipe, retry=retry, verify=verify, device=device,
            gpus_per_worker=gpus_per_worker,
        )
    )  # fmt: skip
