"""How numbers and names are written for people."""

import math
from typing import Any

NOTHING = 1e-9
"""What is nearer to 0 than this is written as 0: it is what rounding leaves of a difference."""
_MARKDOWN = {ord(c): f"\\{c}" for c in "\\`*_[]|#~$"} | {ord(c): f"&#{ord(c)};" for c in "<>&"}


def number(value: float | None, digits: int = 4) -> str:
    """So many significant digits; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    if abs(value) < NOTHING:
        return "0"
    if not 1e-4 <= abs(value) < 10**6:
        return f"{value:.{digits - 1}e}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{places}f}"


def plus(value: float | None, digits: int = 3) -> str:
    """The same with its sign."""
    text = number(value, digits)
    return f"+{text}" if value is not None and value > 0 and text != "–" else text


def p_value(value: float | None) -> str:
    """A probability: two digits, and a bound where it is small."""
    if value is None or not math.isfinite(value):
        return "–"
    return "< 0.001" if value < 1e-3 else f"{value:.2g}"


def finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A JSON value in which numbers that are not finite are null."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def spreadsheet(value: object) -> object:
    """Text that a spreadsheet would take for a formula is marked as text."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return "" if value is None else value


def cell(text: object) -> str:
    """A name inside a Markdown table: on one line, nothing in it is markup."""
    return " ".join(str(text).split()).translate(_MARKDOWN)


def code(text: object) -> str:
    """A name as code inside Markdown, whatever it holds."""
    line = " ".join(str(text).split()).replace("|", "¦")
    fence = "`" * (max((len(run) for run in _runs(line)), default=0) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def _runs(line: str) -> list[str]:
    """Runs of backticks."""
    return [run for run in "".join(c if c == "`" else " " for c in line).split() if run]
