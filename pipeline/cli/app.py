"""The command line `dawn`. Commands import what they need when they run, so that help is quick."""

import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from manifests.errors import FULL, OUT_OF_REACH, InputError, is_full, is_out_of_reach
from pipeline.cli import checkpoint, config, dataset, regress, vote, weights
from pipeline.cli.bench_system import bench_system
from pipeline.cli.demo import demo
from pipeline.cli.eval_checkpoint import eval_checkpoint
from pipeline.cli.evaluate import evaluate
from pipeline.cli.generate import generate
from pipeline.cli.ingest import ingest
from pipeline.cli.leaderboard import leaderboard
from pipeline.cli.lineage import lineage
from pipeline.cli.metrics import metrics
from pipeline.cli.plan import plan
from pipeline.cli.query import query
from pipeline.cli.serve import serve
from pipeline.cli.train import train
from pipeline.cli.verify import verify
from pipeline.cli.view import view

app = typer.Typer(
    name="dawn",
    help="Datasets, models and evaluation for DAWN talking-head video.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (demo, ingest, train, generate, serve, evaluate, metrics, leaderboard, query, view,
                verify, lineage):  # fmt: skip
    app.command()(command)
app.command()(plan)
app.command("eval-checkpoint")(eval_checkpoint)
app.command("bench-system")(bench_system)
app.add_typer(regress.app, name="regress")
app.add_typer(vote.app, name="vote")
app.add_typer(dataset.app, name="dataset")
app.add_typer(checkpoint.app, name="checkpoint")
app.add_typer(weights.app, name="weights")
app.add_typer(config.app, name="config")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dawn {version('dawn-pipeline')}")
        raise typer.Exit


@app.callback()
def begin(
    version: Annotated[  # noqa: ARG001 - handled by its callback
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Datasets, models and evaluation for DAWN talking-head video."""
    from dawn.weights import fix_folders

    fix_folders()


def main() -> None:
    """Entry point: user errors become one line and exit code 2."""
    try:
        app()
    except InputError as error:
        _fail(str(error), 2)
    except KeyboardInterrupt:
        _fail("stopped; run the same command again to resume (`dawn train` with --resume)", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if not is_full(error):
            raise
        _fail(f"{FULL}; make room, then run the same command again", 2)
    except Exception as error:
        if not is_out_of_reach(error):
            raise
        from manifests.run_logs import without_secrets

        why = without_secrets(str(error))
        _fail(f"{OUT_OF_REACH} ({why}); run the same command again once it answers", 2)


def _fail(message: str, code: int) -> None:
    text = " ".join(message.splitlines())
    sys.stderr.write(f"error: {text}\n" if code == 2 else f"{text}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
