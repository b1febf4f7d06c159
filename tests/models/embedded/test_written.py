"""The document recipe: forms read from the task, sections true to it, editions, and no invented facts."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytest
from markdown_it import MarkdownIt

from matrioska.models.embedded.recipe import Brief
from matrioska.models.embedded.written.reading import read_document_plan
from matrioska.models.embedded.written.recipe import DocumentRecipe
from matrioska.models.embedded.written.sections import length, phases
from matrioska.state.architecture import Architecture
from matrioska.state.ids import MODULE_ID
from tests.browser import chromium, open_page

Language = Literal["en", "pt"]

RECIPE = DocumentRecipe()
PLAN = "Write a plan to open a bakery in 3 months, including permits, oven purchase and hiring"
PLAN_PT = "Elabore um plano para abrir uma padaria em 3 meses, incluindo licenças, compra do forno e contratação"
SPEC = (
    "Write a requirements specification for a library. Readers can search books, reserve a copy and pay fines. "
    "Librarians can register books."
)
COMPARISON = "Compare PostgreSQL and MySQL for a small startup"
GUIDE_PT = "Escreva um guia sobre compostagem: escolher o recipiente, separar resíduos, colher o adubo"
ARTICLE = "Explain tides"
TASKS: list[tuple[str, Language]] = [
    (PLAN, "en"), (PLAN_PT, "pt"), (SPEC, "en"), (COMPARISON, "en"), (GUIDE_PT, "pt"), (ARTICLE, "en"),
    ("Compare Go, Rust e Zig para um serviço", "pt"), ("Escreva um artigo sobre energia solar", "pt"),
    ("Escreva a especificação de uma agenda", "pt"), ("Write a guide to knitting", "en"),
]  # fmt: skip


def brief(task: str, language: Language = "en", title: str = "Title", **more: Any) -> Brief:
    return Brief(task=task, language=language, kind="document", title=title, **more)


def build(task: Brief, *, without: tuple[str, ...] = (), edit: dict[str, Any] | None = None) -> dict[str, str]:
    """Return every file of a run by its path, built module by module."""
    values: dict[str, Any] = {}
    written: dict[str, str] = {}
    for spec in Architecture.model_validate(RECIPE.plan(task)).modules:
        if spec.id in without:
            continue
        read = {key: values[key] for key in spec.shared_state_reads if key in values}
        contract = RECIPE.contract(task, spec.id, spec.shared_state_writes, read)
        assert list(contract) == spec.shared_state_writes
        contract |= {key: value for key, value in (edit or {}).items() if key in contract}
        values |= contract
        files = RECIPE.files(task, spec.id, contract, read)
        written |= {f"{spec.id}/{path}": text for path, text in files}
        for key in spec.shared_state_writes:
            assert set(values[key].get("files", [])) <= set(written)
    return written


def section(markdown: str, title: str) -> str:
    """Return the part of a document below a heading."""
    return re.split(r"^## ", markdown.split(f"## {title}\n", 1)[1], flags=re.MULTILINE)[0]


def table(markdown: str) -> list[list[str]]:
    """Return the cells of the first table."""
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows if "---" not in row]


@pytest.mark.parametrize(("task", "language"), TASKS)
def test_plans_hold_and_their_sections_run_side_by_side(task: str, language: Language) -> None:
    plan = Architecture.model_validate(RECIPE.plan(brief(task, language)))
    assert task in plan.goal
    ids = [spec.id for spec in plan.modules]
    assert len(set(ids)) == len(ids)
    assert all(MODULE_ID.match(name) for name in ids)
    sections = plan.modules[1:-1]
    assert len(sections) >= 5
    assert all(spec.dependencies == ["outline"] and spec.shared_state_reads == ["outline"] for spec in sections)
    edition = plan.modules[-1]
    assert edition.dependencies == ids[:-1]
    assert edition.shared_state_reads == [key for spec in plan.modules[:-1] for key in spec.shared_state_writes]


@pytest.mark.parametrize(("task", "language"), TASKS)
def test_the_edition_holds_every_section_and_says_who_wrote_it(task: str, language: Language) -> None:
    written = build(brief(task, language))
    document, page = written["edition/document.md"], written["edition/index.html"]
    for path, text in written.items():
        if not path.startswith(("outline/", "edition/")):
            assert text in document
            heading = text.splitlines()[0].removeprefix("## ")
            assert f"<h2>{heading}</h2>" in page
    said = "embedded model" if language == "en" else "modelo embutido"
    assert said in document.splitlines()[-1]
    assert said in page
    assert f'<html lang="{language}">' in page
    assert not re.search(r"""(?:src|href)=["'](?!#)""", page)
    assert "\n\n\n" not in document
    assert "{{" not in document


