"""Reading of tasks about data, and the sample data made from what was read."""

from __future__ import annotations

import csv
import io
from typing import Literal

import pytest

from matrioska.models.embedded.analysis.reading import DataPlan, columns_from, read_data_plan
from matrioska.models.embedded.analysis.recipe import AnalysisRecipe
from matrioska.models.embedded.analysis.sample import sample_csv
from matrioska.models.embedded.recipe import Brief

Language = Literal["en", "pt"]


def read(task: str, language: Language = "en") -> DataPlan:
    return read_data_plan(Brief(task=task, language=language, kind="analysis", title="T"))


def names(plan: DataPlan, role: Literal["time", "dimension", "measure", "id"]) -> list[str]:
    return [column.name for column in plan.of_role(role)]


@pytest.mark.parametrize(
    ("task", "language", "measure", "dimensions", "period"),
    [
        ("Analyse sales by region and month", "en", "amount", ["region"], "month"),
        ("Show the daily temperature by city from a CSV", "en", "temperature", ["city"], "day"),
        ("Analise as vendas por região e vendedor ao longo do ano", "pt", "amount", ["region", "seller"], "year"),
        ("Relatório de despesas por categoria", "pt", "cost", ["category"], "auto"),
        ("Grades of students by subject", "en", "score", ["student", "subject"], "auto"),
        ("Plot sightings by species and habitat", "en", "sightings", ["species", "habitat"], "auto"),
        ("Sum of harvests by orchard and write a report", "en", "harvests", ["orchard"], "auto"),
        ("Customers and their spending by channel", "en", "cost", ["customer", "channel"], "auto"),
    ],
)
def test_measures_and_dimensions_come_from_the_task(
    task: str, language: Language, measure: str, dimensions: list[str], period: str
) -> None:
    plan = read(task, language)
    assert names(plan, "measure")[0] == measure
    assert names(plan, "dimension") == dimensions
    assert plan.period == period


@pytest.mark.parametrize(
    ("task", "source", "url", "file"),
    [
        ("Extract data from a REST API and report", "rest", "", ""),
        ("Read https://example.org/v1/rain?x=1, clean it, report.", "rest", "https://example.org/v1/rain?x=1", ""),
        ("Analyse data/sales-2024.csv", "csv", "", "data/sales-2024.csv"),
        ("Analise uma planilha de vendas", "csv", "", ""),
        ("Compare the sales of the stores", "csv", "", ""),
    ],
)
def test_the_source_comes_from_the_task(task: str, source: str, url: str, file: str) -> None:
    plan = read(task)
    assert (plan.source, plan.url, plan.file) == (source, url, file)


def test_listed_columns_are_taken_as_they_stand() -> None:
    plan = read("Analise um CSV com as colunas: id, data, município, chuva e temperatura máxima.", "pt")
    assert [(c.name, c.role, c.label) for c in plan.columns] == [
        ("id", "id", "Id"),
        ("data", "time", "Data"),
        ("municipio", "dimension", "Município"),
        ("chuva", "measure", "Chuva"),
        ("temperatura_maxima", "measure", "Temperatura máxima"),
    ]
    assert plan.columns[-1].aggregate == "mean"
    assert plan.columns[-2].unit == "mm"


@pytest.mark.parametrize("language", ["en", "pt"])
def test_the_plans_own_words_do_not_change_what_is_read(language: Language) -> None:
    task = "Relatório de vendas por loja, de um CSV" if language == "pt" else "Report on sales by store, from a CSV"
    brief = Brief(task=task, language=language, kind="analysis", title="T")
    plan = AnalysisRecipe().plan(brief)
    again = read("\n".join([plan["goal"], *plan["constraints"]]), language)
    assert again == read_data_plan(brief)


@pytest.mark.parametrize(
    ("given", "title"),
    [
        ("Data analysis project that", "Data analysis project"),
        ("Monthly sales from vendas", "Monthly sales"),
        ("Gráfico de vendas a partir de um CSV", "Gráfico de vendas"),
        ("Profits", "Profits"),
    ],
)
def test_titles_cut_out_of_a_sentence_lose_their_tail(given: str, title: str) -> None:
    assert read_data_plan(Brief(task="x", language="en", kind="analysis", title=given)).title == title


def test_a_note_on_a_module_is_read_too() -> None:
    task = Brief(task="Sales by region", language="en", kind="analysis", title="T", notes=("also by channel",))
    assert names(read_data_plan(task), "dimension") == ["region", "channel"]


def test_columns_that_are_none_are_passed_over() -> None:
    plan = read("Sales by region")
    assert columns_from({"columns": "x"}, plan) == plan.columns
    assert columns_from({"columns": [{"name": "a b"}, {"name": "x", "kind": "blob"}, 3]}, plan) == plan.columns
    kept = columns_from({"columns": [{"name": "ok", "kind": "number", "role": "measure", "minimum": "?"}]}, plan)
    assert [(column.name, column.minimum) for column in kept] == [("ok", None)]


@pytest.mark.parametrize("task", ["Sales by region", "Temperature by city", "Population by country", "Stuff by sort"])
def test_sample_data_are_the_same_each_time_and_hold_each_fault(task: str) -> None:
    plan = read(task)
    text = sample_csv(plan.columns, portuguese=False, seed="s")
    assert text == sample_csv(plan.columns, portuguese=False, seed="s")
    assert text != sample_csv(plan.columns, portuguese=False, seed="t")
    rows = list(csv.DictReader(io.StringIO(text)))
    measure = names(plan, "measure")[0]
    assert len(rows) == 245
    assert len({tuple(row.values()) for row in rows}) == 240
    assert sum(row[measure] in ("", "n/a", "-") for row in rows) == 5
    assert sum("/" in row["date"] for row in rows) == 7
