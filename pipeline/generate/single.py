"""`dawn generate` of one video: made in this process, with a progress display."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
from PIL import Image
from rich.console import Console

from dawn.checkpoints import sha256_of
from dawn.credentials.claim import Claim
from dawn.credentials.signing import Signer
from dawn.features.faces.picture import numbered, read_picture
from dawn.sampling.generate import Made
from dawn.sampling.portrait import Portrait
from dawn.sampling.provenance import settings_of
from dawn.sampling.settings import GenerateConfig
from dawn.sampling.talking_head import Inputs, TalkingHead, check_out
from dawn.sampling.writer import StreamedFile
from manifests.config import stable_hash
from manifests.errors import InputError
from manifests.location import Where
from pipeline.progress import Progress, console, errors, quiet_libraries

STANDARD_OUTPUT = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """One video from files."""

    checkpoint: Where
    image: Path
    audio: Path
    out: Path | None
    """None: standard output, of a stream."""
    config: GenerateConfig = GenerateConfig()
    face: int | None = None
    """Which of several faces, by size; None: the largest, and a preview where there are others."""
    seed: int = 0
    device: str = "auto"
    max_seconds: float | None = None
    pose_from: Path | None = None
    blink_from: Path | None = None
    stream: bool = False
    """As fragmented MP4, which plays while it is written."""
    signer: Signer | None = None
    """Signs the video: before it appears, a stream when it is whole."""

    @property
    def console(self) -> Console:
        """Where to say what: not where the video goes."""
        return errors if self.out is None else console


def generate_one(request: Single) -> Made:
    """Make one video; says what it used. Raises InputError.

    Nothing is left at `out` then, of a stream nothing or what plays so far.
    """
    if request.out is not None:
        check_out(request.out)
        _check_signing(request.out, request.signer)
    elif request.signer is not None:
        raise InputError("--sign: a video is signed when it is whole; give --out a file, not `-`")
    elif not request.stream:
        raise InputError("--out -: a video for standard output is written with --stream")
    elif os.isatty(1):
        raise InputError("--out -: standard output is a terminal; pipe it to a player or a file")
    config = request.config
    model = TalkingHead(request.checkpoint, request.device, config.dtype)
    with quiet_libraries():
        inputs = model.read(
            request.image, request.audio, config, face=request.face,
            max_seconds=request.max_seconds, pose_from=request.pose_from,
            blink_from=request.blink_from,
        )  # fmt: skip
    output = request.console
    for note in _several_faces(request, inputs.portrait):
        output.print(f"{request.image}: {note}", markup=False)
    for caution in inputs.portrait.cautions:
        output.print(f"warning: {request.image}: {caution}", markup=False)
    with Progress("generate", inputs.work(config), output=output) as progress:
        if request.stream:
            made = _stream(model, inputs, request, progress)
            if request.out is not None:
                _sign(request, model, request.out)
            return made
        assert request.out is not None  # noqa: S101 - checked above
        return model.write(
            inputs, request.out, config, seed=request.seed, max_seconds=request.max_seconds,
            on_work=progress.advance, finish=lambda whole: _sign(request, model, whole),
        )  # fmt: skip


def _check_signing(out: Path, signer: Signer | None) -> None:
    """Raise InputError where what is written there cannot be taken back and signed."""
    if signer is not None and out.exists() and not out.is_file():
        raise InputError(f"--sign: {out} is a pipe or a device; a video is signed when it is whole")


def _sign(request: Single, model: TalkingHead, video: Path) -> None:
    """Put content credentials into a finished video, if that is asked for."""
    if request.signer is None:
        return
    settings = settings_of(request.config, model.folder, request.max_seconds)
    claim = Claim(
        checkpoint=model.folder.digest,
        checkpoint_name=model.folder.path.name,
        networks=model.folder.networks,
        portrait_sha256=sha256_of(request.image),
        audio_sha256=sha256_of(request.audio),
        settings_hash=stable_hash(settings),
        seed=request.seed,
    )
    request.signer.sign(video, claim)


def _several_faces(request: Single, portrait: Portrait) -> list[str]:
    """Where there are several faces and none was chosen: how to choose, with a preview beside the
    video, if that is a file.
    """
    if portrait.faces == 1 or portrait.boxes is None or request.face is not None:
        return []
    note = f"{portrait.faces} faces, the largest is used; choose another with --face N"
    out = request.out
    if out is None or (out.exists() and not out.is_file()):  # a pipe has nothing beside it
        return [note]
    preview = out.with_suffix(".faces.jpg")
    shown = numbered(read_picture(request.image), list(portrait.boxes))
    try:
        with tempfile.TemporaryDirectory(prefix=".dawn-", dir=out.parent) as folder:
            whole = Path(folder) / "faces.jpg"
            Image.fromarray(shown).save(whole, quality=90)
            whole.replace(preview)
    except OSError as error:
        raise InputError(f"{preview}: cannot be written: {error.strerror or error}") from error
    return [f"{note}, numbered in {preview}"]


def _stream(model: TalkingHead, inputs: Inputs, request: Single, progress: Progress) -> Made:
    opened = standard_output() if request.out is None else StreamedFile(request.out)
    try:
        with opened as out:
            return model.write_stream(
                inputs, out, request.config, seed=request.seed,
                max_seconds=request.max_seconds, on_work=progress.advance,
            )  # fmt: skip
    except BrokenPipeError:
        raise  # whoever read has seen enough
    except (OSError, av.error.FFmpegError) as error:
        place = request.out or "standard output"
        raise InputError(f"{place}: cannot be written: {error.strerror or error}") from error


@contextmanager
def standard_output() -> Iterator[StreamedFile]:
    """Standard output for a video alone: what else is printed there meanwhile goes to stderr."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with StreamedFile(os.dup(kept)) as file:
            yield file
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
