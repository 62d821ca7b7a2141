"""`dawn weights`: what third-party files there are, what they enable, and getting them."""

from typing import Annotated

import typer

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
    console.print("next: dawn weights fetch NAME", markup=False)


@app.command()
def fetch(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME…", help="Names as shown by `dawn weights list`.")
    ],
    unverified: Annotated[
        bool,
        typer.Option("--unverified", help="Take files for which no sha256 is registered."),
    ] = False,
) -> None:
    """Download files into the first folder of $DAWN_WEIGHTS; each is verified before it is kept.

    Example: [bold]dawn weights fetch fid_inception i3d_k400[/bold]
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from dawn.weights import registered, status
    from dawn.weights_fetch import fetch as download
    from pipeline.progress import console

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    for entry in [registered(name) for name in names]:
        console.print(f"licence of {entry.file_names[0]}: {entry.licence}", markup=False)
    for name in names:
        state = status(name)
        if state.usable:
            console.print(
                f"{name}: is already installed: {state.path} ({state.reason})", markup=False
            )
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
    console.print("next: dawn weights list", markup=False)


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
