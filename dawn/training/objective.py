"""What the training loop needs of a stage's network and losses."""

from typing import ClassVar

from torch import Tensor, nn

from dawn.training.order import Sample


class Objective(nn.Module):
    """A network and what it is trained on; `forward` gives a batch's loss and its parts."""

    measure: ClassVar[str]
    """Which of `validate`'s numbers chooses the best checkpoint; lower is better."""
    network: nn.Module
    """What is handed on; other modules only serve the training."""
    progress: float = 0.0
    """Share of the run's steps that are done; the loop sets it."""

    def forward(self, batch: Sample) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and its weighted parts by name."""
        raise NotImplementedError

    def validate(self, batch: Sample) -> dict[str, float]:
        """What a validation batch says of the network, in eval mode."""
        raise NotImplementedError
