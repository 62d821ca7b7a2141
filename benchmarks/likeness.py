"""How much of a face's likeness does a flow generator keep?

    python -m benchmarks.likeness LFG… --dataset RUN/dataset

A row a folder with LFG's weights, means over the test clips. Frames a while apart are rendered from
the clip's first one with their own motion. Cosines to the first frame of the footage are
MobileFaceNet's (its weights: `dawn weights list`), on faces enlarged to 256 pixels. "no motion" is
the first frame rendered from itself; "copied" is the mean occlusion map inside the face's box,
where 1 takes the source's pixels and 0 paints new ones.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.blinks import Floats, Pictures, as_pictures, as_tensor, lfg_of
from dawn import weights
from dawn.features.faces.identity import MobileFaceNet, align_112, five_points
from dawn.features.faces.landmarks import FaceMesh
from dawn.lfg.model import LFG
from dawn.training.boxes import box_mask, mean_inside
from dawn.training.clips import ClipReader, clips_of
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
    return float(np.nanmean(first @ others.T))


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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("lfg", nargs="+", type=Path)
    parser.add_argument("--dataset", required=True)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    network = MobileFaceNet(weights.require("mobilefacenet"))
    clips = list(clips_of(Dataset(options.dataset), "test"))
    numbers = list(range(0, FRAMES, EVERY))
    print("| LFG | footage | its motion | no motion | copied |\n|---|---|---|---|---|")
    for folder in options.lfg:
        lfg = lfg_of(folder)
        reader = ClipReader(options.dataset, lfg.config.image_size)
        rows = [
            likeness(
                lfg, network, reader.frames(clip, numbers), reader.features(clip).face[numbers]
            )
            for clip in clips
        ]
        values = " | ".join(f"{value:.2f}" for value in np.mean(rows, axis=0))
        print(f"| {folder} | {values} |", flush=True)


if __name__ == "__main__":
    main()
