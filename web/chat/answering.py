"""Who answers chat clients: the cascade, the ensemble, and Matrioska itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from matrioska.questions import Questions, open_questions
from matrioska.runs import Runs, open_runs
from matrioska.state.cascade import CascadeAnswer
from matrioska.state.context import RunContext
from matrioska.state.ensemble import EnsembleAnswer, Topology
from matrioska.state.questions import Answered, Via
from matrioska.state.results import Usage
from matrioska.web.chat.built import told_of
from matrioska.web.chat.offers import Offer, OnEvent, Told
from matrioska.web.shown import shown_answer, shown_reason

#: What can be asked as a model of its own. One model alone, a client reaches without us.
_ABOUT: dict[Via, str] = {
    "cascade": "A hierarchy of minds: the question is split, thought about in parallel, and answered upwards.",
    "ensemble": "Many models vote on each part of the question.",
}
_ABOUT_RUNS = "Builds what is asked for: planned in modules, built in parallel, joined and checked. Answers with files."


class QuestionOffer:
    """The cascade, or the ensemble.

    Args:
        questions: by which they are asked.
        via: which of them.
    """

    def __init__(self, questions: Questions, via: Via) -> None:
        self.id = f"matrioska-{via}"
        self.about = _ABOUT[via]
        self._questions = questions
        self._via: Via = via

    async def answer(self, question: str, thread_id: str, on_event: OnEvent) -> Told:
        """See `Offer`."""
        answered = await self._questions.ask(question, self._via, thread_id=thread_id, on_event=on_event)
        return Told(_shown_text(answered), answered.usage, tuple(answered.missing))


class RunOffer:
    """Matrioska itself: each request is a run of its own, whose plan nobody is asked to approve.

    Args:
        runs: by which it is run; with a context that asks nobody.
    """

    id = "matrioska"
    about = _ABOUT_RUNS

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def answer(self, question: str, thread_id: str, on_event: OnEvent) -> Told:
        """See `Offer`."""
        report = await self._runs.start(question, thread_id=thread_id, on_event=on_event)
        usage = Usage.model_validate(report.values.get("usage") or {})
        failed = [name for name, found in (report.values.get("results") or {}).items() if found["status"] != "done"]
        text = await asyncio.to_thread(told_of, report, self._runs.layout)
        return Told(text, usage, tuple(sorted(failed)))


@asynccontextmanager
async def open_offers(
    base_path: Path, topology: Topology | None = None, model: str | None = None
) -> AsyncIterator[list[Offer]]:
    """Open what can answer on a base path, by the settings as they are now.

    Args:
        base_path: where runs and questions are kept.
        topology: the ensemble's nodes; None takes those of the settings.
        model: the model for all that have none of their own; None takes that of the settings.

    Raises:
        ConfigError: the settings are faulty.
        ModelError: a model that they name cannot be used.
        StoreError: the base path cannot be written.
    """
    context = RunContext(approval="auto", model=model)
    async with (
        open_questions(base_path, context, topology=topology) as questions,
        open_runs(base_path, context) as runs,
    ):
        await asyncio.to_thread(runs.check_models)
        ways = await asyncio.to_thread(questions.ways)
        yield [*(QuestionOffer(questions, via) for via in _ABOUT if via in ways), RunOffer(runs)]


def _shown_text(answered: Answered) -> str:
    """Return an answer's text, without the addresses and folders in reasons that it tells."""
    if answered.via == "ensemble":
        return shown_answer(EnsembleAnswer.model_validate(answered.details)).answer
    text = answered.text
    for reply in CascadeAnswer.model_validate(answered.details).minds:
        # The notice of who is missing tells reasons as they are, but for their last full stop.
        if told := reply.error.rstrip("."):
            text = text.replace(told, shown_reason(told))
    return text
