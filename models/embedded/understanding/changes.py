"""Changes asked for in plain words: feedback on a plan, or a spec that a person edited."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from matrioska.models.embedded.recipe import Brief, Entity, EntityField
from matrioska.models.embedded.tables import words
from matrioska.models.embedded.understanding.catalogue import Language, find_entity, find_field, known_entity
from matrioska.models.embedded.understanding.entities import MAX_ENTITIES, find_explicit
from matrioska.models.embedded.understanding.features import read_features, read_unsupported, refused_features
from matrioska.models.embedded.understanding.fields import read_fields, split_list, strip_articles
from matrioska.models.embedded.understanding.nouns import fold, identifier, singular
from matrioska.models.embedded.understanding.titles import read_accent, read_given_title

_FIELD = r"(?:fields?|columns?|attributes?|propert(?:y|ies)|campos?|colunas?|atributos?)"
_ADD = r"(?:add(?:ing)?|include|insert|with|adicion(?:e|ar|a)|acrescent(?:e|ar)|inclu(?:a|ir)|coloque|insira)"
_REMOVE = (
    r"(?:remove|drop|delete|without|take out|no|remov(?:a|er)|retir(?:e|ar)|exclu(?:a|ir)|apag(?:ue|ar)|"
    r"tir(?:e|ar)|sem)"
)
_TO = r"(?:to|for|in|on|of|from|aos?|às?|à|nos?|nas?|para|em|d[oae]s?)"
_ARTICLE = r"(?:(?:the|an?|new|extra|each|every|all|o|a|os|as|um|uma|novos?|novas?|cada|todos os|todas as)\s+)*"

_ADD_FIELD = re.compile(
    rf"\b{_ADD}\s+{_ARTICLE}(?:{_FIELD}\s+(?:for |called |named |chamad[oa]s? |"
    rf"de )?)(?P<fields>[^.;\n]+?)\s+{_TO}\s+{_ARTICLE}"
    rf"(?P<entity>[\w-]+(?: [\w-]+)?)\b",
    re.IGNORECASE,
)
_ADD_PLAIN = re.compile(
    rf"\b{_ADD}\s+{_ARTICLE}(?P<fields>[^.;\n]+?)(?:\s+{_FIELD})?\s+{_TO}\s+{_ARTICLE}(?P<entity>[\w-]+(?: [\w-]+)?)\b",
    re.IGNORECASE,
)
_ALSO_HAVE = re.compile(
    rf"\b{_ARTICLE}(?P<entity>[\w-]+)\s+(?:also |should |must |need to |também |devem? |precisam? )*"
    r"(?:have|has|get|gets|need|needs|show|shows|têm|tem|ter|precisam de|mostram?)\s+(?:also |também )?"
    r"(?P<fields>[^.;\n]+)",
    re.IGNORECASE,
)
_EXTRA_FIELDS = re.compile(
    rf"\b(?:extra|additional|more|new|novos?|extras?|adicionais)?\s*{_FIELD}(?: extras?| adicionais)?\s*"
    rf"(?:{_TO}\s+{_ARTICLE}(?P<entity>[\w-]+))?\s*:\s*(?P<fields>[^.;\n]+)",
    re.IGNORECASE,
)
_REMOVE_FIELD = re.compile(
    rf"\b{_REMOVE}\s+{_ARTICLE}(?:{_FIELD}\s+)?(?P<fields>[^.;\n]+?)(?:\s+{_FIELD})?\s+{_TO}\s+{_ARTICLE}"
    rf"(?P<entity>[\w-]+)\b",
    re.IGNORECASE,
)
_REMOVE_THING = re.compile(rf"\b{_REMOVE}\s+{_ARTICLE}(?P<things>[^.;\n]+)", re.IGNORECASE)
_ADD_THING = re.compile(rf"\b{_ADD}\s+{_ARTICLE}(?P<things>[^.;\n]+)", re.IGNORECASE)


def apply_changes(brief: Brief, text: str) -> Brief:
    """Return the brief as a request such as "add a field ISBN to books" changes it.

    What cannot be read leaves the brief as it is: a change must not undo understanding.
    """
    entities = _Entities(brief.entities, brief.language)
    rest = _change_fields(entities, text)
    if brief.kind == "webapp":
        _change_entities(entities, rest)
    refused = refused_features(text)
    # Defaults of a kind are not wishes of this text, so its words are read as those of no kind.
    features = (brief.features | read_features(text, "document")) - refused
    unsupported = dict.fromkeys((*brief.unsupported, *read_unsupported(text, brief.language)))
    return replace(
        brief,
        title=read_given_title(text) or brief.title,
        accent=read_accent(text) or brief.accent,
        entities=tuple(entities.by_name.values()),
        features=features,
        unsupported=tuple(unsupported),
    )


class _Entities:
    """The entities of a brief while they are being changed."""

    def __init__(self, entities: Iterable[Entity], language: Language) -> None:
        self.by_name = {entity.name: entity for entity in entities}
        self.language: Language = language

    def find(self, phrase: str) -> Entity | None:
        folded = fold(strip_articles(phrase))
        for entity in self.by_name.values():
            forms = {fold(entity.label), fold(entity.plural), entity.name, fold(entity.name.replace("_", " "))}
            if folded in forms or singular(folded, self.language) in forms:
                return entity
        return self.by_name.get(find_entity(phrase, self.language)) or (
            self.find(phrase.split()[0]) if " " in phrase else None
        )

    def add_fields(self, entity: Entity, phrases: list[str]) -> None:
        given = read_fields(phrases, self.language, [name for name in self.by_name if name != entity.name])
        merged: dict[str, EntityField] = {field.name: field for field in entity.fields}
        for field in given:
            # A field added later may not be demanded of records that exist already.
            present = merged.get(field.name)
            merged[field.name] = replace(field, required=bool(present and present.required))
        self.by_name[entity.name] = replace(entity, fields=tuple(merged.values()))

    def remove_fields(self, entity: Entity, phrases: list[str]) -> bool:
        unwanted = {find_field(phrase) or identifier(phrase) for phrase in phrases}
        kept = tuple(field for field in entity.fields if field.name not in unwanted)
        if kept and len(kept) < len(entity.fields):
            self.by_name[entity.name] = replace(entity, fields=kept)
            return True
        return False

    def remove(self, entity: Entity) -> None:
        if len(self.by_name) == 1:
            return
        del self.by_name[entity.name]
        for other in list(self.by_name.values()):
            kept = tuple(field for field in other.fields if field.target != entity.name)
            self.by_name[other.name] = replace(other, fields=kept or other.fields)


def _change_fields(entities: _Entities, text: str) -> str:
    """Carry out what a text says about fields; return the text without what was understood."""

    def add(match: re.Match[str]) -> str:
        named = match.groupdict().get("entity")
        entity = entities.find(named) if named else next(iter(entities.by_name.values()), None)
        phrases = split_list(match["fields"])
        # "Add a print button to loans" is about the page, not about what a loan is.
        is_interface = any(words("interface") & set(fold(phrase).split()) for phrase in phrases)
        if entity is None or not phrases or is_interface:
            return match[0]
        entities.add_fields(entity, phrases)
        return ""

    def remove(match: re.Match[str]) -> str:
        entity = entities.find(match["entity"])
        return "" if entity and entities.remove_fields(entity, split_list(match["fields"])) else match[0]

    rest = _REMOVE_FIELD.sub(remove, text)
    for pattern in (_ADD_FIELD, _ADD_PLAIN, _ALSO_HAVE, _EXTRA_FIELDS):
        rest = pattern.sub(add, rest)
    return rest


def _change_entities(entities: _Entities, text: str) -> None:
    for match in _REMOVE_THING.finditer(text):
        for phrase in split_list(match["things"]):
            entity = entities.find(phrase)
            if entity is not None:
                entities.remove(entity)
    text = _REMOVE_THING.sub("", text)
    finds = find_explicit(text, entities.language)
    for match in _ADD_THING.finditer(text):
        for phrase in split_list(match["things"]):
            if find_entity(phrase, entities.language):
                finds.add(phrase)
    for name, phrase in finds.phrases.items():
        fields = finds.fields.get(name, [])
        present = entities.find(phrase)
        if present is not None:
            entities.add_fields(present, fields) if fields else None
        elif len(entities.by_name) < MAX_ENTITIES and find_entity(phrase, entities.language):
            added = known_entity(name, entities.language)
            given = read_fields(fields, entities.language, entities.by_name)
            entities.by_name[name] = replace(added, fields=given) if given else added
