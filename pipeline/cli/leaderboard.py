"""`dawn leaderboard`."""

import enum
import sys
from pathlib import Path
from typing import Annotated

import typer

from manifests.errors import InputError
from manifests.location import local_path, location


class Layout(enum.Enum):
    """What `leaderboard` writes."""

    PAGE = "page"
    HF_SPACE = "hf-space"
    MODEL_CARD = "model-card"


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
    votes: Annotated[
        Path | None,
        typer.Option(
            metavar="STUDY", parser=local_path, help="Blind votes on these systems, of `dawn vote`."
        ),
    ] = None,
    speed: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR", parser=location, help="Times of `dawn bench-system`; repeatable."
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Numbers by a column of the clips, with gaps: language, head_turn, yaw:-10,10; "
            "repeatable.",
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="DATASET|FILE",
            parser=location,
            help="Where --by finds columns: a dataset, or CSV or Parquet with clip_id; default: "
            "the dataset of the real clips.",
        ),
    ] = None,
    min_group: Annotated[
        int, typer.Option(min=2, help="Clips of a group below which it has no number.")
    ] = 10,
    to: Annotated[
        Layout,
        typer.Option(
            help="page; hf-space: the same as a static Hugging Face Space; model-card: a card and "
            "`.eval_results` for each system."
        ),
    ] = Layout.PAGE,
    hub_dataset: Annotated[
        str | None,
        typer.Option(metavar="OWNER/NAME", help="The clips' dataset on the Hub, for model cards."),
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
            to=to.value,
            hub_dataset=hub_dataset,
            votes=votes,
            speed=tuple(speed or ()),
            by=tuple(by or ()),
            labels=labels,
            fewest=min_group,
        )
    )
