"""Fills the HTML templates. Everything that is filled in is escaped.

Pages stand alone: styles and scripts are inside, and the page's policy lets nothing else in. A
script runs only because its hash is named there, so that markup that slipped in could not.
"""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from eval.report import charts
from eval.report.numbers import number, p_value, plus
from manifests.counting import count


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("eval.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "plus": plus, "data": data_block}
    environment.filters |= {"things": count, "ticks": ticks, "p_value": p_value}
    environment.globals |= {"charts": charts}
    return environment


def fill(
    template: str,
    *,
    script: str | None = None,
    styles: Sequence[str] = ("style.css",),
    beside: bool = False,
    posts: bool = False,
    **values: Any,  # noqa: ANN401 - what the template names
) -> str:
    """The page of a template in eval/report/templates, with style sheets and a script of that
    folder inside. With `beside`, it may show pictures and videos that lie beside it; with `posts`,
    send answers to where it came from.
    """
    code = _text(script) if script else ""
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode("ascii")
    scripts = f"'sha256-{digest}'" if script else "'none'"
    media = "'self' file: data:" if beside else "data:"  # 'self' of a file is not one everywhere
    connect = "connect-src 'self'; " if posts else ""
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src {media}; media-src {media}; "
        f"script-src {scripts}; {connect}base-uri 'none'; form-action 'none'"
    )
    return (
        _environment()
        .get_template(template)
        .render(
            style=Markup("".join(map(_text, styles))),  # noqa: S704 - our own files
            script=Markup(code),  # noqa: S704 - our own file
            policy=policy,
            **values,
        )
    )


def _text(name: str) -> str:
    return (files("eval.report") / "templates" / name).read_text(encoding="utf-8")


def ticks(text: str) -> Markup:
    """Text with what stands between backticks as code; the rest is escaped."""
    parts = re.split(r"`([^`]+)`", text)
    marked = [
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    ]
    return Markup("").join(marked)


def data_block(value: Any) -> Markup:  # noqa: ANN401 - any JSON value
    """JSON for a script element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Markup(text)  # noqa: S704 - escaped above
