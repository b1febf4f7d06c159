"""Rendering of a document: sections as Markdown from the templates, and the page edition."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from matrioska.models.embedded.recipe import Brief
from matrioska.models.embedded.written.reading import SMALL_FORMS, DocumentPlan, plain, read_form
from matrioska.models.embedded.written.sections import (
    ASPECTS,
    Section,
    criteria,
    in_weeks,
    length,
    parts,
    phases,
    sections,
)

_PACKAGE = "matrioska.models.embedded.written"
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")
_ROLES = re.compile(
    r"\b(users?|customers?|clients?|administrators?|admins?|managers?|employees?|students?|teachers?|patients?|doctors?|"
    r"members?|visitors?|sellers?|operators?|librarians?|usuari[oa]s?|clientes?|administrador(?:es)?|gerentes?|"
    r"funcionari[oa]s?|alunos?|professor(?:es)?|pacientes?|medic[oa]s?|membros?|visitantes?|vendedor(?:es)?|"
    r"bibliotecari[oa]s?)\b"
)
#: First line of a haiku by the syllables of its subject, so that it has five.
_OPENINGS = {
    "en": {1: "{}, and nothing else", 2: "{}, only that", 3: "{}, and now", 4: "{}: look"},
    "pt": {1: "{}, e mais nada", 2: "{}, só isso", 3: "{}, enfim", 4: "{}: vê"},
}
NOTE = {
    "en": (
        "Written by Matrioska's embedded model, which works by rules: it orders what the request says, asks the "
        "questions that such a document must answer, and leaves blank what it cannot know. A real language model would "
        "write the answers too."
    ),
    "pt": (
        "Escrito pelo modelo embutido do Matrioska, que funciona por regras: ordena o que o pedido diz, faz as "
        "perguntas que um documento assim deve responder e deixa em branco o que não pode saber. Um modelo de "
        "linguagem de verdade escreveria também as respostas."
    ),
}
_VERSE_NOTE = {
    "en": (
        "Put together by Matrioska's embedded model from a fixed pattern and the request's own words. A real language "
        "model would write one that is about something."
    ),
    "pt": (
        "Montado pelo modelo embutido do Matrioska a partir de um molde fixo e das palavras do pedido. Um modelo de "
        "linguagem de verdade escreveria um texto que diz algo."
    ),
}
_VERSE = frozenset({"haiku", "poem"})
#: What a poem is about when the request does not say.
_ANY_SUBJECT = {"en": "the day", "pt": "o dia"}


@dataclass(frozen=True)
class Part:
    """A section of the page edition."""

    id: str
    title: str
    html: Markup


def escape_markdown(text: str) -> str:
    """Return text of any origin as one line that Markdown shows as it is, in a table too."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def _load(name: str) -> str | None:
    source = files(_PACKAGE).joinpath("templates", name)
    return source.read_text(encoding="utf-8") if source.is_file() else None


