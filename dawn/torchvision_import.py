"""Makes `import torchvision` work beside a CPU build of torch.

PyPI's torchvision is built for CUDA: next to a CPU-only torch its operator library does not load,
and the import fails because `torchvision::nms` and `torchvision::qnms` are undeclared. Declared,
though without any code behind them, they let models and transforms work; only torchvision.ops
stays unusable. pytorch-fid and transformers' HuBERT import torchvision and use none of it.
"""

import functools
import importlib.util
from importlib.machinery import PathFinder

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@functools.cache
def prepare_torchvision() -> None:
    """Call this before importing torchvision, or a package that does. Harmless where torchvision
    is absent, already imported, or whole.
    """
    package = importlib.util.find_spec("torchvision")
    if package is None or hasattr(torch.ops.torchvision, "nms"):
        return
    operators = PathFinder.find_spec("_C", package.submodule_search_locations)
    try:
        if operators is not None and operators.origin is not None:
            # As torchvision itself does first.
            torch.ops.load_library(operators.origin)
            return
    except OSError:
        pass  # built for CUDA libraries that are not here
    _declare()


@functools.cache
def _declare() -> torch.library.Library:
    """Kept by the cache: the declarations end with the object."""
    library = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS:
        library.define(schema)
    return library
