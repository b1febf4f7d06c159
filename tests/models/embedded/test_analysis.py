"""The analysis recipe: its plan, its contracts, and the project it writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from matrioska.models.embedded.recipe import Brief
from matrioska.state.architecture import Architecture
from tests.models.embedded.analysis_project import (
    RECIPE,
    SALES,
    SEED,
    SEED_PT,
    brief,
    build,
    execute,
    groups,
    log_of,
    results,
)


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seed")
    build(folder, brief(SEED))
    return folder


@pytest.mark.parametrize("task", [brief(SEED), brief(SEED_PT, "pt"), brief(SALES)], ids=["seed", "seed-pt", "csv"])
def test_every_read_key_is_written_by_a_module_it_depends_on(task: Brief) -> None:
    plan = Architecture.model_validate(RECIPE.plan(task))
    above: dict[str, set[str]] = {}
    writer: dict[str, str] = {}
    for spec in plan.modules:
        # Dependencies come first in the list, so there is no cycle.
        above[spec.id] = set(spec.dependencies).union(*(above[name] for name in spec.dependencies))
        assert {writer[key] for key in spec.shared_state_reads} <= above[spec.id]
        assert not set(spec.shared_state_writes) & set(writer)
        writer |= dict.fromkeys(spec.shared_state_writes, spec.id)
    assert task.task in plan.goal
    assert plan.language == task.language


@pytest.mark.parametrize("task", [brief(SEED), brief(SEED_PT, "pt")], ids=["en", "pt"])
def test_published_names_occur_in_the_modules_own_files(task: Brief, tmp_path: Path) -> None:
    values = build(tmp_path, task)
    for spec in Architecture.model_validate(RECIPE.plan(task)).modules:
        text = "\n".join(path.read_text(encoding="utf-8") for path in (tmp_path / spec.id).iterdir())
        for key in spec.shared_state_writes:
            for kind in ("classes", "functions", "keys"):
                for name in values[key].get(kind, []):
                    assert name in text, f"{spec.id}: {name}"
            for file in values[key]["files"]:
                assert file.startswith(f"{spec.id}/")
                assert (tmp_path / file).is_file()


@pytest.mark.parametrize(
    "task",
    [brief(SEED), brief(SEED_PT, "pt"), brief(SALES), brief("Gráfico de custo por setor, de gastos.csv", "pt")],
    ids=["rest", "rest-pt", "csv", "csv-pt"],
)
def test_the_written_code_is_clean(task: Brief, tmp_path: Path) -> None:
    build(tmp_path, task)
    rules = ["--isolated", "--line-length=120", "--select=E,F,I,B,C4,UP,SIM,N,D1", "--ignore=N802"]
    found = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", *rules, "."], cwd=tmp_path, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout


def test_the_seed_task_runs_offline_through_its_own_rest_api(seed: Path) -> None:
    done = execute(seed)
    assert done.returncode == 0, done.stderr
    assert "page 5: 45 records" in done.stderr
    sample = pd.read_csv(seed / "source" / "sample.csv", dtype=str)
    assert results(seed)["rows"] == len(sample) - 5
    assert log_of(seed)["duplicates", ""] == 5
    page = (seed / "output" / "report.html").read_text(encoding="utf-8")
    assert "made-up sample data" in page
    assert page.count("<svg") == len(list((seed / "output" / "charts").glob("*.svg"))) >= 8
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_the_written_tests_pass(seed: Path) -> None:
    command = [sys.executable, "-m", "unittest", "discover", "-s", "tests", "-t", "."]
    done = subprocess.run(command, cwd=seed, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Ran 5 tests" in done.stderr


def test_portuguese_tasks_give_portuguese_reports(tmp_path: Path) -> None:
    build(tmp_path, brief(SEED_PT, "pt"))
    done = execute(tmp_path)
    assert done.returncode == 0, done.stderr
    report = (tmp_path / "output" / "report.md").read_text(encoding="utf-8")
    assert "## Principais achados" in report
    assert "Total de valor das vendas por região: maior em" in report
    assert "R$ " in report
    # 1.234,56: the Portuguese marks, in the total too.
    total = results(tmp_path)["summaries"][0]["total"]
    assert f"{total:,.2f}".translate(str.maketrans(",.", ".,")) in report
    for english in ("Key findings", "records", "Charts", "Measure"):
        assert english not in report


def test_edited_values_reach_every_module(tmp_path: Path) -> None:
    columns = [
        {"name": "day", "label": "Day", "kind": "date", "role": "time"},
        {"name": "wing", "label": "Wing", "kind": "text", "role": "dimension"},
        {"name": "noise", "label": "Noise", "kind": "number", "role": "measure", "unit": "dB", "aggregate": "mean"},
        {"name": "Not a column", "kind": "text"},
    ]
    edit = {
        "dataset": {"columns": columns, "classes": ["Field"], "files": ["source/fields.py", "source/noise.csv"]},
        "cleaning_api": {"functions": ["tidy"], "files": ["cleaning/tidy_up.py"]},
    }
    build(tmp_path, brief(SALES), edit=edit)
    assert "class Field:" in (tmp_path / "source" / "fields.py").read_text(encoding="utf-8")
    assert (tmp_path / "source" / "noise.csv").read_text(encoding="utf-8").startswith("day,wing,noise\n")
    assert "def tidy(" in (tmp_path / "cleaning" / "tidy_up.py").read_text(encoding="utf-8")
    done = execute(tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(groups(results(tmp_path), "noise", "wing")) == {"Wing A", "Wing B", "Wing C", "Wing D"}


def test_a_plan_without_charts_still_runs(tmp_path: Path) -> None:
    build(tmp_path, brief(SALES), without="charts")
    done = execute(tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "output" / "report.html").read_text(encoding="utf-8")
    assert "<svg" not in page
    assert "<h2>Breakdowns</h2>" in page


def test_a_direct_run_writes_the_whole_project(tmp_path: Path) -> None:
    for path, text in RECIPE.whole(brief(SEED)):
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    assert "python pipeline/main.py" in (tmp_path / "README.md").read_text(encoding="utf-8")
    done = execute(tmp_path)
    assert done.returncode == 0, done.stderr


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    task = Brief(
        task='Sales by region """ + __import__("os").system("x") + """ {{ 7*7 }} from "a.csv',
        language="en",
        kind="analysis",
        title='"""</title><script>alert(1)</script>{{ 7*7 }}',
    )
    build(tmp_path, task)
    done = execute(tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "output" / "report.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "{{ 7*7 }}" in page


def test_unknown_modules_are_refused() -> None:
    with pytest.raises(KeyError):
        RECIPE.files(brief(SEED), "somebody_elses", {}, {})
