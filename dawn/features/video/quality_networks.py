"""How good pictures and videos look to networks that learned it from people's ratings: hyperIQA
(Su et al. 2020) of single pictures, DOVER (Wu et al. 2023) of a video. Higher is better.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dawn.device import CPU, Placement, exact, onnx_device
from dawn.features.onnx_file import open_onnx
from dawn.torchvision_import import prepare_torchvision
from dawn.weights import load_into, load_state

Pictures = NDArray[np.uint8]
SIDE = 224
"""Pixels of what both networks see."""
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class HyperIQA(nn.Module):
    """(n, 3, 224, 224), normalised as ImageNet's, to (n,) from about 0 to 100.

    A ResNet-50 looks at the picture; from what it sees a hyper network makes the weights of a
    small one, which rates local features of all depths.
    """

    LDA, HYPER, VECTOR = 16, 112, 224
    WIDTHS = (224, 112, 56, 28, 14)
    GRID = 7

    def __init__(self, state: dict[str, Tensor], source: str | Path) -> None:
        """`state`: that of koniq_pretrained.pkl. Raises InputError when it is not."""
        super().__init__()
        prepare_torchvision()
        from torchvision import models

        self.res = models.resnet50(weights=None)
        self.res.fc = nn.Identity()
        for number, (seen, kept, cells) in enumerate(
            ((256, 16, 64), (512, 32, 16), (1024, 64, 4)), start=1
        ):
            pool = nn.Sequential(nn.Conv2d(seen, kept, 1, bias=False), nn.AvgPool2d(7, 7))
            self.res.add_module(f"lda{number}_pool", pool)
            self.res.add_module(f"lda{number}_fc", nn.Linear(kept * cells, self.LDA))
        self.res.add_module("lda4_fc", nn.Linear(2048, self.VECTOR - 3 * self.LDA))
        self.conv1 = nn.Sequential(
            *(nn.Conv2d(2048, 1024, 1), nn.ReLU()),
            *(nn.Conv2d(1024, 512, 1), nn.ReLU()),
            *(nn.Conv2d(512, self.HYPER, 1), nn.ReLU()),
        )
        for number, (wide, narrow) in enumerate(self._layers(), start=1):
            made = wide * narrow // self.GRID**2
            self.add_module(f"fc{number}w_conv", nn.Conv2d(self.HYPER, made, 3, padding=1))
            self.add_module(f"fc{number}b_fc", nn.Linear(self.HYPER, narrow))
        self.fc5w_fc = nn.Linear(self.HYPER, self.WIDTHS[-1])
        self.fc5b_fc = nn.Linear(self.HYPER, 1)
        load_into(self, state, source)
        self.eval()

    def _layers(self) -> list[tuple[int, int]]:
        return list(zip(self.WIDTHS, self.WIDTHS[1:], strict=False))

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        vector, seen = self._features(pictures)
        hyper = self.conv1(seen)
        pooled = hyper.mean(dim=(2, 3))
        x = vector[:, :, None]
        for number, (wide, narrow) in enumerate(self._layers(), start=1):
            weight = self.get_submodule(f"fc{number}w_conv")(hyper).reshape(-1, narrow, wide)
            bias = self.get_submodule(f"fc{number}b_fc")(pooled)
            x = torch.sigmoid(weight @ x + bias[:, :, None])
        last = self.fc5w_fc(pooled)[:, None, :] @ x
        return (last[:, 0] + self.fc5b_fc(pooled))[:, 0]

    def _features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Local features of all depths (n, 224), and the deepest layer's map."""
        res = self.res
        x = res.maxpool(res.relu(res.bn1(res.conv1(x))))
        found = []
        for number, layer in enumerate((res.layer1, res.layer2, res.layer3), start=1):
            x = layer(x)
            pool, linear = (res.get_submodule(f"lda{number}_{part}") for part in ("pool", "fc"))
            found.append(linear(pool(x).flatten(1)))
        x = res.layer4(x)
        found.append(res.get_submodule("lda4_fc")(functional.avg_pool2d(x, 7).flatten(1)))
        return torch.cat(found, dim=1), x


