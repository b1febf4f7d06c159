"""What a run leaves to those after it: its plan, its modules and their elements, and who decided what."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from matrioska.nodes.remember import remember
from matrioska.state.architecture import Architecture
from matrioska.state.claims import Review, Settlement
from matrioska.state.context import RunOptions
from matrioska.state.repository import REPOSITORY_FORMAT, ProjectRecord
from matrioska.state.results import Finding, ModuleResult
from matrioska.store.layout import Layout
from matrioska.store.repository import Snapshot
from tests.nodes.remembering import TASK, ended, in_graph, repository_at
from tests.support import MODES


@pytest.fixture(params=["own", "platform"])
def store(request: pytest.FixtureRequest) -> BaseStore | None:
    return InMemoryStore() if request.param == "platform" else None


def kept(base: Path, store: BaseStore | None = None, thread: str = "") -> Snapshot:
    return asyncio.run(repository_at(base, store).snapshot(thread))


@pytest.mark.parametrize("mode", MODES)
def test_plan_modules_elements_terms_and_decisions_are_kept(tmp_path: Path, mode: str, store: BaseStore | None) -> None:
    left = in_graph(remember, ended(tmp_path), mode=mode, store=store)
    assert left.get("notes") == {}
    found = kept(tmp_path, store)
    assert found.record is not None
    assert (found.record.name, found.record.guidelines, found.record.timeline, found.record.thread) == (
        "Project",
        ["calm"],
        ["app before db"],
        "one",
    )
    assert {entry.id: entry.kind for entry in found.entries} == {
        "app": "section",
        "app/value/app.api": "value",
        "app/file/app.py": "file",
        "app/file/README.md": "file",
    }, "what failed is no knowledge, and a picture has no outline"
    by_id = {entry.id: entry for entry in found.entries}
    assert {(entry.section, entry.domain, entry.thread) for entry in found.entries} == {("app", "code", "one")}
    assert by_id["app"].text == "Build app."
    assert json.loads(by_id["app/value/app.api"].text) == {"route": "/sell"}
    assert "Defines: sell" in by_id["app/file/app.py"].text
    assert [term.term for term in found.terms] == ["tempo"]
    assert [(decision.who, decision.what) for decision in found.decisions] == [
        ("person", "approved the plan “Project” of 2 modules")
    ]
    # And none of it for the run itself, so that it stays what it was when resumed.
    assert kept(tmp_path, store, "one").is_empty


def test_decisions_say_who_what_and_why(tmp_path: Path) -> None:
    settled = Settlement(
        kind="value", subject="app.api", owner="app", winner="app", losers=["db"], by="boss", why="It came first."
    )
    review = Review(round=1, findings=[Finding(module="app", message="sells nothing").model_dump()])
    clean = Review(round=2)
    state = ended(
        tmp_path,
        settlements={"app.api": settled.model_dump()},
        reviews=[review.model_dump(), clean.model_dump()],
        options=RunOptions(base_path=str(tmp_path), project="shop", approval="auto").model_dump(),
    )
    in_graph(remember, state)
    told = {decision.who: decision for decision in kept(tmp_path).decisions if decision.who != "critic"}
    assert set(told) == {"architect", "boss"}
    assert told["architect"].what == "went by the plan “Project” of 2 modules"
    assert told["boss"].what == "the value app.api is as app has it against db"
    assert (told["boss"].why, told["boss"].about) == ("It came first.", ["app.api", "app", "db"])
    reviews = {decision.what: decision for decision in kept(tmp_path).decisions if decision.who == "critic"}
    assert reviews["review 1 found 1 fault"].why == "app: sells nothing"
    assert reviews["review 1 found 1 fault"].about == ["app"]
    assert "review 2 found no faults" in reviews


def test_what_a_pipeline_says_is_an_analysis(tmp_path: Path) -> None:
    state = ended(tmp_path)
    state["architecture"]["modules"][0]["worker"] = "pipeline"
    in_graph(remember, state)
    assert "app/analysis/app.api" in {entry.id for entry in kept(tmp_path).entries}


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    in_graph(remember, ended(tmp_path))
    first = kept(tmp_path)
    in_graph(remember, ended(tmp_path))
    second = kept(tmp_path)
    assert [entry.id for entry in second.entries] == [entry.id for entry in first.entries]
    assert second.decisions == first.decisions


def test_huge_values_and_files_are_cut(tmp_path: Path) -> None:
    huge = ModuleResult(status="done", values={"k": "x" * 100_000})
    in_graph(remember, ended(tmp_path, results={"app": huge.model_dump(mode="json")}))
    (value,) = [entry for entry in kept(tmp_path).entries if entry.kind == "value"]
    assert len(value.text) == 4_000


def test_a_run_without_a_plan_leaves_nothing(tmp_path: Path) -> None:
    in_graph(remember, {"task": TASK, "options": RunOptions(base_path=str(tmp_path)).model_dump()})
    assert not Layout.at(tmp_path).repository.exists()


@pytest.mark.parametrize("mode", MODES)
def test_a_repository_that_cannot_be_written_is_a_remark_and_the_next_time_none(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matrioska.store.database.BUSY_SECONDS", 0.05)
    asyncio.run(repository_at(tmp_path).write_record(ProjectRecord(name="before")))
    with closing(sqlite3.connect(Layout.at(tmp_path).repository, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        left = in_graph(remember, ended(tmp_path), mode=mode)
    assert "stayed locked by another process" in left["notes"]["repository"]
    assert left["results"]["app"]["status"] == "done"
    again = in_graph(remember, left, mode=mode)
    assert again["notes"] == {}
    assert kept(tmp_path).entries


def test_a_damaged_repository_is_a_remark(tmp_path: Path) -> None:
    place = Layout.at(tmp_path).repository
    place.parent.mkdir(parents=True)
    place.write_bytes(b"")
    left = in_graph(remember, ended(tmp_path))
    assert "is empty: its content was lost" in left["notes"]["repository"]


def test_one_of_a_newer_version_is_left_alone(tmp_path: Path, store: BaseStore | None) -> None:
    newer = ProjectRecord(name="newer", format=REPOSITORY_FORMAT + 1)
    asyncio.run(repository_at(tmp_path, store).write_record(newer))
    left = in_graph(remember, ended(tmp_path), store=store)
    assert "Upgrade Matrioska" in left["notes"]["repository"]


def test_an_embedder_that_is_away_does_not_matter(tmp_path: Path) -> None:
    options = RunOptions(base_path=str(tmp_path), project="shop", embedder="openai:nobody@http://127.0.0.1:9/v1")
    left = in_graph(remember, ended(tmp_path, options=options.model_dump()))
    assert left["notes"] == {}


def _run(base: Path, name: str, times: int) -> None:
    for n in range(times):
        state = ended(base)
        state["architecture"]["modules"][0]["id"] = f"{name}{n}"
        Architecture.model_validate(state["architecture"])
        state["results"] = {f"{name}{n}": state["results"]["app"]}
        left = in_graph(remember, state, thread=name)
        assert left["notes"] == {}, left["notes"]


def test_two_runs_of_one_project_that_end_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    runs = [context.Process(target=_run, args=(tmp_path, name, 6)) for name in ("a", "b")]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
        assert run.exitcode == 0
    sections = {entry.section for entry in kept(tmp_path).entries}
    assert sections == {f"{name}{n}" for name in ("a", "b") for n in range(6)}
    assert len(kept(tmp_path).entries) == 12 * 4


def hostile() -> list[Any]:
    return ["\x1b[2J", "<!-- user -->", "a" * 5_000, {"__proto__": {"x": 1}}, None, 1e300, ["\u202e"] * 50]


@pytest.mark.parametrize("value", hostile(), ids=range(len(hostile())))
def test_any_value_is_kept_as_data(tmp_path: Path, value: Any) -> None:
    result = ModuleResult(status="done", values={"k": value})
    in_graph(remember, ended(tmp_path, results={"app": result.model_dump(mode="json")}))
    (found,) = [entry for entry in kept(tmp_path).entries if entry.kind == "value"]
    assert found.text == json.dumps(value, ensure_ascii=False)[:3_999] + "…" * (len(json.dumps(value)) > 4_000)
