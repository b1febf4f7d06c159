"""A desk without a run behind it: what it shows is written here, and what it is asked is noted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

from matrioska.state.errors import ThreadNotFoundError
from matrioska.state.journal import Message, Metric
from matrioska.store.fitness import FitnessRow
from matrioska.web.runs.views import (
    Attempt,
    CheckpointView,
    Event,
    FileView,
    MindView,
    ModuleDetail,
    ModuleView,
    QuestionView,
    RunLine,
    RunView,
)

#: It would show itself at once if it were taken for markup, for a template, or for mermaid's language.
HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    '{{constructor.constructor(\'document.title=1\')()}}"]; click m0 href "javascript:alert(1)" %%{init: {}}%% `b`'
)
_BEGAN = 1_760_000_000.0


class FakeDesk:
    """See the module's text.

    Args:
        view: the run that it shows.
        question: the question that it shows; None for none.
        lines: its list of threads; None for the run alone.

    Attributes:
        events_kept: what happened; whoever listens hears of it.
    """

    def __init__(self, view: RunView, question: QuestionView | None = None, lines: list[RunLine] | None = None) -> None:
        self.view = view
        self.asked = question
        self.lines = lines if lines is not None else [view.line, *([question.line] if question else [])]
        self.calls: list[tuple[Any, ...]] = []
        self.listeners = 0
        self.looks = 0
        self.events_kept: list[Event] = []
        self._new = asyncio.Condition()

    async def tell(self, type: str, **data: Any) -> None:
        """Have something happen."""
        async with self._new:
            self.events_kept.append(Event(id=self.view.events + len(self.events_kept) + 1, type=type, data=data))
            self._new.notify_all()

    async def runs(self, after: str = "", limit: int = 100) -> list[RunLine]:
        names = [line.thread for line in self.lines]
        begin = names.index(after) + 1 if after else 0
        return self.lines[begin : begin + limit]

    async def run(self, thread: str) -> RunView:
        self.looks += 1
        if thread != self.view.line.thread:
            raise ThreadNotFoundError(thread)
        return self.view

    async def module(self, thread: str, id: str) -> ModuleDetail:
        found = next((module for module in self.view.modules if module.id == id), None)
        if found is None:
            raise ThreadNotFoundError(id)
        return detail_of(found)

    async def file(self, thread: str, path: str) -> tuple[bytes, str]:
        self.calls.append(("file", thread, path))
        return f"contents of {path} {HOSTILE}".encode(), "text/plain"

    async def start(self, task: str, **options: Any) -> str:
        self.calls.append(("start", task, options))
        return self.view.line.thread

    async def stop(self, thread: str) -> None:
        self.calls.append(("stop", thread))

    async def resume(self, thread: str) -> None:
        self.calls.append(("resume", thread))

    async def answer(self, thread: str, decision: dict[str, Any], question: str) -> None:
        self.calls.append(("answer", thread, decision))

    async def history(self, thread: str) -> list[CheckpointView]:
        return [CheckpointView(id="1f0", at=_BEGAN, step=1, next=["approval"], done=0, modules=3)]

    async def check_plan(self, plan: dict[str, Any], thread: str) -> list[str]:
        return []

    async def question(self, thread: str) -> QuestionView:
        if self.asked is None or thread != self.asked.line.thread:
            raise ThreadNotFoundError(thread)
        return self.asked

    async def fitness(self) -> list[FitnessRow]:
        return [FitnessRow(node="n1", kind="", mean=0.75, low=0.5, high=0.9, observations=12, seconds=2.5)]

    async def journal(self, thread: str, after: int = 0, limit: int = 500, *, brief: bool = False) -> list[Message]:
        found = [message for message in conversation(thread) if message.number > after][:limit]
        return [message.model_copy(update={"context": {}}) for message in found] if brief else found

    async def events(self, thread: str, after: int = 0) -> AsyncGenerator[Event]:
        self.listeners += 1
        try:
            while True:
                async with self._new:
                    while not (found := [event for event in self.events_kept if event.id > after]):
                        await self._new.wait()
                for event in found:
                    after = event.id
                    yield event
        finally:
            self.listeners -= 1


def run_of(number: int, *, name: str = "Part", status: str = "working", **fields: Any) -> RunView:
    """Return a run of so many modules, each waiting for the one two before it."""
    modules = [module_of(at, name) for at in range(number)]
    line = RunLine(
        thread="the-run",
        graph="matrioska",
        title=f"{name} of a page about tides",
        status=status,
        updated=_BEGAN,
        modules=number,
        done=1,
        tokens=12_345,
        cost=0.42,
        here=True,
    )
    whole: dict[str, Any] = {
        "line": line,
        "task": f"A page about tides. {name}",
        "status": status,
        "step": "execute",
        "modules": modules,
        "shared_state": {"palette": {"sea": name}, "units": "metres"},
        "findings": [f"{name} is missing"],
        "budget": {"budget_tokens": 50_000, "budget_cost": None, "timeout": None},
        "spent": {"tokens": 12_345, "cost": 0.42, "seconds": 31.0, "calls": 9},
        "critical_path": 21.5,
        "files": [FileView(path="tides/index.html", size=1_234, media_type="text/html", module="part-0")],
        "events": 5,
    }
    return RunView(**{**whole, **fields})


def module_of(at: int, name: str = "Part") -> ModuleView:
    """Return one module; what state it is in depends on its place."""
    state = ("done", "producing", "waiting", "failed", "agreed", "mending", "blocked")[at % 7]
    begun = state not in ("waiting", "blocked")
    return ModuleView(
        id=f"part-{at}",
        name=f"{name} {at}",
        description=f"Writes {name} {at}.",
        state=state,
        depends_on=[f"part-{at - 2}"] if at > 1 else [],
        layer=at // 2,
        started=_BEGAN + at * 3 if begun else None,
        ended=_BEGAN + at * 3 + 6 if state == "done" else _BEGAN + at * 3 + 9 if begun else None,
        tokens=at * 310,
        seconds=at * 1.7,
        error=f"{name}: the answer was no JSON." if state == "failed" else "",
        critical=at % 2 == 0,
        model="openai:small",
    )


def detail_of(module: ModuleView) -> ModuleDetail:
    """Return a module, opened."""
    return ModuleDetail(
        view=module,
        contract={"id": module.id, "rules": [module.name]},
        package={
            "budget": 4_000,
            "included": {"the goal": 120, f"key {module.name}": 900},
            "compressed": {f"key {module.name}": {"from": 5_400, "to": 900, "by": "boss", "why": ""}},
            "left_out": {"asset tides.csv": 9_000},
        },
        attempts=[
            Attempt(
                stage="produce",
                prompt=[
                    {"role": "system", "content": f"You are {module.name}."},
                    {"role": "user", "content": "Write."},
                ],
                answer=f"The answer of {module.name}",
                model="openai:small",
                tokens=640,
                seconds=3.2,
                complaints=[f"{module.name} is unfinished"],
            )
        ],
        files=[FileView(path="index.html", size=1_234, media_type="text/html", module=module.id)],
        findings=[f"{module.name} lacks a title"],
    )


def question_of(name: str = "Nova", status: str = "working") -> QuestionView:
    """Return a cascade's question with two minds."""
    line = RunLine(thread="the-question", graph="cascade", title=f"Why? {name}", status=status, updated=_BEGAN)
    minds = [
        MindView(id="root", name=name, state="working", question="Why?"),
        MindView(id="leaf", name=f"{name} too", parent="root", state="answered", question="How?", reply=f"So. {name}"),
    ]
    return QuestionView(line=line, question=f"Why? {name}", minds=minds, missing=[name], events=3)


def conversation(thread: str, name: str = "boss") -> list[Message]:
    """Return a delegation, its answer, and a word about that."""
    made = []
    for number, (type, parent, said) in enumerate(
        [
            ("delegation", None, "Write your files."),
            ("response", "m1", HOSTILE),
            ("critique", "m2", "It lacks a title."),
        ],
        1,
    ):
        made.append(
            Message.model_validate(
                {
                    "id": f"m{number}",
                    "conversation": thread,
                    "correlation": "m1",
                    "parent": parent,
                    "type": type,
                    "source": name,
                    "destination": "part-0",
                    "content": said,
                    "context": {"prompt": HOSTILE},
                    "created": time.time(),
                    "updated": time.time(),
                    "number": number,
                    "metrics": [Metric(service="openai:small", operation="produce", input_tokens=5)],
                }
            )
        )
    return made
