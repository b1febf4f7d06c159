"""The command line in the reader's language: chosen by an option or the environment, never for programs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from matrioska.cli.app import app
from matrioska.cli.reference import reference
from matrioska.i18n import spoken
from tests.matrioska.cli.conftest import environment


@pytest.mark.parametrize("name", ["pt", "pt_BR", "pt-BR", "pt_BR.UTF-8", "PT"])
def test_the_option_chooses_the_language_of_one_command(cli, name: str) -> None:
    assert "Não há aqui uma execução" in cli("--lang", name, "show", "none").err
    assert "Não há aqui uma execução" in cli(f"--lang={name}", "show", "none").err
    assert "There is no run" in cli("show", "none").err
    assert spoken() == "en"


@pytest.mark.parametrize("variable", ["MATRIOSKA_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"])
def test_the_environment_chooses_the_language(cli, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "pt_BR.UTF-8")
    assert "Não há aqui uma execução" in cli("show", "none").err
    assert "There is no run" in cli("--lang", "en", "show", "none").err


@pytest.mark.parametrize("language", ["C", "POSIX", "C.UTF-8", "en_GB.UTF-8", "de_DE.UTF-8", ""])
def test_a_system_in_another_language_speaks_english(cli, monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    monkeypatch.setenv("LC_ALL", language)
    assert "There is no run" in cli("show", "none").err


@pytest.mark.parametrize(
    "arguments", [("--lang", "xx", "threads"), ("--lang=", "threads"), ("--lang", "../pt_BR", "threads")]
)
def test_a_language_that_nobody_speaks_is_wrong_use(cli, arguments: tuple[str, ...]) -> None:
    ended = cli(*arguments)
    assert ended.code == 2
    assert "does not speak" in ended.err
    assert "en, pt_BR" in ended.err


def test_a_lang_behind_the_command_is_the_deliverables(cli) -> None:
    ended = cli("run", "x" * 3, "--lang", "pt", "--slots", "0")
    assert (ended.code, "Invalid value" in ended.err) == (2, True)


def test_every_help_is_in_the_language(cli) -> None:
    shown = cli("--lang", "pt", "--help").out
    assert shown.startswith("Uso: matrioska [OPTIONS] COMMAND [ARGS]...")
    assert "\nOpções:\n" in shown
    assert "\nComandos:\n" in shown
    assert "Mostra esta mensagem e sai." in shown
    assert "Códigos de saída: 0 completa" in shown
    for command in app.registered_commands:
        name = command.name or command.callback.__name__
        own, english = cli("--lang", "pt", name, "--help").out, cli(name, "--help").out
        assert own.startswith(f"Uso: matrioska {name}")
        assert "Mostra esta mensagem e sai." in own
        both = set(own.splitlines()) & set(english.splitlines())
        # Lines of figures and names may be alike, those with a sentence not.
        assert not [line for line in both if len(line.split()) > 5]


def test_what_the_parser_adds_to_an_option_is_in_the_language(cli) -> None:
    shown = cli("--lang", "pt", "show", "--help").out
    assert "[obrigatório]" in shown
    assert "\nArgumentos:\n" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show",), "Falta o argumento 'THREAD'."),
        (("shw",), "Não há o comando 'shw'. Você quis dizer 'show'?"),
        (("show", "--jsn"), "Não há a opção: --jsn (opções possíveis: --json)"),
        (("show", "a", "b", "c"), "Argumentos a mais (c)"),
        (("run", "x", "--slots", "0"), "O valor deve ser maior ou igual a 1"),
        (("run", "x", "--slots", "many"), "Valor inválido para '--slots': "),
        (("run", "x", "--slots"), "A opção '--slots' precisa de um argumento."),
        (("show", "--json=1", "a"), "A opção '--json' não aceita valor."),
    ],
)
def test_mistakes_in_the_arguments_are_told_in_the_language(cli, arguments: tuple[str, ...], said: str) -> None:
    ended = cli("--lang", "pt", *arguments)
    assert ended.code == 2
    assert said in " ".join(ended.err.split())
    assert "Veja `matrioska" in ended.err


def test_what_programs_read_is_english(cli) -> None:
    ended = cli("--lang", "pt", "show", "none", "--json")
    assert ended.json["error"]["message"] == "There is no run with the thread id 'none' here."
    assert ended.json["error"]["next_step"].startswith("List the runs")
    assert "Não há aqui uma execução" in ended.err


def test_the_reference_is_english_whatever_is_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    english = reference()
    written = subprocess.run(
        [sys.executable, "-m", "matrioska.cli.reference"],
        env=environment(MATRIOSKA_LANG="pt_BR"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert written.stdout == english


def test_a_fault_of_ours_is_told_in_the_language(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> int:
        raise KeyError("x")

    monkeypatch.setattr("matrioska.cli.look.list_threads", broken)
    ended = cli("--lang", "pt", "threads")
    assert "Um defeito no Matrioska: KeyError: 'x'" in ended.err
    assert "Relate esta linha" in ended.err


def test_a_run_speaks_the_language_and_saves_english(cli) -> None:
    ended = cli("--lang", "pt", "run", "Create a plan with a cycle", "--yes", "--thread", "doll", "--model", "embedded")
    assert ended.code == 0
    shown = cli("--lang", "pt", "run", "Again", "--thread", "doll", "--yes")
    assert shown.code == 2
    assert "Já existe uma execução 'doll'." in shown.err
    assert cli("show", "doll", "--json").json["status"] == "complete"
    assert "There is a run 'doll' already." in cli("run", "Again", "--thread", "doll", "--yes").err
