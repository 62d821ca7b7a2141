"""The commands `dawn regress …` and `dawn eval-checkpoint`: their flags, checked and handed on."""

from pathlib import Path
from typing import Annotated

import typer

from manifests.errors import InputError
from manifests.location import local_path, location

app = typer.Typer(add_completion=False)

Baseline = Annotated[
    str,
    typer.Option(
        metavar="RESULTS|FILE.json",
        parser=location,
        help="Results to hold, or the file that names them.",
    ),
]
Candidate = Annotated[
    str, typer.Option(metavar="RESULTS", parser=location, help="A folder of `dawn evaluate`.")
]
Gate = Annotated[
    Path | None,
    typer.Option(parser=local_path, help="YAML of metrics and margins; default: ours."),
]
Report = Annotated[
    list[str] | None, typer.Option(metavar="FORMAT", help="md, json, junit or html; repeatable.")
]
Out = Annotated[
    Path | None,
    typer.Option(parser=local_path, help="Folder for reports; default: to the screen."),
]
Inconclusive = Annotated[
    int, typer.Option(min=0, max=1, help="Exit code when the clips do not decide.")
]


@app.callback(invoke_without_command=True)
def regress(
    context: typer.Context,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="RESULTS|FILE.json",
            parser=location,
            help="Results to hold, or the file that names them.",
        ),
    ] = None,
    candidate: Annotated[
        str | None,
        typer.Option(metavar="RESULTS", parser=location, help="A folder of `dawn evaluate`."),
    ] = None,
    gate: Gate = None,
    report: Report = None,
    out: Out = None,
    inconclusive: Inconclusive = 1,
) -> None:
    """Fail a checkpoint that is worse than the baseline: paired, clip by clip, with margins.

    Exit code: 0 pass, 1 fail, 3 not comparable, 2 wrong use; inconclusive: --inconclusive.
    Example: [bold]dawn regress --baseline results/a --candidate results/b[/bold]
    """
    if context.invoked_subcommand is not None:
        return
    if baseline is None or candidate is None:
        raise InputError("give --baseline RESULTS and --candidate RESULTS")
    from pipeline.regress import RegressOptions, run_regress

    code = run_regress(
        RegressOptions(
            baseline=baseline, candidate=candidate, gate=gate, reports=tuple(report or ()),
            out=out, inconclusive=inconclusive,
        )
    )  # fmt: skip
    raise typer.Exit(code)


@app.command()
def accept(
    baseline: Annotated[
        str,
        typer.Option(
            metavar="FILE.json", parser=location, help="The file that names the baseline."
        ),
    ],
    candidate: Candidate,
    reason: Annotated[str, typer.Option(help="Why; kept in the file's history.")],
    gate: Gate = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Accept it though it fails against the old one.")
    ] = False,
) -> None:
    """Make a candidate the baseline; what changed is recorded in the file.

    Example: [bold]dawn regress accept --baseline baseline.json --candidate results/b
    --reason "longer training"[/bold]
    """
    from pipeline.regress import accept as run

    run(baseline, candidate, reason, gate, failed=failed)


@app.command()
def calibrate(
    results: Annotated[
        list[str],
        typer.Argument(
            metavar="RESULTS…", parser=location, help="Of one checkpoint, by several seeds."
        ),
    ],
) -> None:
    """Print how much each number moves from seed to seed, and the margin that follows.

    Example: [bold]dawn regress calibrate results/seed0 results/seed1 results/seed2[/bold]
    """
    from pipeline.regress import run_calibrate

    run_calibrate(results)


def eval_checkpoint(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CKPT", parser=local_path, help="A model's folder.")
    ],
    dataset: Annotated[str, typer.Option(metavar="ROOT", parser=location, help="The dataset.")],
    baseline: Baseline,
    out: Annotated[
        str, typer.Option(parser=location, help="Where videos and results go; also to go on.")
    ],
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many clips.")] = None,
    max_seconds: Annotated[
        float | None, typer.Option(help="Leave out what lies beyond, in every clip.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another number, other videos.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Denoising steps.")] = None,
    metrics: Annotated[
        str | None, typer.Option(help="By commas; default: what the baseline was measured with.")
    ] = None,
    system: Annotated[
        str | None, typer.Option(help="Name in tables; default: the checkpoint's folder.")
    ] = None,
    gate: Gate = None,
    report: Report = None,
    reports: Annotated[
        Path | None,
        typer.Option(parser=local_path, help="Folder for reports; default: OUT/regression."),
    ] = None,
    inconclusive: Inconclusive = 1,
    workers: Annotated[int | None, typer.Option(min=1, help="Tasks at once.")] = None,
    address: Annotated[str | None, typer.Option(help="Join the Ray cluster there.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Generate, evaluate and judge a checkpoint against a baseline: one command for CI.

    What is made already is not made again; exit codes are those of `dawn regress`.
    Example: [bold]dawn eval-checkpoint runs/a/model --dataset data --baseline baseline.json
    --out ci[/bold]
    """
    if max_seconds is not None and not max_seconds > 0:
        raise InputError(f"--max-seconds {max_seconds}: give a positive number")
    from pipeline.eval_checkpoint import CheckpointOptions, run_eval_checkpoint

    code = run_eval_checkpoint(
        CheckpointOptions(
            checkpoint=checkpoint, dataset=dataset, baseline=baseline, out=out, split=split,
            limit=limit, max_seconds=max_seconds, seed=seed, steps=steps, metrics=metrics,
            system=system, gate=gate, reports=tuple(report or ()), report_folder=reports,
            inconclusive=inconclusive, workers=workers, address=address, device=device,
        )
    )  # fmt: skip
    raise typer.Exit(code)
