"""The command line `dawn`. Commands import what they need when they run, so that help is quick."""

import errno
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from manifests.errors import InputError
from manifests.location import local_path, location, split_location
from pipeline import (
    checkpoint_commands,
    dataset_commands,
    generate_command,
    leaderboard_command,
    regress_command,
    weights_commands,
)

app = typer.Typer(
    name="dawn",
    help="Datasets, models and evaluation for DAWN talking-head video.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(dataset_commands.app, name="dataset")
app.add_typer(checkpoint_commands.app, name="checkpoint")
app.add_typer(weights_commands.app, name="weights")
app.add_typer(regress_command.app, name="regress")
app.command()(generate_command.generate)
app.command()(leaderboard_command.leaderboard)
app.command("eval-checkpoint")(regress_command.eval_checkpoint)

Dataset = Annotated[
    str,
    typer.Option(metavar="ROOT", parser=location, help="The dataset: a folder or s3://… URI."),
]
Address = Annotated[
    str | None, typer.Option(help="Join the Ray cluster there ('auto': the one of this machine).")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Tasks at once; default: all CPUs.")]


@app.callback()
def begin() -> None:
    """Before any command: what is told of folders by the environment holds wherever work runs."""
    from dawn.weights import fix_folders

    fix_folders()


@app.command()
def demo(
    out: Annotated[Path, typer.Option(parser=local_path, help="Where to write everything.")] = Path(
        "demo"
    ),
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: every CPU.")
    ] = None,
    model: Annotated[
        bool, typer.Option(help="Go on to train a tiny model, and to measure what it makes.")
    ] = True,
) -> None:
    """Render sample footage, ingest it, train a tiny model on it, and open a leaderboard of it.

    Needs no network and no file. Example: [bold]dawn demo --out demo[/bold]
    """
    from pipeline.demo import run_demo

    run_demo(out, workers, model=model)


@app.command()
def ingest(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE…",
            parser=location,
            help="Videos, folders, globs, or CSV/Parquet lists with a column path and, if "
            "wanted, speaker, licence, split, start, end (seconds).",
        ),
    ],
    dataset: Dataset,
    config: Annotated[
        Path | None,
        typer.Option(parser=local_path, help="YAML of settings; unknown keys are errors."),
    ] = None,
    address: Address = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Tasks at once; default: all CPUs.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many videos.")] = None,
    timeout_seconds: Annotated[
        float, typer.Option(min=1, help="A step (at most a minute of footage) may take this long.")
    ] = 900.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    update_recipe: Annotated[
        bool, typer.Option("--update-recipe", help="Redo what a changed configuration affects.")
    ] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Try quarantined videos again.")] = False,
) -> None:
    """Turn talking videos into a dataset of face clips, landmarks, pose and audio features.

    What is there already is not done again; a stopped run goes on where it was.
    Example: [bold]dawn ingest footage/ --dataset data/[/bold]
    """
    from pipeline.ingest_command import IngestOptions, run_ingest

    run_ingest(
        IngestOptions(
            sources=tuple(sources), dataset=dataset, config=config, address=address,
            workers=workers, limit=limit, timeout_s=timeout_seconds, dry_run=dry_run,
            update_recipe=update_recipe, retry=retry,
        )
    )  # fmt: skip


@app.command()
def train(
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="lfg, pbnet, a2v, or all.")],
    dataset: Dataset,
    out: Annotated[
        str, typer.Option(metavar="RUN", parser=location, help="The run: a folder or s3://… URI.")
    ],
    preset: Annotated[str, typer.Option(help="Network and schedule: tiny, 128 or 256.")] = "tiny",
    source: Annotated[
        str, typer.Option(help="Losses as the released code has them, or the paper: code, paper.")
    ] = "code",
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting.")
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
            help="Begin from this checkpoint's weights: RUN/model or RUN/model/STAGE.",
        ),
    ] = None,
    curriculum: Annotated[
        str | None,
        typer.Option(
            help="For lfg: faces, eyes from --init, or auto for both. For a2v: short clips, long "
            "from --init, or auto. Default with the preset tiny: auto, short; else: faces, auto."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share each batch.")] = 1,
    gpus_per_worker: Annotated[float, typer.Option(min=0, help="GPUs of each.")] = 0.0,
    address: Address = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from RUN's last checkpoint.")
    ] = False,
) -> None:
    """Train DAWN's networks on a dataset, on this machine or a cluster.

    Exact to resume: add --resume to the same command.
    Example: [bold]dawn train all --dataset data/ --out runs/first --preset tiny[/bold]
    """
    from pipeline.train import Resources
    from pipeline.train_command import TrainOptions, run_train

    run_train(
        TrainOptions(
            stage=stage, dataset=dataset, out=out, preset=preset, source=source,
            changes=tuple(change or ()), lfg=lfg, init=init, curriculum=curriculum,
            resources=Resources(
                workers=workers, gpus_per_worker=gpus_per_worker, address=address
            ),
            resume=resume,
        )
    )  # fmt: skip


