"""The plan as a diagram, in mermaid's language. Pure.

Names come from models, and mermaid reads much as a command: what stands in the source are node names
of our own and labels of letters, figures and blanks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from matrioska.web.runs.views import ModuleView

#: Most modules that are drawn: with more, lines cross until nobody can follow one.
MOST_DRAWN = 150
_LONGEST_LABEL = 32
# Marks too, since letters of many scripts are made of several signs; no underscore, which would emphasise.
_NOT_PLAIN = re.compile(r"[^\w ]|_")
_NODE = re.compile(r"m(\d{1,4})\Z")


def diagram_of(modules: Sequence[ModuleView], title: str) -> str:
    """Return the source of the diagram; a module's node is called by its place in ``modules``.

    Args:
        modules: what is drawn, at most `MOST_DRAWN`.
        title: what a screen reader calls the diagram; words of our own.
    """
    place = {module.id: number for number, module in enumerate(modules)}
    lines = ["flowchart LR", f"  accTitle: {title}"]
    lines += [f'  m{number}["{label_of(module)}"]' for number, module in enumerate(modules)]
    for number, module in enumerate(modules):
        lines += [f"  m{place[needed]} --> m{number}" for needed in module.depends_on if needed in place]
    return "\n".join(lines)


def label_of(module: ModuleView) -> str:
    """Return what stands in a module's node: its name, or its id where nothing of the name can be shown."""
    for text in (module.name, module.id):
        plain = " ".join(_NOT_PLAIN.sub(" ", text).split())
        if plain:
            return plain if len(plain) <= _LONGEST_LABEL else plain[: _LONGEST_LABEL - 1].rstrip() + "…"
    return "?"


def module_at(node: str, modules: Sequence[ModuleView]) -> ModuleView | None:
    """Return the module of a node that was clicked; None for no node of ours."""
    found = _NODE.search(node)
    number = int(found[1]) if found else len(modules)
    return modules[number] if number < len(modules) else None


def states_of(modules: Sequence[ModuleView]) -> dict[str, str]:
    """Return the state of each node."""
    return {f"m{number}": module.state for number, module in enumerate(modules)}
