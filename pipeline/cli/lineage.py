"""`dawn lineage`."""

from pathlib import Path
from typing import Annotated

import typer

from manifests.location import local_path, location
from pipeline.cli.options import OptionalDataset


def lineage(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FILE|RUN",
            parser=location,
            help="A video, or the folder of a training run, a generation run or results.",
        ),
    ],
    runs: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER",
            parser=location,
            help="Where the other runs lie; may be given again. Default: the folders that hold "
            "the target, its dataset and its model.",
        ),
    ] = None,
    dataset: OptionalDataset = None,
    output: Annotated[str, typer.Option("--format", help="text, csv or json.")] = "text",
    out: Annotated[Path | None, typer.Option(parser=local_path, help="Write to this file.")] = None,
) -> None:
    """Trace videos: clip, consent and licence, dataset, checkpoint, video, numbers.

    What stands on a forgotten clip is withdrawn: the checkpoint that learnt from it, that
    checkpoint's videos, their numbers.

    Example: [bold]dawn lineage runs/dawn[/bold]
    """
    from pipeline.credentials.lineage import print_lineage

    print_lineage(target, runs or (), dataset, output, out)
