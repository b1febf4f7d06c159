"""What a worker is, and the workers there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from langchain_core.messages import BaseMessage

from matrioska.models.gateway import Client, Reply
from matrioska.state.architecture import ModuleSpec
from matrioska.state.forms import TEXT, AnswerForm


@dataclass(frozen=True)
class Job:
    """One thing asked of a worker."""

    stage: str
    """``agree``, ``produce`` or ``mend``."""
    spec: ModuleSpec
    messages: Sequence[BaseMessage]
    """The rendered prompt, complete."""
    client: Client
    """The member chosen for the module."""
    form: AnswerForm = TEXT
    """The shape that the answer must have."""


class Worker(Protocol):
    """A way of answering a job. It may call any number of models; it answers in one text."""

    async def answer(self, job: Job) -> Reply:
        """Answer the job.

        Raises:
            ModelError: no model could answer.
        """
        ...


class ChatWorker:
    """One model, one call."""

    async def answer(self, job: Job) -> Reply:
        """See `Worker.answer`."""
        return await job.client.ask(job.messages, job.form)


#: Workers by the name that a plan gives them.
WORKERS: Mapping[str, Worker] = MappingProxyType({"chat": ChatWorker()})
