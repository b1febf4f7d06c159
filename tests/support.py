"""Shared by many tests: plans in a line, a scripted author, and one way to drive sync and async graphs.

The author answers well unless told otherwise. Every file it writes names the hash of the
prompt it was asked with, so two deliverables are equal only if every module saw the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, StateSnapshot

from matrioska.graph import build_graph, open_graph
from matrioska.graph.guard import GuardedGraph
from matrioska.models.testing import ScriptedChatModel
from matrioska.state.context import RunContext
from matrioska.state.fences import read_fences

MODES = ("sync", "async")
SAVERS = ("sqlite", "memory")
_WANTED = re.compile(r"^Keys to write: (.+)$", re.MULTILINE)

Reply = str | Exception
#: An answer, several answers (the last one stays), or a function of prompt and number of the call.
Told = Reply | list[Reply] | Callable[[str, int], Reply]


def spec(module: str, *dependencies: str, **fields: Any) -> dict[str, Any]:
    """Return a module of a plan."""
    return {
        "id": module,
        "name": module.upper(),
        "description": f"Build {module}.",
        "dependencies": list(dependencies),
        **fields,
    }


def reader(module: str, *predecessors: str, **fields: Any) -> dict[str, Any]:
    """Return a module that reads the key of each predecessor and writes its own, ``<id>.api``."""
    reads = [f"{predecessor}.api" for predecessor in predecessors]
    return spec(
        module, *predecessors, **{"shared_state_reads": reads, "shared_state_writes": [f"{module}.api"], **fields}
    )


def plan(*modules: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a plan of these modules."""
    return {"name": "Project", "goal": "Have it.", "language": "en", **fields, "modules": [dict(m) for m in modules]}


def chain(length: int) -> dict[str, Any]:
    """Return a plan of ``m0`` ← ``m1`` ← …, each reading the key of the one before."""
    return plan(*(reader(f"m{n}", *([f"m{n - 1}"] if n else [])) for n in range(length)))


def fenced(data: Any) -> str:
    """Return JSON as models send it."""
    return f"```json\n{json.dumps(data)}\n```"


def file_block(path: str, text: str) -> str:
    """Return a file as models send it."""
    return f"````text path={path}\n{text}\n````"


def wanted_keys(prompt: str) -> list[str]:
    """Return the keys that a prompt asks for."""
    found = _WANTED.search(prompt)
    return found.group(1).split(", ") if found else []


def told_value(prompt: str, key: str) -> dict[str, Any]:
    """Return the value that the author gives a key.

    It changes with ``[value:…]`` in the module's description, and, when that holds
    ``[carry]``, with what the module reads.
    """
    fences = read_fences(prompt)
    description = json.loads(fences["module"])["description"]
    marked = re.search(r"\[value:(\w+)\]", description)
    value = {
        "functions": [f"{key.replace('.', '_').replace('-', '_')}_call"],
        "note": marked.group(1) if marked else "",
    }
    if "[carry]" in description:
        value["carried"] = hashlib.sha256(fences["values"].encode()).hexdigest()
    return value


def good_answer(stage: str, module: str, prompt: str) -> str:
    """Return what a perfect model answers to any stage but the plan."""
    if stage == "assemble":
        parts = json.loads(read_fences(prompt)["modules"])
        return (
            "````markdown path=README.md\n# Project\n\n"
            + "".join(f"- [{path}]({path})\n" for part in parts for path in part["files"])
            + "````"
        )
    if stage == "review":
        return fenced({"findings": []})
    values = {key: told_value(prompt, key) for key in wanted_keys(prompt)}
    if stage == "agree" or prompt.startswith("Stage: mend values"):
        return fenced(values)
    promised = json.loads(read_fences(prompt).get("contract", "{}")) | values
    names = [name for value in promised.values() for name in value["functions"]]
    lines = [f'"""{module} {hashlib.sha256(prompt.encode()).hexdigest()}"""', *(f"def {n}(): ..." for n in names)]
    answer = file_block(f"{module}.py", "\n".join(lines))
    return answer + (f"\n\n```json contract\n{json.dumps(values)}\n```" if values else "")


