"""``ask`` by the cascade: who thinks what on stderr, the answer on stdout; stopped, looked at and gone on with."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from io import StringIO

import pytest
from rich.console import Console

from matrioska.cli.minds import MindPhase, MindsProgress, minds_line
from matrioska.cli.minds_screen import last_words, render
from matrioska.cli.ui import show_text
from matrioska.state.errors import ModelError
from tests.protocols import ModelServer, openai_app, serving
from tests.trees import SIX, Tree, knows, mind_says

QUESTION = "What does each of you know?"
ASK = ("ask", QUESTION, "--model", "ollama:m")
DOWN = ModelError("Nothing listens there.", next_step="Start it.")


@pytest.fixture
def minds(monkeypatch: pytest.MonkeyPatch) -> Tree:
    """Let these minds be the settings' tree."""
    found = Tree()
    monkeypatch.setattr("matrioska.graph.cascade.load_tree", found.load)
    monkeypatch.setattr("matrioska.graph.cascade.find_member", found.find)
    return found


def test_the_answer_goes_to_stdout_and_who_thinks_what_to_stderr(cli, minds: Tree) -> None:
    ended = cli(*ASK, "--thread", "one")
    assert ended.code == 0
    assert knows(ended.out)
    assert "Atlas, first thoughts: FACT-atlas" in ended.err
    assert "Nova asks Pixel: What about pixel?" in ended.err
    assert "Quantum answered" in ended.err
    assert re.search(r"6 minds · \d\d calls · [\d,]+ tokens · \d", ended.err)
    assert "matrioska journal one" in ended.err
    quiet = cli(*ASK, "--quiet")
    assert (quiet.code, quiet.err) == (0, "")
    assert quiet.out == ended.out


def test_who_is_missing_is_said_and_makes_it_partial(cli, minds: Tree) -> None:
    minds.says["pixel"] = DOWN
    ended = cli(*ASK)
    assert ended.code == 1
    assert "Missing in this answer: Pixel" in ended.out
    assert "✗ Missing in this answer: Pixel." in ended.err
    assert "Pixel failed: Nothing listens there" in ended.err
    assert "Nova answered: without Pixel" in ended.err
    told = cli(*ASK, "--json").json
    assert (told["status"], told["missing"]) == ("partial", ["pixel"])


@pytest.mark.parametrize(
    "command", [("history",), ("context",), ("redo", "atlas"), ("fork", "--at", "1"), ("export", "--zip", "x.zip")]
)
def test_what_is_done_with_runs_says_that_this_is_a_question(cli, minds: Tree, command: tuple[str, ...]) -> None:
    cli(*ASK, "--thread", "one")
    name, *options = command
    ended = cli(name, "one", *options)
    assert (ended.code, ended.out) == (2, "")
    assert "'one' is a question" in ended.err
    assert "matrioska show one" in ended.err


def test_on_a_screen_no_word_of_an_answer_is_broken_and_in_a_pipe_no_line() -> None:
    said = "A library lends the right to try something before owning it."
    for terminal, lines in ((True, 3), (False, 1)):
        out = Console(file=StringIO(), width=24, force_terminal=terminal, color_system=None)
        show_text(out, said)
        shown = out.file.getvalue()
        assert (shown.split(), len(shown.splitlines())) == (said.split(), lines)


def test_json_is_the_whole_result(cli, minds: Tree) -> None:
    ended = cli(*ASK, "--json", "--thread", "one")
    assert (ended.code, ended.err) == (0, "")
    told = ended.json
    assert (told["status"], told["via"], told["thread_id"]) == ("complete", "cascade", "one")
    assert [reply["mind"] for reply in told["minds"]] == list(SIX)
    assert told["usage"]["calls"] == len(minds.made())


def test_all_down_says_what_to_do_and_how_to_go_on(cli, minds: Tree) -> None:
    minds.says |= dict.fromkeys(SIX, DOWN)
    ended = cli(*ASK, "--thread", "one")
    assert (ended.code, ended.out) == (1, "")
    assert "No mind could answer." in ended.err
    assert "matrioska doctor" in ended.err
    assert "matrioska resume one" in ended.err
    minds.says.clear()
    went_on = cli("resume", "one", "--quiet")
    assert went_on.code == 0
    assert "FACT-quantum" in went_on.out


