"""A study: every question to every way, and every two answers to the judge."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, Protocol

from matrioska.comparison.judge import Judge
from matrioska.comparison.kept import Kept
from matrioska.comparison.records import StudyQuestion, WayReply
from matrioska.state.errors import MatrioskaError, ModelAuthError, StoreError, ThreadNotFoundError, UsageError
from matrioska.state.questions import Answered, Via

#: Questions under way at the same time.
AT_ONCE = 4
#: What no other question can do anything about either: the study stops, and goes on once it is mended.
_STOPS = (UsageError, ModelAuthError, StoreError)

OnEvent = Callable[[Mapping[str, Any]], None]


class Asks(Protocol):
    """Who answers: `matrioska.questions.Questions`, as far as a study needs it."""

    async def ask(self, question: str, via: Via, *, thread_id: str | None = None) -> Answered:
        """Answer a question."""
        ...

    async def resume(self, thread_id: str) -> Answered:
        """Go on with a question that was interrupted."""
        ...


class Study:
    """One study.

    Args:
        asks: who answers.
        questions: what is asked.
        ways: by which ways, two at least.
        judge: who compares.
        kept: what the study has brought so far; what is there is not asked again.
        on_event: is told of every reply (``{"type": "reply", …}``) and duel (``{"type": "duel", …}``).
    """

    def __init__(
        self,
        asks: Asks,
        questions: Sequence[StudyQuestion],
        ways: Sequence[Via],
        judge: Judge,
        kept: Kept,
        *,
        on_event: OnEvent = lambda event: None,
    ) -> None:
        self.asks = asks
        self.questions = questions
        self.ways = ways
        self.judge = judge
        self.kept = kept
        self._tell = on_event
        self._places = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Ask and judge what is missing. What came is in ``kept``.

        A way that fails has no answer, which counts. The study stops only at what would fail for
        every question.

        Raises:
            UsageError, ModelAuthError, StoreError: see `_STOPS`.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for number, question in enumerate(self.questions):
                    group.create_task(self._question(number, question))
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _question(self, number: int, question: StudyQuestion) -> None:
        async with self._places:
            # One after the other, so that none waits for another's slots, and not always the same one first.
            turn = number % len(self.ways)
            for via in [*self.ways[turn:], *self.ways[:turn]]:
                if (question.id, via) not in self.kept.replies:
                    reply = await self._reply(number, question, via)
                    await asyncio.to_thread(self.kept.reply, reply)
                    self._tell({"type": "reply", **reply.model_dump(mode="json")})
            for one, other in combinations(self.ways, 2):
                if (question.id, one, other) not in self.kept.duels:
                    replies = self.kept.replies
                    duel = await self.judge.duel(question, replies[question.id, one], replies[question.id, other])
                    await asyncio.to_thread(self.kept.duel, duel)
                    self._tell({"type": "duel", **duel.model_dump(mode="json")})

    async def _reply(self, number: int, question: StudyQuestion, via: Via) -> WayReply:
        reply = WayReply(question=question.id, via=via)
        try:
            reply.answered = await self._answered(f"{self.kept.name}-{number + 1}-{via}", question, via)
        except _STOPS:
            raise
        except MatrioskaError as error:
            reply.error = error.message
        return reply

    async def _answered(self, thread_id: str, question: StudyQuestion, via: Via) -> Answered:
        if self.kept.begun.get((question.id, via)) == thread_id:
            try:
                return await self.asks.resume(thread_id)
            except ThreadNotFoundError:
                # It was stopped before anything was saved, or is of a way that saves nothing.
                pass
        else:
            await asyncio.to_thread(self.kept.begin, question.id, via, thread_id)
        return await self.asks.ask(question.text, via, thread_id=thread_id)
