"""Looks at the journal. What is superseded is never shown; what answers it is shown as answering the root."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel

from matrioska.state.journal import Conversation, Message, Metric
from matrioska.store.journal.tables import conversations as conversation_rows
from matrioska.store.journal.tables import messages as message_rows
from matrioska.store.journal.tables import metrics as metric_rows

_VISIBLE = message_rows.c.superseded.is_(sa.false())
_PARENTS = message_rows.alias("parents")
_PARENT = sa.case(
    (_PARENTS.c.superseded.is_(sa.true()), message_rows.c.correlation_id), else_=message_rows.c.parent_id
).label("parent_id")


def _selected(*columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    return (
        sa.select(*columns, _PARENT)
        .select_from(message_rows.outerjoin(_PARENTS, _PARENTS.c.id == message_rows.c.parent_id))
        .where(_VISIBLE)
        .order_by(message_rows.c.number)
    )


_MESSAGES = _selected(*(column for column in message_rows.c if column.name != "parent_id"))
#: Characters of a content that a brief look shows.
BRIEF_CONTENT = 400
_BRIEF = _selected(
    *(column for column in message_rows.c if column.name not in ("parent_id", "content", "context")),
    sa.func.substr(message_rows.c.content, 1, BRIEF_CONTENT).label("content"),
)


class PartyMetrics(BaseModel):
    """What one who spoke in a conversation took."""

    source: str
    messages: int
    calls: int
    input_tokens: int
    output_tokens: int
    seconds: float
    cost: float
    """US dollars."""
    errors: int
    """Calls that ended without an answer."""


def messages(
    connection: sa.Connection,
    conversation: str,
    after: int = 0,
    *,
    most: int | None = None,
    party: str = "",
    brief: bool = False,
) -> list[Message]:
    """Return a conversation's messages in order; see `Journal.messages`."""
    rows = message_rows.c
    wanted = (rows.conversation_id == conversation) & (rows.number > after)
    if party:
        wanted &= (rows.source == party) | (rows.destination == party)
    if most is not None:
        last = sa.select(rows.number).where(wanted, _VISIBLE).order_by(rows.number).limit(most).subquery()
        wanted &= rows.number <= sa.select(sa.func.max(last.c.number)).scalar_subquery()
    return _messages(connection, wanted, _BRIEF if brief else _MESSAGES)


def children(connection: sa.Connection, message: str) -> list[Message]:
    """Return the messages that answer one."""
    return _messages(connection, message_rows.c.parent_id == message)


def conversations(connection: sa.Connection) -> list[Conversation]:
    """Return all conversations, the latest first."""
    said = (
        sa.select(message_rows.c.conversation_id, sa.func.count().label("messages"))
        .where(_VISIBLE)
        .group_by(message_rows.c.conversation_id)
        .subquery()
    )
    tokens = metric_rows.c.input_tokens + metric_rows.c.output_tokens
    took = (
        sa.select(
            metric_rows.c.conversation_id,
            sa.func.sum(tokens).label("tokens"),
            sa.func.sum(metric_rows.c.cost).label("cost"),
        )
        .join(message_rows, message_rows.c.id == metric_rows.c.message_id)
        .where(_VISIBLE)
        .group_by(metric_rows.c.conversation_id)
        .subquery()
    )
    rows = conversation_rows.c
    query = (
        sa.select(rows.id, rows.graph, rows.title, rows.status, rows.created, rows.updated)
        .add_columns(
            *(
                sa.func.coalesce(column, 0).label(column.name)
                for column in (said.c.messages, took.c.tokens, took.c.cost)
            )
        )
        .outerjoin(said, said.c.conversation_id == rows.id)
        .outerjoin(took, took.c.conversation_id == rows.id)
        .order_by(rows.updated.desc(), rows.id)
    )
    return [Conversation.model_validate(dict(row)) for row in connection.execute(query).mappings()]


def heads(connection: sa.Connection, wanted: Collection[str]) -> list[Conversation]:
    """Return conversations by their ids, without counting what is in them; at most some hundred at once."""
    rows = conversation_rows.c
    query = sa.select(rows.id, rows.graph, rows.title, rows.status, rows.created, rows.updated)
    return [
        Conversation.model_validate(dict(row))
        for row in connection.execute(query.where(rows.id.in_(wanted))).mappings()
    ]


def latest(connection: sa.Connection) -> dict[str, tuple[str, float]]:
    """Return of every conversation its graph, and when something was last said in it, in seconds since 1970."""
    rows = conversation_rows.c
    found = connection.execute(sa.select(rows.id, rows.graph, rows.updated))
    return {id: (graph, updated) for id, graph, updated in found}


def metrics(connection: sa.Connection, conversation: str) -> list[PartyMetrics]:
    """Return what each who spoke in a conversation took, in the order of their first words."""
    measured = metric_rows.c

    def total(column: sa.ColumnElement[float]) -> sa.ColumnElement[float]:
        return sa.func.coalesce(sa.func.sum(column), 0)

    query = (
        sa.select(
            message_rows.c.source,
            sa.func.count(message_rows.c.id).label("messages"),
            sa.func.count(measured.id).label("calls"),
            *(total(measured[name]).label(name) for name in ("input_tokens", "output_tokens", "seconds", "cost")),
            total(sa.case((measured.error != "", 1), else_=0)).label("errors"),
        )
        .select_from(message_rows.outerjoin(metric_rows, measured.message_id == message_rows.c.id))
        .where(_VISIBLE, message_rows.c.conversation_id == conversation)
        .group_by(message_rows.c.source)
        .order_by(sa.func.min(message_rows.c.number))
    )
    return [PartyMetrics.model_validate(dict(row)) for row in connection.execute(query).mappings()]


def _messages(
    connection: sa.Connection, wanted: sa.ColumnElement[bool], query: sa.Select[Any] = _MESSAGES
) -> list[Message]:
    rows = connection.execute(query.where(wanted)).mappings().all()
    measured = (
        sa.select(metric_rows).join(message_rows, message_rows.c.id == metric_rows.c.message_id).where(wanted, _VISIBLE)
    )
    taken: dict[str, list[Metric]] = {}
    for row in connection.execute(measured.order_by(metric_rows.c.created, metric_rows.c.id)).mappings():
        taken.setdefault(row["message_id"], []).append(_metric(row))
    return [_message(row, taken.get(row["id"], [])) for row in rows]


def _message(row: sa.RowMapping, taken: list[Metric]) -> Message:
    named = {
        "conversation": row["conversation_id"],
        "correlation": row["correlation_id"],
        "parent": row["parent_id"],
        "metrics": taken,
    }
    return Message.model_validate({name: row[name] for name in Message.model_fields if name in row} | named)


def _metric(row: sa.RowMapping) -> Metric:
    return Metric.model_validate({name: row[name] for name in Metric.model_fields})
