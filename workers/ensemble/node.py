"""A node: two models answer the same question, compare, and cast one vote.

How sure a vote is says how it came about:

====================================  ==========================================================
what happened                         confidence
====================================  ==========================================================
both said the same                    (1 + s) / 2, where s is how alike the answers are
both did, and they are one model      3/4 of that: what one gets wrong it may well get wrong twice
a tie-break sided with one            2/3 of that: two of three
one convinced the other               3/4 of that: the agreement is not independent any more
only one answered                     1/2
they stay apart                       1/3, for the answer that the other one graded higher
====================================  ==========================================================
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from langchain_core.messages import BaseMessage

from matrioska.models.gateway import Client, Reply, client_for
from matrioska.models.meter import CallRecord, Meter, current_meter, metered
from matrioska.models.providers import shown_address
from matrioska.models.recorder import current_voice, voiced
from matrioska.prompts.render import render
from matrioska.state.answers import parse_json_object, refusal
from matrioska.state.ensemble import Chunk, ModelAnswer, NodeSpec, NodeVote
from matrioska.state.errors import AnswerError, ConfigError, ModelError
from matrioska.state.forms import TEXT, AnswerForm
from matrioska.state.members import Member
from matrioska.store.settings import find_fallbacks
from matrioska.workers.ensemble.agreement import Meaning
from matrioska.workers.ensemble.normal import normalised

#: Longest answer that counts, in characters.
MAX_ANSWER = 40_000
#: Confidence of votes that are not agreed; see the module's text.
TIE_BREAK, DEPENDENT, ONE_MODEL, APART = 2 / 3, 3 / 4, 1 / 2, 1 / 3
#: Share of a vote's time after which one who has not answered is not waited for, once the other has.
_WAIT_FOR_SECOND = 0.7
#: Share of a vote's time after which two who differ are left apart.
_SETTLE_UNTIL = 0.95
#: A second sample of one model is drawn at least so freely.
_APART_TEMPERATURE = 0.7
#: What an answer is graded that nobody graded.
_UNGRADED = 5
#: Characters kept of why a model gave no answer.
_REASON = 500
_CRITIQUE = AnswerForm(
    "json",
    "critique",
    {
        "type": "object",
        "properties": {
            "grade": {"type": "integer", "minimum": 0, "maximum": 10},
            "verdict": {"type": "string", "enum": ["mine", "other", "new"]},
            "answer": {"type": "string", "maxLength": 1_500},
        },
        "required": ["grade", "verdict", "answer"],
        "additionalProperties": False,
    },
)

How = Literal["agreed", "critique", "tie_break", "one_model"]
Find = Callable[[str], Member | Client]
"""Returns the member of a name, or a client of it."""


@dataclass(frozen=True)
class _Decision:
    answer: str
    confidence: float
    how: How


@dataclass(frozen=True)
class _Critique:
    """What one model thinks after it has read the other's answer."""

    answer: str
    """What it holds now: its own answer, the other's, or a new one."""
    grade: int
    """Of the other's answer, 0 to 10."""


class _Counter:
    """Counts a vote's calls and passes them on to the meter that is in force around it."""

    def __init__(self, outer: Meter) -> None:
        self.calls = 0
        self._outer = outer

    def admit(self) -> None:
        """See `Meter.admit`."""
        self._outer.admit()

    def record(self, call: CallRecord) -> None:
        """See `Meter.record`."""
        self.calls += call.usage.calls
        self._outer.record(call)