def test_trouble_of_the_journal_is_said_and_does_not_keep_the_answer_back(cli, minds: Tree, tmp_path) -> None:
    (tmp_path / "matrioska_checkpoints").mkdir()
    (tmp_path / "matrioska_checkpoints" / "journal.sqlite").write_bytes(b"no database" * 100)
    ended = cli(*ASK)
    assert ended.code == 0
    assert knows(ended.out)
    assert ended.err.count("! The journal: ") == 1


def test_what_fails_before_anything_is_saved_is_not_said_to_go_on(cli, tmp_path) -> None:
    (tmp_path / "matrioska.toml").write_text('[[cascade.minds]]\nid = "a"\nmodel = "anthropic:nobody"\n')
    ended = cli("ask", QUESTION)
    assert (ended.code, ended.out) == (2, "")
    assert "a: The key for anthropic:nobody is missing" in ended.err
    assert "ANTHROPIC_API_KEY" in ended.err
    assert "matrioska resume" not in ended.err


def test_a_question_is_listed_shown_and_answered_once_more(cli, minds: Tree) -> None:
    out = cli(*ASK, "--thread", "one").out
    assert re.search(r"one +complete", cli("threads").out)
    (row,) = cli("threads", "--json").json
    assert (row["thread_id"], row["status"], row["task"], row["via"]) == ("one", "complete", QUESTION, "cascade")
    shown = cli("show", "one")
    assert QUESTION in shown.out
    assert out in shown.out
    assert cli("show", "one", "--json").json["answer"] in out
    minds.made()
    assert cli("resume", "one", "--quiet").out == out
    assert minds.made() == []


def test_a_decision_is_no_answer_to_a_question(cli, minds: Tree) -> None:
    cli(*ASK, "--thread", "one")
    ended = cli("resume", "one", "--approve")
    assert ended.code == 2
    assert "it waits for no decision" in ended.err


