"""Runs, journals, plugins and settings in Portuguese; figures too; and what programs read stays English."""

from __future__ import annotations

import io
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from matrioska.cli.editor import plan_text
from matrioska.cli.init import SETTINGS_TEXT
from matrioska.cli.journal_view import speakers_table
from matrioska.cli.minds import MindsProgress, minds_line
from matrioska.cli.plan_view import show_repair
from matrioska.cli.questions import QUESTIONS, VIEW
from matrioska.cli.report import faults, next_commands, show_faults, summary_lines
from matrioska.cli.serve import _say_what
from matrioska.cli.text import command, duration, listed, padded, size, state_word
from matrioska.cli.ui import Ui
from matrioska.i18n import _, speaking_everywhere
from matrioska.reports import RunReport
from matrioska.store.journal.reader import PartyMetrics
from tests.portuguese import english, left_in_english, speaking
from tests.support import Author, chain

MODULES = ("init", "journal", "journal_follow", "journal_view", "look", "minds", "plan_view", "plugins", "questions")
MODULES += ("report", "resume", "run", "serve", "signals", "text")
TASK = "Compare SQLite and PostgreSQL for a small shop"


def assert_portuguese(*screens: str, says: tuple[str, ...]) -> None:
    """Check that screens hold no English text of these commands, and that they say some Portuguese ones."""
    assert left_in_english(MODULES, screens) == []
    shown = " ".join(" ".join(screens).split())
    assert [text for text in says if text not in shown] == []


@pytest.fixture
def portuguese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATRIOSKA_LANG", "pt_BR")


def test_the_texts_of_these_commands_are_found() -> None:
    assert {"Nothing was removed.", "not yet asked", "stopped, and saved"} <= set(english(MODULES))
    assert len(english(MODULES)) > 80


def test_a_run_and_all_ways_of_looking_at_it(cli, portuguese: None) -> None:
    ended = cli("run", "--yes", "--thread", "one", TASK)
    assert ended.code == 0
    assert_portuguese(
        ended.out, ended.err, says=("modelo embedded", "concluída", "módulos", "prontos", "pasta", "Abra:")
    )
    assert "Este é o modelo embutido" in ended.err
    shown = cli("show", "one")
    assert_portuguese(shown.out, shown.err, says=("última mudança em", "ordem", "quadro"))
    module = cli("show", "one", "--json").json["modules"]
    looked = cli("show", "one", next(iter(module)))
    assert_portuguese(looked.out, looked.err, says=("pronto", "chamada"))
    assert_portuguese(cli("threads").out, says=("estado", "mudou em", "concluída"))
    history = cli("history", "one")
    assert_portuguese(history.out, says=("passo", "próximo", "fim"))
    at = history.out.splitlines()[2].split()[0]
    forked = cli("fork", "one", "--at", at, "--thread", "two")
    assert_portuguese(forked.out, forked.err, says=("A bifurcação é two; one fica como está.", "Continue com ela:"))


def test_a_plan_that_waits(cli, portuguese: None) -> None:
    waiting = cli("run", "--thread", "one", TASK, author=Author(chain(3)))
    assert waiting.code == 3
    says = ("O plano espera a sua aprovação. Está tudo salvo.", "# construir", "módulo", "escreve ✍")
    assert_portuguese(waiting.err, says=says)
    shown = cli("show", "one")
    assert_portuguese(shown.out, shown.err, says=("aguardando", "Ela espera por você. Continue com um destes:"))
    for told in (cli("show", "one", "--json"), cli("resume", "one", "--json", author=Author(chain(3)))):
        assert told.json["status"] == "waiting"
        assert told.json["go_on"][0].endswith("# build it")


