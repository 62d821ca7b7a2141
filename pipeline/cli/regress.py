"""`dawn regress` and what belongs to it: `accept`, `calibrate`."""

from typing import Annotated

import typer

from manifests.errors import InputError
from manifests.location import location
from pipeline.cli.options import (
    Candidate,
    Gate,
    Inconclusive,
    OptionalBaseline,
    OptionalCandidate,
    Report,
)

app = typer.Typer(add_completion=False)


@app.callback(invoke_without_command=True)
def regress(
    context: typer.Context,
    baseline: OptionalBaseline = None,
    candidate: OptionalCandidate = None,
    gate: Gate = None,
    report: Report = None,
    out: Annotated[
        str | None,
        typer.Option(parser=location, help="Folder for reports; default: to the screen."),
    ] = None,
    inconclusive: Inconclusive = 1,
) -> None:
    """Fail a checkpoint that is worse than the baseline, by paired tests with margins.

    Exit code: 0 pass, 1 fail, 3 not comparable, 2 wrong use; inconclusive: --inconclusive.
    Example: [bold]dawn regress --baseline results/a --candidate results/b[/bold]
    """
    if context.invoked_subcommand is not None:
        return
    if baseline is None or candidate is None:
        raise InputError("give --baseline RESULTS and --candidate RESULTS")
    from pipeline.evaluate.gate import RegressOptions, run_regress

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
    reason: Annotated[str, typer.Option(help="Reason; recorded in the file's history.")],
    gate: Gate = None,
    failed: Annotated[
        bool,
        typer.Option("--failed", help="Accept it even though it fails against the old baseline."),
    ] = False,
) -> None:
    """Make a candidate the baseline; what changed is recorded in the file.

    Example: [bold]dawn regress accept --baseline baseline.json --candidate results/b
    --reason "longer training"[/bold]
    """
    from pipeline.evaluate.gate import accept as run

    run(baseline, candidate, reason, gate, failed=failed)


@app.command()
def calibrate(
    results: Annotated[
        list[str],
        typer.Argument(
            metavar="RESULTS…",
            parser=location,
            help="Results of one checkpoint with several seeds.",
        ),
    ],
) -> None:
    """Print how much each number moves from seed to seed, and the margin that follows.

    Example: [bold]dawn regress calibrate results/seed0 results/seed1 results/seed2[/bold]
    """
    from pipeline.evaluate.gate import run_calibrate

    run_calibrate(results)
