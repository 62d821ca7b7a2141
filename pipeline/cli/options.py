"""Flags that several commands have: each is written once, so that it means the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

from manifests.errors import InputError
from manifests.location import local_path, location, split_location

_DATASET = typer.Option(
    metavar="ROOT", parser=location, help="The dataset: a folder or s3://… URI."
)
Dataset = Annotated[str, _DATASET]
OptionalDataset = Annotated[str | None, _DATASET]
Root = Annotated[
    str,
    typer.Argument(metavar="ROOT", parser=location, help="The dataset: a folder or s3://… URI."),
]
Reference = Annotated[
    str,
    typer.Option(
        metavar="DATASET:split|DIR",
        parser=split_location,
        help="The real clips; split `all` takes every split.",
    ),
]
Split = Annotated[str, typer.Option(help="train, val, test or all.")]
Config = Annotated[
    Path | None,
    typer.Option(
        metavar="YAML", parser=local_path, help="Settings; `dawn config template` lists them."
    ),
]

Address = Annotated[
    str | None,
    typer.Option(
        help="Ray cluster to join (`auto`: a running one here); default: start a local Ray."
    ),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Parallel tasks; default: all CPUs.")]
Timeout = Annotated[float, typer.Option("--timeout-seconds", min=1, help="Time limit per task.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first N.")]
Retry = Annotated[bool, typer.Option("--retry", help="Retry what failed before.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")]
GpusPerWorker = Annotated[
    float | None,
    typer.Option(min=0, help="Share of a GPU for each worker's networks; default: 0.25."),
]

Seed = Annotated[int, typer.Option(min=0, help="Random seed.")]
MaxSeconds = Annotated[
    float | None, typer.Option(help="Use at most this many seconds from the start of each clip.")
]
System = Annotated[str | None, typer.Option(help="Name shown in tables; default: the run's.")]
Metrics = Annotated[
    str | None,
    typer.Option(help="Comma-separated names or prefixes; default: the protocol's."),
]

_BASELINE = typer.Option(
    metavar="RESULTS|FILE.json",
    parser=location,
    help="Baseline results, or the file that names them.",
)
Baseline = Annotated[str, _BASELINE]
OptionalBaseline = Annotated[str | None, _BASELINE]
_CANDIDATE = typer.Option(metavar="RESULTS", parser=location, help="A folder of `dawn evaluate`.")
Candidate = Annotated[str, _CANDIDATE]
OptionalCandidate = Annotated[str | None, _CANDIDATE]
Gate = Annotated[
    Path | None,
    typer.Option(
        metavar="YAML", parser=local_path, help="Metrics and margins; default: the built-in gate."
    ),
]
Report = Annotated[
    list[str] | None, typer.Option(metavar="FORMAT", help="md, json, junit or html; repeatable.")
]
Inconclusive = Annotated[
    int, typer.Option(min=0, max=1, help="Exit code when the result is inconclusive.")
]


def check_seconds(max_seconds: float | None) -> None:
    """Raise InputError for a length that is not one."""
    if max_seconds is not None and not max_seconds > 0:
        raise InputError(f"--max-seconds {max_seconds}: give a positive number")
