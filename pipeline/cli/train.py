"""`dawn train`."""

from typing import Annotated

import typer

from manifests.location import location
from pipeline.cli.options import Address, Config, Dataset


def train(
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="lfg, pbnet, a2v, or all.")],
    dataset: Dataset,
    out: Annotated[
        str, typer.Option(metavar="RUN", parser=location, help="The run: a folder or s3://… URI.")
    ],
    preset: Annotated[
        str, typer.Option(help="Network and schedule: tiny, small, 128, 256.")
    ] = "tiny",
    source: Annotated[
        str, typer.Option(help="Losses as the released code has them, or the paper: code, paper.")
    ] = "code",
    config: Config = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting.")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Steps of each stage; short for --set run.steps=N."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Random seed; short for --set run.seed=N.")
    ] = None,
    lfg: Annotated[
        str | None,
        typer.Option(
            parser=location, help="For a2v: the flow generator, RUN/model or RUN/model/lfg."
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            parser=location,
            help="Initialise from this checkpoint: RUN/model or RUN/model/STAGE.",
        ),
    ] = None,
    curriculum: Annotated[
        str | None,
        typer.Option(
            help="For lfg: faces, eyes from --init, or auto for both. For a2v: short clips, long "
            "from --init, or auto. Default with tiny and small: auto, short; else: faces, auto."
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.1, help="Scale the steps by the preset's plan of time (small)."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Data-parallel workers; the batch is split between them.")
    ] = 1,
    max_workers: Annotated[
        int | None,
        typer.Option(min=1, help="Up to so many, as nodes come and go; --workers at least."),
    ] = None,
    gpus_per_worker: Annotated[float, typer.Option(min=0, help="GPUs per worker.")] = 0.0,
    address: Address = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume from RUN's last checkpoint.")
    ] = False,
) -> None:
    """Train DAWN's networks on a dataset, on this machine or a cluster.

    To resume exactly, add --resume to the same command.
    Example: [bold]dawn train all --dataset data/ --out runs/first --preset tiny[/bold]
    """
    from pipeline.train.command import TrainOptions, run_train, shorthand
    from pipeline.train.run import Resources

    run_train(
        TrainOptions(
            stage=stage, dataset=dataset, out=out, preset=preset, source=source,
            config=config, lfg=lfg, init=init, curriculum=curriculum,
            resources=Resources(
                workers=workers, max_workers=max_workers, gpus_per_worker=gpus_per_worker,
                address=address,
            ),
            resume=resume, minutes=minutes,
            changes=shorthand(tuple(change or ()), steps=steps, seed=seed, minutes=minutes),
        )
    )  # fmt: skip
