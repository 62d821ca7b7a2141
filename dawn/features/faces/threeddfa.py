"""Head pose as DAWN's authors measured it: 3DDFA_V2 (Guo et al. 2020, arXiv 2009.09960).

A MobileNet regresses 62 numbers of a 3D morphable face model from a 120 px crop: a 3x4 scaled
pose matrix, 40 shape and 10 expression coefficients. Expression makes a metric (`fd_exp10`); pose
is the yardstick that pose from landmarks (`dawn.features.faces.pose`) is held against. The authors
used the full-width network; this is the half-width one (mb05), the same recipe in 3 MB.

Translation and scale live in the crop, which follows the face box, so they hardly move; only the
three angles carry signal.
"""

import math
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dawn.device import CPU, Placement, batch_on, exact
from dawn.weights import load_into, load_state
from manifests.errors import InputError

CROP = 120
"""Side of the network's input in pixels."""

PARAMETERS = 62

_CROP_BYTES, _MOST_CROPS = 8 * 2**20, 64
"""What the network holds of a crop while it computes, and the crops that go through at once."""

# (output channels at full width, stride) of each block, under its name in the file.
_BLOCKS = (
    {"dw2_1": (64, 1), "dw2_2": (128, 2), "dw3_1": (128, 1), "dw3_2": (256, 2)}
    | {"dw4_1": (256, 1), "dw4_2": (512, 2)}
    | {f"dw5_{number}": (512, 1) for number in range(1, 6)}
    | {"dw5_6": (1024, 2), "dw6": (1024, 1)}
)


