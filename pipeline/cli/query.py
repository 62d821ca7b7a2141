"""`dawn query`."""

from pathlib import Path
from typing import Annotated

import typer

from manifests.location import local_path, location
from pipeline.cli.options import OptionalDataset


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT statement.")],
    dataset: OptionalDataset = None,
    runs: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER",
            parser=location,
            help="Results, a generation run, a training run, or a folder that holds such; "
            "may be given again.",
        ),
    ] = None,
    output: Annotated[
        str, typer.Option("--format", help="table, csv, json or parquet (csv, json: to stdout).")
    ] = "table",
    out: Annotated[Path | None, typer.Option(parser=local_path, help="Write to this file.")] = None,
) -> None:
    """Query a dataset, runs, or both in SQL, read-only. docs/queries.md has many examples.

    Views of --dataset: videos, clips, frames, audio, decisions, timings.
    Macros: funnel(), blinks_per_second(), what_if(filter, threshold), same_voice(least).

    Views of --runs: results, metrics, conditions, clip_results, features,
    generations, training, speed_runs, definitions. Macros:
    leaderboard(protocol): every system's numbers, ranked; name or hash
    compare(a, b): clip by clip, systems or results; gain: b is better
    differences(a, b): under what conditions their metrics differ
    history(metric): over time, with the change from the one before

    Example: [bold]dawn query "SELECT rank, system, value FROM
    leaderboard('default') WHERE metric = 'psnr'" --runs results/[/bold]
    """
    from pipeline.query import run_query

    run_query(dataset, sql, output, out, runs or ())
