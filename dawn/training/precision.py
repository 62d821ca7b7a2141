"""What a step computes in: TF32 where it is allowed, bfloat16 where a network's bulk is.

Weights and optimiser stay float32. With precision `bfloat16`, the modules that an objective names
(`Objective.narrow`) see, for one pass forward and backward, bfloat16 casts of their weights: all
are cast at once, and what they are given is cast by the modules themselves, so that sums, norms'
statistics and geometry stay float32 without autocast's casts around each of them.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn


def allow_tf32(allowed: bool, device: str) -> None:
    """Let a GPU's products and convolutions round their factors to ten bits, or not."""
    if torch.device(device).type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = allowed
        torch.backends.cudnn.allow_tf32 = allowed
        torch.backends.cudnn.benchmark = True


class _Cast(torch.autograd.Function):
    """Many tensors to another type in few launches, and their gradients back."""

    @staticmethod
    def forward(ctx: Any, dtype: torch.dtype, *wide: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401
        ctx.set_materialize_grads(False)
        narrow = [torch.empty_like(tensor, dtype=dtype) for tensor in wide]
        torch._foreach_copy_(narrow, list(wide))
        return tuple(narrow)

    @staticmethod
    def backward(_: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        there = [g for g in gradients if g is not None]
        wide = [torch.empty_like(g, dtype=torch.float32) for g in there]
        torch._foreach_copy_(wide, there)
        found = iter(wide)
        return (None, *(None if g is None else next(found) for g in gradients))


@contextlib.contextmanager
def narrowed(modules: Iterable[nn.Module], dtype: torch.dtype) -> Iterator[None]:
    """Inside, the modules compute with casts of their float32 weights; gradients go to these.

    Go backward inside as well: checkpointed blocks compute forward again there.
    """
    places = [
        (module, name)
        for outer in modules
        for module in outer.modules()
        for name, value in module._parameters.items()
        if value is not None and value.dtype == torch.float32
    ]
    wide = [module._parameters[name] for module, name in places]
    casts = _Cast.apply(dtype, *wide) if wide else ()  # type: ignore[no-untyped-call]
    try:
        for (module, name), cast in zip(places, casts, strict=True):
            cast._is_param = True  # what `get_parameter` asks of a tensor
            module._parameters[name] = cast
        yield
    finally:
        for (module, name), parameter in zip(places, wide, strict=True):
            module._parameters[name] = parameter
