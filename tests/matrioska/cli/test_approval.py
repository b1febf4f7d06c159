"""A person at a terminal: the plan, the answers, the editor, the failures."""

from __future__ import annotations

import json
import os
import signal
import stat
from pathlib import Path

import pytest

from tests.support import Author, chain

TASK = "Compare SQLite and PostgreSQL for a small shop"
ASK = "[l]ater  > "


def _editor(folder: Path, body: str) -> str:
    """Write an editor that is a small Python program; ``path`` is the file to edit."""
    script = folder / "editor.py"
    script.write_text(f"import sys, os, time, pathlib\npath = pathlib.Path(sys.argv[1])\n{body}\n", encoding="utf-8")
    start = folder / "editor"
    start.write_text(f'#!/bin/sh\nexec "{os.sys.executable}" "{script}" "$@"\n')
    start.chmod(start.stat().st_mode | stat.S_IXUSR)
    return str(start)


def _run(terminal, *arguments: str, author: str = "chain", **more: str):
    return terminal("run", "-t", "one", *arguments, TASK, CHILD_AUTHOR=author, **more)


def _status(cli) -> str:
    return cli("show", "one", "--json").json["status"]


def test_approve(terminal) -> None:
    shown = _run(terminal, CHILD_SLOW="0.2")
    shown.wait_for("📖")
    shown.wait_for("✍")
    shown.wait_for("m2")
    shown.wait_for("1. m0")
    shown.wait_for(ASK)
    shown.type("a\n")
    shown.wait_for("producing")
    shown.wait_for("3 of 3 done")
    assert shown.end() == 0
    # The terminal is as it was: the cursor is shown again.
    assert shown.raw.rfind("\x1b[?25h") > shown.raw.rfind("\x1b[?25l")


def test_only_a_clear_answer_counts(terminal, cli) -> None:
    shown = _run(terminal)
    shown.wait_for(ASK)
    shown.type("\n")
    shown.wait_for("Type one of the letters a, e, r, j, l")
    shown.type("perhaps\n")
    shown.wait_for("Type one of the letters")
    shown.type("j\n")
    shown.wait_for("Refuse the plan?")
    shown.type("n\n")
    shown.wait_for(ASK)
    shown.type("later\n")
    shown.wait_for("matrioska resume one --approve")
    assert shown.end() == 3
    assert _status(cli) == "waiting"


def test_reject(terminal) -> None:
    shown = _run(terminal)
    shown.wait_for(ASK)
    shown.type("j\n")
    shown.wait_for("[y/N]")
    shown.type("y\n")
    shown.wait_for("The plan was refused.")
    shown.wait_for("Decide on the plan again: matrioska resume one")
    assert shown.end() == 1


def test_the_end_of_input_leaves_it_for_later(terminal, cli) -> None:
    shown = _run(terminal)
    shown.wait_for(ASK)
    shown.type("\x04")
    assert shown.end() == 3
    assert _status(cli) == "waiting"


def test_respond_brings_another_plan(terminal) -> None:
    shown = _run(terminal)
    shown.wait_for(ASK)
    shown.type("r\n")
    shown.wait_for("What should change?")
    shown.type("Menos módulos, por favor\n")
    shown.wait_for(ASK)
    shown.type("a\n")
    assert shown.end() == 0


def test_edit(terminal, cli, tmp_path: Path) -> None:
    editor = _editor(tmp_path, "path.write_text(path.read_text().replace('Build m1.', 'Build m1 “com atenção”.'))")
    shown = _run(terminal, EDITOR=editor)
    shown.wait_for(ASK)
    shown.type("e\n")
    assert shown.end() == 0
    assert cli("show", "one", "m1", "--json").json["spec"]["description"] == "Build m1 “com atenção”."


def test_a_faulty_edit_is_explained_and_kept_for_the_next_try(terminal, cli, tmp_path: Path) -> None:
    body = """
text = path.read_text()
if 'MINE' in text:
    path.write_text(text.replace('dependencies: [m2]', 'dependencies: []'))
else:
    path.write_text(text.replace('dependencies: []', 'dependencies: [m2]', 1).replace('Build m0.', 'MINE'))
"""
    shown = _run(terminal, EDITOR=_editor(tmp_path, body))
    shown.wait_for(ASK)
    shown.type("e\n")
    shown.wait_for("cannot be carried out")
    shown.wait_for("cycle")
    shown.wait_for("Edit it again? [y/N]")
    shown.type("y\n")
    assert shown.end() == 0
    assert cli("show", "one", "m0", "--json").json["spec"]["description"] == "MINE"


def test_an_edit_that_is_given_up_is_kept_in_its_file(terminal, cli, tmp_path: Path) -> None:
    shown = _run(terminal, EDITOR=_editor(tmp_path, "path.write_text('name: [mine')"), TMPDIR=str(tmp_path))
    shown.wait_for(ASK)
    shown.type("e\n")
    shown.wait_for("neither JSON nor YAML")
    shown.wait_for("[y/N]")
    shown.type("n\n")
    shown.wait_for("Your text is kept in")
    shown.wait_for(ASK)
    shown.type("l\n")
    assert shown.end() == 3
    assert [path.read_text() for path in tmp_path.glob("matrioska-plan-*.yaml")] == ["name: [mine"]


