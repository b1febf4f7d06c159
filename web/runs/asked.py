"""Questions as they are shown: who was asked what, and what came of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matrioska.nodes.recording import PERSON
from matrioska.questions import QuestionReport
from matrioska.state.journal import Conversation, Message
from matrioska.state.shown import shown_model
from matrioska.web.runs.saved import seconds_of
from matrioska.web.runs.views import MindView, QuestionView, RunLine

#: What a single model's conversation is, by its status in the journal.
_STATUSES = {"open": "unfinished", "done": "complete", "failed": "failed"}


def question_line(report: QuestionReport) -> RunLine:
    """Return a question to the cascade or the ensemble in the list, by what is saved of it."""
    usage = report.answered.usage if report.answered is not None else None
    return RunLine(
        thread=report.thread_id,
        graph=report.via,
        title=report.question,
        status=report.status,
        updated=seconds_of(report.created_at),
        tokens=usage.input_tokens + usage.output_tokens if usage is not None else 0,
        cost=usage.cost if usage is not None else 0.0,
    )


def single_line(conversation: Conversation) -> RunLine:
    """Return a question to a single model in the list: it has nothing but its conversation."""
    return RunLine(
        thread=conversation.id,
        graph=conversation.graph,
        title=conversation.title,
        status=_STATUSES[conversation.status],
        updated=conversation.updated,
        tokens=conversation.tokens,
        cost=conversation.cost,
    )


def question_view(
    line: RunLine, values: Mapping[str, Any], report: QuestionReport, messages: Sequence[Message], events: int
) -> QuestionView:
    """Return a question to the cascade or the ensemble.

    Args:
        line: the question in the list.
        values: the state of its graph.
        report: where it stands.
        messages: what was said, contents cut.
        events: id of the last event told of it.
    """
    minds = _cascade(values) if report.via == "cascade" else _ensemble(values)
    _heard(minds, messages)
    for reply in values.get("minds") or []:
        _replied(minds, reply)
    answered = report.answered
    return QuestionView(
        line=line,
        question=report.question,
        answer=answered.text if answered is not None else "",
        missing=answered.missing if answered is not None else [],
        minds=list(minds.values()),
        details=answered.details if answered is not None else {},
        events=events,
    )


def single_view(line: RunLine, messages: Sequence[Message], events: int) -> QuestionView:
    """Return a question to a single model, by what was said last."""
    asked = next((message for message in reversed(messages) if message.parent is None), None)
    answer = next((message for message in reversed(messages) if message.type == "response"), None)
    if asked is None:
        return QuestionView(line=line, question=line.title, events=events)
    state = "working" if answer is None else "answered"
    mind = MindView(id=asked.destination, name=shown_model(asked.destination), state=state, question=asked.content)
    minds = {mind.id: mind}
    _heard(minds, messages)
    text = answer.content if answer is not None else ""
    minds[mind.id].reply = text
    return QuestionView(line=line, question=asked.content, answer=text, minds=list(minds.values()), events=events)


def _cascade(values: Mapping[str, Any]) -> dict[str, MindView]:
    return {
        mind["id"]: MindView(
            id=mind["id"],
            name=mind.get("name") or mind["id"].capitalize(),
            parent=mind.get("parent") or "",
            model=shown_model(mind.get("model") or ""),
        )
        for mind in (values.get("tree") or {}).get("minds", [])
    }


def _ensemble(values: Mapping[str, Any]) -> dict[str, MindView]:
    return {
        node["id"]: MindView(
            id=node["id"],
            name=node["id"],
            parent=node.get("cluster", ""),
            model=" + ".join(dict.fromkeys(shown_model(node[name]) for name in ("model_a", "model_b"))),
        )
        for node in (values.get("topology") or {}).get("nodes", [])
    }


def _heard(minds: Mapping[str, MindView], messages: Sequence[Message]) -> None:
    """Take in what was said: who is at work on what, and what each has cost."""
    for message in messages:
        asked, speaker = minds.get(message.destination), minds.get(message.source)
        if asked is not None and message.source != message.destination and message.type in ("delegation", "query"):
            asked.question, asked.state = message.content, "working"
        if speaker is None or not message.metrics:
            continue
        speaker.tokens += message.tokens
        speaker.seconds = round(speaker.seconds + sum(metric.seconds for metric in message.metrics), 3)
        if message.type == "error":
            speaker.state = "failed"
        elif message.type == "synthesis":
            speaker.state, speaker.reply = "answered", message.content
        elif speaker.state != "answered":
            speaker.state = "answered" if message.destination == PERSON else "working"


def _replied(minds: Mapping[str, MindView], reply: Mapping[str, Any]) -> None:
    """Take in what a mind cascaded up at the end."""
    mind = minds.get(reply["mind"])
    if mind is None:
        return
    mind.question, mind.reply = reply.get("question") or mind.question, reply.get("text") or reply.get("error") or ""
    mind.state = "answered" if reply.get("text") else "failed" if reply.get("error") else "idle"
