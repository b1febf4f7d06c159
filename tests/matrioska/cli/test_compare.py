"""``ask --compare``: the cost first, honest words, a report; and an interrupted study goes on."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from matrioska.state.fences import read_fences
from tests.protocols import ModelServer, openai_app, serving


def answers(stage: str, module: str, prompt: str) -> str:
    """Answer as a model that knows the way in which it is asked, and as a judge that prefers the cascade."""
    if "slow" in prompt:
        time.sleep(1)
    if stage == "judge":
        parts = read_fences(prompt)
        best = "A" if "minds" in parts["answer_a"] else "B"
        return json.dumps({"reason": f"{best} says more.", "verdict": best})
    if stage == "split":
        return "{}"
    return "The minds say eight." if stage else "Eight."


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving(openai_app, ModelServer(answers)) as found:
        yield found


@pytest.fixture
def compare(server: ModelServer, cli):
    """Compare with a model of the server; it costs nothing, so nobody is asked."""

    def call(*arguments: str, **more):
        return cli("ask", "--compare", "--model", f"openai:m@{server.url}/v1", *arguments, **more)

    return call


def _questions(number: int, path: str = "questions.txt") -> str:
    Path(path).write_text("".join(f"Question {place}?\n" for place in range(1, number + 1)))
    return path


def test_one_question_shows_the_cost_the_result_and_that_it_tells_nothing(compare) -> None:
    ended = compare("How many legs has a spider?")
    assert ended.code == 0, ended.err
    assert "together" in ended.err
    assert "takes part itself (cascade, single)" in ended.err
    assert "1/1 cascade: The minds say eight." in ended.err
    assert "cascade against single: cascade" in ended.err
    assert ended.out.startswith("One question tells nothing of the cascade and the single model")
    assert "cascade against single" in ended.out
    report = Path("matrioska_comparison.html").read_text(encoding="utf-8")
    assert "The minds say eight." in report


def test_where_nobody_answers_nothing_is_compared(compare, server: ModelServer) -> None:
    server.answer = lambda stage, module, prompt: ""
    ended = compare("Why?")
    assert (ended.code, ended.out) == (1, "")
    assert "Nobody gave an answer: nothing was compared." in ended.err
    assert "matrioska doctor" in ended.err
    assert compare("Why?", "--json").json["status"] == "failed"


def test_a_file_of_questions_as_json(compare) -> None:
    ended = compare("--questions", _questions(8), "--report", "r.html", "--yes", "--json")
    assert ended.code == 0, ended.err
    found = ended.json
    assert (found["status"], found["questions"], len(found["replies"]), len(found["duels"])) == ("complete", 8, 16, 8)
    (pair,) = found["pairs"]
    assert (pair["wins"], pair["verdict"]) == (8, "better")
    assert pair["words"].startswith("The cascade is better than the single model (preferred in 100% of 8 questions")
    assert found["judge"]["own"] == ["cascade", "single"]
    assert Path(found["report"]).read_text(encoding="utf-8").count("<details") == 8
    assert Path(found["file"]).exists()
    assert ended.err.count("Eight") == 0


def test_references_are_held_against_the_answers(compare) -> None:
    Path("q.jsonl").write_text('{"question": "How many legs has a spider?", "answer": "8", "id": "legs"}\n')
    found = compare("--questions", "q.jsonl", "--json").json
    cascade, single = found["ways"]
    assert (single["exact"], cascade["exact"], cascade["holds"]) == (1, 0, 0)


def test_what_is_not_small_needs_a_word(compare, server: ModelServer) -> None:
    ended = compare("--questions", _questions(40))
    assert ended.code == 2
    assert "This is not small" in ended.err
    assert "--yes" in ended.err
    assert server.requests == []


def test_a_judge_of_its_own_takes_no_part(compare, server: ModelServer) -> None:
    ended = compare("--judge", f"openai:other@{server.url}/v1", "Why?")
    assert ended.code == 0, ended.err
    assert "takes part itself" not in ended.err
    assert "openai:other" in ended.out
    judged = [body["model"] for body in server.requests if "Stage: judge" in json.dumps(body)]
    assert judged == ["other", "other"]


def test_an_ensemble_takes_part_where_it_is_described(compare, server: ModelServer) -> None:
    name = f"openai:m@{server.url}/v1"
    Path("topology.json").write_text(json.dumps({"nodes": [{"id": "n1", "model_a": name, "model_b": name}]}))
    found = compare("--topology", "topology.json", "--json", "Why?").json
    assert [way["via"] for way in found["ways"]] == ["cascade", "ensemble", "single"]
    assert len(found["pairs"]) == 3


def test_a_judge_out_of_reach_is_said_and_the_same_command_asks_only_it(compare, server: ModelServer) -> None:
    def broken(stage: str, module: str, prompt: str) -> str:
        if stage == "judge":
            raise RuntimeError("out of order")
        return answers(stage, module, prompt)

    Path("matrioska.toml").write_text(f'[members.far]\nmodel = "openai:far@{server.url}/v1"\nattempts = 1\n')
    server.answer = broken
    ended = compare("--judge", "far", "Why?")
    assert ended.code == 1, ended.err
    assert "No judge could be reached for 1 pair of answers" in ended.err
    before, server.answer = len(server.requests), answers
    ended = compare("--judge", "far", "--json", "Why?")
    assert (ended.code, ended.json["pairs"][0]["wins"]) == (0, 1)
    assert [body["model"] for body in server.requests[before:]] == ["far", "far"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ask",), "There is no question"),
        (("ask", "Why?", "--questions", "q.txt"), "--questions goes with --compare"),
        (("ask", "Why?", "--judge", "m"), "--judge goes with --compare"),
        (("ask", "Why?", "--yes"), "--yes goes with --compare"),
        (("ask", "--compare"), "There is no question"),
        (("ask", "--compare", "Why?", "--questions", "q.txt"), "A question and --questions were given"),
        (("ask", "--compare", "Why?", "--via", "single"), "--via goes without --compare"),
        (("ask", "--compare", "Why?", "--votes"), "--votes goes without --compare"),
        (("ask", "--compare", "--questions", "nowhere.txt"), "Cannot read the questions"),
        (("ask", "--compare", ""), "The question is empty"),
        (("ask", "--compare", "Why?"), "nothing to compare: no way to answer is configured"),
        (("ask", "--compare", "Why?", "--model", "ollama:m", "--judge", "embedded"), "cannot judge answers"),
        (("ask", "--compare", "Why?", "--report", "nowhere/r.html"), "The report cannot be written"),
    ],
)
def test_wrong_use_is_said_before_anything_is_asked(cli, arguments: tuple[str, ...], says: str) -> None:
    ended = cli(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
    assert says in cli(*arguments, "--json").json["error"]["message"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_study_goes_on_where_it_stopped(spawn, cli, server: ModelServer, number: signal.Signals) -> None:
    texts = [f"Question {place}?" for place in range(1, 5)]
    Path("q.txt").write_text("\n".join([*texts, "What is slow?", "What is slower?"]))
    arguments = ("ask", "--compare", "--model", f"openai:m@{server.url}/v1", "--questions", "q.txt", "--yes")
    process = spawn(*arguments)
    for place in range(1, 5):
        process.wait_for(f"{place}/6 cascade against single")
    process.popen.send_signal(number)
    ended = process.end()
    assert ended.code == (130 if number == signal.SIGINT else -number)
    before = len(server.requests)
    server.answer = lambda stage, module, prompt: answers(stage, module, prompt.replace("slow", "quick"))
    again = cli(*arguments, "--json")
    assert again.code == 0, again.err
    assert (again.json["questions"], len(again.json["replies"])) == (6, 12)
    # Of the four that were through, nothing is asked again.
    later = [json.dumps(body) for body in server.requests[before:]]
    assert any("What is slow?" in body for body in later)
    assert not any(text in body for body in later for text in texts)


def test_a_person_is_asked_before_what_costs_much(terminal, server: ModelServer) -> None:
    window = terminal("ask", "--compare", "--model", f"openai:m@{server.url}/v1", "--questions", _questions(40))
    window.wait_for("together")
    window.wait_for("Go on with 40 questions? [y/N]")
    window.type("n\r")
    window.wait_for("Nothing was asked.")
    assert window.end() == 0
    assert server.requests == []


def test_hostile_answers_do_not_reach_the_terminal(compare, server: ModelServer) -> None:
    server.answer = lambda stage, module, prompt: (
        "Ei\x1b[31mght\u202e" if stage != "judge" else answers(stage, module, prompt)
    )
    ended = compare("Why?\x1b[2J")
    assert "\x1b" not in ended.out + ended.err
    assert "\u202e" not in ended.out + ended.err
