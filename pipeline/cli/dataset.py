"""`dawn dataset`: what is in a dataset, whether it is sound, and keeping it quick to read."""

from pathlib import Path
from typing import Annotated

import typer

from manifests.location import local_path
from pipeline.cli.options import Root, Split

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
    from manifests.store import Dataset
    from pipeline.progress import console

    result = merge(Dataset(root), rows_per_file)
    console.print(
        f"merged the parts of {result.videos} videos: {result.before} files are now {result.after}"
    )


@app.command()
def export(
    root: Root,
    out: Annotated[
        Path,
        typer.Option(metavar="FOLDER", parser=local_path, help="Output folder for the shards."),
    ],
    split: Split = "all",
) -> None:
    """Write accepted clips as WebDataset shards (tar files of mp4, flac, json).

    Example: [bold]dawn dataset export data/ --out shards/ --split train[/bold]
    """
    from pipeline.dataset.export import export_webdataset
    from pipeline.progress import console

    shards, clips = export_webdataset(root, out, split)
    console.print(f"wrote {clips} clips under {out}, in tar files: {shards}", markup=False)