class ThreeDDFA:
    """Estimates the pose of a boxed face."""

    def __init__(self, network: Path, statistics: Path, place: Placement = CPU) -> None:
        """Load the .pth network and the .pkl mean and deviation; InputError says what is wrong."""
        self._mean, self._deviation = load_statistics(statistics)
        self._network = MobileNet().eval()
        state = {
            name.removeprefix("module.").replace("fc_param.", "fc."): tensor
            for name, tensor in load_state(network).items()
            if ".fc_lm." not in name  # a second head, used in training only
        }
        load_into(self._network, state, network)
        self._network.to(place.device)
        self._device = place.device
        self._batch = batch_on(place, _CROP_BYTES, on_cpu=1, most=_MOST_CROPS)

    def pose(self, image: NDArray[np.uint8], box: NDArray[Any]) -> NDArray[np.float32]:
        """RGB picture (H, W, 3) and face box (4,) to (7,): yaw, pitch and roll in degrees, scale,
        and translation x, y, z in the 120 px crop (y upwards).

        Yaw grows as the nose turns to the picture's left, pitch as it turns down, roll as the head
        tilts counterclockwise.
        The box is a detector's: left, top, right, bottom in pixels, from the brows or hairline to
        the chin. Raises InputError when it is empty or outside of the picture.
        """
        return pose_of(self.parameters(face_crop(image, box)))

    def parameters(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        """An RGB `face_crop` (120, 120, 3) to the 62 parameters of the face model."""
        return self.normalised(crop) * self._deviation + self._mean

    def normalised(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The same in standard deviations from the mean of the training set."""
        return self.all_normalised(crop[np.newaxis])[0]

    def all_normalised(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The same of several crops (N, 120, 120, 3), (N, 62)."""
        rows = [np.empty((0, PARAMETERS), np.float32)]
        for start in range(0, len(crops), self._batch):
            part = crops[start : start + self._batch, ..., ::-1].transpose(0, 3, 1, 2)
            with exact():
                bgr = torch.from_numpy(np.ascontiguousarray(part)).to(self._device)
                rows.append(self._network((bgr.float() - 127.5) / 128).cpu().numpy())
        return np.concatenate(rows)


class MobileNet(nn.Module):
    """MobileNet v1 (Howard et al. 2017, arXiv 1704.04861) of half width with 62 outputs."""

    def __init__(self, width: float = 0.5) -> None:
        super().__init__()
        channels = int(32 * width)
        self.conv1 = nn.Conv2d(3, channels, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        for name, (full, stride) in _BLOCKS.items():
            self.add_module(name, _Separable(channels, int(full * width), stride))
            channels = int(full * width)
        self.fc = nn.Linear(channels, PARAMETERS)

    def forward(self, x: Tensor) -> Tensor:
        """BGR (B, 3, 120, 120) in -1..1 to normalised parameters (B, 62)."""
        x = torch.relu(self.bn1(self.conv1(x)))
        for name in _BLOCKS:
            x = self.get_submodule(name)(x)
        return torch.as_tensor(self.fc(x.mean(dim=(2, 3))))


class _Separable(nn.Module):
    """A 3x3 convolution on each channel, then a 1x1 one across them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(
            inputs, inputs, 3, stride=stride, padding=1, groups=inputs, bias=False
        )
        self.bn_dw = nn.BatchNorm2d(inputs)
        self.conv_sep = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn_sep = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn_dw(self.conv_dw(x)))
        return torch.relu(self.bn_sep(self.conv_sep(x)))


def face_crop(image: NDArray[np.uint8], box: NDArray[Any]) -> NDArray[np.uint8]:
    """The square (120, 120, 3) that 3DDFA_V2 cuts around a detector's box (4,): 1.58 times its
    mean side, moved down by 0.14 of it; outside of the picture is black.
    """
    left, top, right, bottom = (float(edge) for edge in box)
    mean_side = (right - left + bottom - top) / 2
    if not (mean_side >= 1 and right > left and bottom > top):
        raise InputError(f"face box {box} is empty: expected left < right and top < bottom")
    side = int(mean_side * 1.58)
    x0 = round((left + right) / 2 - side / 2)
    y0 = round((top + bottom) / 2 + mean_side * 0.14 - side / 2)
    height, width = image.shape[:2]
    inner = image[max(y0, 0) : max(y0 + side, 0), max(x0, 0) : max(x0 + side, 0)]
    if inner.size == 0:
        raise InputError(f"face box {box} lies outside of the {width}x{height} picture")
    square = np.zeros((side, side, 3), dtype=np.uint8)
    row, column = max(-y0, 0), max(-x0, 0)
    square[row : row + inner.shape[0], column : column + inner.shape[1]] = inner
    return np.asarray(cv2.resize(square, (CROP, CROP)), dtype=np.uint8)


def pose_of(parameters: NDArray[np.float32]) -> NDArray[np.float32]:
    """The pose (7,) within face model parameters (62,): see `ThreeDDFA.pose`.

    The first 12 are a 3x4 matrix whose left part is scale times rotation (its third row is not
    trusted: it is the cross product of the first two) and whose last column is the translation.
    """
    matrix = parameters[:12].reshape(3, 4).astype(np.float64)
    lengths = np.linalg.norm(matrix[:2, :3], axis=1)
    first, second = matrix[:2, :3] / lengths[:, np.newaxis]
    rotation = np.stack([first, second, np.cross(first, second)])
    angles = np.degrees(_euler(rotation))
    return np.array([*angles, lengths.mean(), *matrix[:, 3]], dtype=np.float32)


def _euler(rotation: NDArray[np.float64]) -> tuple[float, float, float]:
    """Yaw, pitch and roll in radians; facing sideways, where roll and pitch are one, roll is 0."""
    sine = rotation[2, 0]
    if abs(sine) > 0.998:
        sign = math.copysign(1.0, sine)
        return sign * math.pi / 2, math.atan2(-sign * rotation[0, 1], -sign * rotation[0, 2]), 0.0
    pitch = math.atan2(rotation[2, 1], rotation[2, 2])
    return math.asin(sine), pitch, math.atan2(rotation[1, 0], rotation[0, 0])


def load_statistics(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and deviation, (62,) each, of the parameters from 3DDFA_V2's .pkl.

    The pickle may rebuild NumPy arrays and nothing else; InputError for any other content.
    """
    try:
        with path.open("rb") as file:
            content = _ArrayUnpickler(file).load()
        mean, deviation = (np.asarray(content[key], np.float32) for key in ("mean", "std"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (pickle.UnpicklingError, EOFError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path}: is not 3DDFA_V2's parameter statistics ({error})") from error
    mean, deviation = mean.ravel(), deviation.ravel()
    if mean.shape != (PARAMETERS,) or deviation.shape != (PARAMETERS,):
        raise InputError(f"{path}: expected {PARAMETERS} means and deviations, got {mean.size}")
    return mean, deviation


class _ArrayUnpickler(pickle.Unpickler):
    """Rebuilds NumPy arrays in plain containers; every other name in the pickle is refused."""

    _ALLOWED = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as in the base class
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, and only arrays are read")
        return super().find_class(module, name)
