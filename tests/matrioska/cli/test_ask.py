"""``ask`` by the ensemble or by one model: an answer on stdout, progress on stderr, and clear words for what is wrong."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from matrioska.cli.answers import vote_line
from matrioska.models.gateway import client_of
from matrioska.models.testing import ScriptedChatModel
from matrioska.state.errors import ModelError
from tests.protocols import ModelServer, openai_app, serving
from tests.voters import CHAINED, THREE, Voters, asked, knows

VOTE = ("ask", "--via", "ensemble")
DOWN = ModelError("Nothing listens there.", next_step="Start it.")


@pytest.fixture
def vote(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let these voters be the ensemble."""

    def use(voters: Voters) -> Voters:
        monkeypatch.setattr("matrioska.cli.ask.load_topology", lambda path: voters.topology())
        monkeypatch.setattr("matrioska.graph.ensemble.find_member", voters.find)
        return voters

    return use


def _topology(folder: Path, *models: str) -> str:
    """Write a topology with a node for each model, and return its path."""
    nodes = [{"id": f"n{n}", "model_a": model, "model_b": model} for n, model in enumerate(models, 1)]
    path = folder / "topology.json"
    path.write_text(json.dumps({"nodes": nodes}))
    return str(path)


def test_the_answer_goes_to_stdout_and_the_way_there_to_stderr(cli, vote) -> None:
    vote(Voters())
    ended = cli(*VOTE, "What is the capital of France?")
    assert (ended.code, ended.out) == (0, "Paris\n")
    assert "1. What is the capital of France? (facts; n" in ended.err
    assert "decided with 100% of the weight" in ended.err
    assert "6 calls" in ended.err or "saved" in ended.err
    quiet = cli(*VOTE, "--quiet", "What is the capital of France?")
    assert (quiet.code, quiet.out, quiet.err) == (0, "Paris\n", "")


def test_votes_show_who_said_what(cli, vote) -> None:
    vote(Voters(nodes=3, says={"n2": "Lyon"}))
    ended = cli(*VOTE, "--votes", "What is the capital of France?")
    assert ended.code == 0
    for row in ("✓ n1", "  n2", "✓ n3"):
        assert row in ended.out or "cancelled" in ended.out
    assert "Paris" in ended.out


def test_json_is_the_whole_result(cli, vote) -> None:
    vote(Voters())
    ended = cli(*VOTE, "--json", CHAINED)
    assert ended.code == 0
    assert ended.json["status"] == "complete"
    assert [found["answer"] for found in ended.json["chunks"]] == ["Paris", "2 million"]
    assert ended.err == ""


def test_a_part_without_an_answer_makes_it_partial(cli, vote) -> None:
    def forgetful(prompt: str) -> Any:
        return DOWN if "Peru" in asked(prompt) else knows(prompt)

    vote(Voters(says={f"n{number}": forgetful for number in range(1, 4)}))
    ended = cli(*VOTE, THREE)
    assert ended.code == 1
    assert "Nobody answered part 2." in ended.err
    assert "Paris" in ended.out
    assert cli(*VOTE, "--json", THREE).json["status"] == "partial"


def test_all_down_is_an_error_with_the_next_step(cli, vote) -> None:
    vote(Voters(says={f"n{number}": lambda prompt: DOWN for number in range(1, 4)}))
    ended = cli(*VOTE, "What is it?")
    assert (ended.code, ended.out) == (1, "")
    assert "No node could answer" in ended.err
    assert "matrioska doctor" in ended.err
    ended = cli(*VOTE, "--json", "What is it?")
    assert ended.json["error"]["code"] == "ensemble"


def test_the_question_may_come_from_stdin_or_a_file(cli, vote, tmp_path: Path) -> None:
    vote(Voters())
    assert cli(*VOTE, "-q", "-", stdin=b"What is the capital of Peru?\n").out == "Lima\n"
    (tmp_path / "question.txt").write_text("What is the capital of Kenya?")
    assert cli(*VOTE, "-q", "@question.txt").out == "Nairobi\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("",), "The question is empty"),
        (("x" * 100_001,), "100,000 are the most"),
        (("What?", "--via", "magic"), "--via"),
        (("What?", "--topology", "nowhere.json"), "nowhere.json"),
        (("What?", "--via", "ensemble"), "[ensemble]"),
        (("What?",), "answers no questions"),
        (("What?", "--via", "single"), "answers no questions"),
        (("What?", "--via", "single", "--votes"), "--votes goes with --via ensemble"),
        (("What?", "--via", "ensemble", "--model", "ollama:m"), "--model goes with --via single or cascade"),
    ],
    ids=[
        "empty",
        "long",
        "via",
        "no file",
        "not configured",
        "embedded minds",
        "embedded",
        "votes of one",
        "one model's vote",
    ],
)
def test_wrong_use_is_said(cli, arguments: tuple[str, ...], says: str) -> None:
    ended = cli("ask", *arguments)
    assert ended.code == 2
    assert says in ended.err
    assert ended.out == ""