def test_the_journal(cli, portuguese: None) -> None:
    empty = cli("journal")
    assert_portuguese(empty.err, says=("ainda não guarda nenhuma conversa",))
    cli("run", "--yes", "--thread", "one", "--model", "ollama:m", TASK, author=Author(chain(3)))
    assert_portuguese(cli("journal").out, says=("conversa", "estado", "mensagens"))
    read = cli("journal", "one", "--limit", "2")
    assert_portuguese(read.out, read.err, says=("mensagem", "chamadas", "--limit 0 mostra todas"))
    assert_portuguese(cli("journal", "one", "--metrics").out, says=("quem fala", "tokens de saída"))
    assert_portuguese(cli("journal", "one", "--type", "control", "--mind", "nobody").err, says=("Nenhuma mensagem",))
    dry = cli("journal", "prune", "--keep", "0", "--dry-run")
    assert_portuguese(dry.out, says=("Seriam removidas: 1 conversa de 1.",))
    removed = cli("journal", "prune", "--keep", "0", "--yes")
    assert_portuguese(removed.out, says=("Removidas: 1 conversa; mantidas: 0.",))


def test_plugins_and_no_runs_yet(cli, portuguese: None) -> None:
    plugins = cli("plugins")
    assert_portuguese(plugins.out, plugins.err, says=("de fábrica", "executores", "verificações"))
    assert_portuguese(cli("threads").err, says=("Ainda não há execuções abaixo de",))
    assert set(cli("plugins", "--json").json["built_in"]) >= {"workers", "checks"}


def test_the_settings_say_the_same_in_both_languages(cli, tmp_path: Path, portuguese: None) -> None:
    ended = cli("init")
    assert_portuguese(ended.out, ended.err, says=("Todas as configurações estão nele",))
    written = (tmp_path / "matrioska.toml").read_text(encoding="utf-8")
    assert "# Configurações do Matrioska." in written
    assert tomllib.loads(written) == tomllib.loads(SETTINGS_TEXT) == {}
    assert tomllib.loads(_uncommented(written)) == tomllib.loads(_uncommented(SETTINGS_TEXT))
    assert max(map(len, written.splitlines())) <= 120


def _uncommented(text: str) -> str:
    return re.sub(r"^# (?=\w+ = |\[+\w)", "", text, flags=re.MULTILINE)


def test_figures_are_written_as_the_language_has_them() -> None:
    with speaking():
        assert (duration(0.44), size(3_440_000)) == ("0,4 s", "3,4 MB")
        assert listed(["a", "b", "c"], 2) == "a, b e mais 1"
        usage = {"calls": 1_200, "input_tokens": 30_000, "output_tokens": 1, "cost": 0.5}
        rows = summary_lines(RunReport("one", "complete", {"usage": usage}), 0.0)
    assert rows[-1][2] == "30.001 tokens em 1.200 chamadas, US$ 0,5000"


def test_labels_are_as_wide_as_the_widest_in_every_language() -> None:
    labels = ("modules", "whiteboard", "folder")
    assert [padded(label, labels) for label in labels] == ["modules    ", "whiteboard ", "folder     "]
    with speaking():
        shown = [padded(label, labels, 2) for label in labels]
    assert shown[0].startswith("módulos ")
    assert {cell_len(label) for label in shown} == {len("módulos") + 2}


def test_states_that_are_not_ours_stand_for_themselves() -> None:
    with speaking():
        assert (state_word("failed"), state_word("odd\x1b[2J")) == ("falhou", "odd[2J")


def test_what_went_wrong() -> None:
    results = {"a": {"status": "failed", "error": None}, "b": {"status": "blocked"}}
    report = RunReport("one", "partial", {"results": results, "findings": [{"message": "broken"}]})
    with speaking():
        found = [fault.message for fault in faults(report)]
    assert found == [
        "a falhou: nenhum motivo foi dado",
        "Não iniciados, porque falhou aquilo de que precisam: b.",
        "o todo: broken",
    ]


def test_commands_to_go_on_mean_something_in_either_language() -> None:
    report = RunReport("one", "waiting", {}, waiting=[{"kind": "repair"}])
    with speaking():
        assert next_commands(report, command)[0].endswith("# tentar de novo")
        assert next_commands(report, command, str)[0].endswith("# try again")