class Node:
    """Two models that vote as one.

    Args:
        spec: the node's place in the topology.
        a: one model.
        b: the other one.
        tie_break: who settles what they disagree on; None lets them criticise each other.
        meaning: tells when two answers say the same; None goes by words.
        timeout: seconds that a vote may take, if anybody counts them. The vote is not cut off
            here, but one model is not waited for until the end while the other has answered.
    """

    def __init__(
        self,
        spec: NodeSpec,
        a: Client,
        b: Client,
        tie_break: Client | None = None,
        *,
        meaning: Meaning | None = None,
        timeout: float | None = None,
    ) -> None:
        self.spec = spec
        self.a = a
        self.b = b
        self.tie_break = tie_break
        self._meaning = meaning or Meaning()
        self._timeout = timeout

    async def vote(self, chunk: Chunk, context: str, kind: str, fitness: float) -> NodeVote:
        """Answer one chunk.

        Models that fail or answer with nothing of use make a vote that is less sure, or one that
        has failed and says why: nothing of theirs is raised. What is raised came from outside:
        cancellation, and what the meter in force stops calls with.

        Args:
            chunk: what is asked.
            context: answers that it needs, as text; '' for none.
            kind: kind of task that it is taken for.
            fitness: what the node is expected to get right.
        """
        began, counter = time.monotonic(), _Counter(current_meter())
        with metered(counter):
            answers, decision, error = await self._decide(chunk, context, began)
        confidence = decision.confidence if decision else 0.0
        return NodeVote(
            node=self.spec.id,
            chunk=chunk.number,
            kind=kind,
            answer=decision.answer if decision else "",
            confidence=confidence,
            fitness=fitness,
            weight=fitness * confidence,
            how=decision.how if decision else "failed",
            answers=answers,
            seconds=round(time.monotonic() - began, 6),
            calls=counter.calls,
            error=error,
        )

    async def _decide(
        self, chunk: Chunk, context: str, began: float
    ) -> tuple[list[ModelAnswer], _Decision | None, str]:
        """Return what was said, what came of it, and why nothing did."""
        # Templates are read from the disk.
        messages = await asyncio.to_thread(render, "ensemble_answer", question=chunk.text, context=context)
        answers = await self._both(messages, began)
        a, b = (answer.text for answer in answers)
        if not a and not b:
            reasons = dict.fromkeys(f"{answer.model}: {answer.error}" for answer in answers)
            return answers, None, " ".join(reasons)
        if not (a and b):
            return answers, _Decision(a or b, ONE_MODEL, "one_model"), ""
        alike = await self._meaning.similarity(a, b)
        if alike >= self._meaning.threshold:
            twice = self.spec.model_a == self.spec.model_b
            return answers, _Decision(a, (1 + alike) / 2 * (DEPENDENT if twice else 1), "agreed"), ""
        try:
            async with asyncio.timeout(self._left(began, _SETTLE_UNTIL)):
                return answers, await self._settle(chunk, context, messages, answers), ""
        except TimeoutError:
            return answers, _Decision(a, APART, "critique"), ""

    async def _both(self, messages: Sequence[BaseMessage], began: float) -> list[ModelAnswer]:
        """Return what A and B answer, side by side."""
        tasks = [asyncio.ensure_future(_answer(client, messages, self.spec.id)) for client in (self.a, self.b)]
        try:
            done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            answered = any(not task.cancelled() and not task.exception() and task.result().text for task in done)
            if waiting:
                # What stops the run lets the other one end: it is paid for.
                await asyncio.wait(waiting, timeout=self._left(began, _WAIT_FOR_SECOND) if answered else None)
        finally:
            for task in tasks:
                task.cancel()
            said = await asyncio.gather(*tasks, return_exceptions=True)
        return [
            _late(client, began) if isinstance(one, asyncio.CancelledError) else one
            for client, one in zip((self.a, self.b), _raised(said), strict=True)
        ]

    def _left(self, began: float, share: float) -> float | None:
        """Return the seconds until a share of the vote's time has passed; None when nobody counts them."""
        if self._timeout is None:
            return None
        return max(0.0, began + share * self._timeout - time.monotonic())

    async def _settle(
        self, chunk: Chunk, context: str, messages: Sequence[BaseMessage], answers: list[ModelAnswer]
    ) -> _Decision:
        """Return what becomes of two answers that differ. What is said on the way is added to them."""
        a, b = answers[0].text, answers[1].text
        if self.tie_break is not None:
            third = await _answer(self.tie_break, messages, self.spec.id)
            answers.append(third)
            near_a, near_b = [
                await self._meaning.similarity(third.text, text) if third.text else 0.0 for text in (a, b)
            ]
            if max(near_a, near_b) >= self._meaning.threshold:
                side = a if near_a >= near_b else b
                return _Decision(side, TIE_BREAK * (1 + max(near_a, near_b)) / 2, "tie_break")
        ours, theirs = await _together(
            _criticise(self.a, self.spec.id, chunk, context, a, b),
            _criticise(self.b, self.spec.id, chunk, context, b, a),
        )
        for client, critique in ((self.a, ours), (self.b, theirs)):
            if critique.answer not in (a, b):
                answers.append(ModelAnswer(model=shown_address(client.member.model), text=critique.answer))
        alike = await self._meaning.similarity(ours.answer, theirs.answer)
        if alike >= self._meaning.threshold:
            return _Decision(ours.answer, DEPENDENT * (1 + alike) / 2, "critique")
        grades = {a: theirs.grade, b: ours.grade}
        best = max((ours.answer, theirs.answer), key=lambda text: grades.get(text, _UNGRADED))
        return _Decision(best, APART, "critique")


