"""What is put into a project's repository comes out again, in every store, and no run sees itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph.store.base import BaseStore

from matrioska.state.artifacts import ArtifactRef
from matrioska.state.errors import NewerFormatError, StoreError
from matrioska.state.repository import REPOSITORY_FORMAT, Asset, DecisionRecord, Entry, ProjectRecord, Term
from matrioska.store.repository import Repository
from matrioska.store.repository import repository as repository_module
from matrioska.store.repository.access import ROOT


def entry(id: str, text: str = "…", *, thread: str = "one", at: float = 1.0, **more: Any) -> Entry:
    section = id.partition("/")[0]
    level = "element" if "/" in id else "section"
    return Entry(id=id, level=level, section=section, title=id, text=text, thread=thread, at=at, **more)


def asset(name: str, sha: str = "a") -> Asset:
    return Asset(ref=ArtifactRef(path=name, sha256=sha * 64, size=3), domain="audio")


def decision(what: str, at: float = 1.0, thread: str = "one") -> DecisionRecord:
    return DecisionRecord(at=at, thread=thread, who="boss", what=what)


async def test_a_project_begins_empty(repository: Repository) -> None:
    assert await repository.record() is None
    assert await repository.entries() == []
    assert await repository.recall("d") is None
    snapshot = await repository.snapshot("one")
    assert snapshot.is_empty
    assert (snapshot.ranking, snapshot.warnings) == ("by words", ())
    assert await snapshot.related("anything", limit=5) == []


async def test_everything_comes_out_as_it_went_in(repository: Repository) -> None:
    record = ProjectRecord(name="Shop", goal="Sell.", guidelines=["calm"], thread="one", at=2.0)
    terms = [Term(term="tempo", domains={"code": "bpm"}), Term(term="Azulejo", meaning="a tile")]
    entries = [entry("app", at=1.0), entry("app/value/app.api", '{"a": 1}', at=3.0), entry("app/file/a.b/c.py", at=2.0)]
    await repository.write_record(record)
    await repository.put_entries(entries)
    await repository.put_assets([asset("z.wav"), asset("a.wav")])
    await repository.put_terms(terms, "one")
    await repository.add_decisions([decision("first", 1.0), decision("second", 2.0)])
    await repository.remember("digest", "shorter")
    again = Repository(repository.store, "shop")
    assert await again.record() == record
    assert [found.id for found in await again.entries()] == ["app/value/app.api", "app/file/a.b/c.py", "app"]
    assert list(await again.assets()) == ["a.wav", "z.wav"]
    assert await again.terms() == [terms[1], terms[0]]
    assert [found.what for found in await again.decisions()] == ["second", "first"]
    assert await again.recall("digest") == "shorter"
    snapshot = await again.snapshot("")
    assert snapshot.record == record
    assert snapshot.entries == tuple(await again.entries())
    assert snapshot.terms == tuple(await again.terms())
    assert snapshot.decisions == tuple(await again.decisions())
    assert snapshot.assets == await again.assets()


async def test_projects_do_not_see_each_other_but_share_condensed_texts(repository: Repository) -> None:
    await repository.put_entries([entry("app")])
    await repository.remember("digest", "shorter")
    # One name is the beginning of the other.
    for other in ("shop2", "sho", "SHOP"):
        assert (await Repository(repository.store, other).snapshot("")).is_empty
        assert await Repository(repository.store, other).recall("digest") == "shorter"


async def test_a_run_does_not_see_what_it_wrote_itself(repository: Repository) -> None:
    await repository.put_entries([entry("app", thread="one"), entry("db", thread="two")])
    await repository.put_terms([Term(term="mine")], "one")
    await repository.put_terms([Term(term="theirs")], "two")
    await repository.add_decisions([decision("mine", thread="one"), decision("theirs", thread="two")])
    await repository.write_record(ProjectRecord(name="mine", thread="one"))
    await repository.put_assets([asset("a.wav")])
    seen = await repository.snapshot("one")
    assert [found.id for found in seen.entries] == ["db"]
    assert [found.term for found in seen.terms] == ["theirs"]
    assert [found.what for found in seen.decisions] == ["theirs"]
    assert seen.record is None
    assert list(seen.assets) == ["a.wav"], "files are the person's, whichever run brought them"
    assert (await repository.snapshot("two")).record is not None


async def test_an_entry_of_the_same_id_is_replaced(repository: Repository) -> None:
    await repository.put_entries([entry("app", "old"), entry("app/value/k", "old")])
    await repository.put_entries([entry("app", "new")])
    assert {found.id: found.text for found in await repository.entries()} == {"app": "new", "app/value/k": "old"}


async def test_a_section_that_is_replaced_loses_what_it_no_longer_has(repository: Repository) -> None:
    await repository.put_entries([entry("app"), entry("app/file/old.js"), entry("db"), entry("db/file/a.sql")])
    await repository.replace_sections([entry("app"), entry("app/file/new.js")])
    assert {found.id for found in await repository.entries()} == {"app", "app/file/new.js", "db", "db/file/a.sql"}


async def test_many_entries_go_in_and_come_out(repository: Repository) -> None:
    await repository.put_entries([entry(f"m{n}") for n in range(1_203)])
    assert len(await repository.entries()) == 1_203


async def test_of_too_many_entries_and_decisions_the_oldest_are_forgotten(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository_module, "MOST_ENTRIES", 3)
    monkeypatch.setattr(repository_module, "MOST_DECISIONS", 3)
    await repository.put_entries([entry(f"m{n}/value/k", at=n) for n in range(3)])
    await repository.put_entries([entry("new", at=9.0)])
    assert [found.id for found in await repository.entries()] == ["new", "m2/value/k", "m1/value/k"]
    await repository.add_decisions([decision(f"d{n}", n) for n in range(5)])
    assert [found.what for found in await repository.decisions()] == ["d4", "d3", "d2"]


async def test_a_decision_told_twice_by_one_run_stands_once(repository: Repository) -> None:
    await repository.add_decisions([decision("same", 1.0), decision("other", 1.0)])
    await repository.add_decisions([decision("same", 5.0)])
    await repository.add_decisions([decision("same", 6.0, thread="two")])
    assert next((found.what, found.at) for found in await repository.decisions()) == ("same", 6.0)
    assert len(await repository.decisions()) == 3


async def test_what_a_newer_version_wrote_is_refused_by_name_and_not_touched(repository: Repository) -> None:
    await repository.write_record(ProjectRecord(name="new", format=REPOSITORY_FORMAT + 1))
    refused = pytest.raises(NewerFormatError, match=rf"project shop was written in format {REPOSITORY_FORMAT + 1}")
    for work in (
        repository.record,
        repository.entries,
        lambda: repository.snapshot("one"),
        lambda: repository.put_entries([entry("app")]),
        lambda: repository.write_record(ProjectRecord(name="old")),
    ):
        with refused:
            await work()
    other = await repository.store.asearch((*ROOT, "projects", "shop"))
    assert [item.value["data"]["name"] for item in other] == ["new"]


async def test_what_is_none_of_ours_stays_out_and_is_said(repository: Repository) -> None:
    await repository.put_entries([entry("app")])
    await repository.store.aput((*ROOT, "projects", "shop", "sections"), "foreign", {"anything": 1})
    await repository.store.aput((*ROOT, "projects", "shop", "history"), "foreign", {"data": "x"})
    snapshot = await repository.snapshot("two")
    assert [found.id for found in snapshot.entries] == ["app"]
    assert snapshot.warnings == ("2 records of the repository could not be read and stayed out.",)


# -- snapshots -----------------------------------------------------------------------------


class _Counting:
    """A store that counts its batches, and may fail."""

    def __init__(self, store: BaseStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batches = 0
        self.failure: BaseException | None = None
        abatch = type(store).abatch

        async def counted(store: BaseStore, ops: Any) -> Any:
            self.batches += 1
            await asyncio.sleep(0.01)
            if self.failure is not None:
                raise self.failure
            return await abatch(store, ops)

        monkeypatch.setattr(type(store), "abatch", counted)


async def test_two_hundred_modules_cost_one_read(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    await repository.put_entries([entry("app")])
    counted = _Counting(repository.store, monkeypatch)
    seen = await asyncio.gather(*(Repository(repository.store, "shop").snapshot("two", reuse=True) for _ in range(200)))
    assert counted.batches == 1
    assert len({id(snapshot) for snapshot in seen}) == 1
    await repository.snapshot("three", reuse=True)
    assert counted.batches == 2, "another run has another sight"


async def test_a_snapshot_is_taken_anew_once_something_was_written_or_when_asked(repository: Repository) -> None:
    first = await repository.snapshot("two", reuse=True)
    await repository.put_entries([entry("app")])
    second = await repository.snapshot("two", reuse=True)
    assert (len(first.entries), len(second.entries)) == (0, 1)
    third = await repository.snapshot("two")
    assert third is not second
    assert await repository.snapshot("two", reuse=True) is third


async def test_a_failure_is_told_to_all_who_wait_and_not_kept(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = _Counting(repository.store, monkeypatch)
    counted.failure = ConnectionError("the pool is\nclosed")
    found = await asyncio.gather(*(repository.snapshot("two", reuse=True) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(error, StoreError) for error in found)
    assert "ConnectionError: the pool is closed" in str(found[0])
    counted.failure = None
    assert (await repository.snapshot("two", reuse=True)).is_empty


async def test_who_waits_goes_on_when_the_one_who_reads_is_stopped(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    _Counting(repository.store, monkeypatch)
    reading = asyncio.create_task(repository.snapshot("two", reuse=True))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(repository.snapshot("two", reuse=True)) for _ in range(3)]
    await asyncio.sleep(0)
    reading.cancel()
    waiting[0].cancel()
    found = await asyncio.gather(reading, *waiting, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in found] == [True, True, False, False]


def test_a_snapshot_that_one_loop_reads_serves_another(repository: Repository) -> None:
    first = asyncio.run(repository.snapshot("two", reuse=True))
    assert asyncio.run(repository.snapshot("two", reuse=True)) is first


async def test_one_that_is_only_looked_at_names_the_ranking_and_asks_no_embedder(store: BaseStore, embedder) -> None:
    model = embedder()
    looked = Repository(store, "shop", model)
    await looked.put_entries([entry("app", "tempo")])
    snapshot = await looked.snapshot("", ranked=False)
    assert snapshot.ranking == "by meaning (test:words)"
    assert len(snapshot.entries) == 1
    assert model.asked == []
