"""Recording: whatever the steps of a graph say goes into the journal, once, also after a kill and a resume.

A step speaks through the scope in force (`current_recorder`). Repeated after a kill, it writes over what
it said before, so a scope has to bear the same name then:

* a node goes by LangGraph's task id, which is made from the checkpoint that was saved before it began;
* a unit of work goes by its node's scope and its own name;
* a node of a module goes by its stage's scope, its name and the number of its superstep. Its task id
  would not do: of a module's steps only those behind a model's answer are saved
  (`matrioska.store.checkpointer`), and what is taken again has another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any
from weakref import WeakKeyDictionary

from langchain_core.runnables import RunnableConfig
from langgraph.config import get_config
from langgraph.errors import GraphBubbleUp
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from matrioska.models.recorder import Recorder, current_recorder, current_voice, recorded
from matrioska.nodes.common import run_options
from matrioska.nodes.progress import emit
from matrioska.state.context import RunContext
from matrioska.state.journal import Status
from matrioska.store.journal import Asked, Journal, Scope, open_journal
from matrioska.store.journal.journal import MAX_CONVERSATION

#: Who speaks, besides modules, nodes and minds.
PERSON, BOSS, CHECKS = "person", "boss", "checks"
# Which graph asks by which name: no other graph has it in its state.
_GRAPHS = {"task": "matrioska", "query": "ensemble", "question": "cascade"}

# Where LangGraph hands its nodes the checkpointer.
_CHECKPOINTER = "__pregel_checkpointer"

#: Whether a state is that of a new question.
Begins = Callable[[Any], bool]

# Set on an error that was written down, for the steps around the one in which it came up.
_REPORTED = "_matrioska_reported"
# Conversations whose watchers know that their journal is in trouble.
_told: WeakKeyDictionary[Journal, set[str]] = WeakKeyDictionary()


def always(state: Any) -> bool:
    """Say that every state is that of a new question: a node that takes questions and does nothing else."""
    return True


class Recording:
    """A scope put in force for what is done inside; of either kind of context manager.

    An error that leaves it is written down where it came up first, and what was still open there has
    failed; a pause is no error.

    Args:
        scope: the scope; None for a step that belongs to no conversation.
        turn: token of the question that the step works on.
        journal: whose trouble is told to whoever watches the run; None tells none.
        reports: whether errors are written down here; False where whoever called the step does that.
    """

    def __init__(
        self, scope: Scope | None, turn: str = "", journal: Journal | None = None, *, reports: bool = True
    ) -> None:
        self.turn = turn
        self._scope = scope
        self._journal = journal
        self._reports = reports
        self._in_force: AbstractContextManager[None] | None = None

    def __enter__(self) -> Recorder:
        if self._scope is not None:
            self._scope.__enter__()
            self._hear(self._scope)
        return current_recorder()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._scope is not None:
            self._leave(self._scope, error)
            self._scope.__exit__(kind, error, trace)
            self._tell_trouble()

    async def __aenter__(self) -> Recorder:
        if self._scope is not None:
            await self._scope.__aenter__()
            self._hear(self._scope)
        return current_recorder()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._scope is not None:
            self._leave(self._scope, error)
            await self._scope.__aexit__(kind, error, trace)
            self._tell_trouble()

    def _hear(self, scope: Scope) -> None:
        self._in_force = recorded(scope)
        self._in_force.__enter__()

    def _leave(self, scope: Scope, error: BaseException | None) -> None:
        if self._in_force is not None:
            self._in_force.__exit__(None, None, None)
        # Whoever is cancelled, and whoever pauses, goes on from here another time.
        if not self._reports or not isinstance(error, Exception) or isinstance(error, GraphBubbleUp):
            return
        if not getattr(error, _REPORTED, False):
            scope.failed(error)
            setattr(error, _REPORTED, True)

    def _tell_trouble(self) -> None:
        if self._journal is None or self._scope is None or self._journal.trouble is None:
            return
        told = _told.setdefault(self._journal, set())
        if self._scope.conversation not in told:
            told.add(self._scope.conversation)
            emit({"type": "journal", "trouble": str(self._journal.trouble)})


def is_question(state: Mapping[str, Any]) -> bool:
    """Whether a state is that of a graph that is asked something; the subgraph of a module is not."""
    return any(name in state for name in _GRAPHS)


def node_recording(
    state: Mapping[str, Any],
    runtime: Runtime[RunContext],
    name: str,
    *,
    begins: Begins | None = None,
    repeats: bool = True,
) -> Recording:
    """Return the recording of a graph's node. It may read files.

    Args:
        state: the graph's state; it says what was asked.
        runtime: the node's runtime.
        name: the node's name.
        begins: see `matrioska.nodes.leaf.Leaf`.
        repeats: whether the node is done anew as a whole when it was cut off; False for one whose
            units are saved one by one: what it says itself bears keys.
    """
    asked = next((graph for graph in _GRAPHS.items() if graph[0] in state), None)
    info = runtime.execution_info
    if asked is None or info is None:
        return Recording(None)
    question, graph = asked
    # A turn is named after the task that begins it: the same once more after a kill.
    turn = info.task_id if begins is not None and begins(state) else state.get("turn", "")
    journal = open_journal(run_options(state, runtime).base_path)
    scope = journal.scope(
        # Of a run that nobody can resume, a question is a conversation.
        _conversation(_own_name(info.thread_id) if info.thread_id else f"run-{turn}"),
        info.task_id,
        graph=graph,
        turn=turn,
        root=Asked(str(state[question]), PERSON, graph),
        source=name,
        repeats=repeats,
    )
    return Recording(scope, turn, journal)


def _own_name(thread: str) -> str:
    """Return the name that a thread has on the command line too, where a LangGraph server knows it by a UUID."""
    # By attribute and not by class: a LangGraph server wraps the checkpointer.
    name: Callable[[str], str] | None = getattr(get_config()["configurable"].get(_CHECKPOINTER), "own_name", None)
    return name(thread) if name is not None else thread


def _conversation(thread: str) -> str:
    """Return a thread's name in the journal: its own, unless whoever keeps the checkpoints allows longer ones."""
    return thread if len(thread) <= MAX_CONVERSATION else hashlib.sha256(thread.encode("utf-8", "replace")).hexdigest()


