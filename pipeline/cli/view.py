"""`dawn view`."""

from pathlib import Path
from typing import Annotated

import typer

from manifests.location import local_path, location
from pipeline.cli.options import Device


def view(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ROOT|RUN|RESULTS]...",
            parser=location,
            help="Datasets, training or generation runs, results, or folders that hold such.",
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="DIR", parser=local_path, help="A model to try."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8001,
    edit: Annotated[
        bool, typer.Option("--edit", help="Let clips be marked as bad, each with a reason.")
    ] = False,
    device: Device = "auto",
) -> None:
    """Look at datasets, runs and results in the browser: nothing leaves this machine.

    Only this machine can open it, and it changes nothing without --edit.

    Example: [bold]dawn view data/ runs/ results/[/bold]
    """
    from pipeline.view.command import View
    from pipeline.view.command import view as run

    run(View(targets=targets or [], checkpoint=checkpoint, device=device, port=port, edit=edit))
