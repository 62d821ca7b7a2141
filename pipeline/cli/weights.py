"""`dawn weights`: what third-party files there are, what they enable, and getting them."""

from typing import TYPE_CHECKING, Annotated

import typer

from manifests.counting import count
from manifests.errors import InputError

if TYPE_CHECKING:
    from dawn.weights_registry import WeightFile

app = typer.Typer(help="Third-party weights: list, fetch, verify.", no_args_is_help=True)


@app.command("list")
def list_weights() -> None:
    """Every file the project can use: whether it is there, its licence, and what it enables.

    Example: [bold]dawn weights list[/bold]
    """
    from rich.table import Table

    from dawn.weights import folders, status
    from dawn.weights_registry import REGISTRY
    from pipeline.progress import console

    table = Table()
    for title in ("name", "state", "enables", "licence", "file"):
        table.add_column(title, overflow="fold")
    for name, entry in REGISTRY.items():
        state = status(name)
        where = str(state.path) if state.path else entry.file_names[0]
        table.add_row(name, str(state.state), entry.uses, entry.licence, where)
    console.print(table)
    console.print(f"looked for in {', '.join(map(str, folders()))} ($DAWN_WEIGHTS)", markup=False)
    console.print("next: dawn weights fetch NAME, or --for lse, fid, official-128…", markup=False)


@app.command()
def fetch(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME…]", help="Names as shown by `dawn weights list`."),
    ] = None,
    purposes: Annotated[
        list[str] | None,
        typer.Option(
            "--for",
            metavar="WHAT",
            help="All that enables it: a metric (lse, fid, csim…), ingest, official-128, "
            "official-256, lfg-paper; repeatable.",
        ),
    ] = None,
    unverified: Annotated[
        bool,
        typer.Option("--unverified", help="Take files for which no sha256 is registered."),
    ] = False,
) -> None:
    """Download files into the first folder of $DAWN_WEIGHTS; each is verified before it is kept.

    Sizes and licences are said first. Example: [bold]dawn weights fetch --for fid --for lse[/bold]
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from dawn.weights import enabling, folders, registered, status
    from dawn.weights_fetch import fetch as download
    from pipeline.progress import console

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    enabled = [name for word in purposes or () for name in enabling(word)]
    wanted = dict.fromkeys([*(names or ()), *enabled])
    if not wanted:
        raise InputError("give names, or --for with a metric or group; `dawn weights list` has all")
    entries = {name: registered(name) for name in wanted}
    for entry in entries.values():
        said = f"licence of {entry.file_names[0]}: {entry.licence}; {_size(entry)}"
        console.print(said, markup=False)
    by_hand = []
    for name, entry in entries.items():
        state = status(name)
        if state.usable:
            console.print(
                f"{name}: is already installed: {state.path} ({state.reason})", markup=False
            )
            continue
        if not entry.single_file:
            place = folders()[0] / entry.file_names[0]
            by_hand.append(f"{name} from {entry.url or 'its authors'} as {place}")
            continue
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(name)
            path = download(
                name,
                unverified=unverified,
                progress=lambda done, total, task=task: bar.update(  # type: ignore[misc]
                    task, completed=done, total=total
                ),
            )
        console.print(f"{name}: {path} ({status(name).reason})", markup=False)
    if by_hand:
        raise InputError(
            f"there is no single file to fetch; get {count(len(by_hand), 'file')} by hand: "
            + "; ".join(by_hand)
        )
    console.print("next: dawn weights list", markup=False)


def _size(entry: "WeightFile") -> str:
    return f"about {entry.megabytes:g} MB" if entry.megabytes else "size not known beforehand"


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME…]", help="Default: all installed files.")
    ] = None,
) -> None:
    """Hash the files that are there against the registry; exit 1 when one is another file.

    Example: [bold]dawn weights verify[/bold]
    """
    from dawn.weights import State, status
    from dawn.weights_registry import REGISTRY
    from pipeline.progress import console

    faulty = False
    for name in names or list(REGISTRY):
        state = status(name)
        if state.state is State.MISSING and not names:
            continue
        faulty |= state.state in (State.MISSING, State.MISMATCH)
        console.print(f"{name}: {state.state}: {state.path or '-'}: {state.reason}", markup=False)
    if faulty:
        raise typer.Exit(1)