def step_recording(name: str, config: RunnableConfig | None) -> Recording:
    """Return the recording of a node of a subgraph: a part of the scope in force, said in the voice in force."""
    number = ((config or {}).get("metadata") or {}).get("langgraph_step", "")
    return unit_recording(f"{name}-{number}", operation=name, reports=False)


def unit_recording(
    name: str,
    *,
    parent: str = "",
    source: str = "",
    destination: str = "",
    operation: str = "",
    repeats: bool = True,
    reports: bool = True,
) -> Recording:
    """Return the recording of a part of the step under way: a unit of work whose result is saved by itself.

    What is not given is as in the voice in force, then as in the scope in force.

    Args:
        name: the unit's name, one of its own within the step.
        parent: id of the message that its messages answer.
        source: who speaks in it.
        destination: to whom.
        operation: what calls in it are for.
        repeats: whether it is done anew as a whole when it was cut off; see `node_recording`.
        reports: see `Recording`.
    """
    outer, voice = current_recorder(), current_voice()
    if not isinstance(outer, Scope):
        return Recording(None)
    scope = outer.child(
        name,
        parent=parent or voice.parent,
        source=source or voice.source,
        destination=destination or voice.destination,
        operation=operation,
        repeats=repeats,
    )
    return Recording(scope, reports=reports)


def ask_person(request: dict[str, Any], key: str) -> Any:
    """Interrupt the run, on record: an open message until somebody has answered. Returns the answer.

    Args:
        request: the interrupt's payload; see `ask_for_review`.
        key: what tells the question from others of this step, also when that is repeated.

    Raises:
        GraphInterrupt: nobody has answered yet.
    """
    _question(request, key, "open")
    answer = interrupt(request)
    take_answer(request, answer, key)
    return answer


def take_answer(request: dict[str, Any], answer: Any, key: str) -> None:
    """Write down what a person has answered; see `ask_person`."""
    question = _question(request, key, "done")
    current_recorder().note(
        "control",
        answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False, default=str),
        source=PERSON,
        destination=request["kind"],
        parent=question,
        key=f"{key}-answer",
    )


def _question(request: dict[str, Any], key: str, status: Status) -> str:
    told = "\n".join([*request["complaints"], request["action_requests"][0]["description"]])
    details = {"kind": request["kind"]}
    return current_recorder().note("control", told, destination=PERSON, key=key, status=status, details=details)


def defer() -> None:
    """Let the step around the one under way wait for what was said here: see `Scope.defer`."""
    scope = current_recorder()
    if isinstance(scope, Scope):
        scope.defer()


def settle(status: Status = "done") -> None:
    """Say that the conversation has come to its end, for now: what is still open in it is closed."""
    scope = current_recorder()
    if isinstance(scope, Scope):
        scope.settle(status)