@app.command()
def evaluate(
    reference: Annotated[
        str,
        typer.Option(
            metavar="DATASET:split|DIR",
            parser=split_location,
            help="The real clips; split `all`: any.",
        ),
    ],
    out: Annotated[
        str,
        typer.Option(metavar="RESULTS", parser=location, help="Where to write; also to go on."),
    ],
    run: Annotated[
        str | None, typer.Option(parser=location, help="A folder that `dawn generate` made.")
    ] = None,
    videos: Annotated[
        Path | None,
        typer.Option(
            parser=local_path, help="A folder of any system's videos, named as the clips are."
        ),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="real, real-split, static or shuffled-audio.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Names, or how they begin, by commas; default: the card's.")
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="A card: default, dawn-paper, or a YAML file.")
    ] = "default",
    system: Annotated[str | None, typer.Option(help="Name in tables; default: the run's.")] = None,
    trust_weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Use this file though it is not the registered one (a proxy then)."
        ),
    ] = None,
    address: Address = None,
    workers: Workers = None,
    timeout_seconds: Annotated[
        float, typer.Option(min=1, help="One clip may take this long.")
    ] = 900.0,
) -> None:
    """Measure generated videos against real ones: FID, FVD, sync, identity, motion and more.

    What is measured already is not done again; a stopped run goes on where it was.
    Example: [bold]dawn evaluate --run runs/a --reference data:test --out results/a[/bold]
    """
    from pipeline.evaluate_command import EvaluateOptions, run_evaluate

    run_evaluate(
        EvaluateOptions(
            reference=reference, out=out, run=run, videos=videos, baseline=baseline,
            metrics=metrics, protocol=protocol, system=system,
            trust_weights=tuple(trust_weights or ()), address=address, workers=workers,
            timeout_s=timeout_seconds,
        )
    )  # fmt: skip


@app.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT statement.")],
    dataset: Annotated[
        str | None,
        typer.Option(metavar="ROOT", parser=location, help="A dataset: a folder or s3://… URI."),
    ] = None,
    runs: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER",
            parser=location,
            help="Results, a generation run, a training run, or a folder that holds such; "
            "may be given again.",
        ),
    ] = None,
    output: Annotated[
        str, typer.Option("--format", help="table, csv, json or parquet (csv, json: to stdout).")
    ] = "table",
    out: Annotated[
        Path | None, typer.Option(parser=local_path, help="Write to this file instead.")
    ] = None,
) -> None:
    """Ask a dataset, runs, or both, in SQL; read-only. docs/queries.md answers many questions.

    Views of --dataset: videos, clips, frames, audio, decisions, timings.
    Macros: funnel(), blinks_per_second(), what_if(filter, threshold).

    Views of --runs: results, metrics, conditions, clip_results, features,
    generations, training, definitions. Macros:
    leaderboard(protocol): every system's numbers, ranked; name or hash
    compare(a, b): clip by clip, systems or results; gain: b is better
    differences(a, b): under what conditions their metrics differ
    history(metric): over time, with the change from the one before

    Example: [bold]dawn query "SELECT rank, system, value FROM
    leaderboard('default') WHERE metric = 'psnr'" --runs results/[/bold]
    """
    from pipeline.query_command import run_query

    run_query(dataset, sql, output, out, runs or ())


def main() -> None:
    """Entry point: user errors become one line and exit code 2."""
    try:
        app()
    except InputError as error:
        _fail(str(error), 2)
    except KeyboardInterrupt:
        _fail("stopped; the same command goes on from here (`dawn train` with --resume)", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _fail("no space left on the disk; free some, then run the same command again", 2)


def _fail(message: str, code: int) -> None:
    text = " ".join(message.splitlines())
    sys.stderr.write(f"error: {text}\n" if code == 2 else f"{text}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
