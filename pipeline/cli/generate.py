"""`dawn generate`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manifests.counting import count
from manifests.errors import InputError
from manifests.location import local_path, location
from pipeline.cli.options import (
    Address,
    Device,
    Limit,
    MaxSeconds,
    OptionalDataset,
    Retry,
    Seed,
    Split,
    System,
    Timeout,
    Workers,
    check_seconds,
)

if TYPE_CHECKING:
    from dawn.credentials.signing import Signer
    from dawn.sampling.settings import GenerateConfig


def _flag(panel: str, text: str, *names: str, **more: Any) -> Any:  # noqa: ANN401 - Typer's own
    return typer.Option(*names, help=text, rich_help_panel=panel, **more)


_ONE, _MANY, _HOW = "One video", "Many videos", "How"

Checkpoint = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        parser=location,
        help="Model: folder or s3://… URI of lfg, pbnet, a2v. Default: the package's small one.",
    ),
]


def _out(typed: str) -> str:
    """A place, or `-` for standard output."""
    return typed if typed == "-" else location(typed)


Out = Annotated[
    str | None,
    typer.Option(
        parser=_out, help="The video (.mp4), `-` for standard output, or the folder of a run."
    ),
]

Image = Annotated[Path | None, _flag(_ONE, "Portrait.", parser=local_path)]
Audio = Annotated[Path | None, _flag(_ONE, "Speech: any audio or video file.", parser=local_path)]
Face = Annotated[
    int | None,
    _flag(_ONE, "Which of several faces, by size; default: 1, the largest.", metavar="N", min=1),
]
PoseFrom = Annotated[
    Path | None, _flag(_ONE, "Head motion of this video.", metavar="CLIP", parser=local_path)
]
BlinkFrom = Annotated[
    Path | None, _flag(_ONE, "Blinks of this video.", metavar="CLIP", parser=local_path)
]
Stream = Annotated[
    bool, _flag(_ONE, "Write what plays while it is written; frames leave early.", "--stream")
]

Sign = Annotated[
    tuple[Path, Path] | None,
    _flag(
        _HOW, "Content credentials (C2PA): certificate chain and private key of the signer, PEM.",
        metavar="CERT KEY",
    ),
]  # fmt: skip

List = Annotated[
    str | None,
    _flag(
        _MANY, "Pairs: columns image, audio and, if wanted, name, speaker, face.", "--list",
        metavar="CSV", parser=location,
    ),
]  # fmt: skip
Baseline = Annotated[
    str | None,
    _flag(
        _MANY,
        "Instead of a model's videos: static (frozen portrait), copy-motion (another clip's motion "
        "through LFG) or reconstruct (its own).",
    ),
]

Steps = Annotated[
    int | None, _flag(_HOW, "Denoising steps; default: 20, of the package's own model 4.")
]
Guidance = Annotated[
    float | None,
    _flag(_HOW, "Classifier-free guidance; default: 1, none; of the package's own model 2."),
]
Eta = Annotated[float, _flag(_HOW, "Share of fresh noise in each step, 0 to 1.")]
Method = Annotated[
    str | None,
    _flag(_HOW, "ddim-official, the default, or ddim, that of the package's own model."),
]
Window = Annotated[int | None, _flag(_HOW, "Attention window: frames to each side.")]
Stretch = Annotated[int, _flag(_HOW, "Frames denoised at once; bounds memory.")]
FirstStretch = Annotated[
    int | None, _flag(_HOW, "Frames of the first stretch; default: --stretch, of a stream 60.")
]
Drive = Annotated[str, _flag(_HOW, "net, still, or real: of --dataset's clip.")]
Dtype = Annotated[str, _flag(_HOW, "float32, bfloat16 or float16; auto: bfloat16 on a GPU.")]
Noise = Annotated[str, _flag(_HOW, "philox, or blocks: as before there was a choice.")]
GpuShare = Annotated[
    float, _flag(_MANY, "Share of a GPU for each worker: one encodes while another's network runs.",
                 min=0.01, max=1),
]  # fmt: skip


def generate(
    checkpoint: Checkpoint = None,
    out: Out = None,
    image: Image = None,
    audio: Audio = None,
    face: Face = None,
    pose_from: PoseFrom = None,
    blink_from: BlinkFrom = None,
    stream: Stream = False,
    dataset: OptionalDataset = None,
    split: Split = "test",
    list_: List = None,
    baseline: Baseline = None,
    system: System = None,
    workers: Workers = None,
    address: Address = None,
    limit: Limit = None,
    timeout_seconds: Timeout = 3600.0,
    retry: Retry = False,
    seed: Seed = 0,
    steps: Steps = None,
    guidance: Guidance = None,
    eta: Eta = 1.0,
    method: Method = None,
    window: Window = None,
    stretch: Stretch = 240,
    first_stretch: FirstStretch = None,
    pose: Drive = "net",
    blink: Drive = "net",
    max_seconds: MaxSeconds = None,
    device: Device = "auto",
    gpus_per_worker: GpuShare = 0.5,
    dtype: Dtype = "auto",
    noise: Noise = "philox",
    sign: Sign = None,
) -> None:
    """Make a portrait speak: one video, or every clip of a test set on a cluster.

    A run over many videos is resumable: repeat the same command.

    Example: [bold]dawn generate --image face.png --audio voice.wav --out talking.mp4[/bold]
    """
    from dawn.device import pick_device
    from dawn.pretrained import EXPECT, SMALL, sampler_of
    from dawn.sampling.settings import config_of, precision_on, stream_config

    dtype = precision_on(pick_device(device), dtype)
    shipped = checkpoint is None and baseline is None
    model = str(SMALL) if shipped else checkpoint
    asked = {"method": method, "steps": steps, "guidance": guidance}
    given = {name: value for name, value in asked.items() if value is not None}
    config = (stream_config if stream else config_of)(
        "dawn generate", **(sampler_of(model or "") | given), eta=eta, window=window,
        stretch=stretch, first_stretch=first_stretch, dtype=dtype, noise=noise, pose=pose,
        blink=blink,
    )  # fmt: skip
    check_seconds(max_seconds)
    signer = _signer(sign)
    files = _Files(model, out, image, audio, face, pose_from, blink_from, dataset, list_)
    how: dict[str, Any] = {
        "seed": seed, "max_seconds": max_seconds, "device": device, "signer": signer,
    }  # fmt: skip
    many = files.many()
    if shipped:
        typer.echo(EXPECT, err=out == "-")
    if many:
        if stream or out == "-":
            raise InputError("--stream and --out - go with --image and --audio")
        _generate_many(
            files, config, how, split=split, baseline=baseline, system=system, workers=workers,
            address=address, limit=limit, timeout_s=timeout_seconds, retry=retry,
            gpus_per_worker=gpus_per_worker,
        )  # fmt: skip
    elif baseline is not None:
        raise InputError("--baseline goes with --dataset")
    else:
        _generate_one(files, config, how, stream=stream)


def _signer(files: tuple[Path, Path] | None) -> "Signer | None":
    """The signer of a certificate and key, tried before anything is made. Raises InputError."""
    if files is None:
        return None
    from dawn.credentials.signing import Signer

    return Signer(*map(local_path, files))


@dataclass(frozen=True, slots=True)
class _Files:
    """What is read and written."""

    checkpoint: str | None
    out: str | None
    image: Path | None
    audio: Path | None
    face: int | None
    pose_from: Path | None
    blink_from: Path | None
    dataset: str | None
    list_: str | None

    def many(self) -> bool:
        """Whether a run is asked for. Raises InputError unless one thing is."""
        if self.out is None:
            raise InputError("--out: say where to write, a video or the folder of a run")
        given = {
            "--image and --audio": self.image or self.audio,
            "--dataset": self.dataset,
            "--list": self.list_,
        }
        kinds = [name for name, value in given.items() if value]
        if len(kinds) != 1:
            both = f"; not {' and '.join(kinds)} together" if kinds else ""
            raise InputError(f"give one of --image with --audio, --dataset, or --list{both}")
        if kinds == ["--image and --audio"]:
            return False
        if self.pose_from or self.blink_from:
            raise InputError("--pose-from and --blink-from go with --image and --audio")
        if self.face:
            raise InputError("--face goes with --image; a list has a column face")
        return True


def _generate_one(
    files: _Files, config: "GenerateConfig", how: dict[str, Any], *, stream: bool
) -> None:
    if files.checkpoint is None or files.image is None or files.audio is None:
        raise InputError("give --image and --audio")
    from pipeline.generate.single import STANDARD_OUTPUT, Single, generate_one

    request = Single(
        checkpoint=files.checkpoint, image=files.image, audio=files.audio,
        out=None if files.out == STANDARD_OUTPUT else Path(str(files.out)), config=config,
        face=files.face, pose_from=files.pose_from, blink_from=files.blink_from, stream=stream,
        **how,
    )  # fmt: skip
    made = generate_one(request)
    request.console.print(
        f"{files.out}: {count(made.frames, 'frame')} of {made.size} pixels, "
        f"{made.duration_s:.2f} s, made in {made.wall_s:.1f} s (network "
        f"{made.network_s:.1f}, rendering {made.render_s:.1f}, "
        f"waiting for the encoder {made.wait_s:.1f}; {made.wall_s / made.duration_s:.1f} times its "
        "length)",
        markup=False,
    )
    if request.signer is not None:
        request.console.print(f"signed by {request.signer.name}", markup=False)
    request.console.print(
        "next: play it, or try another --seed; many at once: dawn generate --dataset or --list",
        markup=False,
    )


def _generate_many(
    files: _Files,
    config: "GenerateConfig",
    how: dict[str, Any],
    **flags: Any,  # noqa: ANN401 - the fields of ManyOptions
) -> None:
    from pipeline.generate.command import ManyOptions, generate_many

    generate_many(
        ManyOptions(
            config=config, checkpoint=files.checkpoint, out=str(files.out), dataset=files.dataset,
            list_=files.list_, **how, **flags,
        )
    )  # fmt: skip
