"""Rendering of the templates: strict, sandboxed, read at call time so that edits show at once.

A template is Markdown with two marked parts, ``<!-- system -->`` and ``<!-- user -->``. The
parts are cut apart before rendering, so nothing rendered into one can open the other.
"""

from __future__ import annotations

import json
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from matrioska.state.answers import fenced_file
from matrioska.state.fences import fence

_SYSTEM_MARK = "<!-- system -->\n"
_USER_MARK = "<!-- user -->\n"


def to_json(value: Any) -> str:
    """Return the JSON text that prompts show: indented, keys in order, any script readable."""
    return json.dumps(value, ensure_ascii=False, indent=1)


@lru_cache(maxsize=64)
def _compiled(source: str) -> Template:
    # By text and not by name: an edited file is another template, an unedited one is compiled once.
    return _environment().from_string(source)


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False
    )
    environment.filters |= {"fence": fence, "to_json": to_json, "fenced_file": fenced_file}
    return environment


def template_source(role: str) -> tuple[str, str]:
    """Return the system and the user part of a role's template, unrendered."""
    source = files("matrioska.prompts").joinpath(f"{role}.md").read_text(encoding="utf-8")
    system, mark, user = source.removeprefix(_SYSTEM_MARK).partition(_USER_MARK)
    if not mark:
        raise ValueError(f"prompts/{role}.md has no {_USER_MARK.strip()} part")
    return system.strip(), user.strip()


def render(role: str, **values: Any) -> list[BaseMessage]:
    """Return the system and the user message of a role.

    Raises:
        jinja2.UndefinedError: a value that the template names is missing.
    """
    system, user = template_source(role)
    return [
        SystemMessage(_compiled(system).render(**values)),
        HumanMessage(_compiled(user).render(**values)),
    ]
