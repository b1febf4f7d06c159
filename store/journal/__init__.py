"""The journal: conversations, messages and metrics, in any database that SQLAlchemy speaks to.

SQLAlchemy is imported by whoever writes or reads first, in a thread: a fifth of a second that
nobody should wait for who says nothing.
"""

from matrioska.store.journal.entries import Asked
from matrioska.store.journal.journal import Journal, open_journal
from matrioska.store.journal.scope import Scope

__all__ = ["Asked", "Journal", "Scope", "open_journal"]
