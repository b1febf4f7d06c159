"""What a worker is, and the workers there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from matrioska.models.gateway import Reply, ask
from matrioska.state.architecture import ModuleSpec


@dataclass(frozen=True)
class Job:
    """One thing asked of a worker."""

    stage: str
    """``agree``, ``produce`` or ``mend``."""
    spec: ModuleSpec
    messages: Sequence[BaseMessage]
    """The rendered prompt, complete."""
    model: BaseChatModel
    """The model chosen for the module."""


class Worker(Protocol):
    """A way of answering a job. It may call any number of models; it answers in one text."""

    async def answer(self, job: Job) -> Reply:
        """Answer the job.

        Raises:
            ModelError: no model could answer.
            AnswerError: the answer has no usable form.
        """
        ...


class ChatWorker:
    """One model, one call."""

    async def answer(self, job: Job) -> Reply:
        """See `Worker.answer`."""
        return await ask(job.model, job.messages)


#: Workers by the name that a plan gives them.
WORKERS: Mapping[str, Worker] = MappingProxyType({"chat": ChatWorker()})
