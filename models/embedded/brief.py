"""From the words of a task to a `Brief`: the embedded model's whole understanding."""

from __future__ import annotations

import re
from functools import lru_cache

from matrioska.models.embedded.recipe import Brief
from matrioska.models.embedded.understanding.catalogue import Language
from matrioska.models.embedded.understanding.changes import apply_changes
from matrioska.models.embedded.understanding.entities import find_entities
from matrioska.models.embedded.understanding.features import read_features, read_unsupported
from matrioska.models.embedded.understanding.language import detect_kind, detect_language
from matrioska.models.embedded.understanding.titles import read_accent, read_title, read_topics
from matrioska.state.ids import slug

#: How a wish that came after the task is marked in a plan's goal, by language.
CHANGE_MARK: dict[str, str] = {"en": "Change asked for:", "pt": "Mudança pedida:"}

_CHANGES = re.compile(rf"^(?:{'|'.join(CHANGE_MARK.values())})\s*", re.MULTILINE)


@lru_cache(maxsize=64)
def read_brief(text: str, language: str = "") -> Brief:
    """Read a task, with the changes asked for after it, into a brief.

    ``language`` is the deliverable's language when someone has chosen it. Languages other than
    Portuguese are answered in English, since the embedded model writes only these two.
    """
    task, *changes = (part.strip() for part in _CHANGES.split(text))
    spoken = detect_language(task)
    chosen: Language = spoken if not language else "pt" if language.startswith("pt") else "en"
    kind = detect_kind(task)
    entities = find_entities(task, spoken if chosen == spoken else chosen) if kind == "webapp" else ()
    title = read_title(task, kind, chosen, entities)
    brief = Brief(
        task=text,
        language=chosen,
        kind=kind,
        title=title,
        slug=slug(title) or "project",
        entities=entities,
        features=read_features(task, kind),
        unsupported=read_unsupported(task, chosen),
        topics=read_topics(task),
        accent=read_accent(task),
    )
    for change in changes:
        brief = apply_changes(brief, change)
    return brief
