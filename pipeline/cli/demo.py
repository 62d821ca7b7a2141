"""`dawn demo`."""

from pathlib import Path
from typing import Annotated

import typer

from manifests.location import local_path
from pipeline.cli.options import Workers


def demo(
    out: Annotated[Path, typer.Option(parser=local_path, help="Output folder.")] = Path("demo"),
    workers: Workers = None,
    model: Annotated[
        bool,
        typer.Option(help="Also train a little, generate by the package's model and evaluate it."),
    ] = True,
) -> None:
    """Render sample footage, ingest it, train for a moment, make videos and a leaderboard of them.

    Needs no network and no file. Example: [bold]dawn demo --out demo[/bold]
    """
    from pipeline.demo.run import run_demo

    run_demo(out, workers, model=model)
