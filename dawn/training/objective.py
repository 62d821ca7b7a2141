"""What the training loop needs of a stage's network and losses."""

from collections.abc import Callable, Hashable, Iterable
from typing import ClassVar, Self

from torch import Tensor, nn

from dawn.training.order import Sample


class Objective(nn.Module):
    """A network and what it is trained on; `forward` gives a batch's loss and its parts.

    Inside `forward` nothing may wait for a GPU: no `.item()`, `float(tensor)`, `.cpu()`, and no
    tensor made of Python numbers there.
    """

    measure: ClassVar[str]
    """Which of `validate`'s numbers chooses the best checkpoint; lower is better."""
    network: nn.Module
    """What is handed on; other modules only serve the training."""
    frozen: tuple[nn.Module, ...] = ()
    """Networks that the losses look through: neither trained nor saved. They move along."""
    progress: float = 0.0
    """Share of the run's steps that are done; the loop sets it."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Every way of moving a module ends here."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for network in self.frozen:
            network._apply(fn, recurse)
        return self

    def narrow(self) -> Iterable[nn.Module]:
        """The modules that precision `bfloat16` is for: see `dawn.training.precision`."""
        return ()

    def phase(self) -> Hashable:
        """What besides a batch's shapes decides which operations `forward` is of. A step is
        replayed as a graph while it stays; by default, with `progress`, it never does.
        """
        return self.progress

    def prepared(self, batch: Sample) -> Sample:
        """What `forward` takes, of a batch of samples on the objective's device.

        Samples hold bytes and boxes, which are quick to copy; pictures and masks are made here.
        """
        return batch

    def forward(self, batch: Sample) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and its weighted parts by name, of a prepared batch."""
        raise NotImplementedError

    def validate(self, batch: Sample) -> dict[str, float]:
        """What a prepared validation batch says of the network, in eval mode."""
        raise NotImplementedError
