"""Topologies of scripted models, for the tests of the ensemble's run, graph, worker and service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import BaseMessage

from matrioska.models.gateway import Client, client_of
from matrioska.models.testing import Answer, ScriptedChatModel
from matrioska.state.ensemble import NodeSpec, Topology
from matrioska.state.fences import read_fences

#: A question with two parts, of which the second needs the first.
CHAINED = "What is the capital of France, and then how many people live there?"
#: Three parts that need nothing of each other.
THREE = "1. What is the capital of France?\n2. What is the capital of Peru?\n3. What is the capital of Kenya?"
CAPITALS = {"France": "Paris", "Peru": "Lima", "Kenya": "Nairobi"}

Says = str | Callable[[str], Answer]


def knows(prompt: str) -> str:
    """Answer what capital a question asks for."""
    return next((capital for land, capital in CAPITALS.items() if land in asked(prompt)), "2 million")


def asked(prompt: str) -> str:
    """Return the question of a prompt."""
    return read_fences(prompt).get("question", "")


@dataclass
class Voters:
    """Models by name, and a topology of them: node ``n1`` of models ``n1a`` and ``n1b``, and so on.

    Args:
        nodes: number of nodes.
        says: what the models of a node answer, by the node's or the model's name; `knows` unless told.
        latency: seconds a call takes, likewise; none unless told.
    """

    nodes: int = 3
    says: dict[str, Says] = field(default_factory=dict)
    latency: dict[str, float] = field(default_factory=dict)
    models: dict[str, ScriptedChatModel] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    """Names of models in the order in which calls to them began."""
    cancelled: list[str] = field(default_factory=list)
    """Names of models whose calls were cut off."""

    def topology(self, **fields: Any) -> Topology:
        """Return the topology."""
        names = [f"n{number}" for number in range(1, self.nodes + 1)]
        specs = tuple(NodeSpec(id=name, model_a=f"{name}a", model_b=f"{name}b") for name in names)
        return Topology(**{"nodes": specs, **fields})

    def find(self, name: str) -> Client:
        """Return the client of a model."""
        if name not in self.models:
            self.models[name] = self._model(name)
        return client_of(self.models[name])

    def _model(self, name: str) -> ScriptedChatModel:
        node = name[:-1]
        says = self.says.get(name, self.says.get(node, knows))
        voters = self

        class Watched(ScriptedChatModel):
            async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Any:
                voters.begun.append(name)
                try:
                    return await super()._agenerate(messages, *args, **kwargs)
                except asyncio.CancelledError:
                    voters.cancelled.append(name)
                    raise

        seconds = self.latency.get(name, self.latency.get(node, 0.0))
        return Watched(script=lambda *call: says(call[2]) if callable(says) else says, latency=seconds)

    def calls(self) -> int:
        """Return how many calls were answered."""
        return sum(len(model.calls) for model in self.models.values())

    async def busy(self, calls: int) -> None:
        """Wait until so many calls have begun."""
        async with asyncio.timeout(20):
            while len(self.begun) < calls:  # noqa: ASYNC110 - they may begin on another thread's loop
                await asyncio.sleep(0.005)
