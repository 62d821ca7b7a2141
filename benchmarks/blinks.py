"""Do generated people blink? Eyes and mouth of a model's videos on the test split, head still.

    python -m benchmarks.blinks --model RUN/model --dataset RUN/dataset [--frames 150]
    python -m benchmarks.blinks --lfg RUN/model/lfg --dataset RUN/dataset
    python -m benchmarks.blinks --pbnet RUN/model/pbnet --dataset RUN/dataset

A row a video: the clip's frames at the network's size; its own motion through LFG; sampled with its
own eyes, with PBNet's, and with eyes kept still. Eye ratios are the face mesh's on pictures
enlarged to 384 pixels, compared with those of the footage that the clip was cut from. With `--lfg`
only the first two, and whether any motion at all makes that LFG close the eyes: the motion is found
by gradient descent on the picture. With `--pbnet` the eyes that it draws, ten times a clip.
Models come from `python -m benchmarks.learn`; without one nothing is measured. With --smoke the
model has random weights.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.inputs import make_dataset
from benchmarks.learn import correlation, loudness
from benchmarks.models import write_model
from benchmarks.report import Report, arguments, parse, skip
from dawn import checkpoints
from dawn.a2v.face_mask import face_box_mask
from dawn.a2v.model import A2V, flow_and_occlusion
from dawn.a2v.sampling import SamplerConfig
from dawn.features.faces.blinks import find_blinks
from dawn.features.faces.eyes import eye_ratios, mouth_opening
from dawn.features.faces.landmarks import FaceMesh
from dawn.features.rates import FPS
from dawn.lfg.model import LFG
from dawn.pbnet.model import PBNet
from dawn.sampling.conventions import Conventions, conventions_of
from dawn.training.clips import POSE, ClipFeatures, ClipReader, ClipRow, clips_of
from dawn.training.masks import eyes_mask, mean_inside
from manifests.store import Dataset

Floats = NDArray[np.float32]
Pictures = NDArray[np.uint8]
DRAWS = 10


@dataclass(frozen=True, slots=True)
class Networks:
    """A model's networks, what their numbers mean, and how motion is sampled."""

    lfg: LFG
    a2v: A2V
    pbnet: PBNet
    heard: Conventions
    moved: Conventions
    sampler: SamplerConfig


def lfg_of(folder: Path) -> LFG:
    """The latent flow generator of a folder."""
    lfg = checkpoints.load_network(folder, "lfg")[0]
    if not isinstance(lfg, LFG):
        raise TypeError(f"{folder}: holds another network")
    return lfg


def networks_of(model: Path, steps: int | None) -> Networks:
    """The networks that training put into `model`."""
    lfg = lfg_of(model / "lfg")
    a2v, card = checkpoints.load_network(model / "a2v", "a2v")
    pbnet, motion_card = checkpoints.load_network(model / "pbnet", "pbnet")
    if not (isinstance(a2v, A2V) and isinstance(pbnet, PBNet)):
        raise TypeError(f"{model}: holds other networks")
    sampler = SamplerConfig(steps=steps)
    return Networks(lfg, a2v, pbnet, conventions_of(card), conventions_of(motion_card), sampler)


def as_tensor(pictures: Pictures) -> torch.Tensor:
    """(T, S, S, 3) as (T, 3, S, S) in 0 … 1."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255


def as_pictures(clip: torch.Tensor) -> Pictures:
    """The inverse."""
    return (clip.clamp(0, 1) * 255).byte().permute(0, 2, 3, 1).numpy()


@torch.inference_mode()
def reconstructed(lfg: LFG, real: Pictures) -> Pictures:
    """The clip's own motion, rendered from its first frame."""
    frames = as_tensor(real)
    motion = lfg.motion(frames[:1].expand_as(frames), frames)
    return as_pictures(lfg.render_clip(frames[0], motion.flow, motion.occlusion))


@torch.inference_mode()
def sampled(networks: Networks, real: Pictures, features: ClipFeatures, eyes: Floats) -> Pictures:
    """Video of a still head with these changes of the eyes (T, 2)."""
    a2v, count, size = networks.a2v, len(eyes), networks.a2v.config.image_size
    audio = networks.heard.normalised_audio(features.audio[:count])
    cond = np.concatenate((audio, np.zeros((count, POSE), np.float32), eyes), axis=1)
    source = as_tensor(real[:1])
    mask = face_box_mask(torch.from_numpy(features.face[:1]) * size, (size, size), size)
    motion = a2v.sample(
        networks.lfg.features(source), mask, torch.from_numpy(cond)[None], networks.sampler,
        torch.Generator().manual_seed(0),
    )  # fmt: skip
    flow, occlusion = flow_and_occlusion(motion)
    return as_pictures(networks.lfg.render_clip(source[0], flow[0], occlusion[0]))


