"""The bench runs, on graphs small and short enough for every test run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from bench import context, contracts, cost, makespan
from bench.__main__ import main
from bench.dags import Dag
from bench.report import Verdict

CHAIN = Dag("chain", ((), (0,)), (1.0, 1.0))
FORK = Dag("fork", ((), (0,), (0,), (0,), (1, 2, 3)), (1.0,) * 5)


def _app() -> Typer:
    app = Typer()
    app.command()(main)
    return app


def test_no_way_is_faster_than_the_bound() -> None:
    choice = makespan.Choice(critical_path=0.3, slots=(None, 2))
    sections = list(makespan.measure([CHAIN, FORK], choice, lambda _: None))
    assert [section.data["slots"] for section in sections] == [None, 2]
    for section in sections:
        for ratios in (section.data["over_bound"], section.data["over_LB2"]):
            assert set(ratios) == {"engine", "waves", "first come", "ranked"}
            assert all(ratio >= 0.99 for way in ratios.values() for ratio in way)


def test_contracts_shorten_a_chain_to_one_module_and_its_contracts() -> None:
    assert contracts.stage_bound(contracts.chain(4), 0.15) == 1.45
    assert contracts.stage_bound(contracts.chain(1), 0.15) == 1.0


def test_cost_counts_every_module_and_its_bytes() -> None:
    section = cost.measure([4], 1, lambda _: None, file_size=500)
    by_way = {found["way"]: found for found in section.data}
    assert by_way["module at a time, async"]["stages"] == 4
    for found in section.data:
        assert found["cpu"] > 0.0 and found["kb"] >= 0.0
    assert by_way["module at a time, sync"]["kb_objects"] > 0.4


def test_context_grows_with_the_modules_and_broadcast_with_their_square() -> None:
    section = context.measure([6, 24, 48], lambda _: None)
    assert [found["modules"] for found in section.data["sizes"]] == [6, 24, 48]
    last = section.data["sizes"][-1]
    # 45 modules read three values each, and the boss had to condense every one.
    assert last["distilled"] < 48 * 2_000
    assert 45 * 3 * 1_500 < last["boss"] < 45 * 3 * 3_000
    assert last["with_boss"] == last["distilled"] + last["boss"] < last["broadcast"]
    assert section.data["exponents"]["broadcast"] > 1.8 > section.data["exponents"]["with_boss"]
    assert context.exponent([1, 10, 100], [3, 300, 30_000]) == pytest.approx(2.0)


def test_a_verdict_is_honest() -> None:
    assert Verdict("ratio", 1.02, 1.03).met
    assert not Verdict("ratio", 1.04, 1.03).met


def test_command_line_reads_graphs_and_writes_figures(tmp_path: Path) -> None:
    tasks = [{"id": str(n), "deps": [str(n - 1)] if n else [], "seconds": 1} for n in range(3)]
    graphs = [{"name": "short", "tasks": tasks[:2]}, {"name": "long", "tasks": tasks}]
    (tmp_path / "dags.json").write_text(json.dumps(graphs))
    given = "--dags dags.json --max-tasks 2 --critical-path 0.1 --only makespan --json out.json"
    result = CliRunner().invoke(_app(), given.split(), catch_exceptions=False)
    assert result.exit_code == 0
    assert "long (3)" in result.output
    report = json.loads((tmp_path / "out.json").read_text())
    assert [graph["dag"] for graph in report["sections"][0]["data"]["graphs"]] == ["short"]
    assert {"cpus", "load", "load_after"} <= set(report["machine"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_local_model_is_measured_beside_its_rivals(tmp_path: Path) -> None:
    given = "--only local --local-model 1 --local-forms float32 --local-at-once 8 --local-answer 4 --json "
    result = CliRunner().invoke(_app(), [*given.split(), str(tmp_path / "out.json")], catch_exceptions=False)
    assert result.exit_code == 0
    [section] = json.loads((tmp_path / "out.json").read_text())["sections"]
    speed = section["data"]["tokens_per_second"]
    assert {"generate, 1 at a time", "engine, 1 at once", "engine, 8 at once"} < speed.keys()
    assert all(tokens > 0 for tokens in speed.values())
    assert len(section["verdicts"]) == 1
