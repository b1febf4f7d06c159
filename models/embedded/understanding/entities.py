"""Finding the things that an application keeps records of, wherever a task names them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from matrioska.models.embedded.recipe import Entity, EntityField
from matrioska.models.embedded.tables import words
from matrioska.models.embedded.understanding.catalogue import (
    Language,
    domains,
    entities,
    find_entity,
    find_field,
    known_entity,
    new_entity,
    plural_forms,
    relations,
    sentence,
)
from matrioska.models.embedded.understanding.fields import read_fields, split_list, strip_articles
from matrioska.models.embedded.understanding.nouns import fold, identifier, is_plural, singular

MAX_ENTITIES = 7

_WITH = (
    r"\b(?:with|having|containing|which (?:have|has)|that (?:have|has)|have|has|com|contendo|que (?:tem|"
    r"têm)|têm|tem|possuem|possui)\b"
)
_MANAGED = re.compile(
    r"\b(?:manag(?:e|es|ing)|track(?:s|ing)?|organi[sz](?:e|es|ing)|record(?:s|ing)?|stor(?:e|ing)|register(?:s|ing)?|"
    r"handl(?:e|es|ing)|list(?:s|ing)? of|cataloguing|catalog|schedul(?:e|es|ing)|crud (?:operations )?(?:for|of|on)|"
    r"management of|tracking of|records? of|registry of|keep(?:s|ing)? (?:track|records?) of|about my|"
    r"gerenci(?:ar|a|e)|gerir|control(?:ar|e de)|cadastr(?:ar|o de|os de)|registr(?:ar|o de)|organizar|acompanhar|"
    r"gest[aã]o de|gerenciamento de|crud (?:de|para)|lista de|agendar|agendamento de)\s+(?:the |my |our |all |os |as |"
    r"meus |minhas |seus |suas )?",
    re.IGNORECASE,
)
_TOOL = re.compile(
    r"\b((?:[\w-]+ )?[\w-]+) (?:management|tracking|tracker|manager|organi[sz]er|planner|app|application|system|"
    r"database|catalog(?:ue)?|registry|website|portal|platform|log|diary|journal)\b",
    re.IGNORECASE,
)
_TOOL_PT = re.compile(
    r"\b(?:aplicativo|app|sistema|site|portal|plataforma|painel|agenda|catálogo|catalogo|ferramenta|aplicação|"
    r"aplicacao)"
    r"(?: web)? (?:de|para|do|da|dos|das) ([\w-]+(?: [\w-]+)?)",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"\b(?:entities|tables|records|collections|models|entidades|tabelas|registros)\s*(?::|are|são|=)\s*", re.IGNORECASE
)
_LINE = re.compile(r"^\s*(?:[-*•]|\d+[.)])?\s*([\w-]+(?: [\w-]+)?)\s*:\s*(.+)$", re.MULTILINE)
#: Where a list of things ends: what follows is about something else.
_LIST_END = re.compile(
    r"[.!?;\n]|\b(?:that|which|where|who|so that|using|via|through|because|including a|allowing|for (?:a|an|the|"
    r"my|our)\b|"
    r"in (?:a|an|the|my|our)\b|que|onde|usando|utilizando|através|para (?:um|uma|o|a|minha|meu)\b)",
    re.IGNORECASE,
)
_CUT_EN = re.compile(r"\s(?:of|for|in|on|from|by|per|at|to|into|against)\s.*$", re.IGNORECASE)
_CUT_PT = re.compile(r"\s(?:para|por|em|no|na|nos|nas|do|da|dos|das|sobre)\s.*$", re.IGNORECASE)

#: Words that stand where things stand but are wishes, containers or filler. Folded.
_NOT_THINGS = words("not things")
#: Plurals too common in other senses to count when merely mentioned.
_NOT_WHEN_MENTIONED = words("not when mentioned")


@dataclass
class _Finds:
    """Entities in the order found, with the fields that the task gives them."""

    language: Language
    fields: dict[str, list[str]] = field(default_factory=dict)
    phrases: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def add(self, phrase: str, fields: list[str] | None = None) -> str:
        name = self.name_of(phrase)
        if name:
            self.phrases.setdefault(name, phrase)
            self.fields.setdefault(name, []).extend(fields or [])
        return name

    def name_of(self, phrase: str) -> str:
        return find_entity(phrase, self.language) or identifier(singular(phrase, self.language))


def find_entities(text: str, language: Language) -> tuple[Entity, ...]:
    """Return what an application for this task keeps records of, at most `MAX_ENTITIES`."""
    finds = find_explicit(text, language)
    # Two things named, or one described field by field, is a whole answer. Less is filled in.
    if len(finds.phrases) < 2 and not any(finds.fields.values()):
        named = dict(finds.phrases)
        finds.phrases = {name: named.get(name, "") for name in (*_domain_entities(text), *named)} or {"item": ""}
    order = _in_text_order(finds, text)[:MAX_ENTITIES]
    built = [_build(name, finds, order, language) for name in order]
    return tuple(_with_references(entity, built, finds, language) for entity in built)


def _in_text_order(finds: _Finds, text: str) -> list[str]:
    """Return the entities in the order the text names them: the first named matters most to its author."""
    folded = fold(text)

    def place(name: str) -> int:
        found = folded.find(fold(finds.phrases[name])) if finds.phrases[name] else -1
        return found if found >= 0 else len(folded)

    return sorted(finds.phrases, key=place)


def find_explicit(text: str, language: Language) -> _Finds:
    """Return the entities that the text itself names, before any knowledge of domains."""
    finds = _Finds(language)
    spoken = _read_brackets(text, finds)
    spoken = _read_lines(spoken, finds)
    for clause in re.split(r"[.!?\n]", spoken):
        _read_with(clause, finds)
        _read_managed(clause, finds)
    _read_tools(spoken, finds)
    _read_mentions(spoken, finds)
    return finds


def _is_thing(phrase: str, language: Language) -> bool:
    words = fold(phrase).split()
    main = words[0] if language == "pt" and words else words[-1] if words else ""
    if not words or len(words) > 3 or main in _NOT_THINGS - {"users", "tables", "menus"} or len(main) < 3:
        return False
    return not all(word in _NOT_THINGS - {"users", "tables", "menus"} for word in words)


def _bare(phrase: str, language: Language) -> str:
    cut = (_CUT_PT if language == "pt" else _CUT_EN).sub("", strip_articles(phrase))
    words = [word for word in cut.split() if fold(word) not in _FILLER]
    if len(words) > 1 and not find_entity(" ".join(words), language):
        # "medical appointments" are appointments: the known main word decides, the rest is colour.
        main = words[0] if language == "pt" else words[-1]
        if find_entity(main, language):
            return main
    return " ".join(words)


_FILLER = words("filler")


def _read_brackets(text: str, finds: _Finds) -> str:
    """Read ``tasks (title, due date)``; return the text without the brackets that were read."""
    kept, position = "", 0
    for start, end in _balanced(text):
        before = text[position:start]
        kept += before
        words = re.findall(r"[\w-]+", re.split(r"[,;:.()\n]|\b(?:and|with|e|com)\b", before)[-1])
        inside = split_list(text[start + 1 : end])
        head = _entity_head(words, finds.language)
        if head and inside and not all(_is_wish(item) for item in inside):
            finds.add(head, inside)
        else:
            kept += " " + text[start + 1 : end] + " "
        position = end + 1
    return kept + text[position:]


def _is_wish(item: str) -> bool:
    return all(word in _NOT_THINGS for word in re.findall(r"[\w]+", fold(item)))


def _balanced(text: str) -> Iterator[tuple[int, int]]:
    depth, start = 0, 0
    for place, char in enumerate(text):
        if char == "(":
            start = place if depth == 0 else start
            depth += 1
        elif char == ")" and depth:
            depth -= 1
            if depth == 0:
                yield start, place


def _entity_head(words: list[str], language: Language) -> str:
    for size in (2, 1):
        phrase = " ".join(words[-size:])
        if len(words) >= size and find_entity(phrase, language) and not _is_wish(phrase):
            return phrase
    last = words[-1] if words else ""
    if last and is_plural(last, language) and _is_thing(last, language) and not find_field(last):
        return last
    return ""


def _read_lines(text: str, finds: _Finds) -> str:
    """Read ``- Books: title, author`` and ``Entities: a, b``; return the text without those lines."""

    def read(match: re.Match[str]) -> str:
        head, items = match[1], split_list(match[2])
        if _HEADING.match(f"{head}:"):
            for item in items:
                if _is_thing(item, finds.language):
                    finds.add(_bare(item, finds.language))
            return ""
        name = _entity_head(head.split(), finds.language)
        if name and len(items) > 1 and all(len(item.split()) <= 5 or "(" in item for item in items):
            finds.add(name, items)
            return ""
        return match[0]

    return _LINE.sub(read, text)


def _read_with(clause: str, finds: _Finds) -> None:
    """Read ``users with name and email`` (fields) and ``a clinic with patients and doctors`` (entities)."""
    parts = re.split(_WITH, clause, flags=re.IGNORECASE)
    for place in range(1, len(parts)):
        head_words = re.findall(r"[\w-]+", re.split(r"[,;:]", parts[place - 1])[-1])
        stop = _LIST_END.search(parts[place])
        items = split_list(parts[place][: stop.start()] if stop else parts[place])
        if place + 1 < len(parts) and len(items) > 1:
            # The last item before another "with" is that one's head.
            items.pop()
        _sort_items(head_words, items, finds)


def _sort_items(head_words: list[str], items: list[str], finds: _Finds) -> None:
    language = finds.language
    head = _entity_head(head_words, language)
    is_each = any(fold(word) in ("each", "every", "cada") for word in head_words[-3:])
    contains = not head or not (is_plural(head, language) or is_each)
    fields: list[str] = []
    for item in items:
        bare = _bare(item, language)
        if _is_wish(item) or not bare:
            continue
        is_entity = bool(find_entity(bare, language)) and is_plural(bare, language)
        if is_entity and (contains or not find_field(item)):
            child = finds.add(bare)
            if head and not contains:
                finds.links[child] = finds.add(head)
        elif contains and is_plural(bare, language) and _is_thing(bare, language) and not find_field(item):
            finds.add(bare)
        elif head and not contains:
            fields.append(item)
    if fields:
        finds.add(head, fields)


def _read_managed(clause: str, finds: _Finds) -> None:
    for match in _MANAGED.finditer(clause):
        rest = re.split(_WITH, clause[match.end() :], flags=re.IGNORECASE)[0]
        stop = _LIST_END.search(rest)
        for item in split_list(rest[: stop.start()] if stop else rest):
            bare = _bare(item, finds.language)
            known = bool(find_entity(bare, finds.language))
            if not _is_thing(bare, finds.language) or (fold(bare) in domains() and not known):
                continue
            if known or is_plural(bare, finds.language):
                finds.add(bare)


def _read_tools(text: str, finds: _Finds) -> None:
    """Read ``plant tracker`` and ``aplicativo de receitas``."""
    pattern = _TOOL_PT if finds.language == "pt" else _TOOL
    for match in pattern.finditer(text):
        phrase = _bare(match[1], finds.language)
        words = [word for word in phrase.split() if fold(word) not in _NOT_THINGS | _TOOL_FILLER]
        phrase = " ".join(words)
        if not phrase or fold(phrase) in domains() or any(fold(word) in domains() for word in words):
            continue
        known = find_entity(phrase, finds.language)
        if known or (finds.language == "en" and not finds.phrases and _is_thing(phrase, "en") and len(words) == 1):
            finds.add(phrase)
        elif not finds.phrases and finds.language == "pt" and is_plural(words[0], "pt"):
            finds.add(words[0])


_TOOL_FILLER = words("tool filler")


def _read_mentions(text: str, finds: _Finds) -> None:
    forms = plural_forms(finds.language)
    for match in re.finditer(r"(?:(\bfor|\bpara|\bwhere|\bso|\blet|\ballow|\bhelps?) )?\b([\w-]+)\b", fold(text)):
        name = forms.get(match[2], "")
        if name and not match[1] and name not in _NOT_WHEN_MENTIONED and fold(match[2]) not in domains():
            finds.add(match[2] if name in finds.phrases else entities()[name].forms[finds.language][1])


def _domain_entities(text: str) -> tuple[str, ...]:
    folded = fold(text)
    matches = [match for word in domains() for match in re.finditer(rf"\b{re.escape(word)}\b", folded)]
    # A longer name says more ("car rental" over "car"); after that the one said first counts.
    matches.sort(key=lambda match: (-len(match[0].split()), match.start()))
    if not matches:
        return ()
    best = matches[0]
    # Of two in a row the second is the noun: a school library is a library.
    best = next((match for match in matches if match.start() == best.end() + 1), best)
    return domains()[best[0]]


def _build(name: str, finds: _Finds, names: list[str], language: Language) -> Entity:
    given = read_fields(finds.fields.get(name, []), language, [other for other in names if other != name])
    if name not in entities():
        return new_entity(finds.phrases[name], language, given)
    entity = known_entity(name, language)
    phrase = finds.phrases[name]
    if phrase and fold(phrase) not in {fold(form) for form in (entity.label, entity.plural)}:
        own = new_entity(phrase, language, entity.fields)
        entity = replace(own, name=name) if len(phrase.split()) == 1 else entity
    return replace(entity, fields=given) if given else entity


def _with_references(entity: Entity, everyone: list[Entity], finds: _Finds, language: Language) -> Entity:
    present = {other.name: other for other in everyone if other.name != entity.name}
    has = {field.target for field in entity.fields} | {field.name for field in entity.fields}
    wanted = list(relations().get(entity.name, ()))
    if entity.name in finds.links:
        wanted.insert(0, (finds.links[entity.name], True))
    references = tuple(
        EntityField(target, sentence(present[target].label), "reference", required, target=target)
        for target, required in dict(wanted).items()
        if target in present and target not in has
    )
    if not references:
        return entity
    # A thing with a name of its own shows that first; a link between things shows what it links.
    leads = entity.fields[0].name in ("name", "title", "number")
    own = entity.fields
    return replace(entity, fields=own[:1] + references + own[1:] if leads else references + own)
