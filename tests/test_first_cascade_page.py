"""What docs/first-cascade.md says is true: its commands are taken, and every line of its screens is printed.

Figures differ from run to run, and so do gaps between columns; all else of a line has to be there.
"""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import threading
from collections.abc import Iterator
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, get_args

import pytest
from rich.console import Console
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from typer.main import get_command

from matrioska.cli.app import app
from matrioska.cli.minds import MindPhase, MindsProgress
from matrioska.cli.minds_screen import render
from matrioska.models.servers import look_at_all
from matrioska.state.fences import read_fences
from matrioska.state.journal import MessageType
from tests.matrioska.cli import conftest as command_line
from tests.matrioska.cli.conftest import Ended
from tests.protocols import ModelServer, openai_app, serving

cli, spawn, terminal = command_line.cli, command_line.spawn, command_line.terminal

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "first-cascade.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
SCREENS = [screen.rstrip().splitlines() for screen in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)]
SETTINGS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
QUESTION = "How could a small library lend tools as well as books?"
MODEL, OTHER = "qwen2.5-14b-instruct", "gemma-3-12b-it"

SAYS = {
    "Atlas": {
        "analyse": "What is asked is two things: how lending works, and whether a library should do it.",
        "split": {"nova": "What does a small library need in order to lend tools?", "sage": "What does it mean?"},
        "critique": "The figures are for a town of 10,000.",
        "synthesise": "Begin small: one shelf of 20 tools that people rarely own, such as a drill, a ladder, a sewing "
        "machine and a moisture meter. Each gets a card like a book, is lent for three days, and is checked by a "
        "volunteer before it goes back on the shelf; 400 euros buy the first shelf used, and 10% of that a year "
        "mends it.",
    },
    "Nova": {
        "split": {"echo": "Which steps, tools and costs does a first shelf take?", "pixel": "What does it resemble?"},
        "synthesise": "Start with 20 tools, bought used for 400 euros.",
    },
    "Echo": {
        "analyse": "Steps: (1) ask 30 borrowers which tools they lack; (2) buy 20 used tools.",
        "reflect": "A photograph on the card halves the quarrels on return.",
        "synthesise": "Steps: (1) ask 30 borrowers which tools they lack; (2) buy 20 used tools, with a photograph.",
    },
}


def answer(stage: str, module: str, prompt: str) -> str:
    """Answer as the minds of the page do, as one model, and as its judge."""
    if stage == "judge":
        parts = read_fences(prompt)
        many, few = ("A", "B") if len(parts["answer_a"]) > len(parts["answer_b"]) else ("B", "A")
        verdict = "tie" if "school" in parts["question"] else few if "listen" in parts["question"] else many
        return json.dumps({"reason": "It says more.", "verdict": verdict})
    mind = re.search(r"^Mind: (.+)$", prompt, re.MULTILINE)
    said = SAYS.get(mind[1] if mind else "", {}).get(stage, "NOTHING" if stage in ("reflect", "critique") else "Yes.")
    return said if isinstance(said, str) else json.dumps(said)


