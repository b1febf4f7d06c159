"""The context repository: what runs learn of a project, kept for the runs to come.

Its own database is in `backend`, which is imported where one is opened: langgraph's SQLite store
brings numpy, a tenth of a second that nobody should wait for who only looks at a run.
"""

from matrioska.store.repository.repository import Repository
from matrioska.store.repository.snapshot import Snapshot
from matrioska.store.repository.vectors import Embedder

__all__ = ["Embedder", "Repository", "Snapshot"]
