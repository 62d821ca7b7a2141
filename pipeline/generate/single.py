"""`dawn generate` of one video: made in this process, with a progress display."""

from dataclasses import dataclass
from pathlib import Path

from dawn.sampling.generate import Made
from dawn.sampling.settings import GenerateConfig
from dawn.sampling.talking_head import TalkingHead, check_out
from pipeline.progress import Progress, console, quiet_libraries


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """One video from files."""

    checkpoint: Path
    image: Path
    audio: Path
    out: Path
    config: GenerateConfig = GenerateConfig()
    seed: int = 0
    device: str = "auto"
    max_seconds: float | None = None
    pose_from: Path | None = None
    blink_from: Path | None = None


def generate_one(request: Single) -> Made:
    """Make one video; says what it used. Raises InputError; nothing is left at `out` then."""
    check_out(request.out)
    config = request.config
    model = TalkingHead(request.checkpoint, request.device, config.dtype)
    with quiet_libraries():
        inputs = model.read(
            request.image, request.audio, config, max_seconds=request.max_seconds,
            pose_from=request.pose_from, blink_from=request.blink_from,
        )  # fmt: skip
    faces = inputs.portrait.faces
    if faces > 1:
        console.print(f"{request.image}: {faces} faces, the largest is used", markup=False)
    with Progress("generate", inputs.work(config)) as progress:
        return model.write(
            inputs, request.out, config, seed=request.seed, max_seconds=request.max_seconds,
            on_work=progress.advance,
        )  # fmt: skip
