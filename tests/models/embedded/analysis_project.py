"""Building and running the projects that the analysis recipe writes, for its tests."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from matrioska.models.embedded.analysis.recipe import AnalysisRecipe
from matrioska.models.embedded.recipe import Brief
from matrioska.state.architecture import Architecture

SEED = (
    "Create a data analysis project that: extracts data from a REST API, cleans and processes the data, "
    "creates visualizations, generates an automatic report"
)
SEED_PT = (
    "Crie um projeto de análise de dados que: extrai dados de uma API REST, limpa e processa os dados, "
    "cria visualizações, gera um relatório automático"
)
SALES = "Analyse sales by region and month from a CSV and write a report"
RECIPE = AnalysisRecipe()


def brief(task: str, language: str = "en", **more: Any) -> Brief:
    return Brief(task=task, language=language, kind="analysis", title="The project", **more)  # type: ignore[arg-type]


def build(folder: Path, task: Brief, *, without: str = "", edit: dict[str, Any] | None = None) -> dict[str, Any]:
    """Write the project as a run does, module by module, and return the whiteboard."""
    values: dict[str, Any] = {}
    for spec in Architecture.model_validate(RECIPE.plan(task)).modules:
        if spec.id == without:
            continue
        read = {key: values[key] for key in spec.shared_state_reads if key in values}
        contract = RECIPE.contract(task, spec.id, spec.shared_state_writes, read)
        contract |= {key: value for key, value in (edit or {}).items() if key in contract}
        values |= contract
        for path, text in RECIPE.files(task, spec.id, contract, read):
            place = folder / spec.id / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    return values


def execute(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "pipeline/main.py", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def results(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "output" / "analysis.json").read_text(encoding="utf-8"))
    return loaded


def log_of(folder: Path) -> dict[tuple[str, str], int]:
    with (folder / "output" / "cleaning_log.csv").open(encoding="utf-8") as file:
        return {(row["step"], row["column"]): int(row["count"]) for row in csv.DictReader(file)}


def groups(found: dict[str, Any], measure: str, dimension: str) -> dict[str, float]:
    for breakdown in found["breakdowns"]:
        if (breakdown["measure"]["name"], breakdown["dimension"]["name"]) == (measure, dimension):
            return {group["label"]: group["value"] for group in breakdown["groups"]}
    raise AssertionError(f"no breakdown of {measure} by {dimension}")
