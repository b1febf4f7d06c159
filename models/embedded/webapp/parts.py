"""The modules of the application: which there are, what each reads and writes, in which words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matrioska.models.embedded.recipe import Brief
from matrioska.models.embedded.webapp.wording import wording

RECORDS_PREFIX = "records-"


@dataclass(frozen=True)
class Part:
    """One module of the plan."""

    id: str
    key: str
    """Whiteboard key it writes; '' for the last one, which nobody reads."""
    reads: tuple[str, ...]
    """Keys it reads."""
    files: tuple[str, ...]
    size: float
    entity: str = ""
    """Entity whose records it shows, for the record pages."""


def parts_of(brief: Brief) -> list[Part]:
    """Return the modules that an application for this brief is made of, each after those it reads."""
    parts = [
        Part("domain-model", "domain", (), ("schema.js",), 1.0),
        Part("design-system", "design", (), ("style.css",), 2.0),
        Part("data-store", "store", ("domain",), ("store.js",), 2.0),
        Part("ui-components", "ui", ("design",), ("texts.js", "dom.js", "forms.js", "records.js", "charts.js"), 4.0),
    ]
    if "login" in brief.features:
        parts.append(Part("auth", "auth", ("store", "ui"), ("auth.js", "login.js", "login.css"), 2.0))
    if "dashboard" in brief.features:
        parts.append(Part("dashboard", "dashboard", ("domain", "store", "ui"), ("dashboard.js", "dashboard.css"), 2.0))
    for entity in brief.entities:
        page = RECORDS_PREFIX + entity.name.replace("_", "-")
        key = "records_" + entity.name
        parts.append(Part(page, key, ("domain", "ui"), ("page.js",), 1.0, entity.name))
    parts.append(Part("documentation", "guide", ("domain", "design"), ("guide.html", "guide.css"), 1.0))
    everything = tuple(part.key for part in parts)
    parts.append(Part("app-shell", "", everything, ("index.html", "app.js", "settings.js"), 2.0))
    return parts


def plan_of(brief: Brief) -> dict[str, Any]:
    """Return the architecture in the architect's format."""
    parts = parts_of(brief)
    writer = {part.key: part.id for part in parts}
    labels = {entity.name: entity.plural for entity in brief.entities}
    modules = []
    for part in parts:
        kind = "records" if part.entity else part.id
        said = wording(brief.language)[kind]
        words = {"plural": labels.get(part.entity, ""), "title": brief.title, "things": _things(brief)}
        modules.append(
            {
                "id": part.id,
                "name": said.name.format(**words),
                "description": said.description.format(**words),
                "inputs": [],
                "outputs": list(part.files),
                "dependencies": [writer[key] for key in part.reads],
                "rules": list(said.rules),
                "shared_state_reads": list(part.reads),
                "shared_state_writes": [part.key] if part.key else [],
                "modality": "prose" if part.id == "documentation" else "code",
                "size": part.size,
            }
        )
    return {
        "name": brief.title,
        "goal": brief.task,
        "constraints": [*wording(brief.language)["constraints"].rules, *_openly(brief)],
        "language": brief.language,
        "modules": modules,
    }


def _things(brief: Brief) -> str:
    lines = []
    for entity in brief.entities:
        fields = ", ".join(field.label for field in entity.fields)
        lines.append(f"{entity.plural} ({fields})")
    return "; ".join(lines)


def _openly(brief: Brief) -> list[str]:
    said = wording(brief.language)["unsupported"].name
    return [f"{said} {wish}" for wish in brief.unsupported]