class PictureQuality:
    """hyperIQA from its file, on a device."""

    def __init__(self, path: Path, place: Placement = CPU) -> None:
        """Raises InputError."""
        self._device = place.device
        self._net = HyperIQA(load_state(path), path).to(self._device)

    def scores(self, pictures: Pictures) -> NDArray[np.float32]:
        """RGB (n, H, W, 3) to (n,): of each the mean over the corners and the middle, 224 px each;
        smaller pictures are brought to that size first.
        """
        if min(pictures.shape[1:3]) < SIDE:
            pictures = np.stack([resized(picture, SIDE) for picture in pictures])
        height, width = pictures.shape[1:3]
        down, right = height - SIDE, width - SIDE
        places = {(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)}
        with exact():
            made = [
                self._net(normalised(pictures[:, y : y + SIDE, x : x + SIDE], self._device))
                for y, x in sorted(places)
            ]
            return torch.stack(made).mean(dim=0).cpu().numpy()


class Rating(NamedTuple):
    """DOVER's verdict, each 0 to 1."""

    technical: float
    aesthetic: float
    overall: float


class Dover:
    """DOVER as its own `convert_to_onnx.py` writes it: `aes_view` (1, 3, 32, 224, 224) and
    `tech_view` (clips, 3, 32, 224, 224) to a raw score each.
    """

    FRAMES, EVERY, CELLS, CELL = 32, 2, 7, 32

    def __init__(self, path: Path, place: Placement = CPU) -> None:
        """Raises InputError."""
        self._session = open_onnx(path, onnx_device(place.device))
        clips = self._session.get_inputs()[1].shape[0]
        self._clips = clips if isinstance(clips, int) else 3

    def rate(self, frames: Sequence[NDArray[np.uint8]]) -> Rating:
        """RGB frames (H, W, 3) of 224 px or more, at 25 a second."""
        names = [one.name for one in self._session.get_inputs()]
        views = [self._whole(frames)[None], self._fragments(frames)]
        aesthetic, technical = (
            float(np.mean(found))
            for found in self._session.run(None, dict(zip(names, views, strict=True)))
        )
        t, a = (technical - 0.1107) / 0.07355, (aesthetic + 0.08285) / 0.03774
        return Rating(_squashed(t), _squashed(a), _squashed(0.6104 * t + 0.3896 * a))

    def _whole(self, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """32 frames from beginning to end, the whole picture of each: (3, 32, 224, 224)."""
        chosen = np.linspace(0, len(frames) - 1, self.FRAMES).round().astype(int)
        return _planes([resized(frames[at], SIDE) for at in chosen])

    def _fragments(self, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Clips of every second frame, spread over the video, as 7 x 7 pieces of 32 px in full
        size: (clips, 3, 32, 224, 224). The last frame stands for those past the end.
        """
        span = (self.FRAMES - 1) * self.EVERY + 1
        starts = np.linspace(0, max(0, len(frames) - span), self._clips).round().astype(int)
        clips = []
        for start in starts:
            numbers = np.minimum(start + np.arange(self.FRAMES) * self.EVERY, len(frames) - 1)
            clips.append(_planes([self._pieces(frames[at]) for at in numbers]))
        return np.stack(clips)

    def _pieces(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The middle 32 px of each of 7 x 7 equal cells, side by side."""
        rows, columns = (
            (np.arange(self.CELLS) + 0.5) * length / self.CELLS - self.CELL / 2
            for length in frame.shape[:2]
        )
        down, right = (
            (edges.astype(int)[:, None] + np.arange(self.CELL)).reshape(-1)
            for edges in (rows, columns)
        )
        return frame[np.ix_(down, right)]


def _squashed(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def resized(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A picture (H, W, 3) as a square of that side."""
    how = cv2.INTER_AREA if min(picture.shape[:2]) > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (side, side), interpolation=how), dtype=np.uint8)


def normalised(pictures: Pictures, device: str) -> Tensor:
    """RGB (n, H, W, 3) to (n, 3, H, W) as ImageNet's networks take it."""
    x = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).to(device)
    mean, deviation = (torch.tensor(v, device=device)[:, None, None] for v in (_MEAN, _DEVIATION))
    return (x.float() / 255 - mean) / deviation


def _planes(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """(t) pictures to (3, t, H, W)."""
    x = np.stack(pictures).astype(np.float32) / 255
    x = (x - np.array(_MEAN, np.float32)) / np.array(_DEVIATION, np.float32)
    return np.ascontiguousarray(x.transpose(3, 0, 1, 2))
