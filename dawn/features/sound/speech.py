"""Where somebody speaks, and how well it sounds: Silero's detector of speech, Microsoft's DNSMOS.

Both come with their packages (silero-vad, MIT, github.com/snakers4/silero-vad; speechmos, MIT,
Reddy et al., ICASSP 2022, arXiv 2110.01763). Only the networks' files are used: the packages' own
code would import torch, or librosa.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawn.features.onnx_file import open_onnx
from dawn.features.rates import SAMPLES_PER_FRAME

SPEECH = 0.5
"""The detector's own bound: a frame that is more likely speech than not is speech."""

_CHUNK, _BEFORE = 512, 64
"""Samples of which the detector says one probability, and those before them that it sees."""
_AT_ONCE = 512
_STATE = (1, 1, 128)

_WINDOW = 144_160
"""Samples that DNSMOS judges: 9.01 s."""
# From its outputs (speech, background, overall) to opinion scores; highest power first.
_OPINIONS = (
    (-0.08397278, 1.22083953, 0.0052439),
    (-0.13166888, 1.60915514, -0.39604546),
    (-0.06766283, 1.11546468, 0.04602535),
)


def speech_probability(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mono 16 kHz samples (T * 640,) to how likely somebody speaks in each frame, (T,) in 0..1.

    The detector answers each 32 ms and remembers what came before; a frame's value is read at its
    middle, linearly between two answers.
    """
    count = -(-len(samples) // _CHUNK)
    padded = np.pad(samples.astype(np.float32), (_BEFORE, count * _CHUNK - len(samples)))
    answers = np.zeros(count, np.float32)
    hidden, cell = np.zeros(_STATE, np.float32), np.zeros(_STATE, np.float32)
    for start in range(0, count, _AT_ONCE):
        chunks = np.arange(start, min(start + _AT_ONCE, count))
        seen = padded[chunks[:, None] * _CHUNK + np.arange(_BEFORE + _CHUNK)]
        answers[chunks], hidden, cell = _detector().run(
            ["speech_probs", "hn", "cn"], {"input": seen, "h": hidden, "c": cell}
        )
    middles = (np.arange(len(samples) // SAMPLES_PER_FRAME) + 0.5) * SAMPLES_PER_FRAME
    if not count:
        return np.zeros(0, np.float32)
    return np.interp(middles, (np.arange(count) + 0.5) * _CHUNK, answers).astype(np.float32)


def speech_share(probability: NDArray[np.float32]) -> float:
    """Share of frames in which somebody speaks, from `speech_probability`."""
    return float((probability >= SPEECH).mean()) if len(probability) else 0.0


@dataclass(frozen=True, slots=True)
class SpeechQuality:
    """What listeners would say, from 1 (bad) to 5 (excellent), by DNSMOS."""

    signal: float
    """The speech itself."""
    background: float
    """What else is heard: 5 is nothing that disturbs."""
    overall: float


def quality_model() -> Path | None:
    """DNSMOS's file; None where the package `speechmos` is not installed."""
    return _packaged("speechmos", "dnsmos_models/sig_bak_ovr.onnx")


def speech_quality(samples: NDArray[np.float32]) -> SpeechQuality:
    """Mono 16 kHz samples (n,) to the means over windows of 9.01 s.

    The windows stand end to end, the last one at the sound's end, and shorter sound is repeated to
    fill one. (Microsoft's script begins one each second, at eight times the cost.) Silence gets
    middling scores: ask `speech_probability` first. Raises RuntimeError where the package is
    absent.
    """
    long = np.tile(samples, -(-_WINDOW // len(samples))) if len(samples) < _WINDOW else samples
    starts = sorted({*range(0, len(long) - _WINDOW, _WINDOW), max(0, len(samples) - _WINDOW)})
    scores = np.mean([_opinions(long[start : start + _WINDOW]) for start in starts], axis=0)
    return SpeechQuality(*(float(score) for score in scores))


def _opinions(window: NDArray[np.float32]) -> list[float]:
    given = _judge().run(None, {"input_1": window[None].astype(np.float32)})[0][0]
    return [float(np.polyval(powers, x)) for powers, x in zip(_OPINIONS, given, strict=True)]


@lru_cache(maxsize=1)
def _detector() -> Any:  # noqa: ANN401 - onnxruntime is untyped
    path = _packaged("silero_vad", "data/silero_vad_16k_sequence.onnx")
    if path is None:
        raise RuntimeError("the package silero-vad is not whole: install it again")
    return open_onnx(path)


@lru_cache(maxsize=1)
def _judge() -> Any:  # noqa: ANN401
    path = quality_model()
    if path is None:
        raise RuntimeError("speech quality needs speechmos: pip install 'dawn-pipeline[quality]'")
    return open_onnx(path)


def _packaged(package: str, file: str) -> Path | None:
    """A file of an installed package, which is not imported."""
    spec = find_spec(package)
    path = Path(spec.origin).parent / file if spec is not None and spec.origin else None
    return path if path is not None and path.is_file() else None
