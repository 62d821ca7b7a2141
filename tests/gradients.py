"""Whether two runs of one step saw the same gradient."""

from pathlib import Path

import torch

CLOSE = 2e-3
"""Of the largest gradient. Sums in another order differ by up to 5e-4, where the sign of an L1
error's gradient turns with the last bit; without synchronised statistics by 0.6."""


def gradients_agree(one: Path, other: Path) -> None:
    """Adam's first moment after one step is the gradient, but for a factor."""
    moments = []
    for out in (one, other):
        path = out / "checkpoints/step-000000001/training.pt"
        state = torch.load(path, weights_only=True)["optimizer"]["state"]
        moments.append({key: value["exp_avg"] for key, value in state.items()})
    assert moments[0].keys() == moments[1].keys()
    largest = max(float(value.abs().max()) for value in moments[0].values())
    for key, gradient in moments[0].items():
        assert (gradient - moments[1][key]).abs().max() <= CLOSE * largest, key