@dataclass
class Author:
    """A scripted model that plays every role.

    Args:
        plan: what the architect answers.
        told: what to answer instead, by ``"stage module"`` (``"plan"`` for the architect).
        latency: see `ScriptedChatModel`.
    """

    plan: dict[str, Any]
    told: dict[str, Told] = field(default_factory=dict)
    latency: float | Callable[[str, str], float] = 0.0

    def __post_init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.model = ScriptedChatModel(script=self._answer, latency=self.latency)

    def _answer(self, stage: str, module: str, prompt: str) -> Reply:
        name = f"{stage} {module}".strip()
        self.asked[name] += 1
        told = self.told.get(name)
        if callable(told):
            return told(prompt, self.asked[name])
        if isinstance(told, list):
            return told[min(self.asked[name], len(told)) - 1]
        if told is not None:
            return told
        return fenced(self.plan) if stage == "plan" else good_answer(stage, module, prompt)

    def calls(self) -> list[str]:
        """Return the calls since the last time, ``"stage module"``, sorted, and forget them."""
        made = sorted(f"{call.stage} {call.module}".strip() for call in self.model.calls)
        self.model.calls.clear()
        return made

    def prompts(self, stage: str, module: str = "") -> list[str]:
        """Return the prompts of a stage and module, in order."""
        return [call.prompt for call in self.model.calls if (call.stage, call.module) == (stage, module)]


@dataclass
class Driven:
    """A graph on one thread, driven the same way in both modes."""

    graph: GuardedGraph
    mode: str
    base: Path
    model: ScriptedChatModel
    thread: str | None = "one"
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> dict[str, Any]:
        return {"configurable": {"thread_id": self.thread}} if self.thread else {}

    @property
    def context(self) -> RunContext:
        # The model plays every role: without this it would be the critic of every run, too.
        quiet = {"approval": "auto", "review_rounds": 0}
        given = {**quiet, "model": self.model, "base_path": str(self.base), **self.options}
        return RunContext.model_validate(given)

    def run(self, given: Any = None, config: dict[str, Any] | None = None, **kwargs: Any) -> dict[str, Any]:
        """Invoke the graph; a text is a new task."""
        given = {"task": given} if isinstance(given, str) else given
        kwargs = {"context": self.context, **kwargs}
        if self.mode == "sync":
            return self.graph.invoke(given, config or self.config, **kwargs)
        return asyncio.run(self.graph.ainvoke(given, config or self.config, **kwargs))

    def answer(self, value: Any) -> dict[str, Any]:
        """Answer what the run waits for."""
        return self.run(Command(resume=value))

    def events(self, given: Any = None, **kwargs: Any) -> list[Any]:
        """Run and return the custom events."""
        given = {"task": given} if isinstance(given, str) else given
        kwargs = {"context": self.context, "stream_mode": "custom", **kwargs}
        if self.mode == "sync":
            return list(self.graph.stream(given, self.config, **kwargs))

        async def collect() -> list[Any]:
            return [event async for event in self.graph.astream(given, self.config, **kwargs)]

        return asyncio.run(collect())

    def update(self, values: dict[str, Any], as_node: str, config: dict[str, Any] | None = None) -> Any:
        if self.mode == "sync":
            return self.graph.update_state(config or self.config, values, as_node=as_node)
        return asyncio.run(self.graph.aupdate_state(config or self.config, values, as_node=as_node))

    def state(self) -> StateSnapshot:
        return self.graph.get_state(self.config)

    def results(self) -> dict[str, dict[str, Any]]:
        return self.state().values["results"]

    def statuses(self) -> dict[str, str]:
        return {module: result["status"] for module, result in sorted(self.results().items())}


@contextmanager
def opened(saver: str, base: Path) -> Iterator[GuardedGraph]:
    """Open the graph on a kind of checkpointer."""
    if saver == "sqlite":
        with open_graph(base / "runs.sqlite") as graph:
            yield graph
    else:
        yield build_graph(InMemorySaver() if saver == "memory" else None)


def delivered(folder: str | Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder, by path."""
    root = Path(folder)
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def without_usage(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a module's result without what differs between equal runs: the time it took."""
    return {key: value for key, value in result.items() if key != "usage"}
