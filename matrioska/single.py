"""One model, asked as it is: what the cascade and the ensemble are measured against."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage

from matrioska.graph.cascade import own_model
from matrioska.models.gateway import Client, client_for, client_of
from matrioska.models.providers import EMBEDDED, shown_address
from matrioska.models.recorder import listened, voiced
from matrioska.models.telemetry import traced
from matrioska.nodes.recording import PERSON, Recording
from matrioska.state.cascade import MindTree
from matrioska.state.context import RunContext
from matrioska.state.errors import AnswerError, UsageError
from matrioska.state.journal import Status
from matrioska.state.questions import Answered
from matrioska.store.journal import Asked, open_journal
from matrioska.store.settings import find_fallbacks, find_member, resolve_options
from matrioska.workers.cascade.thinkers import ENSEMBLE
from matrioska.workers.cascade.tree import load_tree

OnEvent = Callable[[dict[str, Any]], None]


class Single:
    """The one model that stands for the best there is: what the caller names, the root mind's, or the run's worker.

    Args:
        context: what the caller chooses.

    Raises:
        ConfigError: the settings are faulty.
    """

    def __init__(self, context: RunContext) -> None:
        options = resolve_options(context)
        #: The run's own model: who thinks for minds without one.
        self.own = own_model(options)
        self._base = options.base_path
        self._given: Any = context.roles.get("worker") or context.model
        root = any_tree().minds[0].model if self._given is None else None
        self.name = root if root is not None and root != ENSEMBLE else self.own

    @property
    def client(self) -> Client:
        """Its client.

        Raises:
            UsageError: it answers no questions.
            ConfigError: there is no such model.
        """
        if isinstance(self._given, BaseChatModel):
            return client_of(self._given)
        require_answers(self.name)
        member = find_member(self.name)
        return client_for(member, find_fallbacks(member).__getitem__)

    async def ask(self, question: str, thread_id: str, on_event: OnEvent | None = None) -> Answered:
        """Ask it, and leave the conversation in the journal.

        Raises:
            UsageError: it answers no questions.
            ModelError: it cannot be reached, or gave no answer.
            AnswerError: its answer is empty or was cut off.
        """
        client, began = self.client, time.perf_counter()
        name = client.member.model.partition("@")[0]

        def tell(piece: str | None) -> None:
            if on_event is not None:
                restart = {"restart": True} if piece is None else {}
                on_event({"type": "piece", "mind": "", "step": "answer", "text": piece or "", **restart})

        # Nothing of it can be resumed: asked again on the same thread, it is another question.
        turn = secrets.token_hex(4)
        scope = open_journal(self._base).scope(
            thread_id, turn, graph="single", turn=turn, root=Asked(question, PERSON, name), source=name
        )
        async with Recording(scope):
            status: Status = "failed"
            try:
                with traced("single", thread_id), voiced("response", name, PERSON), listened(tell):
                    reply = await client.ask([HumanMessage(question)])
                if reply.fault:
                    raise AnswerError(reply.fault, raw_answer=reply.text)
                status = "done"
            finally:
                scope.settle(status)
        return Answered(
            via="single",
            text=reply.text.strip(),
            model=shown_address(reply.model),
            usage=reply.usage,
            seconds=time.perf_counter() - began,
            thread_id=thread_id,
        )


def any_tree() -> MindTree:
    """Return the settings' tree, whatever thinks for minds without a model of their own.

    Raises:
        ConfigError: it is faulty.
    """
    return load_tree("object:any")


def answers_questions(name: str) -> bool:
    """Whether a model answers questions: the embedded one builds by rules.

    Raises:
        ConfigError: there is no such model.
    """
    return find_member(name).model != EMBEDDED


def require_answers(name: str) -> None:
    """Check that a model answers questions.

    Raises:
        UsageError: it does not.
        ConfigError: there is no such model.
    """
    if not answers_questions(name):
        raise UsageError(
            "The embedded model builds by rules, and answers no questions.",
            next_step="Start LM Studio with a model and name it: --model lmstudio:NAME, or model in matrioska.toml.",
        )
