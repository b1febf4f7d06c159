"""One process at a time per thread: two would run every module twice and both report success."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from matrioska.state.errors import ThreadBusyError
from matrioska.store.layout import unwritable


@contextmanager
def thread_lease(folder: Path, thread_id: str) -> Iterator[None]:
    """Hold the lease of a thread; the system drops it if the process dies.

    Args:
        folder: where the lock files stand, next to the database.
        thread_id: the thread.

    Raises:
        ThreadBusyError: another process, or another run in this one, holds it.
        StoreError: the lock cannot be written.
    """
    path = folder / f"{thread_id}.lock"
    # thread_local=False: a stream may be closed by another thread than the one that began it.
    lock = FileLock(path, thread_local=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ThreadBusyError(thread_id, path=str(path)) from error
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        yield
    finally:
        lock.release()
