"""The vocabulary as objects: known fields, entities, domains and how entities refer to each other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal, cast

from matrioska.models.embedded.recipe import Entity, EntityField
from matrioska.models.embedded.tables import read_table
from matrioska.models.embedded.understanding.nouns import fold, identifier, plural, singular

Language = Literal["en", "pt"]
FieldType = Literal["text", "longtext", "number", "money", "date", "boolean", "choice", "email", "reference"]

_TOKEN = re.compile(r"([a-z_]+)(?:\(([^)]*)\))?(!?)")


@dataclass(frozen=True)
class KnownEntity:
    """An entity of the vocabulary."""

    name: str
    forms: dict[str, tuple[str, str]]
    """Singular and plural by language."""
    fields: str
    """Its fields as the vocabulary writes them."""


def _rows(heading: str) -> tuple[tuple[str, ...], ...]:
    return read_table("understanding", "vocabulary.md", heading)


@cache
def _fields() -> dict[str, tuple[FieldType, tuple[str, ...], dict[str, str]]]:
    known = {}
    for name, type_text, english, portuguese, _ in _rows("Fields"):
        kind, _, listed = type_text.rstrip(")").partition("(")
        options = tuple(option.strip() for option in listed.split(",") if option.strip())
        known[name] = (cast(FieldType, kind), options, {"en": english, "pt": portuguese})
    return known


@cache
def _field_names() -> dict[str, str]:
    """Every way of saying a known field, folded, with the field's name."""
    names: dict[str, str] = {}
    for name, _, english, portuguese, others in _rows("Fields"):
        for form in (name.replace("_", " "), english, portuguese, *others.split(",")):
            if form.strip():
                names.setdefault(fold(form), name)
    return names


@cache
def entities() -> dict[str, KnownEntity]:
    """Return the known entities by name."""
    known = {}
    for name, english, portuguese, fields in _rows("Entities"):
        pairs = {}
        for language, cell in (("en", english), ("pt", portuguese)):
            one, many = (form.strip() for form in cell.split(","))
            pairs[language] = (one, many)
        known[name] = KnownEntity(name, pairs, fields)
    return known


@cache
def _entity_forms(language: Language) -> dict[str, str]:
    forms: dict[str, str] = {}
    for tongue in (language, "pt" if language == "en" else "en"):
        for known in entities().values():
            for form in known.forms[tongue]:
                forms.setdefault(fold(form), known.name)
    return forms


@cache
def plural_forms(language: Language) -> dict[str, str]:
    """Return the folded plurals of one language with the entity each names."""
    forms: dict[str, str] = {}
    for known in entities().values():
        forms.setdefault(fold(known.forms[language][1]), known.name)
    return forms


@cache
def domains() -> dict[str, tuple[str, ...]]:
    """Return the entities of each domain by folded domain word."""
    found: dict[str, tuple[str, ...]] = {}
    for words, names in _rows("Domains"):
        for word in words.split(","):
            found.setdefault(fold(word), tuple(names.split()))
    return found


@cache
def relations() -> dict[str, tuple[tuple[str, bool], ...]]:
    """Return the entities that each entity refers to, each with whether it must."""
    return {
        name: tuple((target.rstrip("!"), target.endswith("!")) for target in targets.split())
        for name, targets in _rows("Relations")
    }


@cache
def _options() -> dict[str, str]:
    return {row[0]: row[1] for row in _rows("Choices")}


def find_entity(phrase: str, language: Language) -> str:
    """Return the name of the known entity that a phrase names, '' when there is none."""
    forms = _entity_forms(language)
    return forms.get(fold(phrase)) or forms.get(fold(singular(phrase, language)), "")


def find_field(phrase: str) -> str:
    """Return the name of the known field that a phrase names, '' when there is none."""
    return _field_names().get(fold(phrase.replace("_", " ")), "")


def known_field(name: str, language: Language, options: tuple[str, ...] = (), required: bool = False) -> EntityField:
    """Return a field of the vocabulary, with the options given or its own."""
    kind, own_options, labels = _fields()[name]
    chosen = options or own_options
    shown = tuple(_options().get(option, option) for option in chosen) if language == "pt" else chosen
    return EntityField(
        name=name,
        label=labels[language],
        type="choice" if shown else kind,
        required=required,
        options=tuple(option[:1].upper() + option[1:] for option in shown),
    )


def known_entity(name: str, language: Language) -> Entity:
    """Return an entity of the vocabulary, without its references."""
    known = entities()[name]
    fields = []
    for field_name, options, required in _TOKEN.findall(re.sub(r"@\w+!?", "", known.fields)):
        given = tuple(option.strip() for option in options.split(",") if option.strip())
        fields.append(known_field(field_name, language, given, bool(required)))
    one, many = known.forms[language]
    return Entity(name, sentence(one), sentence(many), tuple(fields))


def new_entity(phrase: str, language: Language, fields: tuple[EntityField, ...] = ()) -> Entity:
    """Return an entity that the vocabulary does not know, named as the task names it."""
    one = singular(phrase, language).lower()
    return Entity(
        name=identifier(one),
        label=sentence(one),
        plural=sentence(plural(one, language)),
        fields=fields or default_fields(language),
    )


def default_fields(language: Language) -> tuple[EntityField, ...]:
    """Return the fields of a thing of which nothing else is known."""
    return (
        known_field("name", language, required=True),
        known_field("description", language),
        known_field("status", language),
        known_field("date", language),
    )


def sentence(text: str) -> str:
    """Return ``text`` with a capital first letter and the rest untouched."""
    return text[:1].upper() + text[1:]
