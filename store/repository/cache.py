"""Snapshots that this process has read, so that two hundred modules cost one read."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

from langgraph.store.base import BaseStore

from matrioska.store.repository.snapshot import Snapshot

#: Snapshots kept for one store; of more, those used longest ago are dropped.
_MOST_KEPT = 32
#: Project, thread, embedder.
Who = tuple[str, str, str]
# Futures of `concurrent`, not of `asyncio`: runs of one process may live on several loops.
_Kept = OrderedDict[Who, "Future[Snapshot]"]

_kept: weakref.WeakKeyDictionary[BaseStore, _Kept] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


class _StoppedError(Exception):
    """The one who was taking a snapshot was cancelled. Never leaves this module."""


async def shared_snapshot(
    store: BaseStore, who: Who, take: Callable[[], Awaitable[Snapshot]], *, reuse: bool
) -> Snapshot:
    """Return a snapshot that was taken before, or is being taken; else take it and keep it for others.

    Args:
        store: what it is a snapshot of.
        who: whose it is.
        take: takes it.
        reuse: False takes it anew, for others too.
    """
    while True:
        promise, mine = _promise(store, who, reuse=reuse)
        if mine:
            return await _keep_promise(store, who, promise, take)
        try:
            if promise.done():
                return promise.result()
            # Shielded: who waits may be stopped, and the others still want it.
            return await asyncio.shield(asyncio.wrap_future(promise))
        except _StoppedError:
            # Whoever was taking it was stopped; somebody else must.
            continue


def forget_snapshots(store: BaseStore, project: str) -> None:
    """Drop what is kept of a project, since it was written to."""
    with _lock:
        kept = _kept.get(store, OrderedDict())
        for who in [who for who in kept if who[0] == project]:
            del kept[who]


def _promise(store: BaseStore, who: Who, *, reuse: bool) -> tuple[Future[Snapshot], bool]:
    """Return the promise of a snapshot, and whether the caller has to keep it."""
    with _lock:
        kept = _kept.setdefault(store, OrderedDict())
        found = kept.get(who)
        if found is not None and reuse:
            kept.move_to_end(who)
            return found, False
        promise: Future[Snapshot] = Future()
        kept[who] = promise
        kept.move_to_end(who)
        if len(kept) > _MOST_KEPT:
            kept.popitem(last=False)
        return promise, True


async def _keep_promise(
    store: BaseStore, who: Who, promise: Future[Snapshot], take: Callable[[], Awaitable[Snapshot]]
) -> Snapshot:
    try:
        snapshot = await take()
    except BaseException as error:
        with _lock:
            kept = _kept.get(store, OrderedDict())
            if kept.get(who) is promise:
                del kept[who]
        promise.set_exception(error if isinstance(error, Exception) else _StoppedError())
        raise
    promise.set_result(snapshot)
    return snapshot