@pytest.mark.parametrize(
    ("editor", "words"),
    [("true", "Nothing was changed."), ("false", "ended with code 1"), ("/no/such/editor", "cannot be started")],
)
def test_editors_that_change_nothing(terminal, tmp_path: Path, editor: str, words: str) -> None:
    shown = _run(terminal, EDITOR=editor, TMPDIR=str(tmp_path))
    shown.wait_for(ASK)
    shown.type("e\n")
    shown.wait_for(words)
    shown.wait_for(ASK)
    shown.type("a\n")
    assert shown.end() == 0
    assert not list(tmp_path.glob("matrioska-plan-*"))


def test_ctrl_c_at_the_question(terminal, cli) -> None:
    shown = _run(terminal)
    shown.wait_for(ASK)
    shown.type("\x03")
    shown.wait_for("matrioska resume one")
    assert shown.end() == 130
    assert _status(cli) == "waiting"


def test_what_is_said_of_a_stop_is_not_said_behind_the_question(terminal) -> None:
    shown = _run(terminal)
    shown.wait_for(ASK)
    shown.type("\x03")
    shown.end()
    assert [row[:10] for row in shown.screen.splitlines() if "Stopped" in row] == ["💾 Stopped."]


def test_sigterm_at_the_question(terminal, cli) -> None:
    shown = _run(terminal)
    shown.wait_for(ASK)
    shown.popen.send_signal(signal.SIGTERM)
    shown.wait_for("matrioska resume one")
    assert shown.end() == 130
    assert _status(cli) == "waiting"


def test_ctrl_c_in_the_editor_keeps_the_text(terminal, cli, tmp_path: Path) -> None:
    editor = _editor(tmp_path, "path.write_text('MINE')\nprint('editing', flush=True)\ntime.sleep(60)")
    shown = _run(terminal, EDITOR=editor, TMPDIR=str(tmp_path))
    shown.wait_for(ASK)
    shown.type("e\n")
    shown.wait_for("editing")
    shown.type("\x03")
    shown.wait_for("Your text is kept in")
    shown.wait_for("matrioska resume one")
    _end_with_editor(shown)
    assert _status(cli) == "waiting"


def _end_with_editor(shown) -> None:
    # The editor of this test, a Python program, may leave a traceback of its own.
    try:
        code = shown.end()
    except AssertionError:
        code = shown.popen.wait(timeout=10)
    assert code == 130


def test_ctrl_c_while_it_works_restores_the_terminal(terminal, cli) -> None:
    shown = _run(terminal, "-y", CHILD_SLOW="0.4")
    shown.wait_for("agreeing")
    shown.type("\x03")
    shown.wait_for("Stopping after the current step")
    shown.wait_for("matrioska resume one")
    assert shown.end() == 130
    assert shown.raw.rfind("\x1b[?25h") > shown.raw.rfind("\x1b[?25l")


def test_failures_are_shown_and_can_be_tried_again(terminal, tmp_path: Path) -> None:
    shown = _run(terminal, author="failing")
    shown.wait_for(ASK)
    shown.type("a\n")
    shown.wait_for("Some modules are not done")
    shown.wait_for("m1  The model has no mood today.")
    shown.wait_for("Wait for a better day.")
    shown.wait_for(ASK)
    (tmp_path / "cause-is-gone").touch()
    shown.type("r\n")
    shown.wait_for("3 of 3 done")
    assert shown.end() == 0


def test_failures_can_be_hinted_at_and_gone_on_without(terminal, cli) -> None:
    shown = _run(terminal, "-M", "embedded", author="failing")
    shown.wait_for(ASK)
    shown.type("a\n")
    shown.wait_for(ASK)
    shown.type("h\n")
    shown.wait_for("A hint for the modules that failed:")
    shown.type("Be kind to it\n")
    shown.wait_for("Some modules are not done")
    shown.wait_for(ASK)
    shown.type("w\n")
    shown.wait_for("partly done")
    assert shown.end() == 1
    assert cli("show", "one", "m1", "--json").json["spec"]["rules"] == ["Be kind to it"]


def test_resume_asks_on_a_terminal(terminal, cli) -> None:
    assert cli("run", "-t", "one", TASK, author=Author(chain(3))).code == 3
    shown = terminal("resume", "one", CHILD_AUTHOR="chain")
    shown.wait_for(ASK)
    shown.type("a\n")
    assert shown.end() == 0


def test_no_colour_when_it_is_not_wanted(terminal) -> None:
    shown = _run(terminal, "-y", NO_COLOR="1", CHILD_SLOW="0.1")
    shown.wait_for("3 of 3 done")
    assert shown.end() == 0
    colours = {"\x1b[3", "\x1b[9"}
    assert not [part for part in shown.raw.split("m") if part[-4:-1] in colours]


def test_json_never_asks(terminal) -> None:
    shown = _run(terminal, "--json")
    assert shown.end() == 3
    assert json.loads(shown.screen[shown.screen.index("{") : shown.screen.rindex("}") + 1])["status"] == "waiting"


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (40, 10)])
def test_screens_of_all_sizes(terminal, columns: int, lines: int) -> None:
    shown = _run(terminal, columns=columns, lines=lines, CHILD_SLOW="0.1")
    shown.wait_for("ater  >")
    shown.type("a\n")
    shown.wait_for("3 of 3 done")
    assert shown.end() == 0
