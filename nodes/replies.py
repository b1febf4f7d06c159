"""What a model's reply is worth before it is read: its complaint, and the thoughts to keep."""

from __future__ import annotations

from matrioska.models.gateway import Reply
from matrioska.state.answers import refusal
from matrioska.state.errors import AnswerError
from matrioska.store.artifacts import ArtifactStore

_REFUSED = "The model refused"
_SHOWN = 400


def complaint_about(reply: Reply) -> str:
    """Return what makes a reply unusable before it is read, written to be sent back; '' when nothing does."""
    if reply.fault:
        return reply.fault
    if not (said := refusal(reply.text)):
        return ""
    return f"{_REFUSED}: {' '.join(said.split())[:_SHOWN]} Answer in the form asked for, with what can be answered."


def usable_text(reply: Reply) -> str:
    """Return a reply's text.

    Raises:
        AnswerError: there is nothing to be read: it is empty, cut off, or a refusal.
    """
    if complaint := complaint_about(reply):
        raise AnswerError(complaint, raw_answer=reply.text)
    return reply.text


def advice(complaints: list[str]) -> str:
    """Return what a person can do about a model that refuses; '' when it did not."""
    refused = any(complaint.startswith((_REFUSED, "The answer was refused")) for complaint in complaints)
    return "Put the task in other words, or choose another model with --model." if refused else ""


def keep_reasoning(store: ArtifactStore, reply: Reply) -> str:
    """Keep what a model thought aloud; return its SHA-256 in the artifact store, '' when there was nothing."""
    return store.keep(reply.reasoning.encode("utf-8")) if reply.reasoning else ""
