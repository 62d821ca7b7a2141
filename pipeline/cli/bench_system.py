"""`dawn bench-system`."""

import math
from pathlib import Path
from typing import Annotated

import typer

from manifests.errors import InputError
from manifests.location import local_path, location


def bench_system(
    command: Annotated[
        list[str],
        typer.Argument(
            metavar="-- COMMAND…",
            help="The system's command, with {image}, {audio} and {out}; or {out_dir}, where it "
            "takes a folder.",
        ),
    ],
    image: Annotated[Path, typer.Option(help="Portrait.", parser=local_path)],
    audio: Annotated[
        Path, typer.Option(help="Speech: any audio or video file.", parser=local_path)
    ],
    out: Annotated[
        str, typer.Option(metavar="DIR", parser=location, help="Where the measurements go.")
    ],
    system: Annotated[
        str | None,
        typer.Option(help="Name in tables, as in its results; default: the folder's name."),
    ] = None,
    seconds: Annotated[
        str, typer.Option(metavar="S,S", help="Lengths of the voice; two or more tell start-up.")
    ] = "2,8",
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each length.")] = 5,
    warm_ups: Annotated[
        int, typer.Option(min=0, help="Runs of the shortest length before, which do not count.")
    ] = 1,
    timeout_seconds: Annotated[float, typer.Option(min=0.1, help="Time limit of a run.")] = 1800.0,
    device: Annotated[
        str | None,
        typer.Option(help="What it runs on, in words; default: the GPUs, else the processor."),
    ] = None,
    price_per_hour: Annotated[
        float | None, typer.Option(help="Of the machine; adds the cost of a minute of video.")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run again what failed before.")] = False,
) -> None:
    """Measure how fast a system is, any that has a command line: time, first frame, memory, cost.

    Each run is the whole command, in a process of its own. Runs are resumable: repeat the same
    command. No shell: words go to the system as they are.

    Example: [bold]dawn bench-system --image face.png --audio voice.wav --out speed/a --
    python a.py {image} {audio} {out}[/bold]
    """
    from pipeline.bench_system.command import parsed
    from pipeline.bench_system.run import SpeedOptions
    from pipeline.bench_system.run import bench_system as run

    if price_per_hour is not None and not price_per_hour > 0:
        raise InputError(f"--price-per-hour {price_per_hour}: give a positive number")
    run(
        SpeedOptions(
            command=parsed(command), image=image, audio=audio, out=out,
            system=system or Path(out).name, seconds=_lengths(seconds), repeats=repeats,
            warm_ups=warm_ups, time_limit_s=timeout_seconds, device=device,
            price_per_hour=price_per_hour, retry=retry,
        )
    )  # fmt: skip


def _lengths(text: str) -> tuple[float, ...]:
    try:
        lengths = tuple(float(word) for word in text.split(","))
    except ValueError:
        lengths = ()
    if not lengths or not all(0.2 <= length < math.inf for length in lengths):
        raise InputError(f"--seconds {text}: give lengths of 0.2 s or more, as in 2,8")
    return lengths
