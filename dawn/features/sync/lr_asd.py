"""The LR-ASD network (Liao et al., "LR-ASD: Lightweight and Robust Network for Active Speaker
Detection", IJCV 2025; weights: github.com/Junhua-Liao/LR-ASD, MIT), for inference.

Two encoders of factored convolutions (space or cepstrum, then time) give 128 numbers per frame
each; a gate fuses them, two GRUs read the clip in both directions, and a linear head scores each
frame. B clips, T frames at 25 fps. Module names end as in the published state dict.
"""

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = (32, 64, 128)

REACH = 9
"""Frames to either side that an encoder's output for one frame depends on: 3 blocks, each of a
5-tap and a 3-tap convolution in time. (The audio encoder reaches 24 of its 100 Hz rows: 6 frames.)
"""

# Of the grey training crops, on the 0..255 scale divided by 255.
_GREY_MEAN, _GREY_DEVIATION = 0.4161, 0.1688


class LrAsd(nn.Module):
    """Scores how surely a face speaks, from grey crops and MFCC."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = _Encoder(visual=True)
        self.audio = _Encoder(visual=False)
        self.fusion = _Gate(2 * CHANNELS[-1])
        self.detector = _Detector(2 * CHANNELS[-1])
        self.head = nn.Linear(CHANNELS[-1], 2)

    def encode_faces(self, faces: Tensor) -> Tensor:
        """Grey crops (B, T, 112, 112) in 0..255 to (B, T, 128)."""
        maps = _see(self.visual, (faces / 255 - _GREY_MEAN) / _GREY_DEVIATION)
        return maps.amax(dim=(2, 3)).unflatten(0, faces.shape[:2])

    def encode_sound(self, mfcc: Tensor) -> Tensor:
        """Cepstra (B, 4 T, 13) at 100 Hz to (B, T, 128)."""
        maps: Tensor = self.audio(mfcc.transpose(1, 2)[:, None])
        return maps.mean(dim=2).transpose(1, 2)

    def score(self, sound: Tensor, faces: Tensor) -> Tensor:
        """Encoded sound and faces (B, T, 128) to the speaking logit of each frame, (B, T)."""
        logits: Tensor = self.head(self.detector(self.fusion(torch.cat([sound, faces], dim=2))))
        return logits[..., 1]


class _Encoder(nn.Module):
    """Three blocks with max-pooling between: faces keep T, sound goes from 4 T to T."""

    def __init__(self, *, visual: bool) -> None:
        super().__init__()
        block = _visual_block if visual else _audio_block
        self.pool: nn.Module = (
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
            if visual
            else nn.MaxPool2d((1, 3), stride=(1, 2), padding=(0, 1))
        )
        self.block1, self.block2, self.block3 = (block(*pair) for pair in pairwise((1, *CHANNELS)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.block1(x))
        return torch.as_tensor(self.block3(self.pool(self.block2(x))))


def _visual_block(inputs: int, outputs: int) -> nn.Sequential:
    """On (B, C, T, H, W); the first block halves height and width."""
    stride = 2 if inputs == 1 else 1
    half = outputs // 2
    convolutions = {
        "s_1": nn.Conv3d(inputs, half, (1, 5, 5), (1, stride, stride), (0, 2, 2), bias=False),
        "s_2": nn.Conv3d(half, outputs, (1, 3, 3), padding=(0, 1, 1), bias=False),
        "t_1": nn.Conv3d(outputs, outputs, (5, 1, 1), padding=(2, 0, 0), bias=False),
        "t_2": nn.Conv3d(outputs, outputs, (3, 1, 1), padding=(1, 0, 0), bias=False),
    }
    return _with_norms(convolutions, nn.BatchNorm3d)


def _audio_block(inputs: int, outputs: int) -> nn.Sequential:
    """On (B, C, cepstra, time)."""
    half = outputs // 2
    convolutions = {
        "m_1": nn.Conv2d(inputs, half, (5, 1), padding=(2, 0), bias=False),
        "m_2": nn.Conv2d(half, outputs, (3, 1), padding=(1, 0), bias=False),
        "t_1": nn.Conv2d(outputs, outputs, (1, 5), padding=(0, 2), bias=False),
        "t_2": nn.Conv2d(outputs, outputs, (1, 3), padding=(0, 1), bias=False),
    }
    return _with_norms(convolutions, nn.BatchNorm2d)


def _with_norms(
    convolutions: dict[str, nn.Conv2d] | dict[str, nn.Conv3d],
    norm: type[nn.BatchNorm2d] | type[nn.BatchNorm3d],
) -> nn.Sequential:
    """Each convolution with its normalisation (`s_1`, `s_norm_1`) and a rectifier."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for name, convolution in convolutions.items():
        kind, number = name.split("_")
        layers[name] = convolution
        layers[f"{kind}_norm_{number}"] = norm(convolution.out_channels, eps=0.001)
        layers[f"{kind}_relu_{number}"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


def _see(encoder: _Encoder, faces: Tensor) -> Tensor:
    """What the visual encoder says of faces (B, T, H, W), frames as a batch: (B T, 128, h, w).

    Each convolution is over space or over time, so all of them are two-dimensional ones, on
    channels that lie together: a third of the time of `Conv3d` on one core, and the same sums.
    """
    batch, frames = faces.shape[:2]
    x = faces.flatten(0, 1)[:, None].contiguous(memory_format=torch.channels_last)
    for number, block in enumerate((encoder.block1, encoder.block2, encoder.block3)):
        if number:
            x = functional.max_pool2d(x, 3, stride=2, padding=1)
        for name in ("s_1", "s_2"):
            weight, bias, convolution = _with_norm(block, name)
            x = functional.conv2d(
                x, weight[:, :, 0], bias, convolution.stride[1:], convolution.padding[1:]
            ).relu_()
        side = x.shape[2:]
        x = x.permute(0, 2, 3, 1).reshape(batch, frames, -1, x.shape[1]).permute(0, 3, 1, 2)
        for name in ("t_1", "t_2"):
            weight, bias, convolution = _with_norm(block, name)
            x = functional.conv2d(
                x, weight[..., 0], bias, padding=(int(convolution.padding[0]), 0)
            ).relu_()
        x = x.permute(0, 2, 3, 1).reshape(batch * frames, *side, -1).permute(0, 3, 1, 2)
    return x


def _with_norm(block: nn.Module, name: str) -> tuple[Tensor, Tensor, nn.Conv3d]:
    """Weight and bias of a convolution and the normalisation after it, as one, and the former."""
    kind, number = name.split("_")
    convolution, norm = getattr(block, name), getattr(block, f"{kind}_norm_{number}")
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weight = (convolution.weight.flatten(1) * scale[:, None]).view_as(convolution.weight)
    return weight, norm.bias - norm.running_mean * scale, convolution


class _Gate(nn.Module):
    """Weighs each of C channels by a sigmoid of all of them: (B, T, C) to the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = nn.Conv1d(channels, channels, 1, bias=False)
        self.bn = nn.BatchNorm1d(channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.sigmoid(self.bn(self.attention(x.transpose(1, 2))))
        return x * weights.transpose(1, 2)


class _Detector(nn.Module):
    """A GRU each way over time, then a gate: (B, T, 2 C) to (B, T, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gru_forward = nn.GRU(channels, channels // 4, batch_first=True)
        self.gru_backward = nn.GRU(channels, channels // 4, batch_first=True)
        self.attention = _Gate(channels // 2)

    def forward(self, x: Tensor) -> Tensor:
        onward, _ = self.gru_forward(x)
        back, _ = self.gru_backward(x.flip(1))
        return torch.as_tensor(self.attention(torch.cat([onward, back.flip(1)], dim=2)))
