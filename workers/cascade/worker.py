"""The worker ``cascade``: a tree of minds thinks about a module, and its root writes it.

The module's prompt is the question. All minds think about it as about any other; the root's last
call, though, is the module's own prompt with what the minds have found below it, and it has the
form that is asked for, so that checks and corrections go on as with one model. Agreeing on values
and correcting faults are short work on what is there already: the root's model does them alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from langchain_core.messages import BaseMessage, SystemMessage

from matrioska.models.gateway import Reply
from matrioska.models.meter import metered
from matrioska.state.cascade import MAX_QUESTION
from matrioska.state.errors import ConfigError, EnsembleError, ModelError
from matrioska.store.settings import find_member
from matrioska.workers.base import Job, Work
from matrioska.workers.cascade.asking import prompt
from matrioska.workers.cascade.fit import shortened
from matrioska.workers.cascade.position import Position, position_of
from matrioska.workers.cascade.run import Cascade
from matrioska.workers.cascade.thinkers import Spending
from matrioska.workers.cascade.tree import load_tree
from matrioska.workers.embedding import embedder_of
from matrioska.workers.ensemble.node import Find


class CascadeWorker:
    """See the module's text. The minds are those of the settings, read for each job.

    Args:
        find: returns the member of a name, or a client of it.
    """

    reads_prompt = True

    def __init__(self, find: Find = find_member) -> None:
        self._find = find

    async def answer(self, job: Job) -> Work:
        """See `Worker.answer`.

        Raises:
            ModelError: the root's model could not answer.
            ConfigError: the tree is faulty, or the module has ``worker_options``, of which there are none.
        """
        if job.spec.worker_options:
            raise ConfigError(
                f"Module {job.spec.id} has worker_options, and the worker cascade takes none.",
                next_step="Leave them out; the minds are described under [cascade] in the settings.",
            )
        # Settings are read from the disk.
        cascade = await asyncio.to_thread(self._prepared, job)
        spending = Spending()
        with metered(spending):
            messages = list(job.messages) if job.stage != "produce" else await _thought_about(cascade, job)
            reply = await _written(cascade, job, messages)
        return Work(replace(reply, usage=spending.usage))

    def _prepared(self, job: Job) -> Cascade:
        tree = load_tree(job.client.member.model)
        return Cascade(tree, default_model=job.client, find=self._find, base_path=job.base_path, embedder=embedder_of())


async def _thought_about(cascade: Cascade, job: Job) -> list[BaseMessage]:
    """Return the module's prompt with what the minds think about it."""
    *before, last = cascade.units()
    question = shortened(str(job.messages[-1].text), MAX_QUESTION)
    done = await cascade.think(question, before)
    return await asyncio.to_thread(_with_thoughts, cascade, job, position_of(cascade.tree, last, question, done))


def _with_thoughts(cascade: Cascade, job: Job, position: Position) -> list[BaseMessage]:
    thinker = cascade.thinker(position.spec.id)
    taken = sum(thinker.count_tokens(str(message.text)) for message in job.messages)
    system, thoughts = prompt("cascade_module", position, thinker, room=thinker.room - taken)
    *others, asked = job.messages
    rules = [str(message.text) for message in others if isinstance(message, SystemMessage)]
    return [SystemMessage("\n\n".join([*rules, str(system.text)])), _extended(asked, str(thoughts.text))]


def _extended(message: BaseMessage, text: str) -> BaseMessage:
    """Return a message with a text below its own, whatever else it holds."""
    content = message.content
    if isinstance(content, str):
        return message.model_copy(update={"content": f"{content}\n\n{text}"})
    block: Mapping[str, Any] = {"type": "text", "text": text}
    return message.model_copy(update={"content": [*content, block]})


async def _written(cascade: Cascade, job: Job, messages: list[BaseMessage]) -> Reply:
    """Return what the root writes. How long it may take is its member's matter, as with one model.

    Raises:
        ModelError: it could not answer.
    """
    root = cascade.tree.minds[0]
    try:
        return await cascade.thinker(root.id).ask(messages, job.form)
    except EnsembleError as error:
        raise ModelError(error.message, model=root.model or "", next_step=error.next_step) from error
