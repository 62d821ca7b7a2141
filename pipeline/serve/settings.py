"""What a server takes, and how much of it at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of what clients can ask for: memory and disk follow from them."""

    max_seconds: float = 60.0
    """Of a recording; the finished video waits in memory for a slow client."""
    portrait_bytes: int = 20_000_000
    recording_bytes: int = 50_000_000
    upload_seconds: float = 60.0
    """From the first to the last byte of an upload."""
    portraits: int = 64
    """That are kept; the one that was used least recently goes first."""
    videos: int = 4
    """Made at once, taking turns on the device."""
    waiting: int = 8
    """Requests for videos beyond these, recordings still being sent included."""
    retry_after_s: int = 5
    """What a client is told that finds no place."""
