"""The clock that pictures and sound share: 25 frames and 16,000 samples a second."""

FPS = 25
"""Frames a second of everything in a dataset (DAWN, section 4.1)."""

SAMPLE_RATE = 16_000
SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
"""640 samples belong to each frame."""
