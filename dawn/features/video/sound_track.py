"""Which of a file's sound tracks is read: one choice for ingest, generation and metrics."""

from dataclasses import dataclass
from typing import Any

from av.stream import Disposition

from manifests.reasons import Quarantine, UnreadableVideoError

MAX_SAMPLE_RATE = 768_000
"""A header that promises more lies, and memory would go with it."""


@dataclass(frozen=True, slots=True)
class SoundTrack:
    """A track of an open container, ready to be decoded."""

    stream: Any
    """PyAV's audio stream. Ask it for neither `layout` nor `channels`: see `_channels`."""
    rate: int
    channels: tuple[str, ...]
    """FFmpeg's short names (FL, FR, FC, LFE, …); `NONE` where the file does not say."""


def sound_track(container: Any) -> SoundTrack | None:  # noqa: ANN401 - PyAV is untyped
    """The track that is marked as the default, if it can be decoded; else the first that can.

    None where there is none. Raises UnreadableVideoError where headers promise an absurd rate.
    """
    streams = sorted(container.streams.audio, key=lambda s: not s.disposition & Disposition.default)
    rates = [(s, s.codec_context.sample_rate) for s in streams if s.codec_context is not None]
    for stream, rate in rates:
        if 0 < rate <= MAX_SAMPLE_RATE:
            return SoundTrack(stream, rate, _channels(stream.codec_context))
    if absurd := next((rate for _, rate in rates if rate > 0), None):
        raise UnreadableVideoError(Quarantine.UNSUPPORTED, f"sound of {absurd} Hz")
    return None


def _channels(context: Any) -> tuple[str, ...]:  # noqa: ANN401
    """The names of a decoder's channels; the decoder is then told their number alone.

    PyAV 18.1 shares a layout's memory between the decoder, its frames and `AudioLayout` objects,
    and each of them frees it. Only an order of the file's own (QuickTime's 6.1, say) lies in such
    memory; a second reader of it ends the process. So it is read once, and taken from the decoder.
    """
    layout = context.layout
    names = tuple(channel.name for channel in layout.channels)
    if names:  # else unknown until something is decoded
        context.layout = {1: "mono", 2: "stereo"}.get(len(names), f"{len(names)} channels")
    return names
