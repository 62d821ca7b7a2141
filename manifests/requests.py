"""What this process asks of object stores, counted by operation, such as GetObject."""

from collections import Counter
from typing import Any

asked: Counter[str] = Counter()
"""Requests that were sent, those tried again too. Of stores other than S3 none are counted."""

_EVENT = "before-send.s3"


def count_requests(fs: Any) -> None:  # noqa: ANN401 - fsspec's are untyped
    """Count what a file system of S3 asks from now on; nothing happens for others."""
    if "dawn_counts" in vars(fs) or not (hasattr(fs, "connect") and hasattr(fs, "s3")):
        return
    fs.dawn_counts = True
    fs.connect()
    fs.s3.meta.events.register(_EVENT, _count)


def _count(event_name: str, **_: object) -> None:
    asked[event_name.rpartition(".")[2]] += 1
