"""`dawn plan`."""

from pathlib import Path
from typing import Annotated

import typer

from manifests.location import local_path, location
from pipeline.cli.options import Address, Config, Device, MaxSeconds


def plan(
    clips: Annotated[
        list[Path] | None,
        typer.Argument(metavar="CLIP…", parser=local_path, help="Videos for --measure."),
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Try the clips here first, and write --costs.")
    ] = False,
    costs: Annotated[
        Path,
        typer.Option(metavar="FILE", parser=local_path, help="What a trial measured."),
    ] = Path("costs.json"),
    at: Annotated[
        str | None,
        typer.Option(
            metavar="ROOT",
            parser=location,
            help="Where the trial's data lies meanwhile; requests are counted in s3://…",
        ),
    ] = None,
    config: Config = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", parser=location, help="Try to make videos with this model, too."
        ),
    ] = None,
    max_seconds: MaxSeconds = None,
    device: Device = "cpu",
    hours: Annotated[float | None, typer.Option(help="Plan the ingest of so much footage.")] = None,
    generate_minutes: Annotated[
        float | None, typer.Option(help="Plan so many minutes of generated video.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Parallel tasks.")] = 1,
    gpus: Annotated[float, typer.Option(min=0, help="GPUs that they share.")] = 0.0,
    price: Annotated[
        float | None, typer.Option(min=0, help="Dollars for a worker's core and hour.")
    ] = None,
    gpu_price: Annotated[
        float | None, typer.Option(min=0, help="Dollars for a GPU's hour.")
    ] = None,
    preemptions: Annotated[
        float, typer.Option(min=0, metavar="RATE", help="Of each worker, an hour.")
    ] = 0.0,
    fit: Annotated[
        bool, typer.Option("--fit", help="Check that the cluster, or this machine, has room.")
    ] = False,
    address: Address = None,
) -> None:
    """Say what a run will take, from what a trial of some clips took.

    Example: [bold]dawn plan --measure clips/*.mp4 --hours 100 --workers 64[/bold]
    """
    from pipeline.plan.command import PlanOptions, run_plan

    run_plan(
        PlanOptions(
            costs=costs.absolute(), clips=tuple(clips or ()), measure=measure, at=at, config=config,
            checkpoint=checkpoint, max_seconds=max_seconds, device=device, hours=hours,
            generate_minutes=generate_minutes, workers=workers, gpus=gpus, price=price,
            gpu_price=gpu_price, preemptions=preemptions, fit=fit, address=address,
        )
    )  # fmt: skip
