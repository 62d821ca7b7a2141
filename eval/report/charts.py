"""Geometry of the pages' charts: numbers to places in per cent, and lines to SVG paths.

Charts are HTML boxes and stretched SVG, so that text keeps its size on a phone.
"""

import math
from collections.abc import Iterable, Sequence

Span = tuple[float, float]


def span_of(
    values: Iterable[float | None],
    *,
    pad: float = 0.04,
    limits: Span = (-math.inf, math.inf),
) -> Span:
    """What the numbers lie between, with a little room; around a single number too. The room ends
    at `limits`, beyond which there is no number.
    """
    known = [v for v in values if v is not None and math.isfinite(v)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    room = (high - low) * pad or abs(high) * pad or 1.0
    return min(low, max(low - room, limits[0])), max(high, min(high + room, limits[1]))


def place(value: float, span: Span) -> str:
    """Where a number lies between the bounds, in per cent, never beyond them."""
    share = (value - span[0]) / (span[1] - span[0])
    return f"{100 * min(1.0, max(0.0, share)):.2f}"


def log_place(value: float, span: Span) -> str:
    """The same on a logarithmic scale, of numbers and bounds above 0; 0 and less are at its end."""
    low, high = (math.log10(bound) for bound in span)
    return place(math.log10(value) if value > 0 else low, (low, high))


def log_span(values: Iterable[float], pad: float = 1.25) -> Span:
    """What numbers above 0 lie between, with the room of a factor on each side."""
    known = [value for value in values if value > 0 and math.isfinite(value)]
    return (min(known) / pad, max(known) * pad) if known else (0.1, 10.0)


def width(low: float, high: float, span: Span) -> str:
    """How wide a range is, in per cent."""
    return f"{float(place(high, span)) - float(place(low, span)):.2f}"


def line(values: Sequence[float | None], span: Span) -> str:
    """An SVG path over a box of 100 x 100, one number a step; gaps where there is none."""
    steps = max(1, len(values) - 1)
    parts, pen = [], "M"
    for number, value in enumerate(values):
        if value is None or not math.isfinite(value):
            pen = "M"
            continue
        # A step of nothing, so that a point alone is a dot.
        dot = "h0" if pen == "M" else ""
        parts.append(f"{pen}{100 * number / steps:.2f} {100 - float(place(value, span)):.2f}{dot}")
        pen = "L"
    return "".join(parts)


def bars(counts: Sequence[int]) -> list[tuple[str, str]]:
    """Left edge and height, in per cent of the box, of each bar of a histogram."""
    most = max(counts, default=0) or 1
    return [
        (f"{100 * place / len(counts):.2f}", f"{100 * count / most:.1f}")
        for place, count in enumerate(counts)
    ]
