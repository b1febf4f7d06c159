"""Trees of scripted minds, for the tests of the cascade: each has a model of its own, and knows one thing."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import BaseMessage

from matrioska.models.gateway import Client, client_of
from matrioska.models.testing import Answer, ScriptedChatModel, read_call
from matrioska.state.cascade import MindTree
from matrioska.workers.cascade.run import Cascade

QUESTION = "Should we build the bridge, and what would it be made of?"
_FACT = re.compile(r"FACT-[a-z0-9]+")
_IDS = re.compile(r"^Ids: (.+)$", re.MULTILINE)

Says = Answer | list[Answer] | Callable[[str], Answer]


def fact(mind: str) -> str:
    """Return what only this mind knows."""
    return f"FACT-{mind}"


def facts(text: str) -> set[str]:
    """Return the minds whose facts a text holds."""
    return {found.removeprefix("FACT-") for found in _FACT.findall(text)}


def children_named(prompt: str) -> list[str]:
    """Return the children that a prompt to divide a question names."""
    found = _IDS.search(prompt)
    return found[1].split(", ") if found else []


@dataclass
class Minds:
    """Models of the minds of a tree, by the mind's id.

    Unless told otherwise a mind thinks its fact, asks every child, has nothing to add on
    reflection, and joins all facts that it is shown.

    Args:
        tree: the minds; every one gets its own id for a model.
        says: what a mind answers, by ``mind`` or ``mind.step``; several answers come in turn, the last one stays.
        latency: seconds a call takes, likewise.
    """

    tree: MindTree
    says: dict[str, Says] = field(default_factory=dict)
    latency: dict[str, float] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    """``mind.step`` of every call, in the order in which they began."""
    ended: list[str] = field(default_factory=list)
    """The same of those that were answered or failed, in the order in which they did."""
    cancelled: list[str] = field(default_factory=list)
    """The same of those that were cut off."""
    models: dict[str, ScriptedChatModel] = field(default_factory=dict)

    def __post_init__(self) -> None:
        minds = tuple(spec.model_copy(update={"model": spec.model or spec.id}) for spec in self.tree.minds)
        self.tree = self.tree.model_copy(update={"minds": minds})

    def cascade(self, **fields: Any) -> Cascade:
        """Return the cascade of the tree."""
        tree = MindTree.model_validate({**self.tree.model_dump(), **fields})
        return Cascade(tree, default_model="unused", find=self.find)

    def find(self, name: str) -> Client:
        """Return the client of a mind's model."""
        if name not in self.models:
            self.models[name] = self._model(name)
        return client_of(self.models[name])

    def prompts(self, mind: str, step: str | None = None) -> list[str]:
        """Return the prompts of a mind, or of one of its steps, in order."""
        made = self.models[mind].calls if mind in self.models else []
        return [call.prompt for call in made if step in (None, call.stage)]

    def _told(self, mind: str, step: str, prompt: str) -> Answer:
        told = self.says.get(f"{mind}.{step}", self.says.get(mind))
        if isinstance(told, list):
            return told[min(self.ended.count(f"{mind}.{step}"), len(told) - 1)]
        if callable(told):
            return told(prompt)
        return self._usual(mind, step, prompt) if told is None else told

    def _usual(self, mind: str, step: str, prompt: str) -> Answer:
        if step == "split":
            return json.dumps({child: f"What about {child}?" for child in children_named(prompt)})
        if step in ("reflect", "critique"):
            return "NOTHING"
        shown = facts(prompt) if step == "synthesise" else set()
        return " ".join(sorted(fact(known) for known in {mind, *shown}))

    def _model(self, mind: str) -> ScriptedChatModel:
        minds = self

        class Watched(ScriptedChatModel):
            async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Any:
                step = f"{mind}.{read_call(messages)[0]}"
                minds.calls.append(step)
                try:
                    found = await super()._agenerate(messages, *args, **kwargs)
                except asyncio.CancelledError:
                    minds.cancelled.append(step)
                    raise
                finally:
                    minds.ended.append(step)
                return found

        def seconds(step: str, module: str) -> float:
            return self.latency.get(f"{mind}.{step}", self.latency.get(mind, 0.0))

        return Watched(script=lambda step, module, prompt: self._told(mind, step, prompt), latency=seconds)

    async def busy(self, *steps: str) -> None:
        """Wait until calls for all these steps have begun."""
        async with asyncio.timeout(20):
            while not set(steps) <= set(self.calls):  # noqa: ASYNC110 - they may begin on another thread's loop
                await asyncio.sleep(0.005)
