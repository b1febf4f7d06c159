"""The judge: which of two answers is better, asked in both orders, without names."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Literal

from matrioska.comparison.records import SHOWN, Duel, Opinion, Scores, StudyQuestion, WayReply
from matrioska.models.gateway import Client
from matrioska.models.recorder import voiced
from matrioska.nodes.recording import PERSON, unit_recording
from matrioska.nodes.replies import usable_text
from matrioska.prompts.render import render
from matrioska.state.answers import parse_json_object
from matrioska.state.errors import AnswerError, ModelError
from matrioska.state.forms import AnswerForm

#: As whom it speaks in the journal.
JUDGE = "judge"
#: Times that the judge is asked in each order.
_TRIES = 2
#: Characters kept of a reason.
_REASON = 600
_CUT = "\n[The rest of this answer is left out: it is too long.]"
_ASPECTS = tuple(Scores.model_fields)
_WORDS: Mapping[str, Literal["A", "B", "tie"]] = {
    "a": "A",
    "b": "B",
    "tie": "tie",
    "tied": "tie",
    "draw": "tie",
    "equal": "tie",
    "both": "tie",
    "neither": "tie",
}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


_SCORES = _object({name: {"type": "integer", "minimum": 1, "maximum": 10} for name in _ASPECTS})
#: The reason stands first: a verdict that follows from it is better than one that it excuses.
FORM = AnswerForm(
    "json",
    "verdict",
    _object(
        {
            "reason": {"type": "string", "maxLength": _REASON},
            "a": _SCORES,
            "b": _SCORES,
            "verdict": {"type": "string", "enum": ["A", "B", "tie"]},
        }
    ),
)


class Judge:
    """Compares two answers.

    Args:
        client: the model that judges.
    """

    def __init__(self, client: Client) -> None:
        self.client = client

    @property
    def name(self) -> str:
        """``provider:model``."""
        return self.client.member.model

    async def duel(self, question: StudyQuestion, one: WayReply, other: WayReply) -> Duel:
        """Return which of two replies is better.

        A reply without an answer loses against one with an answer, and ties with another without.
        The same text twice is a tie. Else the judge is asked in both orders, and a verdict that
        changes with the order is a tie. When one of the orders has no verdict, the duel has none.
        """
        made = Duel(question=question.id, one=one.via, other=other.via, outcome="tie", how="unanswered")
        if not (one.text and other.text):
            outcome: Literal["win", "tie", "loss"] = "win" if one.text else "loss" if other.text else "tie"
            return made.model_copy(update={"outcome": outcome})
        if one.text == other.text:
            return made.model_copy(update={"how": "identical"})
        # Done anew as a whole when it was cut off; only its end is kept.
        async with unit_recording(f"{question.id} {one.via} {other.via}"):
            made.opinions = list(
                await asyncio.gather(self._opinion(question, one, other), self._opinion(question, other, one))
            )
        made.outcome, made.how = _outcome(made)
        return made

    async def _opinion(self, question: StudyQuestion, first: WayReply, second: WayReply) -> Opinion:
        opinion, complaint = Opinion(first=first.via, second=second.via), ""
        for _ in range(_TRIES):
            messages = await asyncio.to_thread(
                render,
                "judge_pair",
                question=question.text,
                reference=question.reference,
                answer_a=_shown(first.text),
                answer_b=_shown(second.text),
                complaint=complaint,
            )
            try:
                with voiced("critique", JUDGE, PERSON):
                    reply = await self.client.ask(messages, FORM)
                opinion.usage, opinion.by = opinion.usage + reply.usage, reply.model or self.name
                return opinion.model_copy(update=read_verdict(parse_json_object(usable_text(reply))))
            except AnswerError as error:
                opinion.failure = complaint = error.complaint
            except ModelError as error:
                opinion.failure = error.message
                break
        return opinion


def _shown(answer: str) -> str:
    return answer if len(answer) <= SHOWN else answer[:SHOWN] + _CUT


def _outcome(duel: Duel) -> tuple[Literal["win", "tie", "loss", "none"], Literal["judged", "contradiction"]]:
    """Return what two opinions come to."""
    if any(opinion.verdict is None for opinion in duel.opinions):
        return "none", "judged"
    preferred = {opinion.prefers for opinion in duel.opinions}
    if len(preferred) > 1:
        return "tie", "contradiction"
    (better,) = preferred
    return ("tie" if better is None else "win" if better == duel.one else "loss"), "judged"


def read_verdict(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an opinion from the judge's object, read leniently: only the verdict must be there.

    Raises:
        AnswerError: there is no verdict, or it is none of the three.
    """
    by_name = {str(key).casefold(): value for key, value in answer.items()}
    said = by_name.get("verdict", by_name.get("winner"))
    word = re.sub(r"^(?:answer|model|response)\s+|[^a-z]+$", "", str(said).strip().casefold().strip("\"'*[("))
    if word not in _WORDS:
        raise AnswerError(f'The verdict is {str(said)[:80]!r}. It must be "A", "B" or "tie".')
    return {
        "verdict": _WORDS[word],
        "reason": str(by_name.get("reason") or "")[:_REASON],
        "a": _scores(by_name.get("a")),
        "b": _scores(by_name.get("b")),
        "failure": "",
    }


def _scores(given: Any) -> Scores:
    """Return the scores that are whole numbers from 1 to 10; the others stay out."""
    if not isinstance(given, Mapping):
        return Scores()
    found = {}
    for name in _ASPECTS:
        value = given.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= 10:
            found[name] = round(value)
    return Scores(**found)
