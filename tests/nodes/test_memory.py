"""What a run is told of its project: the same task is the same project, and what fits comes first."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from matrioska.nodes.context import memory
from matrioska.nodes.context.memory import project_memory, project_of, recall_for, repository_for
from matrioska.nodes.remember import remember
from matrioska.state.architecture import ModuleSpec
from matrioska.state.context import RunOptions
from matrioska.state.errors import CorruptStoreError, ModelLoadError
from matrioska.state.jobs import Job, Project
from matrioska.state.repository import PROJECT_ID, DecisionRecord, Entry, ProjectRecord, Term
from matrioska.store.layout import Layout
from matrioska.store.repository import Snapshot
from matrioska.store.repository.backend import shared_store
from tests.nodes.remembering import TASK, ended, in_graph, repository_at


@pytest.fixture(params=["own", "platform"])
def store(request: pytest.FixtureRequest) -> BaseStore | None:
    return InMemoryStore() if request.param == "platform" else None


@pytest.mark.parametrize("thread", ["shop-1a2b", "x" * 64, "-one", "__", "", "1e9b6f2c-0000-4000-8000-000000000000"])
def test_a_run_that_names_no_project_is_one_of_its_own(thread: str) -> None:
    assert PROJECT_ID.fullmatch(project_of(RunOptions(), thread))
    assert project_of(RunOptions(project="mine"), thread) == "mine"
    assert project_of(RunOptions(), "shop-1a2b") == "shop-1a2b" != project_of(RunOptions(), "shop-3c4d")


def job(description: str, **spec: Any) -> Job:
    module = ModuleSpec(id="shop", description=description, **spec)
    return Job(kind="produce", project=Project(name="", goal="", constraints=[], language="en"), spec=module)


def recalled(
    base: Path, given: Job, *, thread: str = "two", store: BaseStore | None = None, **options: Any
) -> tuple[list[Entry], list[DecisionRecord], str]:
    told: list[Any] = []

    async def body(state: Any, runtime: Any) -> dict[str, Any]:
        told.append(
            await recall_for(given, RunOptions(**{"base_path": str(base), "project": "shop", **options}), runtime)
        )
        return {}

    in_graph(body, {"task": TASK}, thread=thread, store=store)
    return told[0]  # type: ignore[no-any-return]


def test_a_module_is_told_what_fits_it_and_the_decisions_about_it(tmp_path: Path, store: BaseStore | None) -> None:
    in_graph(remember, ended(tmp_path), store=store)
    entries, decisions, ranking = recalled(tmp_path, job("It uses the route /sell."), store=store)
    assert entries[0].id == "app/value/app.api"
    assert decisions == []
    assert ranking == "by words"
    _, decisions, _ = recalled(tmp_path, job("", shared_state_reads=["app"]), store=store)
    assert [decision.who for decision in decisions] == ["person"]


def test_the_run_that_wrote_it_is_not_told(tmp_path: Path, store: BaseStore | None) -> None:
    in_graph(remember, ended(tmp_path), store=store)
    assert recalled(tmp_path, job("sell"), thread="one", store=store) == ([], [], "by words")


def test_other_projects_and_runs_without_one_are_told_nothing(tmp_path: Path) -> None:
    in_graph(remember, ended(tmp_path))
    assert recalled(tmp_path, job("sell"), project="other") == ([], [], "by words")
    assert recalled(tmp_path, job("sell"), project=None) == ([], [], "")


def test_no_more_is_told_than_a_module_can_use(tmp_path: Path) -> None:
    repository = repository_at(tmp_path)
    entries = [Entry(id=f"m{n}", level="section", section=f"m{n}", title="tempo", text="tempo") for n in range(40)]
    decisions = [DecisionRecord(at=n, thread="x", who="boss", what=f"d{n}", about=["shop"]) for n in range(40)]
    asyncio.run(repository.put_entries(entries))
    asyncio.run(repository.add_decisions(decisions))
    found, told, _ = recalled(tmp_path, job("tempo"))
    assert len(found) == memory.MOST_RELATED
    assert [decision.what for decision in told] == ["d39", "d38", "d37", "d36", "d35"]


def test_a_damaged_repository_is_an_error_before_any_work(tmp_path: Path) -> None:
    place = Layout.at(tmp_path).repository
    place.parent.mkdir(parents=True)
    place.write_bytes(b"")
    with pytest.raises(CorruptStoreError, match="is empty"):
        recalled(tmp_path, job("sell"))


def test_an_embedder_that_is_not_there_is_an_error_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="There is no folder"):
        recalled(tmp_path, job("sell"), embedder="huggingface:/nowhere/at/all")


def test_a_platform_keeps_it_in_its_own_store(tmp_path: Path) -> None:
    platform = InMemoryStore()
    found: list[Any] = []

    async def body(state: Any, runtime: Any) -> dict[str, Any]:
        found.append(await repository_for(RunOptions(base_path=str(tmp_path)), runtime))
        return {}

    in_graph(body, {"task": TASK}, store=platform)
    in_graph(body, {"task": TASK})
    assert found[0].store is platform
    assert found[1].store is shared_store(Layout.at(tmp_path).repository)
    assert found[0].project == found[1].project == "one"


# -- the architect's view ------------------------------------------------------------------


def test_nothing_known_is_nothing_said() -> None:
    assert project_memory(Snapshot("p")) == ""


def test_the_architect_is_told_goal_style_modules_and_terms() -> None:
    record = ProjectRecord(name="Shop", goal="Sell\nthings.", guidelines=["calm"], constraints=["no cookies"])
    entries = (
        Entry(id="db", level="section", section="db", title="Database", text="Keeps\nit.", domain="data"),
        Entry(id="app", level="section", section="app", title="App", text="Sells.", domain="code"),
        Entry(id="app/value/k", level="element", section="app", title="k", text="1", kind="value"),
    )
    term = Term(term="tempo", meaning="speed", domains={"code": "bpm", "audio": "beats"})
    assert project_memory(Snapshot("p", record, entries, (term,))).splitlines() == [
        "Project: Shop",
        "Goal of its last run: Sell things.",
        "Constraints:",
        "- no cookies",
        "Style guidelines:",
        "- calm",
        "Modules built so far:",
        "- app (code): App. Sells.",
        "- db (data): Database. Keeps it.",
        "Glossary:",
        "- tempo: speed (audio: beats, code: bpm)",
    ]


def test_a_large_project_is_told_within_bounds_in_whole_lines() -> None:
    entries = tuple(
        Entry(id=f"m{n:03}", level="section", section=f"m{n:03}", title="t" * 500, text="x" * 5_000) for n in range(500)
    )
    told = project_memory(Snapshot("p", ProjectRecord(name="n" * 9_000, goal="g" * 90_000), entries))
    assert len(told) <= 6_001
    assert told.endswith("\n…")
    assert "\n- m000" in told
