"""A journal on each database, and what tests tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from matrioska.models.meter import CallRecord
from matrioska.state.results import Usage
from matrioska.store.journal import Asked, Journal, Scope
from tests.postgres import new_database

ASKED = Asked("What is deep?")
Open = Callable[[], Journal]


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | Path]:
    """A database of each kind, with nothing in it yet."""
    if request.param == "sqlite":
        yield tmp_path / "journal.sqlite"
        return
    with new_database() as url:
        yield url


@pytest.fixture
def pending(tmp_path: Path) -> Path:
    return tmp_path / "journal.pending.jsonl"


@pytest.fixture
def opened(address: str | Path, pending: Path) -> Iterator[Open]:
    """Opens journals of the same database, each as another process would; they are closed afterwards."""
    journals: list[Journal] = []

    def another() -> Journal:
        journals.append(Journal(address, pending))
        return journals[-1]

    yield another
    for journal in journals:
        journal.close()


@pytest.fixture
def journal(opened: Open) -> Journal:
    return opened()


@pytest.fixture
def raw(journal: Journal) -> Iterator[sa.Connection]:
    """The database as it is, seen past the journal's own reading; tables are there."""
    with journal._keeper.database.connect() as connection:
        yield connection


def scope_of(journal: Journal, step: str = "step", **fields: Any) -> Scope:
    """Return a scope in the conversation "c" of one question."""
    given = {"conversation": "c", "graph": "cascade", "turn": "1", "root": ASKED, "repeats": True} | fields
    return journal.scope(given.pop("conversation"), step, **given)


def called(text: str = "An answer.", **fields: Any) -> CallRecord:
    """Return a call to a model that has ended."""
    usage = Usage(calls=1, input_tokens=3, output_tokens=4, seconds=0.5, cost=0.25)
    return CallRecord(**{"model": "scripted:one", "usage": usage, "text": text} | fields)


def rows(connection: sa.Connection, query: str) -> list[Any]:
    """Return all rows of a query, in a transaction of its own."""
    with connection.begin():
        return list(connection.execute(sa.text(query)).all())
