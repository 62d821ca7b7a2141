"""`dawn dataset`: what is in a dataset, whether it is sound, and keeping it quick to read."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from manifests.location import local_path, location
from pipeline.cli.options import Root, Seed, Split

app = typer.Typer(help="Inspect, check and compact a dataset.", no_args_is_help=True)


@app.command()
def info(root: Root) -> None:
    """Sizes, the funnel from sources to clips, and the recipe.

    Example: [bold]dawn dataset info data/[/bold]
    """
    from pipeline.dataset.report import print_info

    print_info(root)


@app.command()
def validate(
    root: Root,
    media: Annotated[
        bool, typer.Option(help="Decode every clip as well; --no-media checks tables only.")
    ] = True,
) -> None:
    """Check every invariant; lists what is broken and exits with 1.

    Example: [bold]dawn dataset validate data/[/bold]
    """
    from pipeline.dataset.report import print_faults

    raise typer.Exit(1 if print_faults(root, media=media) else 0)


@app.command()
def compact(
    root: Root,
    rows_per_file: Annotated[
        int, typer.Option(min=1, help="Frames that a merged file should hold at least.")
    ] = 200_000,
) -> None:
    """Merge small files into large ones while readers keep reading.

    Example: [bold]dawn dataset compact data/[/bold]
    """
    from manifests.compact import compact as merge
    from manifests.counting import count
    from manifests.store import Dataset
    from pipeline.progress import console

    result = merge(Dataset(root), rows_per_file)
    console.print(
        f"merged the parts of {count(result.videos, 'video')}: {count(result.before, 'file')} "
        f"before, {result.after:,} now"
    )


@app.command()
def card(
    root: Root,
    out: Annotated[
        Path, typer.Option(metavar="DIR", parser=local_path, help="Where the card goes.")
    ] = Path("dataset-card"),
    name: Annotated[
        str | None, typer.Option(help="What the card calls it; default: its folder's name.")
    ] = None,
) -> None:
    """Write a dataset card: README.md with pictures, and croissant.json.

    Counts, splits, licences, consent, distributions, filters with what each rejected, limits.
    Example: [bold]dawn dataset card data/ --out card/[/bold]
    """
    from pipeline.dataset.card import make_card

    make_card(root, out, name)


class To(StrEnum):
    """Layouts that `export` writes."""

    webdataset = "webdataset"
    huggingface = "huggingface"


@app.command()
def export(
    root: Root,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", parser=local_path, help="New folder for the files.")
    ],
    to: Annotated[To, typer.Option(help="What will read it.")] = To.webdataset,
    split: Split = "all",
) -> None:
    """Write accepted clips with their card, for others to read.

    `webdataset`: tar files of mp4, flac, json. `huggingface`: videos and tables that
    `datasets.load_dataset` reads. A killed export is gone on with by the same command.
    Example: [bold]dawn dataset export data/ --out published/ --to huggingface[/bold]
    """
    from pipeline.dataset.export import export as write

    write(root, out, to.value, split)


@app.command()
def sheet(
    root: Root,
    where: Annotated[
        str | None,
        typer.Option(
            metavar="SQL",
            help="Only clips for which this holds, e.g. NOT accepted.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", parser=local_path, help="Where the page goes.")
    ] = Path("dataset-sheet"),
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many clips.")] = 200,
) -> None:
    """Make a page to look at clips: pictures, curves, scores, and why clips were rejected.

    Contact sheets (PNG) lie beside it. The page needs no network and shows real people: it is for
    you, not for publication.
    Example: [bold]dawn dataset sheet data/ --where "NOT accepted" --out look/[/bold]
    """
    from pipeline.dataset.sheet import make_sheet

    make_sheet(root, out, where, limit)


@app.command()
def forget(
    root: Root,
    speaker: Annotated[
        list[str] | None,
        typer.Option(metavar="S", help="A label or an identity, with copies of the clips."),
    ] = None,
    video: Annotated[
        list[str] | None, typer.Option(metavar="V", help="A video_id: all clips of the file.")
    ] = None,
    clip: Annotated[list[str] | None, typer.Option(metavar="C", help="A clip_id.")] = None,
    runs: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER",
            parser=location,
            help="Look here for runs that used it, and in the folder that holds ROOT.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would go, and what used it.")
    ] = False,
) -> None:
    """Remove speakers, videos or clips for good: rows, files, derived features.

    Each option can be given several times. What was removed is remembered by content, so that no
    later ingest brings it back. A killed command is gone on with by the same command.
    Example: [bold]dawn dataset forget data/ --speaker anna --dry-run[/bold]
    """
    from pipeline.dataset.forget import Targets, run_forget

    run_forget(root, Targets(speaker or (), video or (), clip or ()), runs or (), dry_run=dry_run)


_NEW = Annotated[
    Path, typer.Option("--out", metavar="NEW", parser=local_path, help="New folder for it.")
]


@app.command(name="filter")
def filter_clips(
    root: Root,
    where: Annotated[str, typer.Option(metavar="SQL", help="Keep the clips for which this holds.")],
    out: _NEW,
) -> None:
    """Make a new dataset of the clips for which a condition holds.

    Crops on the same disk are hard links: they take no more space.
    Example: [bold]dawn dataset filter data/ --where "accepted AND face_px > 200" --out big/[/bold]
    """
    from pipeline.dataset.subset import make_subset

    make_subset(root, where, out)


@app.command()
def stratify(
    root: Root,
    by: Annotated[
        list[str],
        typer.Option(
            metavar="COLUMN", help="language, head_turn, yaw:-10,10; repeatable: combinations."
        ),
    ],
    quota: Annotated[int, typer.Option(min=1, help="Clips of each combination.")],
    out: Annotated[Path, typer.Option(metavar="LIST", parser=local_path, help="The list, as CSV.")],
    seed: Seed = 0,
    split: Split = "test",
) -> None:
    """List test clips with as many of each kind as asked for; says where there are fewer.

    The same dataset and seed give the same list. `dawn evaluate --clips` takes it.
    Example: [bold]dawn dataset stratify data/ --by yaw:-10,10 --quota 20 --out list.csv[/bold]
    """
    from pipeline.dataset.stratify import stratify as write

    write(root, by, quota, seed, out, split)


@app.command("tones")
def tones_of(
    root: Root,
    out: Annotated[Path, typer.Option(metavar="FILE", parser=local_path, help="The CSV.")],
) -> None:
    """Measure light and skin tone of the accepted clips, for results by them.

    They are of pictures, not of people, and go nowhere but into this file.
    Example: [bold]dawn dataset tones data/ --out tones.csv[/bold]
    """
    from pipeline.dataset.tones import write_tones

    write_tones(root, out)


@app.command()
def merge(
    roots: Annotated[
        list[str],
        typer.Argument(metavar="ROOT…", parser=location, help="Datasets of one recipe."),
    ],
    out: _NEW,
) -> None:
    """Make one dataset of several that have the same recipe.

    Equal videos are taken once, copies of an earlier dataset's footage are rejected; somebody who
    would be in two splits is refused.
    Example: [bold]dawn dataset merge monday/ tuesday/ --out week/[/bold]
    """
    from pipeline.dataset.merging import merge as write

    write(roots, out)


@app.command()
def compare(
    before: Annotated[str, typer.Argument(metavar="A", parser=location, help="A dataset.")],
    after: Annotated[
        str,
        typer.Argument(metavar="B", parser=location, help="The same footage by another recipe."),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", parser=local_path, help="Where the page goes.")
    ] = Path("dataset-compare"),
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many clips.")] = 200,
) -> None:
    """Show what another recipe makes of the same footage: by filter, and clip by clip.

    The page is one file with pictures of the clips that moved; it shows real people.
    Example: [bold]dawn dataset compare old/ new/ --out changes/[/bold]
    """
    from pipeline.dataset.compare import compare as show

    show(before, after, out, limit)