def make_node(spec: NodeSpec, find: Find, *, meaning: Meaning | None = None, timeout: float | None = None) -> Node:
    """Return a node with the clients of its models. Nothing is loaded or asked yet; settings are read.

    A node of one model twice asks it apart: what the member pins, its seed or a temperature of
    0, is another for B. What it leaves to the model is drawn anew with each call anyway.

    Args:
        spec: the node's place in the topology.
        find: returns the member of a name, or a client of it.
        meaning: see `Node`.
        timeout: see `Node`.

    Raises:
        ConfigError: there is no such member, or the settings are faulty.
    """
    first, second = find(spec.model_a), find(spec.model_b)
    if isinstance(second, Member) and second == first:
        second = _sampled_apart(second)
    third = find(spec.tie_break) if spec.tie_break else None
    return Node(
        spec, as_client(first), as_client(second), as_client(third) if third else None, meaning=meaning, timeout=timeout
    )


def _sampled_apart(member: Member) -> Member:
    seed = None if member.seed is None else member.seed + 1
    temperature = member.temperature
    if temperature is not None:
        temperature = max(temperature, _APART_TEMPERATURE)
    return member.model_copy(update={"seed": seed, "temperature": temperature})


def as_client(found: Member | Client) -> Client:
    """Return the client of what was found. A member's fall-backs are found with it: settings are files."""
    return found if isinstance(found, Client) else client_for(found, find_fallbacks(found).__getitem__)


async def _answer(client: Client, messages: Sequence[BaseMessage], node: str) -> ModelAnswer:
    """Ask a model for its node; an answer of no use is none, and says why."""
    began = time.monotonic()
    said = ModelAnswer(model=shown_address(client.member.model))
    try:
        with voiced("response", said.model, node, current_voice().parent):
            reply = await client.ask(messages, TEXT)
    except (ModelError, ConfigError) as error:
        said.error = shown_address(error.message)[:_REASON]
    else:
        said.model = shown_address(reply.model) or said.model
        said.error = _useless(reply)
        said.text = "" if said.error else reply.text.strip()
    said.seconds = round(time.monotonic() - began, 6)
    return said


def _useless(reply: Reply) -> str:
    """Say why an answer cannot be voted for; '' when it can."""
    if reply.fault:
        return reply.fault[:_REASON]
    if said := refusal(reply.text):
        return f"The model refused: {' '.join(said.split())}"[:_REASON]
    if len(reply.text) > MAX_ANSWER:
        return f"The answer has {len(reply.text)} characters, and {MAX_ANSWER} are the most."
    return "" if normalised(reply.text) else "The answer holds no word."


def _late(client: Client, began: float) -> ModelAnswer:
    seconds = round(time.monotonic() - began, 6)
    return ModelAnswer(
        model=shown_address(client.member.model), seconds=seconds, error=f"It had not answered after {seconds:.1f} s."
    )


async def _criticise(client: Client, node: str, chunk: Chunk, context: str, mine: str, other: str) -> _Critique:
    """Return what a model makes of the other's answer. Where it says nothing of use, its own answer stands."""
    stands = _Critique(mine, _UNGRADED)
    messages = await asyncio.to_thread(
        render, "ensemble_critique", question=chunk.text, context=context, mine=mine, other=other
    )
    try:
        with voiced("critique", shown_address(client.member.model), node, current_voice().parent):
            reply = await client.ask(messages, _CRITIQUE)
        said = parse_json_object(reply.text) if not reply.fault else {}
    except (ModelError, ConfigError, AnswerError):
        return stands
    grade, verdict, new = said.get("grade"), said.get("verdict"), said.get("answer")
    if isinstance(grade, int) and not isinstance(grade, bool):
        stands = replace(stands, grade=min(10, max(0, grade)))
    if verdict == "other":
        return replace(stands, answer=other)
    if verdict == "new" and isinstance(new, str) and normalised(new) and len(new) <= MAX_ANSWER:
        return replace(stands, answer=new.strip())
    return stands


async def _together(*asking: Coroutine[Any, Any, _Critique]) -> list[_Critique]:
    """Return what several calls come to; when one is stopped from outside the others end first."""
    return list(_raised(await asyncio.gather(*asking, return_exceptions=True)))


def _raised(results: Iterable[Any]) -> list[Any]:
    """Return results as they are, or raise the first error among them; a call that was cancelled is none."""
    found = list(results)
    for one in found:
        if isinstance(one, BaseException) and not isinstance(one, asyncio.CancelledError):
            raise one
    return found
