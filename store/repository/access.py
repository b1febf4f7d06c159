"""How the repository speaks to a store, whichever it is: in batches, and with typed errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langgraph.store.base import BaseStore, Op, SearchItem, SearchOp

from matrioska.state.errors import MatrioskaError, StoreError

#: First label of every namespace of ours.
ROOT = ("matrioska",)
#: Operations of one batch: SQLite takes some 32,000 variables in one statement, five for each item.
_BATCH = 500
#: Items that one search may find; stores return ten unless told otherwise.
_MOST_FOUND = 100_000


async def batch(store: BaseStore, ops: Sequence[Op]) -> list[Any]:
    """Do operations of one kind and return their results, in their order.

    Raises:
        StoreError: the store cannot be read or written.
    """
    results: list[Any] = []
    for at in range(0, len(ops), _BATCH):
        try:
            results += await store.abatch(ops[at : at + _BATCH])
        except MatrioskaError:
            raise
        # A platform's store may raise errors of any class.
        except Exception as error:
            raise StoreError(
                f"The store of this platform failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}.",
                next_step="Look into the platform's log and resume; what is saved stays saved.",
            ) from error
    return results


async def search_all(store: BaseStore, namespace: tuple[str, ...]) -> list[SearchItem]:
    """Return every item in a namespace and below.

    Raises:
        StoreError: the store cannot be read.
    """
    (found,) = await batch(store, [SearchOp(namespace, limit=_MOST_FOUND)])
    return list(found)
