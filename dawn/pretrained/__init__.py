"""The model that comes with the package; `small/README.md` is its card."""

from pathlib import Path

SMALL = Path(__file__).parent / "small"
"""A model folder like any other, in half precision: 128 pixels, trained on rendered people."""

SHIPPED_STEPS = 8
"""Denoising steps that it needs: it gives motion itself, not noise."""

EXPECT = (
    "no --checkpoint: the small model that comes with the package (128 pixels, trained on rendered "
    "people): lips follow the voice, heads move, eyes blink; a real face comes out soft, and as "
    "well as it resembles a frontal portrait"
)
"""What is said when it is used for want of another."""
