"""The U-Net's residual block and its time embedding (DAWN §3.3)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.a2v.conditioning import (
    ConditionAttention,
    Conditions,
    add_to_activated,
    attend_to_conditions,
    conditions_of,
)
from dawn.a2v.config import UNetConfig
from dawn.a2v.frames import ClipGroupNorm, FrameConv, in_place
from dawn.a2v.kernels import fused


class TimeEmbedding(nn.Module):
    """Diffusion time as sines, then cosines, of geometric frequencies; no parameters."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.speeds = dim // 2

    def forward(self, times: Tensor) -> Tensor:
        """(B,) to (B, dim) float32."""
        steps = torch.arange(self.speeds, device=times.device, dtype=torch.float32)
        speeds = torch.exp(steps * -(math.log(10000) / (self.speeds - 1)))
        angles = times[:, None].float() * speeds
        return torch.cat((angles.sin(), angles.cos()), dim=-1)


class ConvBlock(nn.Module):
    """3 x 3 convolution, group norm, optional scale and shift, SiLU."""

    def __init__(self, inputs: int, outputs: int, groups: int) -> None:
        super().__init__()
        self.proj = FrameConv(inputs, outputs, 3)
        self.norm = ClipGroupNorm(groups, outputs)

    def forward(self, x: Tensor, scale_shift: Tensor | None = None) -> Tensor:
        """(B, T, H, W, inputs) to outputs; `scale_shift` is (B, 2 * outputs)."""
        return F.silu(self.norm(self.proj(x), scale_shift), inplace=in_place())

    def before_activation(
        self, x: Tensor, scale_shift: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """For fused kernels: what SiLU is taken of is hidden * factor + added.

        Returns hidden (B, T, H, W, outputs), factor and added (B, 2, outputs).
        """
        hidden = self.proj.partial(x, slice(None), None)
        affine = self.norm.affine_of(hidden, self.proj.bias, scale_shift)
        return hidden, affine


class ResBlock(nn.Module):
    """Two convolution blocks with a skip; time modulates the first, conditions follow it.

    A block without conditions still owns cross-attentions: the official heads do, and a strict
    load needs them. They are never used and never trained.
    """

    def __init__(self, inputs: int, outputs: int, config: UNetConfig, *, conditional: bool) -> None:
        super().__init__()
        self.conditional = conditional
        if conditional:
            self.time_mlp = activated_linear(4 * config.dim, 2 * outputs)
            self.audio_mlp = activated_linear(config.audio_dim, 2 * outputs)
            self.pose_mlp = activated_linear(config.pose_dim, 2 * outputs)
            self.eye_mlp = activated_linear(config.eye_dim, 2 * outputs)
        self.cross_attn_aud = ConditionAttention(inputs, outputs, 2 * outputs)
        self.cross_attn_pose = ConditionAttention(inputs, outputs, 2 * outputs)
        self.cross_attn_eye = ConditionAttention(inputs, outputs, 2 * outputs)
        self.block1 = ConvBlock(inputs, outputs, config.groups)
        self.block2 = ConvBlock(outputs, outputs, config.groups)
        self.res_conv = FrameConv(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        if not conditional:
            for attention in self.attentions():
                attention.requires_grad_(False)

    def attentions(self) -> list[ConditionAttention]:
        """Cross-attentions to audio, pose and eyes."""
        return [self.cross_attn_aud, self.cross_attn_pose, self.cross_attn_eye]

    def prepare(self, conditions: tuple[Tensor, ...]) -> Conditions:
        """What audio, pose and eye features (B, T, ·) become for all denoising steps."""
        layers = (self.audio_mlp, self.pose_mlp, self.eye_mlp)
        contexts = [mlp(part) for mlp, part in zip(layers, conditions, strict=True)]
        return conditions_of(self.attentions(), contexts)

    def forward(
        self, x: Tensor, scale_shift: Tensor | None = None, conditions: Conditions | None = None
    ) -> Tensor:
        """(B, T, H, W, inputs) to outputs.

        `scale_shift` (B, 2 * outputs) is the time embedding behind `time_mlp`; a block that is
        not conditional takes neither it nor `conditions`.
        """
        if kernels := fused(x):
            hidden, affine = self.block1.before_activation(x, scale_shift)
            if conditions is None:
                hidden = kernels.activated(hidden, affine, None)
            else:
                hidden = add_to_activated(x, conditions, hidden, affine)
            hidden, affine = self.block2.before_activation(hidden)
            result: Tensor = kernels.activated(hidden, affine, self.res_conv(x))
            return result
        hidden = self.block1(x, scale_shift)
        if conditions is not None:
            attended = attend_to_conditions(x, conditions)
            hidden = hidden.add_(attended) if in_place() else hidden + attended
        out: Tensor = self.block2(hidden)
        skip = self.res_conv(x)
        return out.add_(skip) if in_place() else out + skip


def activated_linear(inputs: int, outputs: int) -> nn.Sequential:
    """SiLU, then a linear layer."""
    return nn.Sequential(nn.SiLU(), nn.Linear(inputs, outputs))
