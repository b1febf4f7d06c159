"""The whole thing as a stranger meets it: one command, and what it wrote is used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.browser import walk_application

ROOT = Path(__file__).parent.parent


def _run(folder: Path, *arguments: str) -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-m", "matrioska", "run", "--yes", "--json", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report: dict[str, Any] = json.loads(ended.stdout)
    assert report["status"] == "complete"
    return report


def _deliverable(folder: Path, report: dict[str, Any]) -> Path:
    place = folder / "matrioska_artifacts" / report["thread_id"]
    for ref in report["deliverable"]["files"]:
        assert (place / ref["path"]).stat().st_size == ref["size"]
    return place


@pytest.mark.parametrize(
    ("task", "titles"),
    [
        ("Create a library management system with dashboard", ["Books", "Members", "Loans"]),
        (
            "Build an app to manage recipes and ingredients with login, search and a dashboard",
            ["Recipes", "Ingredients"],
        ),
        ("Criar sistema de gerenciamento de biblioteca com dashboard", ["Livros", "Membros", "Empréstimos"]),
    ],
)
def test_an_application_is_delivered_and_works(task: str, titles: list[str], tmp_path: Path) -> None:
    report = _run(tmp_path, task)
    place = _deliverable(tmp_path, report)
    walk = walk_application((place / report["deliverable"]["entry_point"]).as_uri())
    assert walk.titles == titles
    assert (place / "README.md").is_file()
    records = tmp_path / "matrioska_checkpoints"
    plan = json.loads((records / "architecture.json").read_text(encoding="utf-8"))
    shared = json.loads((records / "shared_state.json").read_text(encoding="utf-8"))
    assert {key for spec in plan["modules"] for key in spec["shared_state_writes"]} == set(shared)
    names = set(zipfile.ZipFile(tmp_path / "matrioska_results.zip").namelist())
    assert {ref["path"] for ref in report["deliverable"]["files"]} < names


def test_a_data_project_is_delivered_and_runs(tmp_path: Path) -> None:
    task = (
        "Create a data analysis project: extract data from a REST API, clean it, create visualisations and "
        "generate a report"
    )
    place = _deliverable(tmp_path, _run(tmp_path, task))
    out = tmp_path / "out"
    subprocess.run(
        [sys.executable, "pipeline/main.py", "--sample", "--output", str(out)], cwd=place, check=True, timeout=60
    )
    assert (out / "report.html").stat().st_size > 1000


def test_a_document_is_delivered_in_its_language(tmp_path: Path) -> None:
    report = _run(tmp_path, "Compare PostgreSQL e MySQL para uma pequena empresa")
    place = _deliverable(tmp_path, report)
    text = (place / "README.md").read_text(encoding="utf-8")
    assert " de " in text and "modelo" in text
    assert report["deliverable"]["entry_point"].endswith(".html")


def test_a_small_task_is_one_module_and_one_call(tmp_path: Path) -> None:
    report = _run(tmp_path, "--direct", "Write a haiku about rain")
    assert report["usage"]["calls"] == 1
    assert len(report["deliverable"]["files"]) >= 1
