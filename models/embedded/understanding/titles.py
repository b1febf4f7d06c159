"""The title of a project, the colour it asks for, and its key phrases."""

from __future__ import annotations

import re
from collections.abc import Sequence

from matrioska.models.embedded.recipe import Entity, Kind
from matrioska.models.embedded.tables import words
from matrioska.models.embedded.understanding.catalogue import Language, sentence
from matrioska.models.embedded.understanding.nouns import fold

_QUOTE = "\"'“”‘’«»"
_NAMED = re.compile(
    rf"\b(?:called|named|titled|entitled|call it|name it|title(?: is| to|:)?|the name is|new title:?|"
    rf"chamad[oa]|intitulad[oa]|com o nome(?: de)?|chame(?:-[oa])?(?: de)?|título(?: é| para|:)?|nome:)\s*"
    rf"(?:[{_QUOTE}]([^{_QUOTE}\n]{{2,80}})[{_QUOTE}]|([A-Z][\w&.-]*(?: [A-Z0-9][\w&.-]*){{0,4}}))"
)
_TITLE_LINE = re.compile(
    r"^\s*(?:new title|title|novo título|título|titulo)\s*[:=]\s*(.{2,80}?)\s*\.?\s*$", re.I | re.M
)
_OPENING = re.compile(
    r"^(?:please,? |por favor,? |can you |could you |i (?:want|need|would like)(?: you)?(?: to)? |we (?:want|"
    r"need)(?: to)? |"
    r"(?:eu )?(?:quero|preciso)(?: de)?(?: que voc[eê])? )?"
    r"(?:(?:create|build|make|develop|write|design|generate|implement|program|code|draft|compose|prepare|produce|plan|"
    r"analy[sz]e|explain|describe|summari[sz]e|give|"
    r"criar|crie|construir|construa|fazer|faça|faca|desenvolver|desenvolva|escrever|escreva|elaborar|elabore|"
    r"gerar|gere|"
    r"projetar|projete|montar|monte|implementar|implemente|preparar|prepare|redigir|redija|analisar|analise|explicar|"
    r"explique|descrever|descreva|resumir|resuma)\s+)?"
    r"(?:me |us |uma? |uns |umas |an? |the |some |o |os |as )*",
    re.IGNORECASE,
)
_TITLE_END = re.compile(
    r"[.,;:!?\n(]|\s(?:with|without|sem|where|that|which|where|to (?:manage|track|record|organi[sz]e|keep)|"
    r"using|for (?:my|our|managing|tracking)|"
    r"including|featuring|so|com|que|onde|usando|para (?:gerenciar|controlar|cadastrar|meu|minha)|incluindo)\s",
    re.IGNORECASE,
)
_GENERIC = words("generic in titles")
_COLOURS: dict[str, str] = {
    "blue": "#2457d6", "azul": "#2457d6", "red": "#c62839", "vermelho": "#c62839", "vermelha": "#c62839",
    "green": "#16794c", "verde": "#16794c", "purple": "#6d3fc4", "roxo": "#6d3fc4", "roxa": "#6d3fc4",
    "violet": "#6d3fc4", "violeta": "#6d3fc4", "orange": "#b85c00", "laranja": "#b85c00", "pink": "#c2306f",
    "rosa": "#c2306f", "teal": "#0f7173", "turquoise": "#0f7173", "turquesa": "#0f7173", "yellow": "#8a6d00",
    "amarelo": "#8a6d00", "amarela": "#8a6d00", "brown": "#7a4a21", "marrom": "#7a4a21", "indigo": "#4046c8",
    "gray": "#4b5563", "grey": "#4b5563", "cinza": "#4b5563", "black": "#30343b", "preto": "#30343b",
    "burgundy": "#8a1c3c", "bordô": "#8a1c3c", "navy": "#1f3a6e", "gold": "#8a6d00", "dourado": "#8a6d00",
}  # fmt: skip
_HEX = re.compile(r"#(?:[0-9a-fA-F]{6}|[0-9a-fA-F]{3})\b")
_STOP = words("without meaning")


def read_given_title(text: str) -> str:
    """Return the title that a text gives outright ('called "BookHub"', 'Title: BookHub'), else ''."""
    if line := _TITLE_LINE.search(text):
        return line[1].strip(f" {_QUOTE}")
    if match := _NAMED.search(text):
        return (match[1] or match[2]).strip()
    return ""


def read_title(task: str, kind: Kind, language: Language, entities: Sequence[Entity]) -> str:
    """Return a title: the one given, else the task's own noun phrase, else the things it keeps."""
    if given := read_given_title(task):
        return given
    first = next((line for line in task.splitlines() if line.strip()), "").strip(" #*")
    phrase = _OPENING.sub("", first, count=1)
    end = _TITLE_END.search(phrase)
    phrase = (phrase[: end.start()] if end else phrase).strip(f" {_QUOTE}-")
    if kind == "webapp" and all(word in _GENERIC for word in re.findall(r"\w+", fold(phrase))):
        joiner = " e " if language == "pt" else " and "
        names = [entity.plural.lower() for entity in entities[:3]]
        return sentence(", ".join(names[:-1]) + joiner + names[-1] if len(names) > 1 else "".join(names))
    words = phrase.split()
    while len(" ".join(words)) > 60:
        words.pop()
    return sentence(" ".join(words)) or ("Projeto" if language == "pt" else "Project")


def read_accent(text: str) -> str:
    """Return the colour that a text asks for as ``#rrggbb``, '' when it names none."""
    if match := _HEX.search(text):
        digits = match[0][1:].lower()
        return "#" + (digits if len(digits) == 6 else "".join(digit * 2 for digit in digits))
    words = "|".join(_COLOURS)
    near = re.search(
        rf"\b(?:colou?rs?|accent|theme|palette|brand|cor|cores|destaque|tema|paleta)\b[^.\n]{{0,30}}?\b({words})\b|"
        rf"\b({words})\b(?: (?:as (?:the )?)?(?:colou?r|accent|theme|palette|buttons?|como (?:cor|destaque)))",
        text,
        re.IGNORECASE,
    )
    if near:
        return _COLOURS[(near[1] or near[2]).lower()]
    only = re.fullmatch(rf"\W*(?:use |usar? )?({words})\W*", text, re.IGNORECASE)
    return _COLOURS[only[1].lower()] if only else ""


def read_topics(task: str) -> tuple[str, ...]:
    """Return the key phrases of a task: runs of words that carry meaning, as written, at most twelve."""
    topics: dict[str, str] = {}
    for run in re.split(r"[^\w'’-]+(?=\s|$)|[,.;:!?()\n]", task):
        phrase: list[str] = []
        for word in [*run.split(), "the"]:
            if fold(word) not in _STOP:
                phrase.append(word)
                continue
            if phrase:
                text = " ".join(phrase[:4])
                topics.setdefault(fold(text), text)
            phrase = []
    return tuple(topics.values())[:12]
