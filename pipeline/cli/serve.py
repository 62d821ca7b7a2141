"""`dawn serve`."""

from pathlib import Path
from typing import Annotated

import typer

from manifests.location import local_path
from pipeline.cli.options import Device


def serve(
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=local_path,
            help="Model: a folder with lfg, pbnet and a2v. Default: the small one of the package.",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8000,
    max_seconds: Annotated[float, typer.Option(min=1, help="Longest recording.")] = 60.0,
    videos: Annotated[int, typer.Option(min=1, help="Made at once, in turns.")] = 4,
    waiting: Annotated[int, typer.Option(min=0, help="Requests that may wait.")] = 8,
    steps: Annotated[
        int | None,
        typer.Option(help="Denoising steps; default: 20, of the package's own model 4."),
    ] = None,
    first_stretch: Annotated[
        int | None, typer.Option(help="Frames of the first stretch; default: 60.")
    ] = None,
    stretch: Annotated[int, typer.Option(help="Frames denoised at once.")] = 240,
    device: Device = "auto",
    dtype: Annotated[
        str, typer.Option(help="float32, bfloat16 or float16; auto: bfloat16 on a GPU.")
    ] = "auto",
) -> None:
    """Make portraits speak over HTTP: videos are sent while they are made.

    For this machine alone unless --host says otherwise; there is no log-in.

    Example: [bold]dawn serve --checkpoint run/model --port 8000[/bold]
    """
    from dawn.device import pick_device
    from dawn.pretrained import EXPECT, SMALL, sampler_of
    from dawn.sampling.settings import precision_on, stream_config
    from pipeline.serve.command import Serve
    from pipeline.serve.command import serve as run
    from pipeline.serve.settings import Limits

    limits = Limits(max_seconds=max_seconds, videos=videos, waiting=waiting)
    dtype = precision_on(pick_device(device), dtype)
    sampler = sampler_of(checkpoint or SMALL) | ({} if steps is None else {"steps": steps})
    config = stream_config(
        "dawn serve", **sampler, first_stretch=first_stretch, stretch=stretch, dtype=dtype
    )
    if checkpoint is None:
        typer.echo(EXPECT)
    run(
        Serve(
            checkpoint=checkpoint or SMALL, config=config, host=host, port=port, device=device,
            limits=limits,
        )
    )  # fmt: skip