@torch.inference_mode()
def drawn_eyes(
    pbnet: PBNet, moved: Conventions, features: ClipFeatures, count: int, seed: int = 0
) -> Floats:
    """PBNet's changes of the eyes (T, 2)."""
    first = np.concatenate((features.pose[0], features.eyes[0]))
    changes = pbnet.sample(
        torch.from_numpy(moved.normalised_states(first))[None],
        torch.from_numpy(moved.normalised_audio(features.audio[:count]))[None],
        torch.Generator().manual_seed(seed),
    )
    return moved.state_changes(changes[0].numpy())[:, POSE:]


def eyes_and_mouth(pictures: Pictures) -> tuple[Floats, Floats]:
    """Eye ratios (T, 2) and mouth opening (T,) by the face mesh; NaN where it sees no face."""
    eyes = np.full((len(pictures), 2), np.nan, np.float32)
    mouth = np.full(len(pictures), np.nan, np.float32)
    with FaceMesh() as mesh:
        for i, image in enumerate(pictures):
            points = mesh.detect(cv2.resize(image, (384, 384), interpolation=cv2.INTER_CUBIC))
            if points is not None:
                eyes[i], mouth[i] = eye_ratios(points[None])[0], mouth_opening(points[None])[0]
    return eyes, mouth


def found_by_descent(lfg: LFG, pair: Pictures, eyes: torch.Tensor) -> Pictures:
    """The second picture as the decoder paints it from the first at the best motion found.

    `eyes` (1, 1, S, S) masks what counts most.
    """
    source, wanted = as_tensor(pair).split(1)
    with torch.no_grad():
        motion, levels = lfg.motion(source, wanted), lfg.generator.encode(source)
    flow, hidden = motion.flow.clone().requires_grad_(), torch.logit(motion.occlusion, 0.01)
    optimizer = torch.optim.Adam(
        [{"params": [flow], "lr": 0.005}, {"params": [hidden.requires_grad_()], "lr": 0.1}]
    )
    for _ in range(150):
        made = lfg.generator.decode(source, levels, flow, hidden.sigmoid())
        error = (made - wanted).abs()
        optimizer.zero_grad()
        (error.mean() + 2 * mean_inside(error, eyes)).backward()
        optimizer.step()
    return as_pictures(made.detach())


def closing(lfg: LFG, reader: ClipReader, clip: ClipRow) -> str:
    """The clip's deepest blink, from a frame before it: what is, is painted, could be painted."""
    features, size = reader.features(clip), lfg.config.image_size
    closed = int(features.eyes.mean(axis=1).argmin())
    pair = reader.frames(clip, [max(0, closed - 8), closed])
    mask = eyes_mask(torch.from_numpy(features.eye_boxes[[closed]]), size)[:, None]
    best = found_by_descent(lfg, pair, mask)
    painted = np.concatenate((pair, reconstructed(lfg, pair)[1:], best))
    before, real, made, possible = eyes_and_mouth(painted)[0].mean(axis=1)
    return (
        f"{clip.clip_id[:8]}, deepest blink: eye ratio {before:.2f} before, {real:.2f} closed, "
        f"{made:.2f} from its motion, {possible:.2f} from the best motion found"
    )


@dataclass(frozen=True, slots=True)
class Row:
    """What a video's eyes and mouth do; NaN where no face is seen."""

    clip: str
    motion: str
    least: float
    median: float
    driven: float
    """Correlation of the eyes with what drives them."""
    blinks: int
    true_blinks: int
    mouth: float
    """Correlation of the mouth with loudness."""


def videos_of(
    lfg: LFG, networks: Networks | None, real: Pictures, features: ClipFeatures
) -> dict[str, tuple[Callable[[], Pictures], Floats]]:
    """What makes each video of a clip, and the changes of the eyes that drive it."""
    count = len(real)
    own = features.eyes[:count] - features.eyes[:1]
    videos: dict[str, tuple[Callable[[], Pictures], Floats]] = {
        "footage": (lambda: real, own),
        "its motion": (lambda: reconstructed(lfg, real), own),
    }
    if networks is not None:
        changes = drawn_eyes(networks.pbnet, networks.moved, features, count)
        videos |= {
            "its eyes": (lambda: sampled(networks, real, features, own), own),
            "PBNet's eyes": (lambda: sampled(networks, real, features, changes), changes),
            "still eyes": (lambda: sampled(networks, real, features, np.zeros_like(own)), own),
        }
    return videos