@pytest.mark.parametrize(
    ("task", "form", "topics"),
    [
        (PLAN, "plan", ["permits", "oven purchase", "hiring"]),
        (PLAN_PT, "plan", ["licenças", "compra do forno", "contratação"]),
        (SPEC, "specification", ["search books", "reserve a copy", "pay fines", "register books"]),
        ("Write a report with:\n- costs\n- benefits\n", "article", ["costs", "benefits"]),
        (f"{ARTICLE}\nChange asked for: add a section on the moon", "article", ["moon"]),
        (GUIDE_PT, "guide", ["escolher o recipiente", "separar resíduos", "colher o adubo"]),
        ("Is coffee healthy?", "article", []),
        ("Tell me what you would compare", "article", []),
    ],
)
def test_form_and_topics_come_from_the_task(task: str, form: str, topics: list[str]) -> None:
    plan = read_document_plan(brief(task))
    assert (plan.form, list(plan.topics)) == (form, topics)


@pytest.mark.parametrize(
    ("task", "items", "context", "criteria"),
    [
        (COMPARISON, ["PostgreSQL", "MySQL"], "for a small startup", []),
        ("React vs Vue", ["React", "Vue"], "", []),
        ("Compare trains, buses and bikes in terms of cost, speed and noise", ["trains", "buses", "bikes"], "",
         ["cost", "speed", "noise"]),
        ("Comparação entre vinho e cerveja para uma festa", ["vinho", "cerveja"], "para uma festa", []),
    ],
)  # fmt: skip
def test_what_is_compared_comes_from_the_task(task: str, items: list[str], context: str, criteria: list[str]) -> None:
    plan = read_document_plan(brief(task))
    assert plan.form == "comparison"
    assert (list(plan.items), plan.context, list(plan.criteria)) == (items, context, criteria)


def test_a_comparison_leaves_every_score_to_be_judged() -> None:
    document = build(brief(COMPARISON))["edition/document.md"]
    matrix = table(section(document, "Decision matrix"))
    assert matrix[0] == ["criterion", "weight", "PostgreSQL", "MySQL"]
    assert sum(int(row[1].removesuffix(" %")) for row in matrix[1:-1]) == 100
    assert all(row[2:] == ["", ""] for row in matrix[1:])
    for item in ("PostgreSQL", "MySQL"):
        sheet = table(section(document, item))
        assert [row[0] for row in sheet[1:]] == [row[0] for row in matrix[1:-1]]
        assert all(row[1:] == ["", "", ""] for row in sheet[1:])


def test_requirements_are_numbered_and_traced_to_their_sentence() -> None:
    document = build(brief(SPEC))["edition/document.md"]
    rows = table(section(document, "Traceability and acceptance"))[1:]
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("FR-01 search books", "Q2", "AT-01"),
        ("FR-02 reserve a copy", "Q2", "AT-02"),
        ("FR-03 pay fines", "Q2", "AT-03"),
        ("FR-04 register books", "Q3", "AT-04"),
    ]
    assert "- **Q3** Librarians can register books." in section(document, "Purpose and scope")
    assert "| librarians | *to be asked* |" in section(document, "Users and roles")


def test_an_article_whose_parts_are_not_named_asks_other_questions_in_each() -> None:
    document = build(brief("Write an article about tides"))["edition/document.md"]
    parts = [
        section(document, title) for title in ("Background", "The situation today", "Effects", "Points of dispute")
    ]
    asked = [line for part in parts for line in re.findall(r"^\d\. (.+)$", part, re.MULTILINE)]
    assert len(set(asked)) == len(asked) == 12
    assert all("About **tides**" in part for part in parts)


@pytest.mark.parametrize(
    ("given", "title"), [("Especificação de uma agenda em", "Especificação de uma agenda"), ("On", "On")]
)
def test_titles_cut_out_of_a_sentence_lose_their_loose_end(given: str, title: str) -> None:
    assert read_document_plan(brief(ARTICLE, title=given)).title == title


def test_a_task_that_names_no_functions_is_told_so() -> None:
    document = build(brief("Write a specification for a payment gateway"))["edition/document.md"]
    requirements = section(document, "Functional requirements")
    assert "names no functions" in requirements
    assert "make each specific to “a payment gateway”" in requirements
    assert len(re.findall(r"^### FR-\d\d ", requirements, re.MULTILINE)) == 5
    assert "names no functions" not in build(brief(SPEC))["edition/document.md"]


