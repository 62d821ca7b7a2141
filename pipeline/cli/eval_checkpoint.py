"""`dawn eval-checkpoint`."""

from typing import Annotated

import typer

from manifests.location import location
from pipeline.cli.options import (
    Address,
    Baseline,
    Dataset,
    Device,
    Gate,
    GpusPerWorker,
    Inconclusive,
    Limit,
    MaxSeconds,
    Report,
    Seed,
    Split,
    System,
    Workers,
    check_seconds,
)


def eval_checkpoint(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CKPT", parser=location, help="A model's folder.")
    ],
    dataset: Dataset,
    baseline: Baseline,
    out: Annotated[
        str,
        typer.Option(
            parser=location,
            help="Output folder for videos and results; an existing one is resumed.",
        ),
    ],
    split: Split = "test",
    limit: Limit = None,
    max_seconds: MaxSeconds = None,
    seed: Seed = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Denoising steps.")] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Comma-separated; default: the baseline's metrics.")
    ] = None,
    system: System = None,
    gate: Gate = None,
    report: Report = None,
    report_out: Annotated[
        str | None,
        typer.Option(parser=location, help="Folder for reports; default: OUT/regression."),
    ] = None,
    inconclusive: Inconclusive = 1,
    workers: Workers = None,
    address: Address = None,
    device: Device = "auto",
    gpus_per_worker: GpusPerWorker = None,
) -> None:
    """Generate, evaluate and judge a checkpoint against a baseline: one command for CI.

    Finished work is skipped; exit codes are those of `dawn regress`.
    Example: [bold]dawn eval-checkpoint runs/a/model --dataset data --baseline baseline.json
    --out ci[/bold]
    """
    check_seconds(max_seconds)
    from pipeline.evaluate.checkpoint import CheckpointOptions, run_eval_checkpoint

    code = run_eval_checkpoint(
        CheckpointOptions(
            checkpoint=checkpoint, dataset=dataset, baseline=baseline, out=out, split=split,
            limit=limit, max_seconds=max_seconds, seed=seed, steps=steps, metrics=metrics,
            system=system, gate=gate, reports=tuple(report or ()), report_folder=report_out,
            inconclusive=inconclusive, workers=workers, address=address, device=device,
            gpus_per_worker=gpus_per_worker,
        )
    )  # fmt: skip
    raise typer.Exit(code)
