"""The worker ``second-look``: a model reads its own answer once more."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from matrioska.models.gateway import Reply
from matrioska.prompts.render import render
from matrioska.workers.base import Job, Work


class SecondLookWorker:
    """Asks the module's model twice, and hands over the answer that the checks complain of least."""

    reads_prompt = True

    async def answer(self, job: Job) -> Work:
        """See `matrioska.workers.base.Worker.answer`."""
        first = await job.client.ask(job.messages, job.form)
        # The template is read from the disk, which would hold up everybody else in the event loop.
        look = await asyncio.to_thread(
            render,
            "second_look",
            stage=job.stage,
            module=job.spec.id,
            asked=job.messages[-1].text,
            answer=first.text,
        )
        second = await job.client.ask(look, job.form)
        better = second if _complaints(job, second) <= _complaints(job, first) else first
        return Work(replace(better, usage=first.usage + second.usage))


def _complaints(job: Job, reply: Reply) -> int:
    return len(job.judge(reply)) if job.judge is not None else 0
