"""Every command, in this process and without a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import Author, chain

Cli = Callable[..., object]
TASK = "Compare SQLite and PostgreSQL for a small shop"


@pytest.fixture
def author() -> Author:
    return Author(chain(3))


def test_a_task_becomes_a_deliverable(cli, tmp_path: Path) -> None:
    ended = cli("run", "--yes", "--thread", "one", TASK)
    assert ended.code == 0
    place = tmp_path / "matrioska_artifacts" / "one"
    assert f"folder     {place}" in ended.out
    assert f"zip        {tmp_path / 'matrioska_results.zip'}" in ended.out
    assert "— complete" in ended.out
    entry = next(line.split(None, 2)[2] for line in ended.out.splitlines() if "entry" in line)
    assert Path(entry).is_file()
    assert "\x1b" not in ended.out + ended.err
    assert ended.err.index("] architect") < ended.err.index("] execute") < ended.err.index("] deliver")
    assert f"Open it: xdg-open {entry}" in ended.err or "Open it: open" in ended.err


def test_the_embedded_model_says_what_it_is_in_the_language_of_the_task(cli) -> None:
    assert "It is rule-based" in cli("run", "-y", TASK).err
    assert "funciona por regras" in cli("run", "-y", "Comparar SQLite e PostgreSQL para uma loja").err
    assert "funciona por regras" in cli("run", "-y", "--lang", "pt", TASK).err
    assert "rule-based" not in cli("run", "-y", "-q", TASK).err
    assert "rule-based" not in cli("run", "-y", "--json", TASK).err


def test_portuguese_shows_as_it_was_written(cli, tmp_path: Path) -> None:
    task = "Criar um relatório sobre gestão de estoque: preços, validação e atenção"
    assert task in cli("run", "-y", "-t", "pt", task).err
    assert task[:40] in cli("threads").out
    assert cli("show", "pt", "--json").json["task"] == task


def test_quiet_prints_the_path_and_nothing_else(cli, tmp_path: Path) -> None:
    ended = cli("run", "-y", "-q", "-t", "q", TASK)
    assert ended.err == ""
    assert Path(ended.out.strip()).is_relative_to(tmp_path / "matrioska_artifacts" / "q")


def test_json_is_one_object_with_everything(cli, author: Author) -> None:
    found = cli("run", "-y", "--json", "-t", "j", TASK, author=author).json
    assert (found["thread_id"], found["status"], found["waiting"], found["error"]) == ("j", "complete", [], None)
    assert found["usage"]["calls"] == len(author.model.calls)
    assert found["seconds"] > 0
    assert set(found["modules"]) == {"m0", "m1", "m2"}
    assert found["deliverable"]["files"]
    assert found["findings"] == []


def test_direct_is_one_module_and_no_question(cli, author: Author) -> None:
    found = cli("run", "--direct", "--json", TASK, author=author)
    assert found.code == 0
    assert author.calls() == ["produce deliverable"]


def test_without_a_terminal_it_stops_at_the_plan_and_says_how_to_go_on(cli, author: Author, tmp_path: Path) -> None:
    ended = cli("run", "-t", "w", "--base-path", "my runs", TASK, author=author)
    assert ended.code == 3
    assert "matrioska resume w --approve --base-path 'my runs'" in ended.err
    assert all(f"--{answer}" in ended.err for answer in ("edit FILE", "respond TEXT", "reject"))
    assert "m0.api" in ended.err, "the plan itself is shown"
    waiting = cli("show", "w", "--base-path", "my runs", "--json").json
    assert waiting["waiting"][0]["kind"] == "approval"
    # Looking at it answers nothing.
    assert cli("resume", "w", "--base-path", "my runs").code == 3
    assert cli("resume", "w", "--approve", "--base-path", "my runs").code == 0


def test_the_base_path_is_named_only_where_it_is_needed(cli, author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--base-path" not in cli("run", "-t", "a", TASK, author=author).err
    monkeypatch.setenv("MATRIOSKA_BASE_PATH", "elsewhere")
    assert "--base-path" not in cli("run", "-t", "a", "--base-path", "elsewhere", TASK).err
    assert "--base-path other" in cli("run", "-t", "a", "--base-path", "other", TASK).err


def test_waiting_as_json(cli, author: Author) -> None:
    ended = cli("run", "--json", "-t", "w", TASK, author=author)
    assert ended.code == 3
    assert ended.json["status"] == "waiting"
    assert ended.json["waiting"][0]["action_requests"][0]["args"]["architecture"]["modules"]
    assert ended.json["go_on"][0].startswith("matrioska resume w --approve")


def test_responding_asks_the_architect_again(cli, author: Author) -> None:
    cli("run", "-t", "w", TASK, author=author)
    author.model.calls.clear()
    ended = cli("resume", "w", "--respond", "Fewer modules, por favor")
    assert ended.code == 3
    assert "Fewer modules, por favor" in author.prompts("plan")[0]


def test_rejecting_ends_the_run(cli, author: Author) -> None:
    cli("run", "-t", "w", TASK, author=author)
    ended = cli("resume", "w", "--reject")
    assert ended.code == 1
    assert "The plan was refused." in ended.out


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_an_edited_plan_is_what_gets_built(cli, author: Author, tmp_path: Path, form: str) -> None:
    cli("run", "-t", "w", TASK, author=author)
    edited = chain(2) | {"name": "Mine: “ação”"}
    text = json.dumps(edited) if form == "json" else "# mine\nname: 'Mine: “ação”'\nmodules:\n- id: m0\n- id: m1\n"
    (tmp_path / "plan").write_text(text, encoding="utf-8")
    found = cli("resume", "w", "--edit", "plan", "--json").json
    assert (found["status"], found["project"]) == ("complete", "Mine: “ação”")
    assert set(found["modules"]) == {"m0", "m1"}


def test_resuming_what_is_complete_says_so_and_runs_nothing(cli, author: Author) -> None:
    cli("run", "-y", "-t", "c", TASK, author=author)
    author.calls()
    assert cli("resume", "c").code == 0
    assert author.calls() == []


def test_threads_and_show_create_nothing_where_there_is_nothing(cli, tmp_path: Path) -> None:
    assert cli("threads").code == 0
    assert cli("threads", "--json").json == []
    assert cli("show", "x").code == 2
    assert list(tmp_path.iterdir()) == []


def test_threads_lists_what_there_is(cli, author: Author) -> None:
    cli("run", "-y", "-t", "first", TASK, author=author)
    cli("run", "-t", "second", TASK)
    rows = cli("threads", "--json").json
    assert [(row["thread_id"], row["status"], row["done"], row["modules"]) for row in rows] == [
        ("second", "waiting", 0, 3),
        ("first", "complete", 3, 3),
    ]
    shown = cli("threads").out.splitlines()
    assert shown[1].split()[:2] == ["second", "waiting"]


def test_show_names_state_plan_and_next_commands(cli, author: Author) -> None:
    cli("run", "-t", "w", TASK, author=author)
    ended = cli("show", "w")
    assert ended.code == 0
    assert "waiting" in ended.out
    assert "1. m0" in ended.out
    assert "matrioska resume w --approve" in ended.err


def test_show_opens_one_module(cli, author: Author) -> None:
    cli("run", "-y", "-t", "c", TASK, author=author)
    shown = cli("show", "c", "m1").out
    assert "m0.api" in shown
    assert "m1.py" in shown
    assert "m1_api_call" in shown
    whole = cli("show", "c", "m1", "--json").json
    assert whole["spec"]["id"] == "m1"
    assert whole["result"]["values"]["m1.api"]["functions"] == ["m1_api_call"]


def test_history_and_fork(cli, author: Author) -> None:
    cli("run", "-y", "-t", "c", TASK, author=author)
    before = cli("history", "c", "--json").json
    listed = cli("history", "c").out.splitlines()[1:]
    assert len(listed) == len(before)
    at = next(row.split()[0] for row in listed if row.split()[-1] == "execute")
    author.calls()
    forked = cli("fork", "c", "--at", at, "-t", "f")
    assert forked.code == 0
    assert "matrioska resume f" in forked.err
    assert cli("resume", "f", "--json").json["status"] == "complete"
    assert author.calls(), "the fork builds again what came after its checkpoint"
    assert cli("history", "c", "--json").json == before, "the old line stays"


def test_a_fork_never_takes_the_place_of_a_run(cli, author: Author) -> None:
    cli("run", "-y", "-t", "c", TASK, author=author)
    cli("run", "-t", "other", TASK)
    at = cli("history", "c", "--json").json[-1]["checkpoint_id"]
    ended = cli("fork", "c", "--at", at, "-t", "other")
    assert ended.code == 2
    assert "There is a run 'other' already" in ended.err
    assert cli("show", "other", "--json").json["status"] == "waiting"


def test_redo_runs_the_module_and_stops_where_nothing_changes(cli, author: Author, tmp_path: Path) -> None:
    cli("run", "-y", "-t", "c", TASK, author=author)
    author.calls()
    (tmp_path / "spec.yaml").write_text("description: Build m1, but better.\n")
    ended = cli("redo", "c", "m1", "--spec", "spec.yaml", "--json")
    assert ended.json["status"] == "complete"
    assert {call.split()[-1] for call in author.calls()} <= {"m1", "assemble"}
    assert cli("show", "c", "m1", "--json").json["spec"]["description"] == "Build m1, but better."


def test_a_task_from_a_file_and_from_stdin(cli, author: Author, tmp_path: Path) -> None:
    (tmp_path / "task.txt").write_bytes("\ufeffFaça um relatório".encode())
    assert cli("run", "-y", "-t", "a", "@task.txt", author=author).code == 0
    assert cli("run", "-y", "-t", "b", "-", stdin="Faça um relatório\r\n".encode()).code == 0
    assert cli("run", "-y", "-t", "c", "-", stdin="Faça um relatório".encode("utf-16")).code == 0
    assert {cli("show", name, "--json").json["task"] for name in "abc"} == {"Faça um relatório"}


def test_models_by_role_and_slots_reach_the_run(cli, author: Author) -> None:
    given = ("--role", "architect=embedded", "--role", "worker=ollama:none", "--slots", "3")
    ended = cli("run", *given, TASK, author=author)
    assert ended.code in (1, 3), ended.err
    if ended.code == 1:
        assert "ollama" in ended.err, "its package may be missing; then it says so"
    cli("run", "--role", "architect=embedded", "--slots", "3", "-t", "s", TASK)
    assert cli("resume", "s", "--approve", "--json").code == 0


def test_a_failed_module_leaves_a_partial_result_and_resume_mends_it(cli) -> None:
    from matrioska.state.errors import ModelError

    author = Author(chain(3), told={"produce m1": ModelError("No mood.", next_step="Wait for a better day.")})
    ended = cli("run", "-y", "-t", "p", TASK, author=author)
    assert ended.code == 1
    assert "partly done" in ended.out
    assert "m1 failed: No mood." in ended.out
    assert "→ Wait for a better day." in ended.out
    assert "matrioska resume p" in ended.err
    author.told.clear()
    author.calls()
    assert cli("resume", "p").code == 0
    assert {call.split()[-1] for call in author.calls()} <= {"m1", "assemble"}


def test_a_failure_without_a_person_waits_for_one(cli) -> None:
    from matrioska.state.errors import ModelError

    author = Author(chain(2), told={"produce m1": ModelError("No mood.")})
    cli("run", "-t", "p", TASK, author=author)
    ended = cli("resume", "p", "--approve")
    assert ended.code == 3
    assert "Modules failed" in ended.err
    assert "try again" in ended.err
    assert cli("resume", "p", "--reject", "--json").json["status"] == "partial"
