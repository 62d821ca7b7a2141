"""Contact sheets: many clips at a glance, as one PNG."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_COLUMNS, _ROWS = 4, 8
PER_SHEET = _COLUMNS * _ROWS
_WIDE, _TALL, _TEXT, _GAP = 360, 120, 42, 14
_PAGE, _INK, _SOFT, _GOOD, _BAD = "#fdfdfc", "#1c1d1f", "#63676e", "#2b6a4a", "#a13a32"

_Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

Cell = tuple[NDArray[np.uint8] | None, str, str]
"""Frames side by side (H, W, 3), a name, and a verdict."""


def contact_sheet(cells: Sequence[Cell], *, accepted: bool) -> Image.Image:
    """Up to `PER_SHEET` clips; the colour of the verdicts says whether they were accepted."""
    down = -(-len(cells) // _COLUMNS)
    across = min(_COLUMNS, len(cells))
    size = (across * (_WIDE + _GAP) + _GAP, down * (_TALL + _TEXT + _GAP) + _GAP)
    sheet = Image.new("RGB", size, _PAGE)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=14)
    for place, (frames, name, verdict) in enumerate(cells):
        x = _GAP + place % _COLUMNS * (_WIDE + _GAP)
        y = _GAP + place // _COLUMNS * (_TALL + _TEXT + _GAP)
        if frames is None:
            draw.rectangle((x, y, x + _WIDE, y + _TALL), outline=_SOFT)
        else:
            picture = Image.fromarray(frames).resize((_WIDE, _TALL), Image.Resampling.LANCZOS)
            sheet.paste(picture, (x, y))
        draw.text((x, y + _TALL + 3), _fitted(draw, name, font), fill=_INK, font=font)
        colour = _GOOD if accepted else _BAD
        draw.text((x, y + _TALL + 21), _fitted(draw, verdict, font), fill=colour, font=font)
    return sheet


def _fitted(draw: ImageDraw.ImageDraw, text: str, font: _Font) -> str:
    """Text that fits below a picture; what is cut off ends in dots."""
    if draw.textlength(text, font=font) <= _WIDE:
        return text
    while text and draw.textlength(f"{text}…", font=font) > _WIDE:
        text = text[:-1]
    return f"{text}…"