def test_a_used_up_budget_is_raised_by_resuming(cli, minds: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATRIOSKA_BUDGET_TOKENS", "100")
    ended = cli(*ASK, "--thread", "one")
    assert (ended.code, ended.out) == (1, "")
    assert "matrioska resume one --budget-tokens" in ended.err
    went_on = cli("resume", "one", "--budget-tokens", "1000000", "--quiet")
    assert went_on.code == 0
    assert "FACT-quantum" in went_on.out


def test_the_ensemble_answers_by_itself_only_where_it_alone_is_described(cli, tmp_path) -> None:
    nodes = '[[ensemble.nodes]]\nid = "n"\nmodel_a = "ollama:x"\nmodel_b = "nobody:y"\n'
    (tmp_path / "matrioska.toml").write_text(nodes)
    assert "nobody" in cli("ask", QUESTION).err
    (tmp_path / "matrioska.toml").write_text(nodes + '[[cascade.minds]]\nid = "a"\nparent = "a"\n')
    assert "circle" in cli("ask", QUESTION).err


def test_hostile_text_does_not_reach_the_terminal(cli, minds: Tree) -> None:
    minds.says |= dict.fromkeys(SIX, "Pa\x1b[31mris\u202e")
    ended = cli(*ASK)
    assert "\x1b" not in ended.out + ended.err
    assert "\u202e" not in ended.out + ended.err


@pytest.fixture
def server() -> Iterator[ModelServer]:
    def says(stage: str, module: str, prompt: str) -> str:
        if stage == "critique" and len(found.requests) < 25:
            time.sleep(0.3)
        return mind_says(stage, module, prompt)

    with serving(openai_app, ModelServer(says)) as found:
        yield found


def test_a_signal_stops_it_and_resume_goes_on_where_it_was(spawn, server: ModelServer) -> None:
    process = spawn("ask", QUESTION, "--model", f"openai:m@{server.url}/v1", "--thread", "one")
    process.wait_for("Nova, reflecting")
    process.popen.send_signal(signal.SIGINT)
    ended = process.end()
    assert (ended.code, ended.out) == (130, "")
    assert "Stopping after the current step" in ended.err
    assert ended.err.rstrip().endswith("matrioska resume one")
    before = len(server.requests)
    went_on = spawn("resume", "one", "--json").end()
    assert went_on.code == 0, went_on.err
    assert knows(went_on.json["answer"])
    assert len(server.requests) == went_on.json["usage"]["calls"]
    assert before > 10


def test_on_a_terminal_the_minds_are_a_tree(terminal, server: ModelServer) -> None:
    process = terminal("ask", QUESTION, "--model", f"openai:m@{server.url}/v1")
    assert process.end() == 0
    assert re.search(r"✓ Atlas +answered", process.screen)
    assert re.search(r"    ✓ Pixel +answered", process.screen)


# -- what the screen knows -------------------------------------------------------------------


def _planted() -> MindsProgress:
    progress = MindsProgress(0.0)
    parents = [{"id": mind, "name": mind.title(), "parent": parent} for mind, parent in SIX.items()]
    progress.apply({"type": "minds", "minds": parents}, 0.0)
    return progress


def _step(progress: MindsProgress, mind: str, step: str, phase: str, now: float, **more: object) -> str:
    event = {"type": "mind", "mind": mind, "step": step, "round": 0, "phase": phase, **more}
    progress.apply(event, now)
    return minds_line(event, progress, now)


def test_a_mind_is_seen_to_think_to_ask_and_to_answer() -> None:
    progress = _planted()
    assert [row.depth for row in progress.rows.values()] == [0, 1, 2, 2, 1, 2]
    assert _step(progress, "atlas", "analyse", "begin", 1.0) == ""
    progress.apply({"type": "piece", "mind": "atlas", "step": "analyse", "text": "Hm"}, 1.5)
    assert (progress.rows["atlas"].said, progress.rows["atlas"].seconds(3.0)) == ("Hm", 2.0)
    progress.apply({"type": "piece", "mind": "atlas", "step": "analyse", "text": "", "restart": True}, 1.5)
    assert progress.rows["atlas"].said == ""
    assert _step(progress, "atlas", "analyse", "end", 3.0, text="Ah.") == "[ 3.0 s] Atlas, first thoughts: Ah."
    _step(progress, "atlas", "split", "begin", 3.0)
    progress.apply({"type": "delegation", "mind": "atlas", "to": "nova", "text": "And you?"}, 4.0)
    _step(progress, "atlas", "split", "end", 4.0)
    assert progress.rows["atlas"].phase == MindPhase.LISTENING
    assert progress.rows["nova"].phase == MindPhase.ASKED
    reply = {"type": "reply", "mind": "nova", "status": "answered", "missing": ["pixel"]}
    progress.apply(reply, 5.0)
    assert minds_line(reply, progress, 5.0) == "[ 5.0 s] Nova answered: without Pixel"


def test_what_happened_before_a_stop_is_inferred() -> None:
    progress = _planted()
    _step(progress, "nova", "reflect", "begin", 1.0)
    phases = {row.id: row.phase for row in progress.rows.values()}
    assert (phases["atlas"], phases["echo"], phases["sage"]) == (
        MindPhase.LISTENING,
        MindPhase.ANSWERED,
        MindPhase.QUIET,
    )


@pytest.mark.parametrize(("width", "height"), [(40, 8), (80, 24), (200, 50)])
def test_the_tree_fits_the_screen(width: int, height: int) -> None:
    progress = _planted()
    for mind in SIX:
        _step(progress, mind, "analyse", "begin", 1.0)
        progress.apply({"type": "piece", "mind": mind, "step": "analyse", "text": "palavra 漢字 " * 40}, 1.0)
    console = Console(file=StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    console.print(render(progress, 2.0, console))
    lines = console.file.getvalue().splitlines()
    assert len(lines) <= height
    assert all(console.measure(line).maximum <= width for line in lines)
    assert "6 thinking" in lines[-1]


def test_of_too_many_minds_those_at_work_are_shown() -> None:
    progress = MindsProgress(0.0)
    progress.apply({"type": "minds", "minds": [{"id": f"m{n}", "name": f"M{n}", "parent": None} for n in range(99)]}, 0)
    _step(progress, "m77", "analyse", "begin", 1.0)
    console = Console(file=StringIO(), width=80, height=9, force_terminal=True, color_system=None)
    console.print(render(progress, 2.0, console))
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 6
    assert any("M77" in line for line in lines)
    assert lines[-1].rstrip() == "2.0 s · 1 thinking · 0 of 99 minds done · 94 not shown"


def test_the_last_words_begin_with_a_word() -> None:
    assert last_words("one two three four", 40) == "one two three four"
    assert last_words("one two three four", 12) == "…three four"
    assert last_words("one", 1) == ""
