"""Make the excerpts of the recordings that are kept with the tests.

    python -m tests.excerpts ../shared/parity tests/dawn/recordings

The recordings' weights and inputs were drawn by PyTorch after `manual_seed`, so that it is enough
to keep where in the stream of that seed each of them begins. What was not drawn like this (small
vectors, schedules, the portraits of the LFG) is kept as it is, as are the outputs of the official
networks, every n-th value of the large ones. Of the LFG, which looks at each picture for itself,
the first of two pictures is kept.
"""

import json
import math
import shutil
import sys
from dataclasses import astuple
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.parity import Draw, Recording, draw, read, thinned

SEEDS = {
    "lfg": 20260, "a2v": 20261, "pbnet_pose": 20262, "pbnet_blink": 20263,
    "pbnet_pose_reemb5": 20264, "pbnet_joint": 20265,
}  # fmt: skip
STREAM = 1_000_000
"""Longer than any seed was drawn from."""
LARGE = 1024
SMALL = 512
"""Tensors of fewer values are kept rather than looked for."""
CLOSE = 1e-6


class Finder:
    """Looks for tensors in the stream of a seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._stream = torch.rand(STREAM, generator=torch.Generator().manual_seed(seed)).double()

    def __call__(self, values: Tensor) -> Draw | None:
        if values.dtype != torch.float32 or values.numel() < SMALL:
            return None
        candidates = [*self._uniform(values), *self._normal(values)]
        return next((d for d in candidates if self._is(d, values)), None)

    def _is(self, found: Draw, values: Tensor) -> bool:
        if found.at + values.numel() > STREAM:
            return False
        return bool((draw(self._seed, {"": found})[""] - values).abs().max() < CLOSE)

    def _uniform(self, values: Tensor) -> list[Draw]:
        """As inputs are drawn, and as layers draw their weights."""
        first, shape = values.flatten()[:2].double(), list(values.shape)
        fan_in, fan_out = values[0].numel(), len(values)
        layers = (1 / math.sqrt(fan_in), math.sqrt(6 / (fan_in + fan_out)))
        return [
            Draw(at, shape, low)
            for low in (0.0, -1.0, *(-bound for bound in layers))
            for at in self._where((first - low) / ((-low or 1.0) - low), 1, CLOSE)
        ]

    def _normal(self, values: Tensor) -> list[Draw]:
        """Box and Muller's method, by which PyTorch draws values 0 and 8 of 16 from two others."""
        one, other = values.flatten()[:9:8].double()
        radius = 1 - torch.exp(-(one**2 + other**2) / 2)
        angle = torch.atan2(other, one) / (2 * math.pi) % 1
        places = self._where(torch.stack((radius, angle)), 8, 100 * CLOSE)
        return [Draw(at, list(values.shape)) for at in places]

    def _where(self, pair: Tensor, apart: int, close: float) -> list[int]:
        first = (self._stream[:-apart] - pair[0]).abs() < close
        second = (self._stream[apart:] - pair[1]).abs() < close
        return (first & second).nonzero()[:, 0].tolist()


def excerpt(name: str, whole: Recording, path: Path) -> None:
    inputs, outputs = whole.inputs, whole.outputs
    if name == "lfg":
        inputs, outputs = ({k: v[:1] for k, v in part.items()} for part in (inputs, outputs))
    given = {f"state/{k}": v for k, v in whole.state.items()}
    given |= {f"in/{k}": v for k, v in inputs.items()}
    find = Finder(SEEDS[name])
    drawn = {key: found for key, value in given.items() if (found := find(value))}
    strides = {k: v.numel() // LARGE | 1 for k, v in outputs.items() if v.numel() > 2 * LARGE}
    kept = {key: value for key, value in given.items() if key not in drawn}
    kept |= {f"out/{k}": thinned(v, strides.get(k, 1)) for k, v in outputs.items()}
    about = {
        "config": whole.config, "seed": SEEDS[name], "strides": strides,
        "drawn": {key: astuple(found) for key, found in drawn.items()},
    }  # fmt: skip
    tensors = {key: value.clone().contiguous() for key, value in kept.items()}
    save_file(tensors, path, {key: json.dumps(value) for key, value in about.items()})


def main() -> None:
    recordings, to = map(Path, sys.argv[1:])
    for name in SEEDS:
        excerpt(name, read(recordings / f"{name}_small.safetensors"), to / f"{name}.safetensors")
    for path in recordings.glob("*_full.keys.json"):
        (to / path.name).write_text(json.dumps(json.loads(path.read_text())) + "\n")
    for path in recordings.glob("face_mask_encoder_seed*.safetensors"):
        shutil.copyfile(path, to / path.name)


if __name__ == "__main__":
    main()
