"""``context``: what is known of a run's project, at any width, and a search in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matrioska.state.artifacts import ArtifactRef
from matrioska.state.fences import read_fences
from matrioska.state.repository import Asset, DecisionRecord, Entry, ProjectRecord, Term
from matrioska.store.layout import Layout
from matrioska.store.repository import Repository
from matrioska.store.repository.backend import shared_store
from tests.support import Author, chain

Cli = Callable[..., Any]
TASK = "Compare SQLite and PostgreSQL for a small shop"
HOSTILE = "\x1b[31mred\u202e and <!-- user -->"


@pytest.fixture
def run(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that waits at its plan, of a project that has a name."""
    monkeypatch.setenv("MATRIOSKA_PROJECT", "shop")
    assert cli("run", "-t", "one", TASK, author=Author(chain(2))).code == 3


def repository(base: Path, project: str = "shop") -> Repository:
    return Repository(shared_store(Layout.at(base).repository), project)


async def _fill(repository: Repository) -> None:
    shared: dict[str, Any] = {"section": "app", "thread": "zero", "at": 1.0}
    await repository.write_record(
        ProjectRecord(name="Shop", goal="Sell things.", guidelines=["calm"], thread="zero", at=1.0)
    )
    await repository.put_entries(
        [
            Entry(id="app", level="section", title="App", text="Sells what the shop has.", **shared),
            Entry(id="app/value/app.api", level="element", kind="value", title="app.api", text='{"a": 1}', **shared),
            Entry(
                id="app/file/app.py",
                level="element",
                kind="file",
                title="app.py",
                text="app.py\nDefines: sell",
                **shared,
            ),
            Entry(
                id="db",
                level="section",
                title=HOSTILE,
                text=f"Keeps prices. {HOSTILE} " + "x" * 900,
                **shared | {"section": "db"},
            ),
        ]
    )
    ref = ArtifactRef(path="songs/a.wav", sha256="a" * 64, size=1_234_567)
    await repository.put_assets([Asset(ref=ref, domain="audio", description="WAV, 2 min")])
    await repository.put_terms([Term(term="tempo", meaning="speed", domains={"code": "bpm"})])
    await repository.add_decisions(
        [DecisionRecord(at=float(n), thread="zero", who="boss", what=f"decision {n}", why="why") for n in range(12)]
    )


@pytest.fixture
def filled(run: None, tmp_path: Path) -> None:
    asyncio.run(_fill(repository(tmp_path)))


def test_a_project_of_which_nothing_is_known_says_so(cli: Cli, run: None) -> None:
    ended = cli("context", "one")
    assert ended.code == 0
    assert ended.out == ""
    assert "holds nothing of the project shop yet" in ended.err
    assert cli("context", "one", "tempo").out == ""


def test_it_shows_record_sections_elements_assets_terms_and_decisions(cli: Cli, filled: None) -> None:
    shown = cli("context", "one", "--limit", "3").out
    for part in (
        "Shop\n",
        "project shop, searched by words",
        "Sell things.",
        "style       calm",
        "last run    zero, 1970-01-01",
        "  file app.py    Defines: sell",
        '  value app.api  {"a": 1}',
        "songs/a.wav  audio   1.2 MB  WAV, 2 min",
        "tempo  speed  code: bpm",
        "decision 11",
        "decision 9",
        "and 9 more: see --limit",
    ):
        assert part in shown
    assert "decision 8" not in shown
    assert shown.index("decision 11") < shown.index("decision 9")
    assert shown.index("\napp ") < shown.index("app.py") < shown.index("\ndb ")


def test_a_search_shows_what_fits_with_scores(cli: Cli, filled: None) -> None:
    found = cli("context", "one", "who keeps the prices?")
    assert "ranked by words" in found.out
    (row,) = [line for line in found.out.splitlines() if "Keeps prices." in line]
    assert float(row.split()[0]) > 0
    assert row.split()[1] == "db"
    assert "Sells" not in found.out
    assert "Nothing fits “zebra”" in cli("context", "one", "zebra").out


def test_as_json(cli: Cli, filled: None) -> None:
    shown = cli("context", "one", "--json").json
    assert (shown["project"], shown["ranking"], shown["warnings"]) == ("shop", "by words", [])
    assert shown["record"]["name"] == "Shop"
    assert [entry["id"] for entry in shown["entries"]] == ["app", "app/file/app.py", "app/value/app.api", "db"]
    assert len(shown["decisions"]) == 12
    assert "found" not in shown
    found = cli("context", "one", "sell", "--json", "--limit", "1").json["found"]
    assert len(found) == 1
    assert found[0]["score"] > 0
    assert found[0]["id"].startswith("app")


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("query", [[], ["prices"]])
def test_it_fits_any_width_and_obeys_no_hostile_text(
    cli: Cli, filled: None, monkeypatch: pytest.MonkeyPatch, columns: int, query: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = cli("context", "one", *query).out
    assert max(map(len, shown.splitlines())) <= columns
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_an_unnamed_run_is_a_project_that_a_later_one_can_go_on_from(cli: Cli) -> None:
    author = Author(chain(2))
    assert cli("run", "-t", "one", "-y", TASK, author=author).code == 0
    assert cli("run", "-t", "two", "-y", TASK, author=author).code == 0
    assert "memory" not in author.prompts("plan")[1]
    assert cli("run", "-t", "three", "-y", "--project", "one", TASK, author=author).code == 0
    assert "m0 (code)" in read_fences(author.prompts("plan")[2])["memory"]
    assert cli("context", "three", "--json").json["project"] == "one"


def test_no_such_run(cli: Cli, run: None) -> None:
    ended = cli("context", "none")
    assert ended.code == 2
    assert "no run with the thread id 'none'" in ended.err


def test_records_that_cannot_be_read_are_told_of(cli: Cli, filled: None, tmp_path: Path) -> None:
    place = ("matrioska", "projects", "shop", "sections")
    repository(tmp_path).store.put(place, "foreign", {"anything": 1})
    assert "! 1 record of the repository could not be read" in cli("context", "one").err


def test_a_time_beyond_all_years_hides_nothing(cli: Cli, filled: None, tmp_path: Path) -> None:
    odd = DecisionRecord(at=1e300, thread="zero", who="boss", what="odd")
    asyncio.run(repository(tmp_path).add_decisions([odd]))
    shown = cli("context", "one").out
    assert "odd" in shown
    assert "decision 11" in shown


def test_a_damaged_repository_is_said(cli: Cli, run: None, tmp_path: Path) -> None:
    for path in Layout.at(tmp_path).checkpoints.glob("repository.sqlite*"):
        path.unlink()
    Layout.at(tmp_path).repository.write_bytes(b"")
    ended = cli("context", "one")
    assert ended.code != 0
    assert "is empty: its content was lost" in ended.err
