"""The database itself refuses what must not be, whoever writes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from matrioska.models.recorder import Voice
from matrioska.store.journal import Journal
from matrioska.store.journal.tables import conversations, messages, metrics
from tests.postgres import new_database
from tests.store.journal.conftest import called, rows, scope_of

_ROOT = "00000000-0000-0000-0000-000000000001"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def tables(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Connection]:
    """A connection to empty tables, one for all these tests."""
    folder = tmp_path_factory.mktemp("tables")
    with new_database() if request.param == "postgresql" else nullcontext(folder / "journal.sqlite") as address:
        journal = Journal(address, folder / "pending")
        with journal._keeper.database.connect() as connection:
            yield connection
        journal.close()


@pytest.fixture
def filled(tables: sa.Connection) -> Iterator[sa.Connection]:
    """One conversation with a root, in a transaction that is taken back."""
    conversation = {"id": "c", "graph": "cascade", "title": "", "status": "open", "created": 1, "updated": 1}
    transaction = tables.begin()
    tables.execute(sa.insert(conversations), conversation | {"numbers": 9})
    tables.execute(
        sa.insert(messages), _message(id=_ROOT, correlation_id=_ROOT, parent_id=None, type="query", number=1)
    )
    yield tables
    transaction.rollback()


def _message(**fields: Any) -> dict[str, Any]:
    return {
        "id": "00000000-0000-0000-0000-000000000002",
        "conversation_id": "c",
        "correlation_id": _ROOT,
        "parent_id": _ROOT,
        "number": 2,
        "step": "s",
        "type": "response",
        "source": "atlas",
        "destination": "nova",
        "content": "",
        "context": {},
        "processing": {},
        "status": "done",
        "superseded": False,
        "created": 1.0,
        "updated": 1.0,
    } | fields


def _metric(**fields: Any) -> dict[str, Any]:
    return {
        "id": "m",
        "message_id": _ROOT,
        "conversation_id": "c",
        "service": "scripted:one",
        "operation": "analyse",
        "input_tokens": 1,
        "output_tokens": 1,
        "seconds": 0.0,
        "cost": 0.0,
        "parameters": {},
        "error": "",
        "created": 1.0,
    } | fields


def test_what_is_right_is_taken(filled: sa.Connection) -> None:
    filled.execute(sa.insert(messages), _message())
    filled.execute(sa.insert(metrics), _metric())
    assert filled.execute(sa.select(sa.func.count()).select_from(metrics)).scalar() == 1


@pytest.mark.parametrize(
    "wrong",
    [
        *({name: None} for name in _message()),
        {"conversation_id": "nobody"},
        {"parent_id": "nobody"},
        {"parent_id": "00000000-0000-0000-0000-000000000002"},
        {"correlation_id": "00000000-0000-0000-0000-000000000002"},
        {"parent_id": None, "type": "query"},
        {"type": "gossip"},
        {"status": "perhaps"},
        {"source": ""},
        {"destination": "  "},
        {"number": 1},
        {"id": _ROOT},
    ],
    ids=str,
)
def test_wrong_messages_are_refused(filled: sa.Connection, wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        filled.execute(sa.insert(messages), _message(**wrong))


@pytest.mark.parametrize(
    "wrong",
    [*({name: None} for name in _metric()), {"message_id": "nobody"}, {"conversation_id": "nobody"}, {"service": ""}],
    ids=str,
)
def test_wrong_metrics_are_refused(filled: sa.Connection, wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        filled.execute(sa.insert(metrics), _metric(**wrong))


def test_a_second_beginning_must_be_a_query_of_its_own(filled: sa.Connection) -> None:
    own = "00000000-0000-0000-0000-000000000003"
    filled.execute(sa.insert(messages), _message(id=own, correlation_id=own, parent_id=None, type="query"))
    with pytest.raises(IntegrityError):
        filled.execute(sa.update(messages).where(messages.c.id == own).values(type="response"))


def test_with_a_conversation_go_its_messages_and_metrics(journal: Journal, raw: sa.Connection) -> None:
    with scope_of(journal) as scope:
        for _ in range(3):
            scope.call(called(), Voice(source="atlas"))
    with raw.begin():
        raw.execute(sa.delete(conversations))
    assert rows(raw, "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM metrics)") == [(0, 0)]
