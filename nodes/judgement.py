"""Asking the boss or the critic for a judgement: one JSON object, and one repeat when it cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from matrioska.models.gateway import Client
from matrioska.nodes.leaf import off_loop
from matrioska.nodes.replies import keep_reasoning, usable_text
from matrioska.prompts.render import render
from matrioska.state.answers import parse_json_object
from matrioska.state.errors import AnswerError, MatrioskaError, StoreError
from matrioska.state.forms import AnswerForm
from matrioska.state.results import Usage
from matrioska.store.artifacts import ArtifactStore

T = TypeVar("T")
_ATTEMPTS = 2


@dataclass
class Judgement(Generic[T]):
    """What came of asking."""

    verdict: T | None = None
    """None when there is none; `failure` says why."""
    failure: str = ""
    usage: Usage = field(default_factory=Usage)
    reasoning: str = ""
    """Digest of the model's reasoning; '' for none."""
    by: str = ""
    """Model that answered."""


async def judged(
    client: Client,
    template: str,
    values: dict[str, Any],
    form: Callable[[], AnswerForm],
    read: Callable[[dict[str, Any]], T],
    store: ArtifactStore,
) -> Judgement[T]:
    """Ask, and ask once more with the complaint when the answer cannot be used.

    A model that fails leaves a judgement without a verdict: modules' work stands without one.

    Args:
        client: whom is asked.
        template: role of the prompt; it is given ``complaints`` besides ``values``.
        values: what the template shows.
        form: returns the form of the answer.
        read: takes the verdict from the answer's object; raises `AnswerError` for a useless one.
        store: where reasoning is kept.

    Raises:
        StoreError: nothing can be kept.
    """
    made, complaints = Judgement[T](), list[str]()
    for _ in range(_ATTEMPTS):
        try:
            messages = await off_loop(render, template, **values, complaints=complaints)
            reply = await client.ask(messages, await off_loop(form))
            made.usage, made.by = made.usage + reply.usage, reply.model
            made.reasoning = await off_loop(keep_reasoning, store, reply) or made.reasoning
            made.verdict = read(parse_json_object(usable_text(reply)))
            return made
        except AnswerError as error:
            made.failure, complaints = error.complaint, [error.complaint]
        except StoreError:
            raise
        except MatrioskaError as error:
            made.failure = error.message
            break
    return made
