"""Commands for a reader of Portuguese: no sentence of theirs stays English; programs are told English all the same."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from matrioska.cli.answers import vote_line
from matrioska.cli.approve import find_choice
from matrioska.cli.budget_view import show_budget
from matrioska.cli.context_view import show_package
from matrioska.cli.editor import plan_text
from matrioska.cli.given import parse_mapping
from matrioska.cli.questions import QUESTIONS
from matrioska.i18n import _
from matrioska.models.gateway import client_of
from matrioska.models.testing import ScriptedChatModel
from matrioska.state.errors import ModelError
from matrioska.state.fitness import Reward
from matrioska.state.repository import DecisionRecord, Entry, ProjectRecord, Term
from matrioska.store.fitness import FitnessBook
from matrioska.store.layout import Layout
from matrioska.store.repository import Repository
from matrioska.store.repository.backend import shared_store
from tests.matrioska.cli.test_compare import answers
from tests.matrioska.cli.test_context_view import RECORD
from tests.portuguese import english, left_in_english, speaking
from tests.protocols import ModelServer, openai_app, serving
from tests.support import Author, chain
from tests.voters import THREE, Voters, asked, knows

MODULES = ("answers", "approve", "ask", "budget_view", "compare", "context", "context_view", "doctor", "doctor_models")
MODULES += ("doctor_parts", "doctor_records", "editor", "export", "fitness", "given")
TASK = "Compare SQLite and PostgreSQL for a small shop"


def assert_portuguese(*screens: str, says: tuple[str, ...], quoted: tuple[str, ...] = ()) -> None:
    """Check that screens hold no English text of these commands, and that they say some Portuguese ones.

    Args:
        screens: what was shown.
        says: texts that must be there.
        quoted: English texts that stand in an answer, too.
    """
    assert set(left_in_english(MODULES, screens)) <= set(quoted)
    shown = " ".join(" ".join(screens).split())
    assert [text for text in says if text not in shown] == []


def _screen(show: Callable[[Console], object], width: int = 80) -> str:
    out = io.StringIO()
    with speaking():
        show(Console(file=out, width=width))
    assert all(len(line) <= width for line in out.getvalue().splitlines())
    return out.getvalue()


@pytest.fixture
def portuguese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATRIOSKA_LANG", "pt_BR")


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving(openai_app, ModelServer(answers)) as found:
        yield found


def test_the_texts_of_these_commands_are_found() -> None:
    assert {"Nothing was asked.", "Everything that is needed is there."} <= set(english(MODULES))
    assert len(english(MODULES)) > 100


def test_an_answer_of_the_ensemble(cli, monkeypatch: pytest.MonkeyPatch, portuguese: None) -> None:
    def forgetful(prompt: str) -> Any:
        return ModelError("Nothing listens there.", next_step="") if "Peru" in asked(prompt) else knows(prompt)

    voters = Voters(says={f"n{number}": forgetful for number in range(1, 4)})
    monkeypatch.setattr("matrioska.cli.ask.load_topology", lambda path: voters.topology())
    monkeypatch.setattr("matrioska.graph.ensemble.find_member", voters.find)
    ended = cli("ask", "--via", "ensemble", "--votes", "-t", "three", THREE)
    says = ("Ninguém respondeu: parte 2.", "decidido com 100% do peso", "resposta", "Leia quem disse o quê:", "chamada")
    # The answer is in the language of the question, which is English.
    assert_portuguese(ended.out, ended.err, says=says, quoted=("answered",))
    shown = cli("show", "three")
    assert_portuguese(shown.out, shown.err, says=("última mudança em", "chamada"), quoted=("answered",))
    assert cli("show", "three", "--json").json["status"] == "partial"


def test_an_event_of_the_ensemble() -> None:
    vote = {"type": "vote", "chunk": 1, "node": "n1", "how": "tie_break", "answer": "Paris", "error": ""}
    decided = {"type": "decided", "chunk": 1, "error": "", "saved_calls": 2, "confidence": 0.5}
    with speaking():
        assert vote_line(vote) == "   1. n1 desempate: Paris"
        assert vote_line(decided) == "   1. decidido com 50% do peso, 2 chamadas poupadas"


def test_an_answer_of_one_model(cli, monkeypatch: pytest.MonkeyPatch, portuguese: None) -> None:
    model = ScriptedChatModel(script=lambda *_: "Paris, of course.")
    monkeypatch.setattr("matrioska.single.client_for", lambda *_: client_of(model))
    ended = cli("ask", "--via", "single", "--model", "ollama:m", "Where?")
    assert ended.out == "Paris, of course.\n"
    assert_portuguese(ended.out, ended.err, says=("1 chamada", "Leia quem disse o quê: matrioska journal"))


def test_a_comparison(cli, server: ModelServer, portuguese: None) -> None:
    ways = ("ask", "--compare", "--model", f"openai:m@{server.url}/v1")
    one = cli(*ways, "How many legs has a spider?")
    says = (
        "O juiz, openai:m",
        "cascade contra single: cascade",
        "Uma só pergunta não basta para comparar a cascata e o modelo único: a próxima pode terminar ao contrário.",
        "em conjunto",
        "As respostas lado a lado:",
    )
    assert_portuguese(one.out, one.err, says=says)
    Path("questions.txt").write_text("".join(f"Question {number}?\n" for number in range(8)))
    many = cli(*ways, "--questions", "questions.txt", "--yes")
    says = ("A cascata responde melhor do que o modelo único (preferência em 100% de 8 perguntas", "Comprimento:")
    assert_portuguese(many.out, many.err, says=says)
    told = cli(*ways, "--questions", "questions.txt", "--yes", "--json").json
    assert told["pairs"][0]["words"].startswith("The cascade is better than the single model")


def test_a_comparison_without_answers(cli, server: ModelServer, portuguese: None) -> None:
    server.answer = lambda *_: ""
    ended = cli("ask", "--compare", "--model", f"openai:m@{server.url}/v1", "Why?")
    says = ("Ninguém deu resposta: nada foi comparado.", "Veja com `matrioska doctor`", "sem resposta (")
    assert_portuguese(ended.out, ended.err, says=says)


def test_the_doctor_speaks_portuguese_to_people_and_english_to_programs(cli, portuguese: None, tmp_path: Path) -> None:
    (tmp_path / "matrioska.toml").write_text('[members.mine]\nmodel = "ollama:m@http://127.0.0.1:9"\n')
    ended = cli("doctor")
    says = ("Programa", "Esta pasta", "Servidores de modelos", "caminho base", "aceita escrita", "para nenhum papel")
    assert_portuguese(ended.out, ended.err, says=(*says, "Tudo o que é necessário está presente."))
    checks = {check["name"]: check for check in cli("doctor", "--json").json["checks"]}
    assert checks["base path"]["detail"].endswith("can be written")
    assert (checks["base path"]["group"], checks["journal"]["state"]) == ("This folder", "optional")
    assert checks["model mine"]["detail"].startswith("ollama:m")
    assert "no answer from" in checks["model mine"]["detail"]


def test_what_was_learnt_of_nodes(cli, portuguese: None, tmp_path: Path) -> None:
    nothing = cli("fitness")
    assert_portuguese(nothing.err, says=("Nada foi aprendido ainda",))
    rewards = [Reward(node="small", kind=kind, right=True, seconds=2.0) for kind in ["maths", "code"]] * 600
    asyncio.run(FitnessBook(Layout.at(tmp_path).fitness).record_all(rewards))
    table = cli("fitness")
    assert_portuguese(table.out, says=("nó", "tipo", "90 % entre", "todos", "maths"))
    says = {
        ("--good", "small", "--kind", "maths"): "Agora se espera que small acerte em",
        ("--export", "book.json"): "registros em",
        ("--import", "book.json"): "foram recebidos.",
        ("--reset", "small"): "Foi esquecido o que se aprendeu de 1 nó.",
    }
    for arguments, said in says.items():
        assert_portuguese(cli("fitness", *arguments).out, says=(said,))


def test_what_a_project_knows_and_what_is_taken_away(
    cli, portuguese: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATRIOSKA_PROJECT", "shop")
    assert cli("run", "-y", "-t", "one", TASK, author=Author(chain(2))).code == 0
    asyncio.run(_fill(Repository(shared_store(Layout.at(tmp_path).repository), "shop")))
    known = cli("context", "one", "--limit", "2")
    says = (
        "projeto shop, busca por palavras",
        "restrição Cheap.",
        "última execução zero, 1970-01-01",
        "Glossário",
        "Decisões, da mais nova à mais antiga",
        "veja --limit",
    )
    assert_portuguese(known.out, known.err, says=says)
    found = cli("context", "one", "prices")
    assert_portuguese(found.out, found.err, says=("ordenado por palavras", "o que diz"))
    assert cli("context", "one", "--json").json["ranking"] == "by words"
    for arguments, said in {("--zip", "a.zip"): "a.zip (", ("--git", "g"): "novos commits"}.items():
        taken = cli("export", "one", *arguments)
        assert_portuguese(taken.out, taken.err, says=(said,))
    assert_portuguese(cli("export", "one", "--git", "g").out, says=("(nada novo)",))


async def _fill(repository: Repository) -> None:
    written = {"section": "app", "thread": "zero", "at": 1.0}
    record = ProjectRecord(name="Shop", goal="Sell things.", constraints=["Cheap."], thread="zero", at=1.0)
    await repository.write_record(record)
    entry = Entry(id="app", level="section", title="App", text="Keeps prices.", **written)
    await repository.put_entries([entry])
    await repository.put_terms([Term(term="tempo", meaning="speed", domains={"code": "bpm"})])
    decided = [DecisionRecord(at=float(n), thread="zero", who="boss", what=f"item {n}", why="-") for n in range(5)]
    await repository.add_decisions(decided)


def test_a_package_and_a_budget() -> None:
    package = _screen(lambda out: show_package(out, RECORD))
    says = ("contexto 1.247 de 2.000 tokens", "condensado de 14.877", "deixado de fora", "o chefe gastou 15.015 tokens")
    assert_portuguese(package, says=says)
    spent = {"tokens": 1234, "calls": 2, "seconds": 3.0, "cost": 0.5}
    args = {"spent": spent, "reached": ["budget_tokens"], "budget_tokens": 1000}
    budget = _screen(lambda out: show_budget(out, {"kind": "budget", "action_requests": [{"args": args}]}))
    assert_portuguese(budget, says=("O orçamento se esgotou", "1.234", "em 2 chamadas. O que está pronto está salvo"))


def test_a_plan_is_edited_below_a_head_in_portuguese() -> None:
    with speaking():
        text = plan_text(chain(2))
    head = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    assert_portuguese(head, says=("# O plano, em YAML", "# As chaves que um módulo lê"))
    assert (
        parse_mapping(text, "the plan", "The text")["modules"] == parse_mapping(plan_text(chain(2)), "", "")["modules"]
    )


@pytest.mark.parametrize("kind", QUESTIONS)
def test_a_choice_is_known_by_its_letter_and_by_its_words_in_both_languages(kind: str) -> None:
    with speaking():
        for choice in QUESTIONS[kind].choices:
            shown = _(choice.words)
            assert f"[{choice.key}]" in shown
            bare = [words.replace("[", "").replace("]", "") for words in (shown, choice.words)]
            for typed in (choice.key, *bare, bare[0].removeprefix(f"{choice.key} "), choice.act):
                assert find_choice(typed, QUESTIONS[kind].choices) == choice


def test_a_person_refuses_a_plan_with_sim(terminal, cli) -> None:
    shown = terminal("run", "-t", "one", TASK, CHILD_AUTHOR="chain", MATRIOSKA_LANG="pt_BR")
    shown.wait_for("[l]")
    shown.type("q\n")
    shown.wait_for("Digite uma das letras a, e, r, j, l e depois Enter.")
    shown.type("j\n")
    shown.wait_for("[s/N]")
    shown.type("sim\n")
    shown.end()
    assert cli("show", "one", "--json").json["status"] == "failed"
