"""Checks of plugins: run where ours run, bounded, and unable to stop or change anything."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from matrioska.hooks import hookimpl
from matrioska.models.gateway import Reply
from matrioska.nodes.checks.registry import Checked, module_complaints
from matrioska.nodes.judge import Judge
from matrioska.plugins import plugged
from matrioska.state.architecture import ModuleSpec
from matrioska.state.artifacts import SourceFile
from matrioska.state.jobs import Job, Project
from matrioska.state.results import Usage
from tests.graph.conftest import mode as mode
from tests.graph.conftest import start as start
from tests.graph.conftest import world as world
from tests.support import Author, file_block, plan, spec

Check = Callable[[Checked], Any]


class Plugin:
    """A plugin with one check."""

    def __init__(self, check: Check) -> None:
        self.check = check

    @hookimpl
    def matrioska_checks(self) -> Mapping[str, Any]:
        return {"mine": self.check}


class _Odd(str):
    """A text of a plugin's own making."""

    def strip(self, chars: str | None = None, /) -> str:
        raise ValueError("not a text after all")


def _complaints(check: Check, *texts: str, values: dict[str, Any] | None = None) -> list[str]:
    files = [SourceFile(path=f"f{number}.txt", text=text) for number, text in enumerate(texts)]
    with plugged(Plugin(check)):
        return module_complaints(Checked(ModuleSpec(id="a"), files, values or {}))


def test_it_is_given_files_spec_and_values() -> None:
    def check(checked: Checked) -> list[str]:
        return [f"{checked.spec.id} {file.path} {file.text} {checked.values['k']}" for file in checked.files]

    assert _complaints(check, "x", "y", values={"k": 1}) == ["a f0.txt x 1", "a f1.txt y 1"]


def test_what_is_built_in_complains_as_well() -> None:
    with plugged(Plugin(lambda checked: ["mine"])):
        files = [SourceFile(path="a.py", text="def (:")]
        built_in, own = module_complaints(Checked(ModuleSpec(id="a"), files))
    assert "a.py" in built_in
    assert own == "mine"


def test_what_it_does_to_its_copy_stays_there() -> None:
    def check(checked: Checked) -> list[str]:
        checked.values["k"].append("mine")  # type: ignore[index]
        checked.spec.rules.append("mine")
        checked.files.clear()  # type: ignore[attr-defined]
        return []

    values = {"k": ["ours"]}
    module, files = ModuleSpec(id="a"), [SourceFile(path="a.txt", text="x")]
    with plugged(Plugin(check)):
        module_complaints(Checked(module, files, values))
    assert values == {"k": ["ours"]}
    assert module.rules == []
    assert len(files) == 1


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (RuntimeError("not today"), "RuntimeError: not today"),
        (SystemExit("bye"), "SystemExit: bye"),
        (None, "TypeError"),
        ("A text.", "it returned a text"),
        ([1, 2], "it complained with a int"),
        ([_Odd("mine")], "ValueError: not a text after all"),
        (7, "TypeError"),
    ],
)
def test_one_that_fails_is_named_and_complains_of_nothing(
    given: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    def check(checked: Checked) -> Any:
        if isinstance(given, BaseException):
            raise given
        return given

    with caplog.at_level(logging.WARNING, "matrioska.plugins"):
        assert _complaints(check, "x") == []
    (record,) = caplog.records
    assert record.getMessage().startswith("The check mine of a plugin is left out for a: ")
    assert reason in record.getMessage()


def test_complaints_without_end_are_cut_and_cleaned() -> None:
    found = _complaints(lambda checked: (f"{n} \x1b[31m\n{'x' * 9_000}" for n in itertools.count()), "x")
    assert len(found) == 31
    assert found[-1] == "and 970 more"
    assert all(len(complaint) <= 500 and "\x1b" not in complaint and "\n" not in complaint for complaint in found)
    assert _complaints(lambda checked: ["", "  \n"], "x") == []


def test_a_worker_that_chooses_among_answers_hears_it() -> None:
    job = Job(
        kind="produce", project=Project(name="P", goal="", constraints=[], language="en"), spec=ModuleSpec(id="a")
    )
    answer = Reply(file_block("a.txt", "lorem"), Usage())
    assert Judge(job)(answer) == []
    with plugged(Plugin(lambda checked: [f"{file.path} is filler" for file in checked.files])):
        assert Judge(job)(answer) == ["a.txt is filler"]


def test_a_module_mends_what_it_complains_of(start: Any) -> None:
    def check(checked: Checked) -> list[str]:
        return ["Write no filler."] if any("lorem" in file.text for file in checked.files) else []

    told = {"produce a": file_block("a.txt", "lorem"), "mend a": file_block("a.txt", "a poem")}
    author = Author(plan(spec("a"), spec("b")), told=told)
    driven = start(author)
    with plugged(Plugin(check)):
        driven.run("Write.")
    assert driven.statuses() == {"a": "done", "b": "done"}
    (mended,) = author.prompts("mend", "a")
    assert "Write no filler." in mended
    assert author.prompts("mend", "b") == []
