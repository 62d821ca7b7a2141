"""`dawn evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from manifests.location import local_path, location
from pipeline.cli.options import (
    Address,
    Device,
    GpusPerWorker,
    Metrics,
    Reference,
    System,
    Timeout,
    Workers,
)


def evaluate(
    reference: Reference,
    out: Annotated[
        str,
        typer.Option(
            metavar="RESULTS", parser=location, help="Output folder; an existing one is resumed."
        ),
    ],
    run: Annotated[
        str | None, typer.Option(parser=location, help="A folder that `dawn generate` made.")
    ] = None,
    videos: Annotated[
        str | None,
        typer.Option(
            parser=location, help="A folder of any system's videos, named after the clips."
        ),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="real, real-split, static or shuffled-audio.")
    ] = None,
    clips: Annotated[
        Path | None,
        typer.Option(
            metavar="LIST",
            parser=local_path,
            help="Only the clips that this CSV or Parquet names as clip_id.",
        ),
    ] = None,
    metrics: Metrics = None,
    protocol: Annotated[
        str, typer.Option(help="A card: default, dawn-paper, or a YAML file.")
    ] = "default",
    system: System = None,
    trust_weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Accept this weights file though it is not the registered one (as a proxy).",
        ),
    ] = None,
    sensitivity: Annotated[
        bool,
        typer.Option(
            "--sensitivity",
            help="Measure a share of the clips again under small changes: codec, crop, frame "
            "rate, resize, sound.",
        ),
    ] = False,
    share: Annotated[
        float, typer.Option(help="Of the clips, with --sensitivity; at least 8 are taken.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Chooses these clips.")] = 0,
    changes: Annotated[
        str | None, typer.Option(help="With --sensitivity, only these; comma-separated.")
    ] = None,
    address: Address = None,
    workers: Workers = None,
    timeout_seconds: Timeout = 900.0,
    device: Device = "auto",
    gpus_per_worker: GpusPerWorker = None,
) -> None:
    """Measure generated videos against real ones: FID, FVD, sync, identity, motion and more.

    Finished clips are skipped, so a stopped run resumes where it was.
    Example: [bold]dawn evaluate --run runs/a --reference data:test --out results/a[/bold]
    """
    from pipeline.evaluate.command import EvaluateOptions, run_evaluate
    from pipeline.evaluate.sensitivity import sensitivity_of

    run_evaluate(
        EvaluateOptions(
            reference=reference, out=out, run=run, videos=videos, baseline=baseline,
            clips=clips, metrics=metrics, protocol=protocol, system=system,
            trust_weights=tuple(trust_weights or ()), address=address, workers=workers,
            timeout_s=timeout_seconds, device=device, gpus_per_worker=gpus_per_worker,
            sensitivity=sensitivity_of(share, seed, changes) if sensitivity else None,
        )
    )  # fmt: skip
