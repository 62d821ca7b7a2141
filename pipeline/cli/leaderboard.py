"""`dawn leaderboard`."""

import sys
from typing import Annotated

import typer

from manifests.errors import InputError
from manifests.location import location


def leaderboard(
    results: Annotated[
        list[str],
        typer.Argument(
            metavar="RESULTS…", help="Results folders of `dawn evaluate`: systems and baselines."
        ),
    ],
    out: Annotated[
        str,
        typer.Option(metavar="DIR", parser=location, help="Where the page goes; s3://…, too."),
    ] = "leaderboard",
    protocol: Annotated[
        str | None,
        typer.Option(help="Only results under this card: default, dawn-paper, or a YAML file."),
    ] = None,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Leaderboard",
    gallery: Annotated[
        int, typer.Option(min=0, help="Clips shown for each system as worst, median and best.")
    ] = 2,
    gallery_metric: Annotated[
        str | None,
        typer.Option(help="Metric that selects these clips; default: a lip-sync metric."),
    ] = None,
    price_per_hour: Annotated[
        float | None, typer.Option(help="Machine price; adds the cost of a minute of video.")
    ] = None,
) -> None:
    """Make a page of systems side by side, with intervals, ties, clips and queries; and exports.

    What may not be compared is shown apart. The page needs no network and no other file.
    Example: [bold]dawn leaderboard results/a results/b results/real --out page[/bold]
    """
    if price_per_hour is not None and not price_per_hour > 0:
        raise InputError(f"--price-per-hour {price_per_hour}: give a positive number")
    from eval.leaderboard.board import BoardSettings
    from pipeline.evaluate.leaderboard import LeaderboardOptions, run_leaderboard

    run_leaderboard(
        LeaderboardOptions(
            results=tuple(results),
            out=out,
            protocol=protocol,
            settings=BoardSettings(
                title=title,
                gallery=gallery,
                gallery_metric=gallery_metric,
                price_per_hour=price_per_hour,
            ),
            command=("dawn", *sys.argv[1:]),
        )
    )
