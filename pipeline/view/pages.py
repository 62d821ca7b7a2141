"""Fills the templates of the application. Everything that is filled in is escaped."""

from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from eval.report.numbers import number, plus
from eval.report.page import data_block
from manifests.counting import count

STATIC = {
    "view.css": "text/css", "view.js": "text/javascript", "charts.js": "text/javascript",
    "stage.js": "text/javascript", "dataset.js": "text/javascript", "clip.js": "text/javascript",
    "training.js": "text/javascript", "compare.js": "text/javascript",
    "trial.js": "text/javascript", "icon.svg": "image/svg+xml",
}  # fmt: skip
"""The files of `static` that are sent, and as what."""


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pipeline.view", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number, "plus": plus, "data": data_block, "things": count, "in_path": in_path,
        "query": _query, "clock": clock,
    }  # fmt: skip
    return environment


def page(request: Request, template: str, *, answers: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401
    """A page of the application; what all pages know comes from it."""
    shared = {
        "library": request.app.state.library, "token": request.app.state.token,
        "can_try": request.app.state.trial is not None, "path": request.url.path,
    }  # fmt: skip
    text = _environment().get_template(template).render(**shared, **values)
    return HTMLResponse(text, answers)


def static_text(name: str) -> str:
    """A file of `static`; the styles of reports go before those of the application."""
    text = (files("pipeline.view") / "static" / name).read_text(encoding="utf-8")
    if name == "view.css":
        shared = files("eval.report") / "templates" / "style.css"
        text = shared.read_text(encoding="utf-8") + text
    return text


def in_path(text: str) -> str:
    """A name as one part of an address."""
    return quote(text, safe="")


def clock(seconds: float | None) -> str:
    """`2:05`, `1:02:05`; a dash where there is none."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    text = f"{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
    return f"{hours}:{text}" if hours else text


def _query(values: dict[str, Any], **changes: Any) -> str:  # noqa: ANN401 - what addresses carry
    """The query part of an address: these values with changes, without what is empty."""
    merged = values | changes
    return urlencode({k: v for k, v in merged.items() if v not in (None, "", [])}, doseq=True)
