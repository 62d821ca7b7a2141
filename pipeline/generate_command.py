"""The command `dawn generate`: its flags, checked and handed on."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manifests.errors import InputError

if TYPE_CHECKING:
    from dawn.sampling.settings import GenerateConfig

_One = "One video"
_Many = "Many videos"
_How = "How"


def generate(
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Model: a folder with lfg, pbnet and a2v.")
    ] = None,
    out: Annotated[
        str | None, typer.Option(help="The video (.mp4), or the folder of a run.")
    ] = None,
    image: Annotated[Path | None, typer.Option(help="Portrait.", rich_help_panel=_One)] = None,
    audio: Annotated[
        Path | None, typer.Option(help="Voice: any sound or video file.", rich_help_panel=_One)
    ] = None,
    pose_from: Annotated[
        Path | None,
        typer.Option(metavar="CLIP", help="Head motion of this video.", rich_help_panel=_One),
    ] = None,
    blink_from: Annotated[
        Path | None,
        typer.Option(metavar="CLIP", help="Blinks of this video.", rich_help_panel=_One),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="ROOT",
            help="Every clip of a dataset's split, from its first frame and its sound.",
            rich_help_panel=_Many,
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="train, val or test.", rich_help_panel=_Many)] = "test",
    list_: Annotated[
        Path | None,
        typer.Option(
            "--list",
            metavar="CSV",
            help="Pairs: columns image, audio and, if wanted, name, speaker.",
            rich_help_panel=_Many,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="static (frozen portrait), copy-motion (another clip's motion through LFG) or "
            "reconstruct (its own), instead of a model's videos.",
            rich_help_panel=_Many,
        ),
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(help="Name in tables; default: dawn or the baseline.", rich_help_panel=_Many),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Videos at once; default: all CPUs or GPUs.", rich_help_panel=_Many
        ),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Join the Ray cluster there.", rich_help_panel=_Many)
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many.", rich_help_panel=_Many)
    ] = None,
    timeout_seconds: Annotated[
        float, typer.Option(min=1, help="A video may take this long.", rich_help_panel=_Many)
    ] = 3600.0,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try failed ones again.", rich_help_panel=_Many)
    ] = False,
    seed: Annotated[int, typer.Option(min=0, rich_help_panel=_How)] = 0,
    steps: Annotated[int, typer.Option(help="Denoising steps.", rich_help_panel=_How)] = 20,
    guidance: Annotated[
        float, typer.Option(help="Classifier-free guidance; 1: none.", rich_help_panel=_How)
    ] = 1.0,
    eta: Annotated[
        float, typer.Option(help="Fresh noise in each step, 0 … 1.", rich_help_panel=_How)
    ] = 1.0,
    method: Annotated[
        str, typer.Option(help="ddim-official or ddim.", rich_help_panel=_How)
    ] = "ddim-official",
    window: Annotated[
        int | None,
        typer.Option(help="Frames to each side that attention sees.", rich_help_panel=_How),
    ] = None,
    stretch: Annotated[
        int, typer.Option(help="Frames denoised at once: memory.", rich_help_panel=_How)
    ] = 240,
    pose: Annotated[
        str, typer.Option(help="net, still or real (of --dataset's clip).", rich_help_panel=_How)
    ] = "net",
    blink: Annotated[
        str, typer.Option(help="net, still or real (of --dataset's clip).", rich_help_panel=_How)
    ] = "net",
    max_seconds: Annotated[
        float | None, typer.Option(help="Leave out what lies beyond.", rich_help_panel=_How)
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.", rich_help_panel=_How)] = "auto",
    dtype: Annotated[
        str, typer.Option(help="float32, bfloat16 or float16.", rich_help_panel=_How)
    ] = "float32",
) -> None:
    """Make a portrait speak: one video, or every clip of a test set on a cluster.

    A run over many is resumable: the same command goes on where it was.

    Example: [bold]dawn generate --checkpoint run/model --image face.png --audio voice.wav --out
    talking.mp4[/bold]
    """
    from dawn.sampling.settings import GenerateConfig
    from manifests.config import load

    settings = {
        "method": method, "steps": steps, "guidance": guidance, "eta": eta, "window": window,
        "stretch": stretch, "overlap": max(1, min(40, stretch // 2)), "dtype": dtype,
        "pose": pose, "blink": blink,
    }  # fmt: skip
    config = load(GenerateConfig, settings, "dawn generate")
    if max_seconds is not None and not max_seconds > 0:
        raise InputError(f"--max-seconds {max_seconds}: give a positive number")
    if out is None:
        raise InputError("--out: say where to write, a video or the folder of a run")
    kinds = [name for name, given in (
        ("--image and --audio", image or audio), ("--dataset", dataset), ("--list", list_)
    ) if given]  # fmt: skip
    if len(kinds) != 1:
        raise InputError(
            "give one of --image with --audio, --dataset, or --list"
            + (f"; not {' and '.join(kinds)} together" if kinds else "")
        )
    if dataset or list_:
        if pose_from or blink_from:
            raise InputError("--pose-from and --blink-from go with --image and --audio")
        _many(
            config, checkpoint, out, dataset=dataset, split=split, list_=list_, baseline=baseline,
            system=system, workers=workers, address=address, limit=limit,
            timeout_s=timeout_seconds, retry=retry, seed=seed, max_seconds=max_seconds,
            device=device,
        )  # fmt: skip
        return
    if baseline is not None:
        raise InputError("--baseline goes with --dataset")
    if checkpoint is None or image is None or audio is None:
        raise InputError("give --checkpoint, --image and --audio")
    _one(
        config,
        checkpoint,
        image,
        audio,
        Path(out),
        pose_from,
        blink_from,
        seed,
        max_seconds,
        device,
    )


def _one(
    config: "GenerateConfig",
    checkpoint: Path,
    image: Path,
    audio: Path,
    out: Path,
    pose_from: Path | None,
    blink_from: Path | None,
    seed: int,
    max_seconds: float | None,
    device: str,
) -> None:
    from pipeline.generate import Single, generate_one
    from pipeline.progress import console

    made = generate_one(
        Single(
            checkpoint=checkpoint, image=image, audio=audio, out=out, config=config, seed=seed,
            device=device, max_seconds=max_seconds, pose_from=pose_from, blink_from=blink_from,
        )
    )  # fmt: skip
    console.print(
        f"{out}: {made.frames} frames of {made.size} pixels, {made.duration_s:.2f} s, made in "
        f"{made.wall_s:.1f} s (network {made.network_s:.1f}, rendering {made.render_s:.1f}, "
        f"encoding {made.encode_s:.1f}; {made.wall_s / made.duration_s:.1f} times real time)",
        markup=False,
    )


def _many(config: "GenerateConfig", checkpoint: Path | None, out: str, **flags: Any) -> None:  # noqa: ANN401
    from pipeline.generate_runs import ManyOptions, generate_many

    if (flags["workers"] or 1) > (os.cpu_count() or 1) and flags["address"] is None:
        raise InputError(f"--workers {flags['workers']}: this machine has {os.cpu_count()} CPUs")
    generate_many(ManyOptions(config=config, checkpoint=checkpoint, out=out, **flags))
