"""Rendering of the application's files from the templates next to this module."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

_PACKAGE = "matrioska.models.embedded.webapp"


def to_js(value: Any, indent: int | None = 2) -> Markup:
    """Return a value as JavaScript, safe inside a script element as well as in a file."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    for char, escape in (("</", "<\\/"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029")):
        text = text.replace(char, escape)
    return Markup(text)  # noqa: S704 - JSON with every "</" escaped


def template_text(name: str) -> str:
    """Return a template as it is written."""
    return files(_PACKAGE).joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(template_text),
        undefined=StrictUndefined,
        # Scripts and style sheets are no HTML; what enters them passes the js filter.
        autoescape=select_autoescape(enabled_extensions=("html.jinja",), default=False),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["js"] = to_js
    return environment


def render(template: str, **values: Any) -> str:
    """Return the text of one file of the application."""
    return _environment().get_template(template).render(**values)