@pytest.mark.parametrize(
    ("task", "expected"),
    [(PLAN, 13), ("Plan a party in 10 days", 10), ("Plan a party in 2 days", 5), ("Plan a year", 12)],
)
def test_phases_fill_the_time_without_gaps(task: str, expected: int) -> None:
    plan = read_document_plan(brief(task))
    found = phases(plan, portuguese=False)
    assert length(plan) == expected == found[-1].last
    assert found[0].first == 1
    assert all(one.last + 1 == two.first for one, two in pairwise(found))
    assert all(one.first <= one.last for one in found)


@pytest.mark.parametrize(
    ("task", "language", "words"),
    [
        ("Write a haiku about rain", "en", "Rain, and nothing else,"),
        ("Escreva um haicai sobre o mar", "pt", "O mar, só isso,"),
        ("A short poem about my cat", "en", "I meant to write of my cat,"),
        ("Write one email about the late delivery", "en", "Subject: The late delivery"),
    ],
)
def test_small_pieces_are_one_module(task: str, language: Language, words: str) -> None:
    given = brief(task, language)
    assert Architecture.model_validate(RECIPE.plan(given)).is_direct
    written = build(given)
    assert sorted(written) == ["text/document.md", "text/index.html"]
    assert words in written["text/document.md"]
    assert words in written["text/index.html"]
    assert "<nav" not in written["text/index.html"]


def test_what_the_person_edits_in_the_outline_is_followed() -> None:
    outline = {
        "sections": [{"id": "risks", "title": "Dangers"}, {"id": "overview"}, {"id": "invented"}, "?"],
        "terms": ["oven"],
    }
    written = build(brief(PLAN), edit={"outline": outline}, without=("resources",))
    document = written["edition/document.md"]
    titles = re.findall(r"^## (.+)$", document, re.MULTILINE)
    assert titles[:2] == ["Dangers", "Goal and scope"]
    assert "People and budget" not in titles
    assert written["risks/risks.md"].startswith("## Dangers\n")
    assert [row[0] for row in table(section(document, "Glossary"))[1:]] == ["oven"]


def test_a_note_on_a_module_enters_its_section() -> None:
    given = brief(PLAN, notes=("Mention *the* strike",))
    values: dict[str, Any] = {"outline": {}}
    [(_, text)] = RECIPE.files(given, "risks", {}, values)
    assert text.endswith("Asked for in particular for this part:\n\n- Mention \\*the\\* strike\n")


def test_a_direct_run_writes_both_editions() -> None:
    written = dict(RECIPE.whole(brief(PLAN)))
    assert sorted(written) == ["document.md", "index.html"]
    built = build(brief(PLAN))
    assert written["document.md"] == built["edition/document.md"]


def test_hostile_text_stays_text() -> None:
    task = 'Compare <script>alert(1)</script> and [x](javascript:alert(1)) | "b" for {{ 7*7 }} <img src=x onerror=1>'
    written = build(brief(task, title="<script>alert(2)</script>"))
    page = written["edition/index.html"]
    assert page.count("<script>") == 1  # the decision table's own
    assert "<img" not in page
    assert 'href="javascript' not in page
    assert "{{ 7*7 }}" in page
    shown = MarkdownIt("commonmark").render(written["edition/document.md"])
    assert "<script" not in shown
    assert "<a " not in shown


def test_unknown_modules_and_keys_are_refused() -> None:
    for task in (PLAN, "Write a haiku about rain"):
        with pytest.raises(KeyError):
            RECIPE.files(brief(task), "somebody-elses", {}, {})
        with pytest.raises(KeyError):
            RECIPE.contract(brief(task), "outline", ["nothing"], {})


def test_the_decision_table_adds_up_only_when_every_score_is_judged(tmp_path: Path) -> None:
    file = tmp_path / "index.html"
    file.write_text(build(brief(COMPARISON))["edition/index.html"], encoding="utf-8")
    faults: list[str] = []
    with chromium() as browser:
        page = open_page(browser, file.as_uri(), faults)
        totals = page.locator("#decision-table output")
        rows = page.locator("#decision-table tbody tr").all()
        for row in rows[:-1]:
            row.locator(".score").nth(0).fill("4")
        assert totals.all_inner_texts() == ["–", "–"]
        rows[-1].locator(".score").nth(0).fill("1")
        # The last weight is 16 of 100: 4 * 0.84 + 1 * 0.16.
        assert totals.all_inner_texts() == ["3.52", "–"]
        rows[-1].locator(".weight").fill("0")
        assert totals.all_inner_texts() == ["4.00", "–"]
    assert not faults