def test_a_single_model_answers_without_a_vote(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedChatModel(script=lambda *_: "Paris, of course.")
    monkeypatch.setattr("matrioska.single.client_for", lambda *_: client_of(model))
    one = ("ask", "--via", "single", "--model", "ollama:m")
    ended = cli(*one, "What is the capital of France?")
    assert (ended.code, ended.out) == (0, "Paris, of course.\n")
    ended = cli(*one, "--json", "What is the capital of France?")
    assert (ended.json["answer"], ended.json["usage"]["calls"]) == ("Paris, of course.", 1)
    assert model.calls[0].prompt == "What is the capital of France?"


def test_a_single_model_that_says_nothing_is_no_success(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matrioska.single.client_for", lambda *_: client_of(ScriptedChatModel(script=lambda *_: "  ")))
    ended = cli(*VOTE, "--via", "single", "--model", "ollama:m", "What?")
    assert (ended.code, ended.out) == (1, "")
    assert "The answer is empty" in ended.err


def test_hostile_text_does_not_reach_the_terminal(cli, vote) -> None:
    vote(Voters(says={f"n{number}": "Pa\x1b[31mris\u202e" for number in range(1, 4)}))
    ended = cli(*VOTE, "--votes", "What is the capital of France?")
    assert "\x1b" not in ended.out + ended.err
    assert "\u202e" not in ended.out + ended.err


@pytest.fixture
def server() -> Iterator[ModelServer]:
    def says(stage: str, module: str, prompt: str) -> str:
        if "slow" in prompt and len(found.requests) < 3:
            time.sleep(2)
        return knows(prompt)

    with serving(openai_app, ModelServer(says)) as found:
        yield found


def test_over_http_with_a_topology_file(spawn, server: ModelServer, tmp_path: Path) -> None:
    path = _topology(tmp_path, *[f"openai:m@{server.url}/v1"] * 2)
    ended = spawn("ask", CHAINED, "--topology", path, "--json").end()
    assert ended.code == 0, ended.err
    assert [found["answer"] for found in ended.json["chunks"]] == ["Paris", "2 million"]
    assert (tmp_path / "matrioska_checkpoints" / "fitness.sqlite").exists() or len(ended.json["votes"]) < 3


def test_a_signal_ends_one_model_at_once(spawn, server: ModelServer) -> None:
    process = spawn("ask", "What is slow?", "--via", "single", "--model", f"openai:m@{server.url}/v1")
    until = time.monotonic() + 30
    while not server.requests and time.monotonic() < until:
        time.sleep(0.02)
    process.popen.send_signal(signal.SIGINT)
    ended = process.end()
    assert (ended.code, ended.out, ended.err) == (130, "", "Stopped.\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_resume_goes_on(
    spawn, server: ModelServer, tmp_path: Path, number: signal.Signals
) -> None:
    process = spawn("ask", "What is slow?", "--topology", _topology(tmp_path, f"openai:m@{server.url}/v1"))
    process.wait_for("1. What is slow?")
    process.popen.send_signal(number)
    ended = process.end()
    assert (ended.code, ended.out) == (130, "")
    (thread,) = re.findall(r"matrioska resume (\S+)", ended.err)
    went_on = spawn("resume", thread).end()
    assert (went_on.code, went_on.out) == (0, "2 million\n")


def test_a_vote_that_was_cancelled_and_a_decision_that_saved_nothing_say_so_once() -> None:
    vote = {"type": "vote", "chunk": 1, "node": "n1", "how": "cancelled", "answer": "", "error": ""}
    decided = {"type": "decided", "chunk": 1, "error": "", "early": True, "saved_calls": 0, "confidence": 1.0}
    assert vote_line(vote) == "   1. n1 cancelled"
    assert vote_line(decided) == "   1. decided with 100% of the weight"
