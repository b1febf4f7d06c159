"""The recipe for written deliverables: plan, specification, comparison, guide, article, or a small piece.

It writes structure: questions, checklists, tables to fill in. It states no facts, since it
knows none, and says so at the end of what it writes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from matrioska.models.embedded.recipe import Brief, Kind
from matrioska.models.embedded.written.reading import SMALL_FORMS, DocumentPlan, read_document_plan
from matrioska.models.embedded.written.rendering import (
    escape_markdown,
    is_verse,
    note,
    page,
    render_plain,
    section_text,
)
from matrioska.models.embedded.written.sections import Section, outline_value, sections

Files = list[tuple[str, str]]

SMALL_MODULE = "text"


class DocumentRecipe:
    """Written deliverables in Markdown, with a page edition."""

    kind: Kind = "document"

    def plan(self, brief: Brief) -> dict[str, Any]:
        """Return the architecture: one module for a small piece, else outline, sections and edition."""
        document = read_document_plan(brief)
        pt = brief.language == "pt"
        modules = [_small_spec(document, pt)] if document.form in SMALL_FORMS else _specs(document, pt)
        return {
            "name": document.title,
            "goal": brief.task,
            "constraints": [
                "Nenhum fato inventado: o que não se sabe fica em branco."
                if pt
                else "No invented facts: what is unknown stays blank."
            ],
            "language": brief.language,
            "modules": modules,
        }

    def contract(self, brief: Brief, module_id: str, keys: list[str], values: dict[str, Any]) -> dict[str, Any]:
        """Return the values that the module writes.

        Raises:
            KeyError: a key that this recipe does not know.
        """
        document = read_document_plan(brief)
        pt = brief.language == "pt"
        known: dict[str, Any] = {
            "outline": outline_value(document, portuguese=pt),
            "glossary": {"title": _glossary(brief).title, "files": ["glossary/glossary.md"]},
            "edition": {"files": ["edition/index.html", "edition/document.md"]},
        }
        for section in _outlined(document, values, pt):
            known[_key(section)] = {"title": section.title, "files": [f"{section.id}/{section.id}.md"]}
        return {key: known[key] for key in keys}

    def files(self, brief: Brief, module_id: str, contract: dict[str, Any], values: dict[str, Any]) -> Files:
        """Return the module's files.

        Raises:
            KeyError: a module that this recipe does not know.
        """
        document = read_document_plan(brief)
        pt = brief.language == "pt"
        if document.form in SMALL_FORMS:
            if module_id != SMALL_MODULE:
                raise KeyError(module_id)
            return self.whole(brief)
        if module_id == "outline":
            return [("outline.md", _outline(brief, document, contract))]
        if module_id == "glossary":
            section = _glossary(brief)
            return [("glossary.md", _headed(section, _glossary_text(brief, document, values)))]
        if module_id == "edition":
            return _edition(brief, document, _texts(replace(brief, notes=()), document, values))
        section = {section.id: section for section in _outlined(document, values, pt)}[module_id]
        return [(f"{module_id}.md", _headed(section, section_text(brief, document, section)))]

    def whole(self, brief: Brief) -> Files:
        """Return the document in both editions."""
        document = read_document_plan(brief)
        if document.form in SMALL_FORMS:
            section = Section(SMALL_MODULE, "", document.form)
            return _edition(brief, document, [(section, section_text(brief, document, section))])
        return _edition(brief, document, _texts(brief, document, {}))


def _key(section: Section) -> str:
    return f"section_{section.id.replace('-', '_')}"


def _small_spec(document: DocumentPlan, pt: bool) -> dict[str, Any]:
    description = (
        "Escreve o texto inteiro, curto: document.md e a página index.html."
        if pt
        else "Writes the whole text, which is short: document.md and the page index.html."
    )
    return {
        "id": SMALL_MODULE,
        "name": document.title,
        "description": description,
        "outputs": ["document.md", "index.html"],
        "modality": "prose",
        "size": 1.0,
    }


def _specs(document: DocumentPlan, pt: bool) -> list[dict[str, Any]]:
    def say(en: str, pt_text: str) -> str:
        return pt_text if pt else en

    parts = sections(document, portuguese=pt)
    outline = say(
        "Fixes the order of the sections and the words that mean the same in all of them, in outline.md.",
        "Fixa a ordem das seções e as palavras que significam o mesmo em todas, em outline.md.",
    )
    specs = [_spec("outline", say("Outline", "Roteiro"), outline, "outline.md", [], [], ["outline"], 0.5)]
    for part in parts:
        about = say(
            f"Writes the section “{part.title}” in {part.id}.md, true to the outline.",
            f"Escreve a seção “{part.title}” em {part.id}.md, fiel ao roteiro.",
        )
        specs.append(_spec(part.id, part.title, about, f"{part.id}.md", ["outline"], ["outline"], [_key(part)], 1.0))
    terms = say("Lists the words of the document in glossary.md.", "Lista as palavras do documento em glossary.md.")
    specs.append(
        _spec(
            "glossary", say("Glossary", "Glossário"), terms, "glossary.md", ["outline"], ["outline"], ["glossary"], 0.5
        )
    )
    edition = say(
        "Joins all sections into document.md and the page index.html, the entry point.",
        "Junta todas as seções em document.md e na página index.html, o ponto de entrada.",
    )
    reads = ["outline", *(_key(part) for part in parts), "glossary"]
    made_of = ["outline", *(part.id for part in parts), "glossary"]
    name = say("Edition", "Edição")
    specs.append(_spec("edition", name, edition, "index.html", made_of, reads, ["edition"], 1.0))
    return specs


def _spec(
    module_id: str,
    name: str,
    description: str,
    output: str,
    needs: list[str],
    reads: list[str],
    writes: list[str],
    size: float,
) -> dict[str, Any]:
    return {
        "id": module_id,
        "name": name,
        "description": description,
        "outputs": [output],
        "dependencies": needs,
        "shared_state_reads": reads,
        "shared_state_writes": writes,
        "modality": "prose",
        "size": size,
    }


def _outlined(document: DocumentPlan, values: dict[str, Any], pt: bool) -> list[Section]:
    """Return the sections under the titles and in the order that the published outline gives them."""
    own = {section.id: section for section in sections(document, portuguese=pt)}
    value = values.get("outline")
    listed = value.get("sections") if isinstance(value, dict) else None
    found = [
        replace(own[str(item["id"])], title=str(item.get("title") or own[str(item["id"])].title)[:120])
        for item in (listed if isinstance(listed, list) else [])
        if isinstance(item, dict) and str(item.get("id")) in own
    ]
    missing = [section for name, section in own.items() if name not in {one.id for one in found}]
    return found + missing


def _texts(brief: Brief, document: DocumentPlan, values: dict[str, Any]) -> list[tuple[Section, str]]:
    """Return the sections that are part of the plan, with their texts, and the glossary."""
    parts = _outlined(document, values, brief.language == "pt")
    texts = []
    for part in parts:
        if values and _key(part) not in values:
            continue  # the person took this section out of the plan
        published = values.get(_key(part))
        title = published.get("title") if isinstance(published, dict) else None
        section = replace(part, title=str(title)[:120]) if title else part
        texts.append((section, section_text(brief, document, section)))
    if not values or "glossary" in values:
        terms = _glossary_text(brief, document, values)
        texts.append((_glossary(brief), terms))
    return texts


def _edition(brief: Brief, document: DocumentPlan, texts: list[tuple[Section, str]]) -> Files:
    body = "\n".join(_headed(section, text) if section.title else _verse(document, text) for section, text in texts)
    heading = f"# {escape_markdown(document.title)}\n\n"
    markdown = f"{heading}{body}\n---\n\n*{escape_markdown(note(brief, document))}*\n"
    return [("index.html", page(brief, document, texts)), ("document.md", markdown)]


def _verse(document: DocumentPlan, text: str) -> str:
    """Return verse with its line breaks kept, which Markdown would join."""
    if not is_verse(document):
        return text
    return "\n".join(f"{line}  " if line else "" for line in text.rstrip().split("\n")) + "\n"


def _headed(section: Section, text: str) -> str:
    return f"## {escape_markdown(section.title)}\n\n{text}"


def _outline(brief: Brief, document: DocumentPlan, contract: dict[str, Any]) -> str:
    pt = brief.language == "pt"
    parts = _outlined(document, contract, pt)
    terms = _terms(document, contract)
    return render_plain("outline.md.jinja", brief, title=document.title, task=brief.task, sections=parts, terms=terms)


def _glossary(brief: Brief) -> Section:
    return Section("glossary", "Glossário" if brief.language == "pt" else "Glossary", "glossary")


def _glossary_text(brief: Brief, document: DocumentPlan, values: dict[str, Any]) -> str:
    return render_plain("glossary.md.jinja", brief, terms=_terms(document, values) or [document.subject])


def _terms(document: DocumentPlan, values: dict[str, Any]) -> list[str]:
    value = values.get("outline")
    terms = value.get("terms") if isinstance(value, dict) else None
    if isinstance(terms, list) and all(isinstance(term, str) for term in terms):
        return terms
    return list(dict.fromkeys([*document.items, *document.topics]))