def lm_studio(server: ModelServer) -> Starlette:
    """Serve OpenAI's protocol, and say what is wrong as LM Studio does."""

    def told(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return JSONResponse({"error": {"message": error.detail, "code": "model_not_found"}}, error.status_code)

    found = openai_app(server)
    found.add_exception_handler(HTTPException, told)
    return found


@pytest.fixture(scope="module")
def listening() -> Iterator[ModelServer]:
    """Listen in one place for all tests, as LM Studio does: a client of a model is kept while the process lives."""
    entries = [{"id": name, "state": "loaded", "loaded_context_length": 16384} for name in (MODEL, OTHER)]
    server = ModelServer(answer, models=entries, extra={"/api/v0/models": {"data": entries}})
    with serving(lm_studio, server) as found:
        yield found


@pytest.fixture
def studio(listening: ModelServer, monkeypatch: pytest.MonkeyPatch) -> ModelServer:
    """Be LM Studio on the reader's machine."""

    def only_what_is_there(stage: str, module: str, prompt: str) -> str:
        if listening.requests[-1]["model"] not in (MODEL, OTHER):
            raise HTTPException(404, "Model not found. Please specify a valid model.")
        return answer(stage, module, prompt)

    listening.answer = only_what_is_there
    listening.requests.clear()
    monkeypatch.setenv("LMSTUDIO_BASE_URL", f"{listening.url}/v1")
    monkeypatch.setenv("COLUMNS", "80")
    # A machine that runs many tests may keep it waiting.
    monkeypatch.setattr("matrioska.cli.doctor_models.look_at_all", partial(look_at_all, patience=60.0))
    return listening


def bare(line: str) -> str:
    """Return a line without what differs from run to run: figures, ids, gaps, and the word at which it is cut."""
    cut = re.sub(r"\S*….*$", "", line)
    named = re.sub(r"(-library)-[0-9a-f]+", r"\1", cut)
    return " ".join(re.sub(r"\d+(?:[.,:]\d+)*", "#", named).split())


def screen_with(words: str) -> list[str]:
    """Return the lines of the one screen of the page that has these words."""
    (found,) = (screen for screen in SCREENS if any(words in line for line in screen))
    return [line for line in found if line.strip()]


def assert_printed(screen: list[str], *printed: Ended) -> None:
    """Check that every line of a screen was printed; where lines of a text are broken is the screen's own affair."""
    every = " ".join(bare(line) for ended in printed for line in (ended.out + ended.err).splitlines())
    for line in screen:
        assert bare(line) in every, f"{line!r} is not in {every!r}"


@pytest.mark.parametrize("line", [line for block in COMMANDS for line in block.splitlines()])
def test_every_command_is_taken(line: str) -> None:
    assert_taken(line)


@pytest.mark.parametrize("more", re.findall(r"^\|[^|]*\| `(--[^`]*)` \|$", PAGE, re.MULTILINE))
def test_every_way_to_look_at_the_journal_is_taken(more: str) -> None:
    assert_taken(f"matrioska journal a-question {more}")


def assert_taken(line: str) -> None:
    """Check that a command exists and takes these arguments; nothing is run."""
    program, name, *words = shlex.split(line.partition(" > ")[0])
    assert program == "matrioska"
    root: Any = get_command(app)
    with root.commands[name].make_context(name, words):
        pass


def test_every_option_in_the_text_exists() -> None:
    root: Any = get_command(app)
    known = {option for command in root.commands.values() for found in command.params for option in found.opts}
    named = set(re.findall(r"`(?:matrioska \w+[^`]*? )?(--[a-z-]+)", PAGE))
    assert named
    assert named <= known


def test_every_link_leads_somewhere() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.+)$", PAGE, re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif not target.startswith("https://"):
            assert (DOCS / target).is_file(), target


def test_every_type_of_message_is_one() -> None:
    rows = re.findall(
        r"^\| (`(?:query|expansion|control|delegation|reflection|critique|synthesis|response|error)`.*?) \|", PAGE, re.M
    )
    assert len(rows) == 9
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} <= set(get_args(MessageType))


