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
        help="The real clips; split `all`: any.",
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
    typer.Option(help="Join the Ray cluster there (`auto`: this machine's); default: a Ray here."),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Tasks at once; default: every CPU.")]
Timeout = Annotated[
    float, typer.Option("--timeout-seconds", min=1, help="One task may take this long.")
]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first so many.")]
Retry = Annotated[bool, typer.Option("--retry", help="Try again what failed before.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]

Seed = Annotated[int, typer.Option(min=0, help="Another number gives another video.")]
MaxSeconds = Annotated[
    float | None, typer.Option(help="Use only so much of each clip, from its beginning.")
]
System = Annotated[str | None, typer.Option(help="Name in tables; default: the run's.")]
Metrics = Annotated[
    str | None,
    typer.Option(help="Names, or how they begin, separated by commas; default: the protocol's."),
]

_BASELINE = typer.Option(
    metavar="RESULTS|FILE.json",
    parser=location,
    help="Results to hold, or the file that names them.",
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
    int, typer.Option(min=0, max=1, help="Exit code when the clips do not decide.")
]


def check_seconds(max_seconds: float | None) -> None:
    """Raise InputError for a length that is not one."""
    if max_seconds is not None and not max_seconds > 0:
        raise InputError(f"--max-seconds {max_seconds}: give a positive number")
