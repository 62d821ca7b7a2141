"""Fills the HTML templates. Everything that is filled in is escaped."""

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from eval.report.numbers import number, plus


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("eval.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "plus": plus}
    return environment


def fill(template: str, **values: Any) -> str:  # noqa: ANN401 - whatever the template names
    """The page of a template in eval/report/templates with our style sheet inside."""
    style = (files("eval.report") / "templates" / "style.css").read_text(encoding="utf-8")
    return _environment().get_template(template).render(style=style, **values)