def test_the_minds_at_work_look_so() -> None:
    progress = MindsProgress(0.0)
    names = {"atlas": "", "nova": "atlas", "echo": "nova", "pixel": "nova", "sage": "atlas", "quantum": "sage"}
    planted = [{"id": mind, "name": mind.capitalize(), "parent": above} for mind, above in names.items()]

    def think(mind: str, step: str, begun: float, ended: float | None = None) -> None:
        progress.apply({"type": "mind", "mind": mind, "step": step, "phase": "begin"}, begun)
        if ended is not None:
            progress.apply({"type": "mind", "mind": mind, "step": step, "phase": "end"}, ended)

    progress.apply({"type": "minds", "minds": planted}, 0.0)
    think("atlas", "split", 0.0, 7.9)
    for mind, seconds in (("echo", 1.7), ("pixel", 1.1), ("quantum", 2.8)):
        think(mind, "analyse", 8.0, 8.0 + seconds)
        progress.apply({"type": "reply", "mind": mind, "status": "answered"}, 12.0)
    think("nova", "synthesise", 11.6)
    think("sage", "reflect", 12.7)
    said = "Start with 20 tools, bought used for 400"
    progress.apply({"type": "piece", "mind": "nova", "text": said}, 13.0)
    out = Console(file=StringIO(), width=80, height=40, color_system=None, force_terminal=True)
    out.print(render(progress, 14.0, out))
    drawn = [line.rstrip() for line in out.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert drawn == screen_with("2 thinking")


def test_the_signs_of_the_minds_are_all_told() -> None:
    progress = MindsProgress(0.0)
    for number, phase in enumerate(MindPhase):
        progress.row(str(number)).phase = phase
    out = Console(file=StringIO(), width=80, height=40, color_system=None, force_terminal=True)
    out.print(render(progress, 0.0, out, ended=True))
    signs = {line.split()[0] for line in out.file.getvalue().splitlines()}  # type: ignore[attr-defined]
    assert signs == set(re.findall(r"^\| `(.)` \|", PAGE, re.MULTILINE))


def test_the_doctor_the_answer_the_journal_and_the_rest(cli, studio: ModelServer) -> None:
    assert_printed(screen_with("Servers of models"), cli("doctor"))
    answered = cli("ask", "--via", "cascade", "--model", f"lmstudio:{MODEL}", QUESTION)
    assert answered.code == 0, answered.err
    assert_printed(screen_with("6 minds · 25 calls"), answered)
    (thread,) = (row["thread_id"] for row in cli("threads", "--json").json)
    read = cli("journal", thread)
    assert_printed(screen_with("delegation nova → echo"), read)
    assert QUESTION in cli("show", thread).out
    number = re.search(r"^ *(\d+) .*critique atlas", read.out, re.MULTILINE)
    assert number
    assert "The figures are for a town of 10,000." in cli("journal", thread, "--message", number[1]).out


def test_the_settings_and_what_is_missing(cli, studio: ModelServer) -> None:
    Path("matrioska.toml").write_text("\n".join(SETTINGS))
    assert_printed(screen_with("3 minds: Atlas, Maria, Quantum"), cli("doctor"))
    assert cli("ask", "Should a village keep its own school?").code == 0
    # The name's end is left out, as a reader may do.
    Path("matrioska.toml").write_text("\n".join(SETTINGS).replace(OTHER, OTHER.removesuffix("-it")))
    found = {check["name"]: check for check in cli("doctor", "--json").json["checks"]}
    assert found["model lmstudio:gemma-3-12b"]["state"] == "missing"
    ended = cli("ask", QUESTION)
    assert ended.code == 1
    assert_printed(screen_with("Missing in this answer: Quantum, deep"), ended)


def test_the_comparison(cli, studio: ModelServer) -> None:
    asked = [f"Question {number}?" for number in range(10)] + ["A school?", "How does one learn to listen?"]
    Path("questions.txt").write_text("\n".join(asked))
    # One mind is as good as six here, and sooner done.
    Path("matrioska.toml").write_text(f'model = "lmstudio:{MODEL}"\n[[cascade.minds]]\nid = "atlas"\n')
    ended = cli("ask", "--compare", "--questions", "questions.txt", "--judge", f"lmstudio:{OTHER}")
    assert ended.code == 0, ended.err
    assert_printed(screen_with("cascade against single"), ended)
    figures = next(line for line in screen_with("cascade against single") if line.startswith("cascade against"))
    assert (
        figures.split()[3:]
        == next(line for line in ended.out.splitlines() if line.startswith("cascade ag")).split()[3:]
    )
    assert "takes part itself" in cli("ask", "--compare", QUESTION).err
    assert Path("matrioska_comparison.html").is_file()


def test_a_large_comparison_asks_first(terminal, studio: ModelServer) -> None:
    Path("questions.txt").write_text("\n".join(f"Question {number}?" for number in range(12)))
    shown = terminal("ask", "--compare", "--questions", "questions.txt", "--model", f"lmstudio:{MODEL}")
    shown.wait_for(re.search(r"`(Go on with 12 questions\?)`", PAGE)[1])  # type: ignore[index]
    shown.type("n\n")
    assert shown.end() == 0
    assert studio.requests == []


def test_the_service(spawn, studio: ModelServer) -> None:
    process = spawn("serve", "--port", "0", "--model", f"lmstudio:{MODEL}")
    process.wait_for("Ctrl-C ends it.")
    process.popen.send_signal(signal.SIGINT)
    ended = process.end()
    assert_printed(screen_with("base URL"), ended)


def test_it_is_stopped_and_goes_on(spawn, cli, studio: ModelServer) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def held(stage: str, module: str, prompt: str) -> str:
        asked.set()
        assert go_on.wait(30)
        return answer(stage, module, prompt)

    studio.answer = held
    process = spawn("ask", "--model", f"lmstudio:{MODEL}", QUESTION)
    assert asked.wait(30)
    process.popen.send_signal(signal.SIGINT)
    process.wait_for("Stopping after the current step")
    go_on.set()
    ended = process.end()
    assert ended.code == 130
    assert_printed(screen_with("💾"), ended)
    told = cli(*shlex.split(ended.err.splitlines()[-1])[1:])
    assert told.code == 0
    assert "Begin small" in told.out


@pytest.mark.parametrize(
    ("arguments", "settings", "says"),
    [
        (("ask", "Why?"), "", ["The embedded model answers no questions"]),
        (("ask", "-M", MODEL, "Why?"), "", [f"There is no model '{MODEL}'."]),
        (("ask", "-M", "lmstudio:gone", "Why?"), "", ["No mind could answer.", "the server has no such model"]),
        (("init",), "model = 'embedded'", ["There is a settings file already"]),
        (("journal", "nothing"), "", ["The journal holds no conversation"]),
        (("resume", "nothing"), "", ["There is no run with the thread id"]),
        (
            ("ask", "Why?"),
            f'model = "lmstudio:{MODEL}"\n[[cascade.minds]]\nid = "a"\n[[cascade.minds]]\nid = "b"\nparent = "c"',
            ["The tree of minds in", "has a fault"],
        ),
        (("ask", "--compare", "--questions", "long.txt", "-M", f"lmstudio:{MODEL}"), "", ["This is not small"]),
        (
            ("ask", "--compare", "Why?", "-M", f"lmstudio:{MODEL}", "--judge", "lmstudio:gone"),
            "",
            ["No judge could be"],
        ),
    ],
)
def test_every_complaint_is_really_made(
    cli, studio: ModelServer, arguments: tuple[str, ...], settings: str, says: list[str]
) -> None:
    Path("long.txt").write_text("\n".join(f"Question {number}?" for number in range(40)))
    if settings:
        Path("matrioska.toml").write_text(settings)
    ended = cli(*arguments)
    assert ended.code in (1, 2)
    rows = PAGE.partition("## When something goes wrong")[2]
    for words in says:
        assert words in ended.err
        assert words in rows


def test_a_server_that_is_off_is_told(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        free = listener.getsockname()[1]
    monkeypatch.setenv("LMSTUDIO_BASE_URL", f"http://127.0.0.1:{free}/v1")
    checks = {check["name"]: check for check in cli("doctor", "--json").json["checks"]}
    told = next(words for words in re.findall(r"^\| `([^`]+)` behind LM Studio", PAGE, re.MULTILINE))
    assert told in checks["LM Studio"]["detail"]
    assert checks["LM Studio"]["next_step"]
