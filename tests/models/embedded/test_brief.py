"""Reading tasks: language, kind, things, fields, wishes, in both languages."""

from __future__ import annotations

import pytest

from matrioska.models.embedded.brief import read_brief
from matrioska.models.embedded.recipe import EntityField
from matrioska.models.embedded.understanding.nouns import plural, singular
from tests.models.embedded.simulation import BIBLIOTECA, LIBRARY, REACT

_APPLICATIONS = [
    (LIBRARY, "en", ["book", "member", "loan"]),
    (BIBLIOTECA, "pt", ["book", "member", "loan"]),
    (REACT, "en", ["user", "product"]),
    ("Build an app to manage recipes and ingredients", "en", ["recipe", "ingredient"]),
    ("Web app for a clinic with patients, doctors and appointments", "en", ["patient", "doctor", "appointment"]),
    ("A website to track books, members and loans", "en", ["book", "member", "loan"]),
    ("Web system for users with name, email and role", "en", ["user"]),
    ("a todo app with tasks (title, due date, priority)", "en", ["task"]),
    ("Crie um aplicativo para gerenciar alunos, professores e cursos", "pt", ["student", "teacher", "course"]),
    ("Faça um sistema para uma clínica veterinária com login", "pt", ["owner", "pet", "appointment"]),
    ("Crie um site para controlar plantas com nome, espécie e local", "pt", ["plant"]),
    ("Build a plant tracker", "en", ["plant"]),
    ("Create a school library app", "en", ["book", "member", "loan"]),
    ("Build a gym management app", "en", ["member", "plan", "workout", "payment"]),
    ("Create an online store", "en", ["product", "customer", "order"]),
    ("Desenvolva uma loja virtual", "pt", ["product", "customer", "order"]),
    ("Sistema web de controle de estoque com gráficos", "pt", ["item", "supplier", "movement"]),
    ("Make a web app to manage beehives and inspections", "en", ["beehive", "inspection"]),
    ("Build a web app to track my workouts and habits with charts", "en", ["workout", "habit"]),
    ("Create a system where projects have tasks and each task has title and deadline", "en", ["project", "task"]),
    ("Build an inventory app: items (name, sku), suppliers (name, phone), warehouses (name, city)", "en",
     ["item", "supplier", "warehouse"]),
    ("Criar aplicação web com usuários e produtos, login e painel administrativo", "pt", ["user", "product"]),
    ("Crie um app de tarefas com título, prazo e prioridade", "pt", ["task"]),
    ("Create a CRM", "en", ["contact", "company", "deal"]),
    ("Build a real estate portal", "en", ["property", "agent", "client", "visit"]),
    ("Crie um sistema para hotel", "pt", ["room", "guest", "booking"]),
    ("Web application for a restaurant", "en", ["dish", "table", "reservation", "order"]),
]  # fmt: skip


@pytest.mark.parametrize(("task", "language", "entities"), _APPLICATIONS, ids=[task[:40] for task, *_ in _APPLICATIONS])
def test_an_application_is_understood(task: str, language: str, entities: list[str]) -> None:
    brief = read_brief(task)
    assert brief.kind == "webapp"
    assert brief.language == language
    assert sorted(entity.name for entity in brief.entities) == sorted(entities)
    for entity in brief.entities:
        assert any(field.required for field in entity.fields)
        names = [field.name for field in entity.fields]
        assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("task", "kind", "language"),
    [
        ("Write a haiku about rain", "document", "en"),
        ("Escreva um relatório sobre energia solar", "document", "pt"),
        ("Explain how a library management system works", "document", "en"),
        ("Draft a business plan for a bakery", "document", "en"),
        ("Analyse the sales of a shop by region and forecast next month", "analysis", "en"),
        ("Analise os dados de vendas da loja", "analysis", "pt"),
        ("Data analysis of a CSV with temperatures per city", "analysis", "en"),
        ("Write a web app to manage books", "webapp", "en"),
        ("Build a book app", "webapp", "en"),
        ("Create a book about apps", "document", "en"),
        ("Criar um blog", "webapp", "pt"),
        ("hello", "document", "en"),
    ],
)
def test_the_kind_is_read_from_the_words(task: str, kind: str, language: str) -> None:
    brief = read_brief(task)
    assert (brief.kind, brief.language) == (kind, language)


def _fields(task: str, entity: str) -> dict[str, EntityField]:
    found = next(item for item in read_brief(task).entities if item.name == entity)
    return {field.name: field for field in found.fields}


def test_listed_fields_get_types_by_name() -> None:
    task = "App for tasks (title, due date, price, email, page count, is urgent, status, notes, priority (low/high))"
    types = {name: field.type for name, field in _fields(task, "task").items()}
    assert types == {
        "title": "text", "due_date": "date", "price": "money", "email": "email", "page_count": "number",
        "is_urgent": "boolean", "status": "choice", "notes": "longtext", "priority": "choice",
    }  # fmt: skip
    assert _fields(task, "task")["priority"].options == ("Low", "High")


def test_a_field_that_names_another_thing_refers_to_it() -> None:
    task = "App with wines (name, grape) and tastings (wine, date, notes)"
    wine = _fields(task, "tasting")["wine"]
    assert (wine.type, wine.target) == ("reference", "wine")


