"""The journal's tables as the code sees them. How they came about stands in ``migrations``."""

from __future__ import annotations

import json
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import LONGTEXT

from matrioska.state.journal import MAX_NAME, MAX_PARTY, MessageType, Status

#: Revision of the tables below; `migrations` must lead there.
HEAD = "0001"
#: Table with the revision that a database is at. Its name tells our databases from others'.
VERSION_TABLE = "matrioska_journal"
ID_LENGTH = 36
CONVERSATION_LENGTH = 200
STEP_LENGTH = 250

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_LONG = sa.Text().with_variant(LONGTEXT, "mysql", "mariadb")


def one_of(column: str, values: Any) -> str:
    """Return the condition that a column holds one of a literal type's values."""
    return f"{column} IN ({', '.join(repr(value) for value in get_args(values))})"


def write_json(value: Any) -> str:
    """Return JSON as it is stored."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


conversations = sa.Table(
    "conversations",
    metadata,
    sa.Column("id", sa.String(CONVERSATION_LENGTH), primary_key=True),
    sa.Column("graph", sa.String(MAX_PARTY), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("status", sa.String(10), nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("updated", sa.Double, nullable=False),
    # Numbers given out so far. Whoever adds or takes away messages draws some: a writer that finds
    # it where it left it knows that what it remembers of the conversation still holds.
    sa.Column("numbers", sa.BigInteger, nullable=False),
    sa.CheckConstraint("id <> ''", "id"),
    sa.CheckConstraint(one_of("status", Status), "status"),
    sa.Index(None, "updated"),
)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", sa.String(ID_LENGTH), primary_key=True),
    sa.Column(
        "conversation_id",
        sa.String(CONVERSATION_LENGTH),
        sa.ForeignKey("conversations.id", ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("correlation_id", sa.String(ID_LENGTH), nullable=False),
    sa.Column("parent_id", sa.String(ID_LENGTH), sa.ForeignKey("messages.id", ondelete="CASCADE"), index=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("step", sa.String(STEP_LENGTH), nullable=False),
    sa.Column("type", sa.String(20), nullable=False),
    sa.Column("source", sa.String(MAX_PARTY), nullable=False),
    sa.Column("destination", sa.String(MAX_PARTY), nullable=False),
    sa.Column("content", _LONG, nullable=False),
    sa.Column("context", sa.JSON(none_as_null=True), nullable=False),
    sa.Column("processing", sa.JSON(none_as_null=True), nullable=False),
    sa.Column("status", sa.String(10), nullable=False),
    sa.Column("superseded", sa.Boolean, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("updated", sa.Double, nullable=False),
    sa.UniqueConstraint("conversation_id", "number"),
    sa.CheckConstraint(one_of("type", MessageType), "type"),
    sa.CheckConstraint(one_of("status", Status), "status"),
    sa.CheckConstraint("trim(source) <> ''", "source"),
    sa.CheckConstraint("trim(destination) <> ''", "destination"),
    # Only what was asked at first answers nothing, and it is what all others go back to.
    sa.CheckConstraint(
        "(parent_id IS NULL AND type = 'query' AND correlation_id = id)"
        " OR (parent_id IS NOT NULL AND parent_id <> id AND correlation_id <> id)",
        "parent",
    ),
    sa.Index(None, "conversation_id", "step"),
)

metrics = sa.Table(
    "metrics",
    metadata,
    sa.Column("id", sa.String(ID_LENGTH), primary_key=True),
    sa.Column(
        "message_id", sa.String(ID_LENGTH), sa.ForeignKey("messages.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    sa.Column(
        "conversation_id",
        sa.String(CONVERSATION_LENGTH),
        sa.ForeignKey("conversations.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    sa.Column("service", sa.String(MAX_NAME), nullable=False),
    sa.Column("operation", sa.String(MAX_PARTY), nullable=False),
    sa.Column("input_tokens", sa.BigInteger, nullable=False),
    sa.Column("output_tokens", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("cost", sa.Double, nullable=False),
    sa.Column("parameters", sa.JSON(none_as_null=True), nullable=False),
    sa.Column("error", sa.String(MAX_NAME), nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.CheckConstraint("service <> ''", "service"),
)
