"""The things of the application as JSON: what the domain model publishes and the others read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast, get_args

from matrioska.models.embedded.recipe import Brief, Entity, EntityField
from matrioska.models.embedded.understanding.catalogue import FieldType, sentence
from matrioska.models.embedded.understanding.nouns import identifier
from matrioska.models.embedded.webapp.meanings import icon_of, tones_of

_TYPES = frozenset(get_args(FieldType))
#: Pairs of dates of which the first must not come after the second.
_DATE_PAIRS = (
    ("start_date", "end_date"), ("start_date", "due_date"), ("loan_date", "due_date"), ("loan_date", "return_date"),
    ("check_in", "check_out"), ("date", "due_date"),
)  # fmt: skip


def entities_to_json(entities: Sequence[Entity]) -> list[dict[str, Any]]:
    """Return entities in the form that whiteboard values and the generated scripts use."""
    return [_entity_to_json(entity) for entity in entities]


def _entity_to_json(entity: Entity) -> dict[str, Any]:
    names = {field.name for field in entity.fields}
    return {
        "name": entity.name,
        "label": entity.label,
        "plural": entity.plural,
        "icon": icon_of(entity.name),
        "fields": [_field_to_json(field) for field in entity.fields],
        "date_order": [list(pair) for pair in _DATE_PAIRS if set(pair) <= names],
    }


def _field_to_json(field: EntityField) -> dict[str, Any]:
    value: dict[str, Any] = {"name": field.name, "label": field.label, "type": field.type, "required": field.required}
    if field.options:
        value["options"] = list(field.options)
        value["tones"] = tones_of(field.options)
    if field.target:
        value["target"] = field.target
    return value


def read_entities(domain: Any, brief: Brief) -> list[dict[str, Any]]:
    """Return the entities that a whiteboard value describes, or the brief's own when it describes none.

    The value may have been edited by a person or written by another model, so what is missing
    is filled in and what makes no sense is left out.
    """
    listed = domain.get("entities") if isinstance(domain, Mapping) else None
    read = [_entity_from_json(item) for item in listed if isinstance(item, Mapping)] if isinstance(listed, list) else []
    entities = [entity for entity in read if entity is not None]
    if not entities:
        return entities_to_json(brief.entities)
    names = {entity.name for entity in entities}
    return entities_to_json([_without_dangling(entity, names) for entity in entities])


def _entity_from_json(item: Mapping[str, Any]) -> Entity | None:
    name = identifier(str(item.get("name", "")))
    listed = item.get("fields")
    fields = [_field_from_json(field) for field in listed] if isinstance(listed, list) else []
    known = tuple(field for field in fields if field is not None)
    if not name or not known:
        return None
    if not any(field.required for field in known):
        # A record with nothing in it could not be told from another.
        known = (replace(known[0], required=True), *known[1:])
    label = str(item.get("label") or sentence(name.replace("_", " ")))
    return Entity(name, label, str(item.get("plural") or label), known)


def _field_from_json(item: Any) -> EntityField | None:
    if isinstance(item, str):
        item = {"name": item}
    if not isinstance(item, Mapping):
        return None
    name = identifier(str(item.get("name", "")))
    kind = str(item.get("type", "text"))
    options = tuple(str(option) for option in item.get("options") or ())
    target = identifier(str(item.get("target", "")))
    if not name or name == "id":
        return None
    kind = "choice" if options else kind if kind in _TYPES and kind != "choice" else "text"
    label = str(item.get("label") or sentence(name.replace("_", " ")))
    return EntityField(name, label, cast(FieldType, kind), bool(item.get("required")), options, target)


def _without_dangling(entity: Entity, names: set[str]) -> Entity:
    kept = tuple(field for field in entity.fields if field.type != "reference" or field.target in names)
    return Entity(entity.name, entity.label, entity.plural, kept or entity.fields)
