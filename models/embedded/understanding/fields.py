"""Fields as tasks name them: type by name, options in brackets, references to other entities."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from matrioska.models.embedded.recipe import EntityField
from matrioska.models.embedded.understanding.catalogue import (
    FieldType,
    Language,
    find_entity,
    find_field,
    known_field,
    sentence,
)
from matrioska.models.embedded.understanding.nouns import fold, identifier, is_plural

#: First match decides; words are folded, so without accents.
_TYPES: tuple[tuple[FieldType, str], ...] = (
    ("boolean", r"^(is|has|can|tem|esta|possui)\b|\?$|\b(active|enabled|paid|ativo|ativa|pago|paga|verified)\b"),
    ("email", r"\b(e-?mail)\b"),
    ("date", r"\b(date|deadline|birthday|data|prazo|vencimento|aniversario)\b|\b(on|at)$"),
    ("longtext", r"\b(description|notes?|comments?|summary|details|bio|biography|instructions|remarks|abstract|"
                 r"descricao|observac(ao|oes)|anotac(ao|oes)|resumo|detalhes|comentarios?|instrucoes)\b"),
    ("money", r"\b(price|cost|amount|salary|fee|total|budget|revenue|wage|preco|valor|custo|salario|taxa|orcamento|"
              r"mensalidade|receita)\b"),
    ("number", r"\b(count|number of|quantity|qty|stock|age|year|score|rating|minutes|hours|days|size|weight|height|"
               r"pages|points|percent|distance|calories|temperature|volume|quantidade|qtd|estoque|ano|idade|nota|"
               r"numero de|minutos|horas|dias|peso|altura|paginas|pontos|distancia|calorias|temperatura)\b"),
)  # fmt: skip
_BRACKETS = re.compile(r"^(.*?)\s*(?:[(\[](.+)[)\]]|:\s*(.+))$", re.DOTALL)
_ARTICLES = re.compile(
    r"^(?:(?:an?|the|its|their|his|her|each|an optional|optional|and|also|um|uma|uns|umas|o|os|as|seus?|suas?|e|"
    r"também|tambem|opcional)\s+)+",
    re.IGNORECASE,
)
_REQUIRED = re.compile(r"\*$|\b(?:required|mandatory|obrigatóri[oa]|obrigatori[oa])\b", re.IGNORECASE)
_KIND_NOTE = re.compile(
    r"\b(?:(?:as (?:a )?|do tipo |tipo )?(text|number|date|boolean|money|email|texto|número|numero|data))$",
    re.IGNORECASE,
)


def strip_articles(phrase: str) -> str:
    """Return a phrase without articles, possessives and joining words in front."""
    return _ARTICLES.sub("", phrase.strip(" \t\n-–•\"'“”`.")).strip()


def split_list(text: str) -> list[str]:
    """Split a written list at commas, semicolons, slashes-free "and" and "e", but not within brackets."""
    parts: list[str] = []
    depth, current = 0, ""
    for piece in re.split(r"([()\[\],;\n]|\s(?:and|e|y|as well as|plus|bem como|mais|&)\s)", text):
        depth += (piece in ("(", "[")) - (piece in (")", "]"))
        is_break = depth <= 0 and (piece in (",", ";", "\n") or piece.strip().lower() in _JOINERS)
        if is_break:
            parts.append(current)
            current = ""
        else:
            current += piece
    parts.append(current)
    return [part for part in (strip_articles(part) for part in parts) if part]


_JOINERS = frozenset({"and", "e", "y", "as well as", "plus", "bem como", "mais", "&"})


def guess_type(phrase: str) -> FieldType:
    """Return the type that a field's name suggests."""
    folded = fold(phrase.replace("_", " "))
    return next((kind for kind, pattern in _TYPES if re.search(pattern, folded)), "text")


def read_field(phrase: str, language: Language, siblings: Iterable[str] = ()) -> EntityField | None:
    """Read one field as a task writes it, such as ``priority (low/high)`` or ``due date*``.

    ``siblings`` are the names of the application's entities: a field that names one refers to it.
    """
    required = bool(_REQUIRED.search(phrase))
    phrase = strip_articles(_REQUIRED.sub("", phrase))
    options: tuple[str, ...] = ()
    if match := _BRACKETS.match(phrase):
        phrase = match[1].strip()
        options = tuple(option.strip() for option in re.split(r"[/|,]|\s(?:or|ou)\s", match[2] or match[3]))
        options = tuple(sentence(option) for option in options if option)
    target = find_entity(phrase, language) or identifier(phrase)
    if target in set(siblings) and not is_plural(phrase, language):
        return EntityField(target, sentence(phrase), "reference", required, target=target)
    return _plain_field(phrase, language, options, required)


def _plain_field(phrase: str, language: Language, options: tuple[str, ...], required: bool) -> EntityField | None:
    if len(options) == 1:
        kind_note, options = _KIND_NOTE.search(fold(options[0])), ()
    else:
        kind_note = None
    known = find_field(phrase)
    if known:
        # The person's own word stands on the screen; the vocabulary gives only type and options.
        shown = sentence(phrase.replace("_", " "))
        known_one = known_field(known, language, options, required)
        return known_one if fold(shown) == fold(known_one.label) else replace(known_one, label=shown)
    name = identifier(phrase)
    if not name or len(phrase.split()) > 5:
        return None
    kind: FieldType = "choice" if options else guess_type(kind_note[1] if kind_note else phrase)
    return EntityField(name, sentence(phrase.replace("_", " ")), kind, required, options)


def read_fields(phrases: Iterable[str], language: Language, siblings: Iterable[str] = ()) -> tuple[EntityField, ...]:
    """Read a list of fields; the first one is required, since every record needs something to show."""
    names = tuple(siblings)
    fields: dict[str, EntityField] = {}
    for phrase in phrases:
        found = read_field(phrase, language, names)
        if found is not None and found.name != "id":
            fields.setdefault(found.name, found)
    listed = list(fields.values())
    if listed and not any(field.required for field in listed):
        listed[0] = replace(listed[0], required=True)
    return tuple(listed)