@cache
def _environment() -> Environment:
    # Pages are escaped; Markdown is not HTML, and its own marks are escaped by the filter `md`.
    environment = Environment(
        loader=FunctionLoader(_load),
        undefined=StrictUndefined,
        autoescape=lambda name: bool(name and name.endswith(".html.jinja")),  # noqa: S701
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["md"] = escape_markdown
    environment.filters["capital"] = lambda text: text[:1].upper() + text[1:]
    return environment


def section_text(brief: Brief, document: DocumentPlan, section: Section) -> str:
    """Return a section as Markdown, without its heading."""
    family = "small" if document.form in SMALL_FORMS else document.form
    template = _environment().get_template(f"{family}.{brief.language}.md.jinja")
    macro = getattr(template.make_module(_context(brief, document, section)), section.template)
    text = str(macro(section.topic) if section.topic else macro())
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n" + _notes(brief)


def _notes(brief: Brief) -> str:
    if not brief.notes:
        return ""
    lead = (
        "Pedido em particular para esta parte:" if brief.language == "pt" else "Asked for in particular for this part:"
    )
    return f"\n{lead}\n\n" + "".join(f"- {escape_markdown(note)}\n" for note in brief.notes)


def is_verse(document: DocumentPlan) -> bool:
    """Whether line breaks are part of the text."""
    return document.form in _VERSE


def note(brief: Brief, document: DocumentPlan) -> str:
    """Return what the model says about itself at the end of the document."""
    return (_VERSE_NOTE if is_verse(document) else NOTE)[brief.language]


def render_plain(template: str, brief: Brief, **values: Any) -> str:
    """Return a template that stands for itself."""
    return _environment().get_template(template).render(say=_say(brief), language=brief.language, **values)


def page(brief: Brief, document: DocumentPlan, texts: list[tuple[Section, str]]) -> str:
    """Return the page edition of a document: one HTML file that needs nothing else."""
    rendered = [Part(section.id, section.title, _html(brief, document, section, text)) for section, text in texts]
    return render_plain(
        "page.html.jinja",
        brief,
        title=document.title,
        parts=rendered,
        note=note(brief, document),
        matrix=any(section.template == "matrix" for section, _ in texts),
        verse=is_verse(document),
    )


def _html(brief: Brief, document: DocumentPlan, section: Section, text: str) -> Markup:
    # Raw HTML is off: the text holds words of the task, which nobody vouches for.
    rendered = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    rendered = re.sub(r"<table>.*?</table>", r'<div class="scroll">\g<0></div>', rendered, flags=re.DOTALL)
    rendered = rendered.replace("<li>[ ] ", '<li class="task"><input type="checkbox"> ')
    if section.template == "matrix":
        form = render_plain(
            "matrix.html.jinja",
            brief,
            items=document.items,
            criteria_list=criteria(document, portuguese=brief.language == "pt"),
        )
        rendered = re.sub(r'<div class="scroll">.*?</div>', lambda _: form, rendered, count=1, flags=re.DOTALL)
    return Markup(rendered)  # noqa: S704 (made by markdown-it with HTML off, and by an escaping template)


def _say(brief: Brief) -> Any:
    return lambda en, pt: pt if brief.language == "pt" else en


def _context(brief: Brief, document: DocumentPlan, section: Section) -> dict[str, Any]:
    pt = brief.language == "pt"
    titles = [one.title for one in sections(document, portuguese=pt) if one.topic]
    place = titles.index(section.title) if section.title in titles else len(titles)
    weeks = in_weeks(document)
    sentences = [part.strip() for part in re.split(r"(?<=[.!?;])\s+|\n+", brief.task) if part.strip()]
    return {
        "task": brief.task,
        "document": document,
        "subject": _subject(brief, document),
        "topics": document.topics,
        "items": document.items,
        "context": document.context,
        "parts": titles,
        "next_part": titles[place + 1] if place + 1 < len(titles) else "",
        "named_parts": parts(document, portuguese=pt),
        "aspect_questions": {aspect.titles[pt]: aspect.questions[pt] for aspect in ASPECTS},
        "plan_phases": phases(document, portuguese=pt),
        "length": length(document),
        "weeks": weeks,
        "unit_one": ("semana" if weeks else "dia") if pt else ("week" if weeks else "day"),
        "unit_many": ("semanas" if weeks else "dias") if pt else ("weeks" if weeks else "days"),
        "sentences": sentences,
        "roles": list(dict.fromkeys(found.group(1) for found in _ROLES.finditer(plain(brief.task)))),
        "requirements_list": _requirements(document, sentences, pt=pt),
        "criteria_list": criteria(document, portuguese=brief.language == "pt"),
        "named": bool(document.criteria),
        "opening": _opening(brief, document),
    }


def _requirements(document: DocumentPlan, sentences: list[str], *, pt: bool) -> list[dict[str, Any]]:
    """Return the requirements, each with the number of the sentence that it comes from."""
    prefix = "RF" if pt else "FR"
    result = []
    for number, topic in enumerate(parts(document, portuguese=pt), start=1):
        found = [index for index, sentence in enumerate(sentences, start=1) if topic.lower() in sentence.lower()]
        result.append({"id": f"{prefix}-{number:02d}", "text": topic, "source": found[0] if found else 1})
    return result


def _subject(brief: Brief, document: DocumentPlan) -> str:
    """Return the subject; verse that was given none has the form itself in its place, which says nothing."""
    if is_verse(document) and read_form(document.subject) == document.form:
        return _ANY_SUBJECT[brief.language]
    return document.subject


def _opening(brief: Brief, document: DocumentPlan) -> str:
    words = _subject(brief, document).split()
    subject = " ".join(words[:3])
    syllables = len(re.findall(r"[aeiouy]+", re.sub(r"(?<=[^aeiou])e\b", "", plain(subject)))) or 1
    form = _OPENINGS[brief.language].get(syllables, "{}")
    return form.format(subject[:1].upper() + subject[1:])