def test_known_things_refer_to_each_other_only_when_both_are_there() -> None:
    assert "member" in _fields(LIBRARY, "loan")
    assert all(field.target != "member" for field in _fields("App to manage books and loans", "loan").values())


def test_portuguese_words_reach_the_labels() -> None:
    brief = read_brief(BIBLIOTECA)
    assert [entity.plural for entity in brief.entities] == ["Livros", "Membros", "Empréstimos"]
    assert _fields(BIBLIOTECA, "loan")["status"].options == ("Emprestado", "Devolvido", "Atrasado")


def test_an_explicit_language_wins() -> None:
    assert read_brief(LIBRARY, "pt").entities[0].plural == "Livros"
    assert read_brief(BIBLIOTECA, "en-US").entities[0].plural == "Books"


@pytest.mark.parametrize(
    ("task", "feature", "present"),
    [
        ("Library app", "login", True),
        ("Library app without login", "login", False),
        ("Sistema de biblioteca sem login", "login", False),
        ("Library app, no dashboard please", "dashboard", False),
        (REACT, "jwt", True),
        (REACT, "admin", True),
        ("Library app", "jwt", False),
    ],
)
def test_features_are_wished_for_and_refused(task: str, feature: str, present: bool) -> None:
    assert (feature in read_brief(task).features) is present


def test_what_cannot_be_done_is_said_in_the_tasks_words() -> None:
    unsupported = " ".join(read_brief(REACT).unsupported)
    assert "React" in unsupported and "JWT" in unsupported
    assert "Stripe" in " ".join(read_brief("Online store with Stripe").unsupported)
    assert read_brief(LIBRARY).unsupported == ()
    assert "servidor" in " ".join(read_brief("Crie um sistema de biblioteca com backend em Node.js").unsupported)


@pytest.mark.parametrize(
    ("task", "title"),
    [
        (LIBRARY, "Library management system"),
        (REACT, "Users and products"),
        (BIBLIOTECA, "Sistema de gerenciamento de biblioteca"),
        ('Create a CRM called "Pipeline Pro"', "Pipeline Pro"),
        ("Crie um sistema de tarefas chamado Foco", "Foco"),
        ("Build a gym management app without login", "Gym management app"),
    ],
)
def test_titles(task: str, title: str) -> None:
    assert read_brief(task).title == title


@pytest.mark.parametrize(
    ("task", "accent"),
    [
        ("Library app with accent #B00020", "#b00020"),
        ("Library app with a green theme", "#16794c"),
        ("Sistema de biblioteca com cor azul", "#2457d6"),
        ("Green energy catalogue app", ""),
    ],
)
def test_colours(task: str, accent: str) -> None:
    assert read_brief(task).accent == accent


def _changed(change: str, task: str = LIBRARY) -> dict[str, list[str]]:
    mark = "Mudança pedida:" if task == BIBLIOTECA else "Change asked for:"
    brief = read_brief(f"{task}\n\n{mark} {change}")
    return {entity.name: [field.name for field in entity.fields] for entity in brief.entities}


def test_feedback_adds_and_removes() -> None:
    assert "shelf" in _changed("add a field shelf to books")["book"]
    assert {"shelf", "language"} <= set(_changed("Books should also have shelf and language")["book"])
    assert "telefone_comercial" in _changed("adicione o campo telefone comercial aos membros", BIBLIOTECA)["member"]
    assert "isbn" not in _changed("remove the field ISBN from books")["book"]
    assert list(_changed("add suppliers with name and phone")) == ["book", "member", "loan", "supplier"]
    assert _changed("add suppliers with name and phone")["supplier"] == ["name", "phone"]


def test_removing_a_thing_removes_what_refers_to_it() -> None:
    left = _changed("remove members")
    assert list(left) == ["book", "loan"]
    assert "member" not in left["loan"]


def test_feedback_that_makes_no_sense_changes_nothing() -> None:
    assert _changed("hmm, nice but colder, like my grandmother's kitchen") == _changed("")


def test_feedback_changes_title_and_features() -> None:
    brief = read_brief(f'{LIBRARY}\n\nChange asked for: remove login and call it "BookHub", with a red theme')
    assert brief.title == "BookHub"
    assert "login" not in brief.features
    assert brief.accent == "#c62839"


@pytest.mark.parametrize(
    "text", ["", " ", "(((", "a" * 20_000, "books (" * 500, "com " * 3_000, "\u200b\u0000", "🙂" * 50, "- x: " * 400]
)
def test_any_text_is_read_without_harm(text: str) -> None:
    assert read_brief(text).title


@pytest.mark.parametrize(
    ("language", "one", "many"),
    [
        ("en", "category", "categories"), ("en", "person", "people"), ("en", "box", "boxes"),
        ("en", "shelf", "shelves"), ("en", "class", "classes"),
        ("en", "house", "houses"), ("en", "job offer", "job offers"),
        ("pt", "empréstimo", "empréstimos"), ("pt", "animal", "animais"), ("pt", "transação", "transações"),
        ("pt", "professor", "professores"), ("pt", "imóvel", "imóveis"), ("pt", "item", "itens"), ("pt", "pão", "pães"),
        ("pt", "pedido de compra", "pedidos de compra"), ("pt", "viagem", "viagens"), ("pt", "mês", "meses"),
    ],
)  # fmt: skip
def test_plurals_both_ways(language: str, one: str, many: str) -> None:
    assert plural(one, language) == many
    assert singular(many, language) == one
