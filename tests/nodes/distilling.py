"""The node ``distill`` on its own: one job in, its package and record out; and bosses of every kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from matrioska.models.testing import Answer, ScriptedChatModel
from matrioska.nodes.distill import distill, load_package
from matrioska.nodes.jobs import save_job
from matrioska.nodes.leaf import Leaf
from matrioska.state.architecture import ModuleSpec
from matrioska.state.context import RunContext
from matrioska.state.fences import read_fences
from matrioska.state.graph_state import ModuleState
from matrioska.state.jobs import Job, Project
from matrioska.store.artifacts import ArtifactStore
from matrioska.store.layout import Layout

PROJECT = Project(name="P", goal="Have it.", constraints=["Small."], language="en")


@cache
def _graph() -> CompiledStateGraph[Any, Any, Any, Any]:
    builder = StateGraph(ModuleState, context_schema=RunContext)
    builder.add_node("distill", Leaf(distill))
    builder.add_edge(START, "distill")
    return builder.compile()


def store_at(base: Path) -> ArtifactStore:
    """Return the artifact store of a base path."""
    return ArtifactStore(Layout.at(base).objects)


def job_of(kind: Any = "produce", *, spec: dict[str, Any] | None = None, **fields: Any) -> Job:
    """Return a job of the module ``a``."""
    module = ModuleSpec.model_validate({"id": "a", "description": "Build a.", **(spec or {})})
    return Job(kind=kind, project=PROJECT, spec=module, **fields)


def reader(window: int | None = None) -> ScriptedChatModel:
    """Return the module's own model, which only tells its window here."""
    return ScriptedChatModel(script=lambda *_: "", profile={"max_input_tokens": window} if window is not None else None)


@dataclass(frozen=True)
class Distilled:
    """What came of a job."""

    sections: dict[str, str]
    record: dict[str, Any]
    usage: dict[str, Any]
    update: dict[str, Any]

    @property
    def values(self) -> dict[str, Any]:
        """The values section, read back."""
        read: dict[str, Any] = json.loads(self.sections["values"])
        return read

    @property
    def by(self) -> dict[str, str]:
        """Who condensed each entry that is condensed."""
        return {name: entry["by"] for name, entry in self.record["compressed"].items()}


def distilled(
    base: Path, job: Job, boss: Any = "embedded", *, model: ScriptedChatModel | None = None, **options: Any
) -> Distilled:
    """Distill a job; ``options`` are those of `RunContext`. The embedded model is no boss."""
    store = store_at(base)
    context = RunContext(model=model or reader(), roles={"boss": boss}, base_path=str(base), **options)
    given = {"module": job.spec.id, "stage": job.kind, "job": save_job(store, job)}
    update = _graph().invoke(given, context=context)
    sections = {section.name: section.text for section in load_package(store, update["package"]).sections}
    return Distilled(sections, update["record"], update.get("usage") or {}, update)


def names_asked(prompt: str) -> list[str]:
    """Return the names that a boss is told to keep."""
    return [name for name in read_fences(prompt)["names"].split("\n") if name]


def good(prompt: str) -> str:
    """Answer as a boss that keeps every name and adds nothing."""
    return "What is there: " + ", ".join(names_asked(prompt)) + "."


def boss_of(*answers: Callable[[str], Answer]) -> ScriptedChatModel:
    """Return a boss that gives these answers in turn, the last one for ever."""
    given: Sequence[Callable[[str], Answer]] = answers
    model = ScriptedChatModel(script=lambda stage, module, prompt: given[min(len(model.calls), len(given)) - 1](prompt))
    return model
