"""What to keep of the journal, and what to let go: whole conversations, never parts of one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from matrioska.state.errors import UsageError
from matrioska.store.journal.tables import conversations


@dataclass(frozen=True)
class Wish:
    """Which conversations shall go; one goes when it fits all that is said."""

    older_than: timedelta | None = None
    """Those in which nothing was said for so long."""
    keep: int | None = None
    """All but the latest so many."""
    conversation: str | None = None
    """This one."""
    unfinished: bool = False
    """Those too that are still open."""


def chosen(connection: sa.Connection, wish: Wish) -> list[str]:
    """Return the ids of the conversations that a wish names, the oldest first.

    Raises:
        UsageError: it names none, a number below 0, or one that is still open.
    """
    _check(wish)
    rows = conversations.c
    found = connection.execute(
        sa.select(rows.id, rows.status, rows.updated).order_by(rows.updated.desc(), rows.id)
    ).all()
    first = 0 if wish.keep is None else wish.keep
    before = time.time() - wish.older_than.total_seconds() if wish.older_than is not None else float("inf")
    fitting = [
        (id, status) for id, status, updated in found[first:] if updated < before and wish.conversation in (None, id)
    ]
    still = [id for id, status in fitting if status == "open"]
    if wish.conversation is not None and still and not wish.unfinished:
        raise UsageError(
            f"The conversation {wish.conversation!r} is open: it is under way, or was cut off and can be resumed.",
            next_step="Resume it, or say that unfinished ones shall go too.",
        )
    return [id for id, status in reversed(fitting) if wish.unfinished or status != "open"]


def _check(wish: Wish) -> None:
    if wish.older_than is None and wish.keep is None and wish.conversation is None:
        raise UsageError(
            "Nothing says which conversations shall go.", next_step="Give an age, a number to keep, or a conversation."
        )
    if (wish.keep is not None and wish.keep < 0) or (wish.older_than is not None and wish.older_than < timedelta(0)):
        raise UsageError("An age or a number to keep cannot be below 0.", next_step="Give 0 or more.")
