"""Conversations, messages and metrics."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGTEXT

revision = "0001"
down_revision = None

_TYPES = (
    "'delegation', 'response', 'query', 'reflection', 'iteration', 'synthesis', 'critique', 'expansion', "
    "'status', 'error', 'control'"
)
_STATUSES = "status IN ('open', 'done', 'failed')"
_ROOT = "parent_id IS NULL AND type = 'query' AND correlation_id = id"
_ANSWER = "parent_id IS NOT NULL AND parent_id <> id AND correlation_id <> id"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "conversations",
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("graph", sa.String(200), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("updated", sa.Double(), nullable=False),
        sa.Column("numbers", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_conversations"),
        sa.CheckConstraint("id <> ''", name="ck_conversations_id"),
        sa.CheckConstraint(_STATUSES, name="ck_conversations_status"),
    )
    op.create_index("ix_conversations_updated", "conversations", ["updated"])
    _messages()
    _metrics()


def _messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("conversation_id", sa.String(200), nullable=False),
        sa.Column("correlation_id", sa.String(36), nullable=False),
        sa.Column("parent_id", sa.String(36), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.String(250), nullable=False),
        sa.Column("type", sa.String(20), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("destination", sa.String(200), nullable=False),
        sa.Column("content", sa.Text().with_variant(LONGTEXT, "mysql", "mariadb"), nullable=False),
        sa.Column("context", sa.JSON(), nullable=False),
        sa.Column("processing", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("updated", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        sa.UniqueConstraint("conversation_id", "number", name="uq_messages_conversation_id_number"),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="fk_messages_conversation_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["parent_id"], ["messages.id"], name="fk_messages_parent_id", ondelete="CASCADE"),
        sa.CheckConstraint(f"type IN ({_TYPES})", name="ck_messages_type"),
        sa.CheckConstraint(_STATUSES, name="ck_messages_status"),
        sa.CheckConstraint("trim(source) <> ''", name="ck_messages_source"),
        sa.CheckConstraint("trim(destination) <> ''", name="ck_messages_destination"),
        sa.CheckConstraint(f"({_ROOT}) OR ({_ANSWER})", name="ck_messages_parent"),
    )
    op.create_index("ix_messages_parent_id", "messages", ["parent_id"])
    op.create_index("ix_messages_conversation_id_step", "messages", ["conversation_id", "step"])


def _metrics() -> None:
    op.create_table(
        "metrics",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("message_id", sa.String(36), nullable=False),
        sa.Column("conversation_id", sa.String(200), nullable=False),
        sa.Column("service", sa.String(400), nullable=False),
        sa.Column("operation", sa.String(200), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("cost", sa.Double(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("error", sa.String(400), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_metrics"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name="fk_metrics_message_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="fk_metrics_conversation_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint("service <> ''", name="ck_metrics_service"),
    )
    op.create_index("ix_metrics_message_id", "metrics", ["message_id"])
    op.create_index("ix_metrics_conversation_id", "metrics", ["conversation_id"])
