"""`dawn vote`: what people see."""

from pathlib import Path
from typing import Annotated

import typer

from manifests.location import local_path, location

app = typer.Typer(no_args_is_help=True, help="Blind votes: a page, its answers, what they say.")

StudyFolder = Annotated[
    Path, typer.Argument(metavar="STUDY", parser=local_path, help="A folder of `vote make`.")
]


@app.command()
def make(
    results: Annotated[
        list[str],
        typer.Argument(metavar="RESULTS…", parser=location, help="Folders of `dawn evaluate`."),
    ],
    out: Annotated[Path, typer.Option(metavar="STUDY", parser=local_path, help="New folder.")],
    questions: Annotated[
        str, typer.Option(help="Which to ask, in this order; other words are asked as they stand.")
    ] = "lips,likeness,motion,picture,overall",
    pairs: Annotated[int, typer.Option(min=1, help="Pairs that one rater sees.")] = 20,
    clips: Annotated[int, typer.Option(min=1, help="Clips to draw pairs from.")] = 24,
    checks: Annotated[int, typer.Option(min=0, help="Attention checks for each rater.")] = 3,
    seed: Annotated[int, typer.Option(help="Of clips, order and sides.")] = 0,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Which one is better?",
) -> None:
    """Make a page that shows blind pairs of systems on the same clip, side by side.

    It works from a disk and from any web server; answers are saved as a file to send back.
    Example: [bold]dawn vote make results/a results/b --out study[/bold]
    """
    from manifests.errors import InputError
    from pipeline.votes.make import MakeOptions, make_study

    asked = tuple(dict.fromkeys(name.strip() for name in questions.split(",") if name.strip()))
    if not asked:
        raise InputError("--questions: names none; give some of lips, likeness, motion, overall")
    make_study(
        MakeOptions(
            results=tuple(results), out=out, questions=asked, pairs=pairs, clips=clips,
            checks=checks, seed=seed, title=title,
        )
    )  # fmt: skip


@app.command()
def serve(
    study: StudyFolder,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8010,
) -> None:
    """Show the page over HTTP and keep the answers that it posts.

    For this machine alone unless --host says otherwise; there is no log-in.
    Example: [bold]dawn vote serve study[/bold]
    """
    from pipeline.votes.serve import serve_study

    serve_study(study, host, port)


@app.command("import")
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", parser=local_path, help="Answers, or CSV of ratings."),
    ],
    study: Annotated[
        Path, typer.Option(metavar="STUDY", parser=local_path, help="Where they belong.")
    ],
) -> None:
    """Take in answers that raters sent back, or ratings from elsewhere.

    CSV: rater, clip_id, a, b, winner; or rater, clip_id, system, score (1 to 5); and question.
    Example: [bold]dawn vote import answers-*.json --study study[/bold]
    """
    from pipeline.votes.command import import_votes

    import_votes(study, files)


@app.command()
def report(
    study: StudyFolder,
    results: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RESULTS…", parser=location, help="To see which metric follows people."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", parser=local_path, help="Default: the study's folder."),
    ] = None,
) -> None:
    """Strengths with 95 % intervals, wins, agreement, votes still needed, metrics against people.

    Example: [bold]dawn vote report study results/a results/b[/bold]
    """
    from pipeline.votes.command import report_votes

    report_votes(study, results or [], out)
