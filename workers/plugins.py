"""The workers there are: the built-in ones and those of installed plugins."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from matrioska.hooks import hookimpl
from matrioska.plugins import Kind, reason_of
from matrioska.state.errors import PluginError
from matrioska.workers.base import ChatWorker, Job, Work, Worker
from matrioska.workers.cascade.worker import CascadeWorker
from matrioska.workers.ensemble.worker import EnsembleWorker
from matrioska.workers.pipeline.worker import PipelineWorker


class _BuiltIn:
    """The workers that come with Matrioska."""

    @hookimpl
    def matrioska_workers(self) -> Mapping[str, Worker]:
        return {
            "chat": ChatWorker(),
            "cascade": CascadeWorker(),
            "ensemble": EnsembleWorker(),
            "pipeline": PipelineWorker(),
        }


def _fault(worker: Any) -> str:
    if not isinstance(getattr(worker, "reads_prompt", None), bool):
        return "has no `reads_prompt` that is true or false"
    return "" if inspect.iscoroutinefunction(getattr(worker, "answer", None)) else "has no `async def answer(job)`"


WORKERS = Kind[Worker]("matrioska_workers", _BuiltIn(), _fault)


def workers() -> Mapping[str, Worker]:
    """Return the workers by name. A built-in name cannot be taken over."""
    return WORKERS.all()


async def answered(worker: Worker, job: Job) -> Work:
    """Return what a worker answers to a job.

    Raises:
        PluginError: it is a plugin's, and ended the program or returned something else.
        MatrioskaError: see `Worker.answer`.
    """
    name = job.spec.worker
    try:
        work: Any = await worker.answer(job)
    except SystemExit as error:
        # Out of an event loop it ends the run, with every other module.
        raise PluginError(f"The worker {name} failed: {reason_of(error)}") from error
    if not isinstance(work, Work):
        raise PluginError(f"The worker {name} failed: it returned a {type(work).__name__}, not a Work")
    return work
