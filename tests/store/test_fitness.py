"""The book of fitness: what it keeps, who may write at once, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from matrioska.state.errors import CorruptStoreError, NewerFormatError, StoreError, UsageError
from matrioska.state.fitness import DISCOUNT, Reward
from matrioska.store.fitness import FitnessBook
from matrioska.store.layout import Layout


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Layout.at(tmp_path).fitness


@pytest.fixture(params=["file", "memory"])
def book(request: pytest.FixtureRequest, path: Path) -> FitnessBook:
    return FitnessBook(path if request.param == "file" else None, {"a": 0.8})


async def test_without_a_file_it_is_the_topologys_word(book: FitnessBook) -> None:
    assert (await book.posterior("a", "maths")).mean == pytest.approx(0.8)
    assert (await book.posterior("b", "maths")).mean == pytest.approx(0.5)
    assert book.path is None or not book.path.exists(), "looking makes no file"


async def test_rewards_are_kept_for_each_node_and_kind(book: FitnessBook) -> None:
    for _ in range(20):
        await book.record("a", "maths", right=0.0, seconds=2.0)
        await book.record("b", "maths", right=1.0)
    found = await book.posteriors(["a", "b"], ["maths", "code"])
    assert found["a", "maths"].mean < 0.4 < 0.6 < found["b", "maths"].mean
    assert found["a", "code"].mean == pytest.approx(found["a", "maths"].mean, abs=0.01)
    assert found["a", "code"].observations == 0
    assert found["a", "maths"].seconds == pytest.approx(2.0)
    assert found["b", "maths"].seconds is None


async def test_another_book_of_the_same_file_knows_the_same(path: Path) -> None:
    await FitnessBook(path).record("a", "maths", right=1.0, seconds=1.5)
    assert (await FitnessBook(path).posterior("a", "maths")).observations == 1


def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    asyncio.run(FitnessBook(path).record("a", "maths", right=1.0))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_the_table_has_nodes_overall_and_by_kind_the_best_first(book: FitnessBook) -> None:
    await book.record_all(
        [Reward(node="b", kind=kind, right=1.0, seconds=3.0) for kind in ["code", "maths"] for _ in range(30)]
    )
    rows = await book.table()
    assert [(row.node, row.kind) for row in rows] == [("b", ""), ("b", "code"), ("b", "maths"), ("a", "")]
    assert rows[0].observations == 60
    assert all(row.low < row.mean < row.high for row in rows)
    assert rows[0].high - rows[0].low < rows[-1].high - rows[-1].low


async def test_one_wrong_reward_and_none_is_taken(book: FitnessBook) -> None:
    with pytest.raises(ValueError, match="less than or equal to 1"):
        await book.record("a", "maths", right=2.0)
    good = Reward(node="a", kind="maths", right=1.0)
    await book.record_all([])
    await book.record_all([good, good])
    assert (await book.posterior("a", "maths")).observations == 2


async def test_what_is_repeated_with_its_ticket_counts_once(book: FitnessBook, path: Path) -> None:
    reward = Reward(node="a", kind="maths", right=1.0)
    for ticket in ("first", "first", "second", None, None):
        await book.record_all([reward], once=ticket)
    assert (await book.posterior("a", "maths")).observations == 4
    if book.path is not None:
        await FitnessBook(path).record_all([reward], once="second")
        assert (await FitnessBook(path).posterior("a", "maths")).observations == 4


async def test_a_book_from_before_tickets_takes_them(path: Path) -> None:
    await FitnessBook(path).record("a", "maths", right=1.0)
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("DROP TABLE taken")
    for _ in range(2):
        await FitnessBook(path).record_all([Reward(node="a", kind="maths", right=1.0)], once="one")
    assert (await FitnessBook(path).posterior("a", "maths")).observations == 2


async def test_reset_forgets_one_or_all(book: FitnessBook) -> None:
    for node in "abc":
        await book.record(node, "maths", right=1.0)
        await book.record(node, "code", right=1.0)
    assert await book.reset("b") == 1
    assert {row.node for row in await book.table() if row.kind} == {"a", "c"}
    assert await book.reset("b") == 0
    assert await book.reset() == 2
    assert [row.node for row in await book.table()] == ["a"]


async def test_an_export_comes_back(book: FitnessBook, tmp_path: Path) -> None:
    for right in (1.0, 0.0, 1.0):
        await book.record("a", "maths", right=right, seconds=2.0)
        await book.record("a", "maths", right=right, evidence="agreement")
    exported = json.loads(json.dumps(await book.export()))
    other = FitnessBook(tmp_path / "other.sqlite", {"a": 0.8})
    await other.record("a", "maths", right=0.0)
    await other.record("b", "code", right=1.0)
    assert await other.restore(exported) == 1
    assert await other.posterior("a", "maths") == await book.posterior("a", "maths")
    assert (await other.posterior("b", "code")).observations == 1, "what the export does not name stays"


_RECORD = {"node": "a", "kind": "maths", "right": 1.0}


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        {"records": [_RECORD], "format": "other"},
        {"records": [_RECORD], "version": 2},
        {"records": [_RECORD], "more": 1},
        {"records": [_RECORD | {"node": "../../etc"}]},
        {"records": [_RECORD | {"kind": "x" * 99}]},
        {"records": [_RECORD | {"right": -1.0}]},
        {"records": [_RECORD | {"wrong": float("inf")}]},
        {"records": [_RECORD | {"log_seconds": float("nan")}]},
        {"records": [_RECORD] * 10_001},
    ],
)
async def test_what_is_no_export_changes_nothing(book: FitnessBook, wrong: object) -> None:
    await book.record("a", "maths", right=0.0)
    before = await book.export()
    with pytest.raises(UsageError, match="no export of fitness"):
        await book.restore(wrong)
    assert await book.export() == before


async def test_tasks_at_once_lose_nothing(path: Path) -> None:
    books = [FitnessBook(path) for _ in range(4)]
    await asyncio.gather(*(book.record("a", "maths", right=1.0) for book in books for _ in range(25)))
    found = await FitnessBook(path).export()
    assert found["records"][0]["observations"] == 100
    assert found["records"][0]["right"] == pytest.approx((1 - DISCOUNT**100) / (1 - DISCOUNT))


def _write(path: Path, node: str) -> None:
    async def body() -> None:
        for _ in range(20):
            await FitnessBook(path).record_all(
                [Reward(node=node, kind="maths", right=1.0), Reward(node="shared", kind="maths", right=1.0)]
            )

    asyncio.run(body())


async def test_processes_at_once_lose_nothing(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write, args=(path, node)) for node in ("a", "b", "c")]
    for worker in workers:
        worker.start()
    for worker in workers:
        await asyncio.to_thread(worker.join)
        assert worker.exitcode == 0
    found = {record["node"]: record["observations"] for record in (await FitnessBook(path).export())["records"]}
    assert found == {"a": 20, "b": 20, "c": 20, "shared": 60}


@pytest.mark.parametrize("content", [b"", b"not a database" * 100])
def test_a_damaged_file_is_named_and_left_as_it_is(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    book = FitnessBook(path)
    with pytest.raises(CorruptStoreError, match=r"fitness\.sqlite"):
        asyncio.run(book.posterior("a", "maths"))
    with pytest.raises(CorruptStoreError):
        asyncio.run(book.record("a", "maths", right=1.0))
    assert path.read_bytes() == content


async def test_a_newer_file_is_left_alone(path: Path) -> None:
    await FitnessBook(path).record("a", "maths", right=1.0)
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("PRAGMA user_version = 2")
    with pytest.raises(NewerFormatError, match="newer version"):
        await FitnessBook(path).record("a", "maths", right=1.0)


async def test_values_that_cannot_be_are_damage(path: Path) -> None:
    await FitnessBook(path).record("a", "maths", right=1.0)
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("UPDATE fitness SET wrong = -5")
    with pytest.raises(CorruptStoreError, match="holds what cannot be"):
        await FitnessBook(path).posterior("a", "maths")


async def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError):
        await FitnessBook(tmp_path / "file" / "fitness.sqlite").record("a", "maths", right=1.0)