def test_modules_that_are_not_done(capsys: pytest.CaptureFixture[str]) -> None:
    broken = {"a": {"status": "blocked", "blocked_by": ["b"]}}
    request: dict[str, Any] = {"action_requests": [{"args": {"modules": broken}}], "complaints": ["No."]}
    out = io.StringIO()
    with speaking():
        show_repair(Console(file=out, width=80), request)
    says = ("Alguns módulos não estão prontos", "precisa de b", "A sua última resposta não foi aceita:")
    assert_portuguese(out.getvalue(), says=says)


def test_minds_at_work() -> None:
    progress = MindsProgress(0.0)
    failed = {"type": "mind", "mind": "nova", "step": "reflect", "phase": "failed", "error": "odd"}
    asks = {"type": "delegation", "mind": "nova", "to": "echo", "text": "Why?"}
    with speaking():
        progress.apply(asks, 0.0)
        assert minds_line(asks, progress, 0.0).endswith("nova pergunta a echo: Why?")
        assert progress.rows["echo"].state == "perguntada"
        assert minds_line(failed, progress, 0.0).endswith("nova, refletindo, falhou: odd")


def test_what_is_served(capsys: pytest.CaptureFixture[str]) -> None:
    with speaking():
        _say_what(Ui(), "http://127.0.0.1:1", ["matrioska"], None, guarded=False)
    said = capsys.readouterr().err
    assert_portuguese(said, says=("Matrioska em http://127.0.0.1:1", "qualquer texto serve", "ainda sem ensemble"))
    columns = {
        line.index(value) for line in said.splitlines() for value in ("URL base", "POST /query") if value in line
    }
    assert len(columns) == 1


@pytest.mark.parametrize("language", ["en", "pt_BR"])
@pytest.mark.parametrize("kind", QUESTIONS)
def test_the_answers_that_are_offered_stand_on_one_line(kind: str, language: str) -> None:
    with speaking_everywhere(language):
        choices = (*QUESTIONS[kind].choices, *([VIEW] if kind == "approval" else []))
        offered = "  ".join(_(choice.words) for choice in choices) + "  > "
    assert cell_len(offered) < 80


def test_an_editor_breaks_no_line_of_a_plans_head() -> None:
    with speaking():
        head = [row for row in plan_text(chain(1)).splitlines() if row.startswith("#")]
    assert len(head) > 2
    assert all(cell_len(row) < 80 for row in head)


def test_a_narrow_screen_cuts_nothing_of_who_spent_what() -> None:
    took = PartyMetrics(
        source="assembler", messages=8, calls=4, input_tokens=1_510, output_tokens=96, seconds=12.0, cost=0.1, errors=1
    )
    with speaking():
        for width in (78, 160):
            out = io.StringIO()
            Console(file=out, width=width).print(speakers_table([took], width))
            shown = out.getvalue()
            assert "…" not in shown
            assert {"tokens", "entrada", "assembler", "1.510", "12"} <= set(shown.split())


def test_steps_of_a_history_are_told_in_the_language(cli, portuguese: None) -> None:
    cli("run", "--thread", "one", TASK, author=Author(chain(2)))
    assert [row.split()[-1] for row in cli("history", "one").out.splitlines()[1:]] == ["aprovação", "planejamento"]
    assert [found["next"] for found in cli("history", "one", "--json").json] == [["approval"], ["architect"]]


def test_that_a_language_is_not_there_is_told_in_the_one_that_is_spoken(cli, portuguese: None) -> None:
    assert "O Matrioska não fala 'xx'." in cli("--lang", "xx", "threads").err


def test_on_a_screen_the_lines_of_a_fault_stand_below_one_another() -> None:
    report = RunReport("one", "failed", {"error": {"message": "words " * 30, "next_step": "steps " * 30}})
    ui, screen, pipe = Ui(), io.StringIO(), io.StringIO()
    ui.out = Console(file=screen, width=40, force_terminal=True, color_system=None)
    show_faults(ui, report)
    rows = [row.rstrip() for row in screen.getvalue().splitlines() if row]
    assert all(row.startswith(("   ✗ words", "     words", "     → steps", "       steps")) for row in rows)
    assert all(row.endswith(("words", "steps")) for row in rows)
    ui.out = Console(file=pipe, width=40)
    show_faults(ui, report)
    assert len([row for row in pipe.getvalue().splitlines() if row]) == 2
