"""Reading a task for a written deliverable: its form, what it is about, and the parts it names."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from matrioska.models.embedded.recipe import Brief

Form = Literal["plan", "specification", "comparison", "guide", "article", "haiku", "poem", "message"]

#: Forms that fit on one page and need no outline.
SMALL_FORMS: frozenset[Form] = frozenset({"haiku", "poem", "message"})
MAX_TOPICS = 6
MAX_ITEMS = 5

_FORMS: tuple[tuple[Form, str], ...] = (
    ("haiku", r"haikus?|haicais?"),
    ("poem", r"poems?|poemas?|verses?|versos?|sonnets?|sonetos?|lyrics|limericks?"),
    ("message", r"e-?mails?|letters?|cartas?|messages?|mensagem|tweets?|invitations?|convites?|slogans?"),
    ("comparison", r"compar(?:e|ing|ison|ar|acao|ando|ativo|ativa)|versus|vs|pros and cons|pros e contras"),
    ("specification", r"specifications?|specs?|requirements?|prd|especificac\w+|requisitos?"),
    ("plan", r"plans?|planning|roadmaps?|schedules?|strateg(?:y|ies)|itinerar(?:y|ies)|timelines?|planos?|planej\w+|"
             r"roteiros?|cronogramas?|estrategias?"),
    ("guide", r"guides?|tutorials?|how to|manual|manuals|handbooks?|step by step|guias?|como|passo a passo|instruc\w+"),
)  # fmt: skip
_CHANGE = re.compile(r"^(?:Change asked for|Mudança pedida):\s*", re.MULTILINE)
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+(.+)$", re.MULTILINE)
_LISTED = re.compile(
    r"\b(?:including|includes?|covering|covers?|such as|containing|in terms of|regarding|based on|"
    r"incluindo|inclua|cobrindo|contendo|abordando|em termos de|quanto a|com base em|com)\s+([^.;:\n]+)",
    re.IGNORECASE,
)
_AFTER_COLON = re.compile(r":[ \t]*([^.\n]+)")
_ADDED = re.compile(
    r"\b(?:add|include|adicion[ea]r?|inclu(?:a|ir)|acrescent[ea]r?)\s+(?:an?\s+|um[a]?\s+)?"
    r"(?:(?:section|chapter|part|secao|seção|capítulo|parte)\s+)?(?:on|about|for|sobre|de)?\s*([^.;\n]+)",
    re.IGNORECASE,
)
_SPLIT = re.compile(r",\s*(?:and\s+|or\s+|e\s+|ou\s+)?|\s+(?:and|or|e|ou|versus|vs\.?)\s+", re.IGNORECASE)
_COMPARED = re.compile(
    r"\b(?:compar(?:e|ing|ison|ar|ação|acao|ando|ativo)(?:\s+(?:of|between|de|entre|the|o|a))*|between|entre|"
    r"pros and cons of|pr[oó]s e contras d[eo])\s+([^.;:\n?]+)",
    re.IGNORECASE,
)
_VERSUS = re.compile(r"([\w+#.-]+(?:\s[\w+#.-]+)?)\s+(?:versus|vs\.?)\s+([^.;:\n?]+)", re.IGNORECASE)
_PURPOSE = re.compile(
    r"\b(?:for|to|para|in terms of|em termos de|regarding|based on|quanto a|with|com)\s+(.+)$", re.IGNORECASE
)
_CRITERIA = re.compile(
    r"\b(?:in terms of|regarding|based on|criteria:?|by|em termos de|quanto a|com base em|critérios:?)\s+([^.;\n]+)",
    re.IGNORECASE,
)
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "um": 1, "uma": 1, "dois": 2, "duas": 2,
            "tres": 3, "quatro": 4, "cinco": 5, "seis": 6}  # fmt: skip
_DAYS = {"day": 1, "dia": 1, "week": 7, "semana": 7, "month": 30, "mes": 30, "year": 365, "ano": 365}
_LENGTH = re.compile(
    rf"\b(\d{{1,3}}|{'|'.join(_NUMBERS)})[\s-]+(day|week|month|year|dia|semana|mes|ano)(?:s|es)?\b", re.IGNORECASE
)
_ABLE = re.compile(
    r"\b(?:can|should|must|shall|be able to|allows?(?: \w+)? to|lets? \w+|podem?|devem?|permit[ea]m?|consigam?)\s+"
    r"([^.;:\n]+)",
    re.IGNORECASE,
)
_SUBJECT_END = re.compile(
    r",?\s+(?:including|covering|such as|containing|in terms of|incluindo|cobrindo|contendo|abordando|where|that|"
    r"em que|"
    r"which|onde)\b|"
    r"\s+(?:in|within|over|em|durante)\s+(?:\w+\s+)?(?:\d+|one|two|three|four|five|six|um|uma|dois|duas|tr[eê]s)\s+"
    r"(?:days?|weeks?|months?|years?|dias?|semanas?|m[eê]s(?:es)?|anos?)\b",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"^(?:the|a|an|my|our|its|o|a|os|as|um|uma|meu|minha|nosso|nossa)\s+", re.IGNORECASE)
#: What a title that was cut out of a sentence may end in.
_LOOSE_END = re.compile(r"(?:\s+(?:in|on|of|for|to|that|which|em|de|do|da|no|na|para|que))+$", re.IGNORECASE)
_ABOUT = re.compile(r"\b(?:about|on|sobre|acerca de|regarding)\s+(.+)$", re.IGNORECASE)
_OF = re.compile(r"\b(?:of|for|to|para|de|do|da)\s+(.+)$", re.IGNORECASE)


@dataclass(frozen=True)
class DocumentPlan:
    """What the recipe understood of a task for a document."""

    form: Form
    title: str
    subject: str
    """What it is about, in the task's words."""
    topics: tuple[str, ...]
    """Parts the task names, in its words."""
    items: tuple[str, ...] = ()
    """What is compared."""
    criteria: tuple[str, ...] = ()
    """Criteria that the task names."""
    context: str = ""
    """For whom or what a comparison is made."""
    days: int = 0
    """Length the task gives to a plan; 0 when it gives none."""