def rows(
    lfg: LFG, networks: Networks | None, reader: ClipReader, clip: ClipRow, frames: int
) -> list[Row]:
    """The table's rows of one clip."""
    count = min(frames, clip.frames)
    real, features = reader.frames(clip, range(count)), reader.features(clip)
    loud, found = loudness(features.audio[:count]), []
    for name, (make, wanted) in videos_of(lfg, networks, real, features).items():
        eyes, mouth = eyes_and_mouth(make())
        mean = eyes.mean(axis=1)
        seen = mean[np.isfinite(mean)]
        least, median = (seen.min(), np.median(seen)) if len(seen) else (np.nan, np.nan)
        found.append(
            Row(
                clip.clip_id[:8], name, float(least), float(median),
                correlation(mean, wanted.mean(axis=1)), len(find_blinks(eyes)),
                len(find_blinks(wanted + features.eyes[:1])), correlation(mouth, loud),
            )
        )  # fmt: skip
    return found


def say(report: Report, found: list[Row]) -> None:
    """A clip's rows and figures; the floor is the footage."""
    footage = found[0]
    for row in found:
        print(
            f"| {row.clip} | {row.motion} | {row.least:.2f} | {row.median:.2f} | {row.driven:.2f} "
            f"| {row.blinks} of {row.true_blinks} | {row.mouth:.2f} |",
            flush=True,
        )
        case = f"{row.clip}, {row.motion}"
        report.figure(f"{case}: least eye", row.least, "ratio of opening", floor=footage.least)
        report.figure(f"{case}: eyes", row.driven, "correlation", floor=footage.driven)
        report.figure(f"{case}: blinks", row.blinks, "blinks", floor=row.true_blinks)
        report.figure(f"{case}: mouth", row.mouth, "correlation", floor=footage.mouth)


def drawn(report: Report, folder: Path, dataset: str) -> None:
    """The eyes that a PBNet draws for the test split beside the true ones."""
    pbnet, card = checkpoints.load_network(folder, "pbnet")
    if not isinstance(pbnet, PBNet):
        raise TypeError(f"{folder}: holds another network")
    moved, reader = conventions_of(card), ClipReader(dataset, 8)
    clips = list(clips_of(Dataset(dataset), "test"))
    true = [reader.features(clip).eyes for clip in clips]
    made = [
        drawn_eyes(pbnet, moved, features, clip.frames, seed) + features.eyes[:1]
        for clip in clips
        for features in [reader.features(clip)]
        for seed in range(DRAWS)
    ]
    rates = {}
    for name, eyes in {"footage": true, "drawn": made}.items():
        means = [x.mean(axis=1) for x in eyes]
        least, median, most = (
            np.mean([of(x) for x in means]) for of in (np.min, np.median, np.max)
        )
        rates[name] = FPS * sum(len(find_blinks(x)) for x in eyes) / sum(map(len, eyes))
        print(
            f"{name}: least {least:.2f}, median {median:.2f}, most {most:.2f}, "
            f"{rates[name]:.2f} blinks a second"
        )
    report.figure("drawn eyes", rates["drawn"], "blinks/s", floor=rates["footage"])


def table(report: Report, networks: Networks | None, lfg: LFG, dataset: str, frames: int) -> None:
    """Every test clip's rows; without a whole model, what the flow generator could do."""
    lfg.requires_grad_(False)
    reader = ClipReader(dataset, lfg.config.image_size)
    clips = list(clips_of(Dataset(dataset), "test"))
    print("| clip | motion | least eye ratio | median | with what drives it | blinks | mouth |")
    print("|---|---|---|---|---|---|---|")
    for clip in clips:
        say(report, rows(lfg, networks, reader, clip, frames))
    for clip in () if networks else clips:
        print(closing(lfg, reader, clip), flush=True)


def main() -> None:
    """Print the tables."""
    parser = arguments(__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", type=Path)
    which.add_argument("--lfg", type=Path)
    which.add_argument("--pbnet", type=Path)
    parser.add_argument("--dataset")
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--steps", type=int, help="of the sampler; 20, as released")
    options = parse(parser, frames=12, steps=2)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    report = Report("blinks")
    with tempfile.TemporaryDirectory() as scratch:
        if options.smoke:
            options.model = write_model(Path(scratch) / "model", "tiny")
            options.dataset = make_dataset(Path(scratch), {0: "test"}, 2.0)
            drawn(report, options.model / "pbnet", options.dataset)
        if not (options.dataset and (options.model or options.lfg or options.pbnet)):
            skip("needs a trained model and its dataset, --model or another and --dataset")
        if options.pbnet:
            drawn(report, options.pbnet, options.dataset)
        else:
            networks = networks_of(options.model, options.steps) if options.model else None
            lfg = networks.lfg if networks else lfg_of(options.lfg)
            table(report, networks, lfg, options.dataset, options.frames)


if __name__ == "__main__":
    main()
