"""The model that comes with the package; `small/README.md` is its card."""

from pathlib import Path
from typing import Any

SMALL = Path(__file__).parent / "small"
"""A model folder like any other, in half precision: 128 pixels, trained on rendered people."""

SAMPLER: dict[str, Any] = {"method": "ddim", "steps": 4, "guidance": 2.0}
"""How it samples unless told otherwise: it gives motion itself, so that few steps do, and guidance
makes lips as lively as people's.
"""


def sampler_of(model: Path | str) -> dict[str, Any]:
    """Settings of `GenerateConfig` that a model has instead of the released defaults."""
    return SAMPLER if str(model) == str(SMALL) else {}


EXPECT = (
    "no --checkpoint: the small model that comes with the package (128 pixels, trained on rendered "
    "people alone): lips follow the voice, heads move, eyes blink; real faces bend as they turn"
)
"""What is said when it is used for want of another."""