def plain(text: str) -> str:
    """Return text in lower case without accents."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def read_document_plan(brief: Brief) -> DocumentPlan:
    """Return what the brief says about the document."""
    task, *changes = (part.strip() for part in _CHANGE.split(brief.task))
    form = read_form(task)
    items, context = _compared(task) if form == "comparison" else ((), "")
    if form == "comparison" and len(items) < 2:
        form = "article"
    topics = _topics(task, form)
    topics += [topic for change in changes for found in _ADDED.findall(change) for topic in _parts(found)]
    return DocumentPlan(
        form=form,
        title=_title(brief, items, context),
        subject=_subject(task, brief.title),
        topics=tuple({plain(topic): topic for topic in topics}.values())[:MAX_TOPICS],
        items=items,
        criteria=tuple(_parts(found.group(1)))[:MAX_TOPICS] if (found := _CRITERIA.search(task)) else (),
        context=context,
        days=_days(task),
    )


def read_form(task: str) -> Form:
    """Return the form that the task's first words ask for; an article when they name none."""
    opening = plain(" ".join(task.split()[:14]))
    found = [(match.start(), form) for form, words in _FORMS if (match := re.search(rf"\b(?:{words})\b", opening))]
    return min(found)[1] if found else "article"


def _parts(text: str) -> list[str]:
    """Return the members of a list in prose, tidy."""
    tidy = (_ARTICLE.sub("", part.strip(" \t.,;:!?\"'()*_`")) for part in _SPLIT.split(" ".join(text.split())))
    return [part[:60].strip() for part in tidy if len(part) > 1 and len(part.split()) <= 9]


def _topics(task: str, form: Form) -> list[str]:
    if bullets := [part for line in _BULLET.findall(task) for part in [_ARTICLE.sub("", line.strip(" .;,"))[:60]]]:
        return bullets
    if form == "specification" and (abilities := _abilities(task)):
        return abilities
    for pattern in (_LISTED, _AFTER_COLON):
        if (found := pattern.search(task)) and len(parts := _parts(found.group(1))) > 1:
            return parts
    return []


def _abilities(task: str) -> list[str]:
    """Return what the task says must be possible: lists after "can", and short sentences as they are."""
    result = []
    for sentence in re.split(r"[.;\n]+", task)[:40]:
        if found := _ABLE.search(sentence):
            result += _parts(found.group(1))
        elif result and 2 <= len(sentence.split()) <= 9:
            result.append(sentence.strip()[:60])
    return result


def _compared(task: str) -> tuple[tuple[str, ...], str]:
    """Return the things compared and for what, as in "Compare A, B and C for a small shop"."""
    if found := _VERSUS.search(task):
        first, rest = found.group(1), found.group(2)
        head = re.split(
            r"\b(?:compare|comparison of|comparar|compara[cç][aã]o (?:de|entre))\s+", first, flags=re.IGNORECASE
        )
        listed = f"{head[-1]} and {rest}"
    elif found := _COMPARED.search(task):
        listed = found.group(1)
    else:
        return (), ""
    purpose = _PURPOSE.search(listed)
    names = _parts(listed[: purpose.start()] if purpose else listed)
    context = purpose.group(0) if purpose and not _CRITERIA.match(purpose.group(0)) else ""
    return tuple(dict.fromkeys(names))[:MAX_ITEMS], context.strip(" .")


def _subject(task: str, title: str) -> str:
    first = next((line.strip() for line in task.splitlines() if line.strip()), title)
    sentence = re.split(r"(?<=\w)[.;:!?](?:\s|$)", first)[0]
    found = _ABOUT.search(sentence) or _OF.search(sentence)
    subject = found.group(1) if found else title
    return _SUBJECT_END.split(subject)[0].strip(" .,;:\"'")[:120] or title


def _title(brief: Brief, items: tuple[str, ...], context: str) -> str:
    """Return the title; a comparison that was given none is named after what it compares."""
    if not items or not plain(brief.title).startswith("compar"):
        return _LOOSE_END.sub("", brief.title) or brief.title
    joined = f"{', '.join(items[:-1])} {'e' if brief.language == 'pt' else 'and'} {items[-1]}"
    title = f"Comparação entre {joined}" if brief.language == "pt" else f"{joined} compared"
    return f"{title} {context}".strip()


def _days(task: str) -> int:
    found = _LENGTH.search(plain(task))
    if not found:
        return 0
    number = _NUMBERS.get(found.group(1)) or int(found.group(1))
    return number * _DAYS[found.group(2)]
