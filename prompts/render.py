"""Rendering of the templates: strict, sandboxed, read at call time so that edits show at once.

A template is Markdown with two marked parts, ``<!-- system -->`` and ``<!-- user -->``. The
parts are cut apart before rendering, so nothing rendered into one can open the other.

Plugins may bring templates for their own workers, under names that are free; they are rendered
by the same sandbox.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Protocol

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from matrioska.hooks import hookimpl
from matrioska.plugins import Kind
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


class Readable(Protocol):
    """Where a template stands: a `Path`, or a file of a package by `importlib.resources.files`."""

    def read_text(self, encoding: str) -> str:
        """Return the template's text."""
        ...


class _BuiltIn:
    """The templates that come with Matrioska."""

    @hookimpl
    def matrioska_prompts(self) -> Mapping[str, str | Readable]:
        found = files("matrioska.prompts").iterdir()
        return {place.name.removesuffix(".md"): place for place in found if place.name.endswith(".md")}


def _fault(template: Any) -> str:
    if not isinstance(template, str) and not hasattr(template, "read_text"):
        return "is no text, nor a file with one"
    source = _text(template)
    if not all(_parts(source)):
        return f"lacks its part {_SYSTEM_MARK.strip()} or {_USER_MARK.strip()}"
    for part in _parts(source):
        _compiled(part)
    return ""


TEMPLATES = Kind[str | Readable]("matrioska_prompts", _BuiltIn(), _fault)


def _text(template: str | Readable) -> str:
    return template if isinstance(template, str) else template.read_text(encoding="utf-8")


def _parts(source: str) -> tuple[str, str]:
    system, _, user = source.removeprefix(_SYSTEM_MARK).partition(_USER_MARK)
    return system.strip(), user.strip()


def template_source(role: str) -> tuple[str, str]:
    """Return the system and the user part of a role's template, unrendered.

    Raises:
        LookupError: there is no such template.
        ValueError: it lacks a part.
    """
    template = TEMPLATES.get(role)
    if template is None:
        raise LookupError(f"There is no template {role!r}.")
    system, user = _parts(_text(template))
    if not user:
        raise ValueError(f"The template {role!r} has no {_USER_MARK.strip()} part.")
    return system, user


def render(role: str, **values: Any) -> list[BaseMessage]:
    """Return the system and the user message of a role.

    Raises:
        LookupError: there is no such template.
        jinja2.UndefinedError: a value that the template names is missing.
    """
    system, user = template_source(role)
    return [
        SystemMessage(_compiled(system).render(**values)),
        HumanMessage(_compiled(user).render(**values)),
    ]
