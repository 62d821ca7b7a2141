"""How much of a face's likeness does a flow generator keep?

    python -m benchmarks.likeness LFG… --dataset RUN/dataset

A row a folder with LFG's weights, means over the test clips. Frames a while apart are rendered from
the clip's first one with their own motion. Cosines to the first frame of the footage are
MobileFaceNet's (its weights: `dawn weights list`), on faces enlarged to 256 pixels. "no motion" is
the first frame rendered from itself; "copied" is the mean occlusion map inside the face's box,
where 1 takes the source's pixels and 0 paints new ones. Models come from
`python -m benchmarks.learn`; without one or without MobileFaceNet nothing is measured. With --smoke
both have random weights.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.blinks import Floats, Pictures, as_pictures, as_tensor, lfg_of
from benchmarks.inputs import make_dataset
from benchmarks.models import write_model
from benchmarks.report import Report, arguments, parse, skip
from dawn import weights
from dawn.features.faces.identity import EMBEDDING, MobileFaceNet, align_112, five_points
from dawn.features.faces.landmarks import FaceMesh
from dawn.lfg.model import LFG
from dawn.training.clips import ClipReader, clips_of
from dawn.training.masks import box_mask, mean_inside
from manifests.store import Dataset

EVERY, FRAMES = 20, 300
ENLARGED = 256


def embeddings(network: MobileFaceNet, pictures: Pictures) -> Floats:
    """Identities (N, 128); NaN where no face is found."""
    found = np.full((len(pictures), 128), np.nan, np.float32)
    with FaceMesh() as mesh:
        for place, picture in enumerate(pictures):
            large = cv2.resize(picture, (ENLARGED, ENLARGED), interpolation=cv2.INTER_CUBIC)
            points = mesh.detect(large)
            if points is not None:
                found[place] = network.embed(align_112(large, five_points(points))[None])[0]
    return found


def cosine(first: Floats, others: Floats) -> float:
    """Mean cosine of one identity (1, 128) to others that were found; NaN without the first."""
    cosines = first @ others.T
    return float(np.nanmean(cosines)) if np.isfinite(cosines).any() else float("nan")


@torch.inference_mode()
def likeness(
    lfg: LFG, network: MobileFaceNet, real: Pictures, face: NDArray[np.float32]
) -> Sequence[float]:
    """Cosines of the footage, of its motion and of no motion; and the share that is copied."""
    frames = as_tensor(real)
    motion = lfg.motion(frames[:1].expand_as(frames), frames)
    made = as_pictures(lfg.render_clip(frames[0], motion.flow, motion.occlusion))
    before, after = embeddings(network, real), embeddings(network, made)
    boxes = box_mask(torch.from_numpy(face), motion.occlusion.shape[-1])[:, None]
    return (
        cosine(before[:1], before[1:]),
        cosine(before[:1], after[1:]),
        cosine(before[:1], after[:1]),
        float(mean_inside(motion.occlusion[1:], boxes[1:])),
    )


def say(report: Report, folder: Path, network: MobileFaceNet, dataset: str, frames: int) -> None:
    """A flow generator's row and figures."""
    lfg, numbers = lfg_of(folder), list(range(0, frames, EVERY))
    reader = ClipReader(dataset, lfg.config.image_size)
    rows = [
        likeness(lfg, network, reader.frames(clip, numbers), reader.features(clip).face[numbers])
        for clip in clips_of(Dataset(dataset), "test")
    ]
    values = [float(value) for value in np.mean(rows, axis=0)]
    print(f"| {folder} | " + " | ".join(f"{value:.2f}" for value in values) + " |", flush=True)
    footage, moved, unmoved, copied = values
    report.figure(f"{folder}: its motion", moved, "cosine", floor=footage)
    report.figure(f"{folder}: no motion", unmoved, "cosine", floor=footage)
    report.figure(f"{folder}: copied", copied, "share of the face")


def random_network(folder: Path) -> Path:
    """A file with MobileFaceNet's inputs and outputs."""
    from tests.onnx_files import write_network

    return write_network(folder / "random.onnx", EMBEDDING)


def main() -> None:
    """Print the table."""
    parser = arguments(__doc__)
    parser.add_argument("lfg", nargs="*", type=Path)
    parser.add_argument("--dataset")
    parser.add_argument("--frames", type=int, default=FRAMES, help="of each clip")
    options = parse(parser, frames=2 * EVERY)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        if options.smoke:
            face_network: Path | None = random_network(Path(scratch))
            options.lfg = [write_model(Path(scratch) / "model", "tiny") / "lfg"]
            options.dataset = make_dataset(Path(scratch), {0: "test"}, 2.0)
        else:
            face_network = weights.find("mobilefacenet")
        if not (options.lfg and options.dataset):
            skip("needs trained flow generators and their dataset, LFG… --dataset DATASET")
        if face_network is None:
            skip(f"needs MobileFaceNet: {weights.status('mobilefacenet').reason}")
        print("| LFG | footage | its motion | no motion | copied |\n|---|---|---|---|---|")
        network = MobileFaceNet(face_network)
        for folder in options.lfg:
            say(Report("likeness"), folder, network, options.dataset, options.frames)


if __name__ == "__main__":
    main()
