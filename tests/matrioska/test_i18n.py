from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from matrioska import i18n
from matrioska.state.errors import PlanError, TopologyError
from matrioska.templates import MOST_CHARACTERS, template


def _catalogue(folder: Path, language: str, texts: dict[str | tuple[str, str], str | tuple[str, str]]) -> None:
    catalogue = Catalog(locale=language, fuzzy=False)
    for text, translated in texts.items():
        catalogue.add(text, translated)
    place = folder / language / "LC_MESSAGES" / "matrioska.mo"
    place.parent.mkdir(parents=True)
    with place.open("wb") as file:
        write_mo(file, catalogue)


@pytest.fixture
def portuguese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts: dict[str | tuple[str, str], str | tuple[str, str]] = {
        "Threads": "Conversas",
        "1,234.5": "1.234,5",
        ("{n} file", "{n} files"): ("{n} arquivo", "{n} arquivos"),
    }
    _catalogue(tmp_path, "pt_BR", texts)
    monkeypatch.setattr(i18n, "LOCALES", tmp_path)


def test_without_a_choice_texts_are_as_they_were_written() -> None:
    assert i18n._("Threads") == "Threads"
    assert i18n.counted("{n} file", "{n} files", 1) == "1 file"
    assert i18n.counted("{n} file", "{n} files", 1_234) == "1,234 files"
    assert i18n.told("The file a.txt is empty.") == "The file a.txt is empty."


async def test_a_task_speaks_its_own_language(portuguese: None) -> None:
    async def said(*languages: str) -> tuple[str, str, str]:
        i18n.speak(*languages)
        await asyncio.sleep(0)
        return i18n._("Threads"), i18n._("Not in it"), i18n.counted("{n} file", "{n} files", 2_000)

    found = await asyncio.gather(said("pt_BR"), said("en", "pt_BR"), said("xx", "pt-br"))

    assert found == [
        ("Conversas", "Not in it", "2.000 arquivos"),
        ("Threads", "Not in it", "2,000 files"),
        ("Conversas", "Not in it", "2.000 arquivos"),
    ]
    assert i18n._("Threads") == "Threads"


def test_a_language_of_the_process_holds_in_its_threads_until_it_ends(portuguese: None) -> None:
    with i18n.speaking_everywhere("pt"), ThreadPoolExecutor(1) as threads:
        assert threads.submit(i18n._, "Threads").result() == "Conversas"
        assert i18n.spoken() == "pt_BR"
    assert (i18n._("Threads"), i18n.spoken()) == ("Threads", "en")


@pytest.mark.parametrize("name", ["pt", "pt_BR", "pt-BR", "pt_BR.UTF-8", "PT", "pt_PT@euro"])
def test_a_language_has_many_names(name: str) -> None:
    assert i18n.known(name) == "pt_BR"


@pytest.mark.parametrize("name", ["C", "POSIX", "C.UTF-8", "en", "en_GB.UTF-8", "EN-us"])
def test_english_has_many_names(name: str) -> None:
    assert i18n.known(name) == "en"


@pytest.mark.parametrize("name", ["", "xx", "../pt_BR", "ptolemaic"])
def test_a_language_that_nobody_speaks_has_none(name: str) -> None:
    assert i18n.known(name) is None


@pytest.mark.parametrize(
    ("environment", "wished"),
    [
        ({}, []),
        ({"LANG": "pt_BR.UTF-8"}, ["pt_BR.UTF-8"]),
        ({"LANG": "pt_BR", "LC_MESSAGES": "C"}, ["C"]),
        ({"LC_MESSAGES": "C", "LC_ALL": "pt"}, ["pt"]),
        ({"LC_ALL": "C", "LANGUAGE": "fr:pt:en"}, ["fr", "pt", "en"]),
        ({"LANGUAGE": "fr", "MATRIOSKA_LANG": "pt"}, ["pt"]),
        ({"MATRIOSKA_LANG": "", "LANG": "pt"}, ["pt"]),
    ],
)
def test_the_environment_says_a_language(environment: dict[str, str], wished: list[str]) -> None:
    assert i18n.wished(environment) == wished


def _told(text: str) -> str:
    """Return what a reader of Portuguese is told, from the catalogue that is shipped."""
    with i18n.speaking_everywhere("pt_BR"):
        return i18n.told(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("There is no question.", "Não há pergunta."),
        ("The file app/index.html is empty.", "O arquivo app/index.html está vazio."),
        # A value may hold the words of the template.
        ("The file a is empty is empty.", "O arquivo a is empty está vazio."),
        ("The task is empty.", "Está vazio: tarefa."),
        # Two sentences, each with a template of its own.
        (
            "The path 'a\\b' is refused: it holds a backslash. Resume the run.",
            "O caminho 'a\\b' é recusado: contém uma barra invertida. Continue a execução.",
        ),
        ("The file a has 1,048,577 bytes, more than 1,048,576.", "O arquivo a tem 1.048.577 bytes, mais de 1.048.576."),
        # What is not ours stays.
        ("Ein Satz, den hier niemand kennt.", "Ein Satz, den hier niemand kennt."),
        ("Ein Satz. There is no question.", "Ein Satz. Não há pergunta."),
    ],
)
def test_texts_are_told_in_the_language_spoken(text: str, told: str) -> None:
    assert _told(text) == told


def test_every_fault_of_an_error_is_told() -> None:
    error = TopologyError("[ensemble] of a.toml", ["it has no nodes", "nodes.a: it has no id"])
    assert _told(error.message) == (
        "topologia, em [ensemble] de a.toml, tem 2 falhas: não tem nós; nodes.a: não tem id."
    )
    plan = PlanError(["module 'a' depends on 'b', which is not in the plan (did you mean 'c'?)", "must be text"])
    assert _told(plan.message) == (
        "O plano não pode ser executado: o módulo 'a' depende de 'b', que não está no plano (você quis dizer 'c'?); "
        "tem de ser texto."
    )


def test_values_stay_as_they_are_whatever_they_hold() -> None:
    value = "{path} {0} %s \x1b[31m {{x}}"
    assert _told(f"The file {value} is empty.") == f"O arquivo {value} está vazio."


def test_a_text_made_to_be_slow_is_told_as_soon_as_any() -> None:
    # For a pattern that backtracks these would take for ever, and the test with them.
    for part in ("The file ", ", more than ", "a; ", ": ", "is empty. "):
        text = "The file " + part * (MOST_CHARACTERS // len(part) - 2)
        assert isinstance(_told(text), str)
    assert _told("The file " + "a" * MOST_CHARACTERS + " is empty.").startswith("The file")


@pytest.mark.parametrize(
    ("text", "literals", "names"),
    [
        ("{a} of {b}", ("", " of ", ""), ("a", "b")),
        ("{{x}}: {a}", ("{x}: ", ""), ("a",)),
    ],
)
def test_a_template_is_its_literals_and_names(text: str, literals: tuple[str, ...], names: tuple[str, ...]) -> None:
    found = template(text)
    assert found is not None
    assert (found.literals, found.names) == (literals, names)


@pytest.mark.parametrize("text", ["no value", '{"findings": []}', "with one {} in it", "{"])
def test_a_text_without_names_is_no_template(text: str) -> None:
    assert template(text) is None


def test_a_value_that_stands_twice_must_be_the_same_twice() -> None:
    found = template("<{name}> is never closed by </{name}>")
    assert found is not None
    assert found.values("<p> is never closed by </p>") == {"name": "p"}
    assert found.values("<p> is never closed by </b>") is None
