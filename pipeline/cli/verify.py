"""`dawn verify`."""

from pathlib import Path
from typing import Annotated

import typer

from manifests.location import local_path, location


def verify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", parser=local_path, help="Videos.")],
    trust: Annotated[
        Path | None,
        typer.Option(
            metavar="PEM",
            parser=local_path,
            help="Certificates of issuers that you trust; a signer that none of them vouches for "
            "is then refused.",
        ),
    ] = None,
    results: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RUN",
            parser=location,
            help="Where a video has no credentials: is it a re-encoded copy of one of this run, or "
            "of a run in this folder? May be given again.",
        ),
    ] = None,
) -> None:
    """Check the content credentials of videos: who signed, when, by which checkpoint made.

    Nothing is asked of the network. Exit code 0: all are valid; 1: one is altered, or its
    credentials are not valid; 3: one has no credentials; 2: something cannot be read.

    Example: [bold]dawn verify talking.mp4[/bold]
    """
    from pipeline.credentials.verify import verify_files

    raise typer.Exit(verify_files(files, trust, results or ()))
