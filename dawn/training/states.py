"""How pose and eye openness are scaled for PBNet."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dawn.sampling.conventions import STATE_HIGH, STATE_LOW


@dataclass(frozen=True, slots=True)
class StateRange:
    """Which values of pose (6) and eyes (2) the network sees as 0 and as 1."""

    low: tuple[float, ...] = STATE_LOW
    high: tuple[float, ...] = STATE_HIGH

    def normalised(self, pose: Tensor, eyes: Tensor, pose_dim: int, eye_dim: int) -> Tensor:
        """Pose (…, 6) and eyes (…, 2) as states (…, pose_dim + eye_dim)."""
        values = torch.cat((pose, eyes), dim=-1)
        low, high = values.new_tensor(self.low), values.new_tensor(self.high)
        scaled = (values - low) / (high - low)
        return torch.cat((scaled[..., :pose_dim], scaled[..., 6 : 6 + eye_dim]), dim=-1)

    def pose_and_eyes(self, states: Tensor, pose_dim: int) -> tuple[Tensor, Tensor]:
        """The inverse: pose (…, pose_dim) and eyes (…, ·) in degrees, pixels and ratios."""
        low, high = states.new_tensor(self.low), states.new_tensor(self.high)
        pose, eyes = states[..., :pose_dim], states[..., pose_dim:]
        count = eyes.shape[-1]
        scale = high - low
        return (
            pose * scale[:pose_dim] + low[:pose_dim],
            eyes * scale[6 : 6 + count] + low[6 : 6 + count],
        )


RELEASE_RANGE = StateRange()
"""The released networks' (PBD:62-65): degrees, scale and pixels; eyes as they are."""
