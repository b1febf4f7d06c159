"""``matrioska fitness``: the table, thumbs, forgetting, and taking away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from matrioska.state.fitness import Reward
from matrioska.store.fitness import FitnessBook
from matrioska.store.layout import Layout

Cli = Callable[..., object]
TOPOLOGY = {"nodes": [{"id": name, "model_a": "ollama:a", "model_b": "ollama:b"} for name in ("small", "large")]}


@pytest.fixture
def book(tmp_path: Path) -> FitnessBook:
    """Twenty right answers of `small` at maths, twenty wrong ones at code."""
    book = FitnessBook(Layout.at(tmp_path).fitness)
    rewards = [Reward(node="small", kind=kind, right=kind == "maths", seconds=2.0) for kind in ["maths", "code"]] * 20
    asyncio.run(book.record_all(rewards))
    return book


@pytest.fixture
def topology(tmp_path: Path) -> str:
    path = tmp_path / "topology.json"
    path.write_text(json.dumps(TOPOLOGY))
    return str(path)


def test_without_anything_it_says_so(cli, tmp_path: Path) -> None:
    assert "Nothing was learnt yet" in cli("fitness").err
    assert cli("fitness", "--json").json == []
    assert list(tmp_path.iterdir()) == [], "looking makes nothing"


def test_the_table_shows_each_node_overall_and_by_kind(cli, book: FitnessBook, topology: str) -> None:
    shown = cli("fitness", "--topology", topology).out
    rows = [line.split() for line in shown.splitlines()]
    assert rows[0][:3] == ["node", "kind", "right"]
    assert sorted(row[:2] for row in rows[1:]) == [
        ["large", "all"],
        ["small", "all"],
        ["small", "code"],
        ["small", "maths"],
    ]
    assert "2.0 s" in shown and "\x1b" not in shown


def test_json_has_everything_and_a_kind_is_picked_out(cli, book: FitnessBook) -> None:
    [row] = cli("fitness", "--json", "--kind", "maths").json
    assert (row["node"], row["kind"], row["observations"]) == ("small", "maths", 20)
    assert 0.0 < row["low"] < row["mean"] < row["high"] < 1.0
    assert row["seconds"] == pytest.approx(2.0)


def test_thumbs_move_a_node(cli, book: FitnessBook, topology: str) -> None:
    def mean(node: str) -> float:
        return asyncio.run(book.posterior(node, "writing")).mean

    before = mean("large")
    ended = cli("fitness", "--good", "large", "--kind", "writing", "--topology", topology)
    assert ended.code == 0 and "large is now expected to be right in 67 % of writing" in ended.out
    up = mean("large")
    down = cli("fitness", "--bad", "large", "--kind", "writing", "--json").json
    assert down == {"node": "large", "kind": "writing", "mean": pytest.approx(mean("large"))}
    assert before < up > mean("large")


def test_one_node_is_forgotten_or_all(cli, book: FitnessBook) -> None:
    asyncio.run(book.record("large", "maths", right=1.0))
    assert "Forgot what was learnt of 1 node." in cli("fitness", "--reset", "small").out
    assert {row["node"] for row in cli("fitness", "--json").json} == {"large"}
    assert cli("fitness", "--reset-all", "--json").json == {"forgotten": 1}
    assert cli("fitness", "--json").json == []


def test_what_is_taken_away_comes_back_elsewhere(cli, book: FitnessBook, tmp_path: Path) -> None:
    assert cli("fitness", "--export", "out.json", "--json").json == {"file": str(tmp_path / "out.json"), "records": 2}
    there = cli("fitness", "--import", "out.json", "--base-path", "elsewhere")
    assert there.code == 0 and "Took in 2 records" in there.out
    assert cli("fitness", "--json", "--base-path", "elsewhere").json == cli("fitness", "--json").json


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["--good", "small"], "At what kind"),
        (["--good", ""], "At what kind"),
        (["--reset", "small", "--kind", "code"], "--kind goes with"),
        (["--reset-all", "--kind", "code"], "--kind goes with"),
        (["--good", "small", "--bad", "small", "--kind", "maths"], "Only one"),
        (["--reset-all", "--reset", "small"], "Only one"),
        (["--kind", "math"], "did you mean 'maths'"),
        (["--good", "smal", "--kind", "maths"], "did you mean 'small'"),
        (["--reset", "../small"], "There is no node"),
        (["--import", "nowhere.json"], "No such file"),
        (["--import", "notes.txt"], "is not JSON"),
        (["--import", "list.json"], "no export of fitness"),
        (["--topology", "nowhere.json"], "cannot be read"),
    ],
)
def test_wrong_use_changes_nothing(cli, book: FitnessBook, tmp_path: Path, given: list[str], complaint: str) -> None:
    (tmp_path / "notes.txt").write_text("not JSON")
    (tmp_path / "list.json").write_text("[1]")
    before = asyncio.run(book.export())
    ended = cli("fitness", *given)
    assert ended.code == 2
    assert complaint in ended.err
    assert asyncio.run(book.export()) == before


def test_an_export_that_cannot_be_written_is_told(cli, book: FitnessBook) -> None:
    ended = cli("fitness", "--export", "no/such/folder/out.json")
    assert ended.code == 1 and "Cannot write the export" in ended.err


def test_a_damaged_file_is_told(cli, book: FitnessBook, tmp_path: Path) -> None:
    Layout.at(tmp_path).fitness.write_bytes(b"")
    ended = cli("fitness")
    assert ended.code == 1
    assert "is empty" in ended.err


def test_a_faulty_topology_of_the_settings_hides_nothing(cli, book: FitnessBook, tmp_path: Path) -> None:
    (tmp_path / "matrioska.toml").write_text("[ensemble]\nnodes = []\n")
    ended = cli("fitness")
    assert ended.code == 0
    assert "the topology, which is faulty" in ended.err
    assert "small" in ended.out
