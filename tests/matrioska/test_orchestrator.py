"""The first system's front door: its names, its folders, its behaviour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matrioska import ARCHITECT_SYSTEM_PROMPT, Architecture, ContextManager, MatrioskaOrchestrator
from matrioska.state.errors import UnknownModelError
from tests.support import Author, chain


def test_one_object_one_call(tmp_path: Path) -> None:
    author = Author(chain(2))
    events: list[dict[str, Any]] = []
    orchestrator = MatrioskaOrchestrator(author.model, base_path=tmp_path, on_event=events.append)
    assert orchestrator.architecture is None
    report = orchestrator.run("Do it.", thread_id="one")
    assert report.status == "complete"
    assert isinstance(orchestrator.architecture, Architecture)
    assert orchestrator.context_manager.keys == ["m0.api", "m1.api"]
    assert {path.name for path in tmp_path.iterdir()} == {
        "matrioska_artifacts", "matrioska_checkpoints", "matrioska_results.zip",
    }  # fmt: skip
    assert (tmp_path / "matrioska_checkpoints" / "architecture.json").is_file()
    assert (tmp_path / "matrioska_checkpoints" / "shared_state.json").is_file()
    assert events


async def test_it_works_inside_a_running_loop(tmp_path: Path) -> None:
    report = await MatrioskaOrchestrator(Author(chain(2)).model, base_path=tmp_path).arun("Do it.")
    assert report.status == "complete"
    again = MatrioskaOrchestrator(Author(chain(2)).model, base_path=tmp_path).run("Do it again.")
    assert again.status == "complete"


def test_a_run_that_waits_can_be_answered(tmp_path: Path) -> None:
    orchestrator = MatrioskaOrchestrator(Author(chain(2)).model, base_path=tmp_path, approval="ask")
    report = orchestrator.run("Do it.")
    assert report.status == "waiting"
    assert orchestrator.resume(report.thread_id, True).status == "complete"
    assert orchestrator.context_manager.keys


def test_options_are_those_of_a_run(tmp_path: Path) -> None:
    orchestrator = MatrioskaOrchestrator(Author(chain(2)).model, base_path=tmp_path, direct=True)
    orchestrator.run("Do it.")
    assert orchestrator.architecture is not None
    assert orchestrator.architecture.is_direct
    with pytest.raises(ValueError, match="slot"):
        MatrioskaOrchestrator(slot=1)


def test_a_wrong_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError):
        MatrioskaOrchestrator("nobody:x", base_path=tmp_path).run("Do it.")


def test_the_context_manager_gives_what_is_there() -> None:
    manager = ContextManager({"a": 1, "b": {"c": 2}})
    assert manager.get_shared_context(["b", "missing", "a"]) == {"b": {"c": 2}, "a": 1}
    assert ContextManager().get_shared_context(["a"]) == {}


def test_the_architects_prompt_is_the_template(tmp_path: Path) -> None:
    author = Author(chain(2))
    MatrioskaOrchestrator(author.model, base_path=tmp_path).run("Do it.")
    assert ARCHITECT_SYSTEM_PROMPT.startswith("You are the architect of Matrioska.")
