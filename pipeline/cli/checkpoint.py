"""`dawn checkpoint`: import the official release's files, and say what a folder holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from manifests.errors import InputError
from manifests.location import local_path

if TYPE_CHECKING:
    from dawn.checkpoints import Card
    from dawn.official import Size

app = typer.Typer(help="Import official checkpoints and inspect ours.", no_args_is_help=True)


def _file_or_weights(typed: str) -> Path:
    """The path of a file; the name of registered weights as it is."""
    return Path(typed) if _are_weights(typed) else local_path(typed)


def _are_weights(typed: str) -> bool:
    from dawn.weights_registry import REGISTRY

    return typed in REGISTRY and not Path(typed).exists()


@app.command("import")
def import_command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE…",
            parser=_file_or_weights,
            help="Official .pth files, or names of `weights list`.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", parser=local_path, help="Folder to write into.")
    ],
    size: Annotated[
        str | None,
        typer.Option(help="128, 256 or tiny pixels; needed where the file's name does not say."),
    ] = None,
    face_mask_encoder: Annotated[
        str,
        typer.Option(
            metavar="SEED|zeros",
            help="The release lacks this encoder: redraw it from a seed, or use zeros.",
        ),
    ] = "1234",
) -> None:
    """Convert official checkpoints to safetensors with a JSON card each.

    Example: [bold]dawn checkpoint import DAWN_128.pth LFG_128_1000ep.pth --out official-128[/bold]
    """
    from dawn.official import import_file
    from dawn.weights import require

    wanted, seed = parse_size(size), parse_face_mask_encoder(face_mask_encoder)
    for file in [require(str(file)) if _are_weights(str(file)) else file for file in files]:
        card = import_file(file, out, size=wanted, face_mask_seed=seed)
        typer.echo(f"{file} -> {out / card.name}.safetensors: {summary(card)}")
    typer.echo(f"next: dawn checkpoint info {out}")


@app.command()
def info(
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            parser=local_path,
            help="A model folder, flat or with one folder per stage.",
        ),
    ],
) -> None:
    """Check every checkpoint of a model folder against its card and say what it is.

    Example: [bold]dawn checkpoint info official-128[/bold]
    """
    from dawn.checkpoints import config_of, found, verify

    for folder, card in found(directory):
        config_of(card, folder / f"{card.name}.json")
        verify(folder, card)
        typer.echo(f"{card.name}: {summary(card)}")
        typer.echo(f"  architecture {card.architecture_hash}, sha256 {card.sha256}")
        for key, value in card.source.items():
            typer.echo(f"  source {key}: {value}")


@app.command()
def pack(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", parser=local_path, help="A model folder.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", parser=local_path, help="Folder to write into.")
    ],
) -> None:
    """Copy a model in half precision, for sharing: about half its bytes.

    Example: [bold]dawn checkpoint pack run/model --out shared-model[/bold]
    """
    from dawn.checkpoints import pack as packed

    for card in packed(directory, out):
        typer.echo(f"{out / card.stage / card.name}.safetensors: {summary(card)}")
    typer.echo(f"next: dawn checkpoint info {out}")


def parse_size(text: str | None) -> "Size | None":
    """The size option, checked."""
    from dawn.official import LFG_SIZES

    for size in LFG_SIZES:
        if text == size:
            return size
    if text is None:
        return None
    raise InputError(f"--size: {text!r} is not one of {', '.join(LFG_SIZES)}")


def parse_face_mask_encoder(text: str) -> int | None:
    """A seed, or None for zeros."""
    if text == "zeros":
        return None
    if text.isdecimal() and int(text) < 2**63:
        return int(text)
    raise InputError(f"--face-mask-encoder: {text!r} is neither `zeros` nor a seed such as 1234")


def summary(card: "Card") -> str:
    """Stage, picture size where it has one, parameters and size in one line."""
    size = card.architecture.get("image_size")
    pixels = f" at {size} px" if size else ""
    mask = card.source.get("face_mask_encoder")
    note = f", face-mask encoder from {mask.get('seed', 'zeros')}" if mask else ""
    return (
        f"{card.stage}{pixels}, {card.parameters:,} parameters in {len(card.shapes)} tensors, "
        f"{card.bytes / 1e6:.1f} MB{note}"
    )
