"""What a worker is, and what it is given and hands back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from langchain_core.messages import BaseMessage

from matrioska.models.gateway import Client, Reply
from matrioska.state.architecture import ModuleSpec
from matrioska.state.artifacts import ArtifactRef
from matrioska.state.forms import TEXT, AnswerForm


@dataclass(frozen=True)
class GivenFile:
    """A file that a worker may read: an asset, or a file of a module named in ``artifact_reads``."""

    ref: ArtifactRef
    """``ref.path`` is an asset's name, or ``<module>/<path>``."""
    place: Path
    """Where its bytes stand. The name there is a digest and has no suffix."""


@dataclass(frozen=True)
class MadeFile:
    """A file that a worker made."""

    path: str
    """POSIX path below the module's own folder."""
    content: bytes


@dataclass(frozen=True)
class Made:
    """Files and whiteboard values that a worker made by itself, instead of writing them in a text."""

    files: tuple[MadeFile, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """What a worker hands back."""

    reply: Reply
    """The answer and its cost; its text is read for files and values unless ``made`` is given."""
    made: Made | None = None


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
    wanted: tuple[str, ...] = ()
    """Whiteboard keys to write."""
    given: tuple[GivenFile, ...] = ()
    """Files that the module reads, for workers that read them themselves."""
    judge: Callable[[Reply], list[str]] | None = None
    """Returns what the checks would complain of in an answer, for workers that choose among several.
    Given with the job, since checks are made of nodes and workers know none; None where there are no checks."""
    base_path: Path | None = None
    """Folder that holds what lasts beyond the run; None for none."""


class Worker(Protocol):
    """A way of answering a job. It may call any number of models."""

    reads_prompt: bool
    """Whether it goes by the prompt. Otherwise no context is distilled for it: it reads the files given."""

    async def answer(self, job: Job) -> Work:
        """Answer the job.

        Raises:
            ModelError: no model could answer.
            ConfigError: the module's ``worker_options`` are wrong.
        """
        ...


class ChatWorker:
    """One model, one call."""

    reads_prompt = True

    async def answer(self, job: Job) -> Work:
        """See `Worker.answer`."""
        return Work(await job.client.ask(job.messages, job.form))
