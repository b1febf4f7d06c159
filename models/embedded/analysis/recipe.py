"""The recipe for data-analysis projects: a runnable Python pipeline that needs nothing installed.

The standard library is enough to read an API or a CSV, to clean, to count and to draw SVG,
so what a stranger is given runs at once, on any Python 3.11.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import cache
from importlib.resources import files
from itertools import combinations
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined

from matrioska.models.embedded.analysis import layout
from matrioska.models.embedded.analysis.plan import module_specs
from matrioska.models.embedded.analysis.reading import Column, DataPlan, columns_from, plain, read_data_plan
from matrioska.models.embedded.analysis.sample import sample_csv, sample_values
from matrioska.models.embedded.recipe import Brief, Kind

Files = list[tuple[str, str]]

_PUBLISHED_NAMES: dict[str, dict[str, list[str]]] = {
    "source_api": {"classes": ["Extraction", "ExtractError"], "files": ["source/errors.py", "source/rest.py"]},
    "cleaning_api": {"classes": ["CleanData", "Change"], "files": ["cleaning/rules.py"]},
    "analysis_api": {
        "classes": ["Analysis", "Summary", "Breakdown", "Trend", "Cross", "Correlation"],
        "functions": ["format_number", "format_measure", "format_percent", "format_period"],
        "files": ["analysis/wording.py"],
    },
    "charts_api": {"classes": ["Chart"], "files": ["charts/svg.py"]},
    "report_api": {"classes": ["Document"], "files": ["report/document.py", "report/style.css"]},
    # What a run will write is told as "outputs": the checks look for "files" among those delivered.
    "pipeline_api": {"outputs": ["report.html", "clean.csv", "analysis.json"], "files": ["pipeline/README.md"]},
}
_SIGNATURES = {
    "source_api": "{function}(url='', file='', *, sample=False, page_parameter='') -> Extraction",
    "cleaning_api": "{function}(raw: list[Row], *, drop_outliers=False) -> CleanData",
    "analysis_api": "{function}(rows: list[Row], columns: tuple[Column, ...]) -> Analysis",
    "charts_api": "{function}(analysis: Analysis, rows: list[Row]) -> list[Chart]",
    "report_api": "{function}(folder: Path, extraction, data: CleanData, analysis, charts: list[Chart]) -> list[Path]",
    "pipeline_api": "{function}(arguments: Sequence[str] | None = None) -> int",
}


class AnalysisRecipe:
    """Data-analysis projects in Python: extract, clean, analyse, visualise, report."""

    kind: Kind = "analysis"

    def plan(self, brief: Brief) -> dict[str, Any]:
        """Return the architecture."""
        pt = brief.language == "pt"
        plan = read_data_plan(brief)
        return {
            "name": plan.title,
            "goal": brief.task,
            "constraints": [
                "Python 3.11, só com a biblioteca padrão: nada a instalar."
                if pt
                else "Python 3.11 with its standard library alone: nothing to install."
            ],
            "language": brief.language,
            "modules": module_specs(plan, brief.language),
        }

    def contract(self, brief: Brief, module_id: str, keys: list[str], values: dict[str, Any]) -> dict[str, Any]:
        """Return the values that the module writes.

        Raises:
            KeyError: a key that this recipe does not know.
        """
        plan = _seen(brief, values)
        return {key: _dataset(plan) if key == "dataset" else _published(key, plan) for key in keys}

    def files(self, brief: Brief, module_id: str, contract: dict[str, Any], values: dict[str, Any]) -> Files:
        """Return the module's files.

        Raises:
            KeyError: a module that this recipe does not know.
        """
        templates = _TEMPLATES[module_id]
        # A module's own names come from its contract, the others' from what it read.
        known = values | contract
        context = _context(brief, module_id, known, read=values)
        own = layout.api(known, f"{module_id}_api").stem if f"{module_id}_api" in layout.DEFAULT_APIS else ""
        names = {"main_file": own, "columns_file": layout.dataset_api(known).stem}
        written = [(path.format(**names), _render(name, context)) for path, name in templates if _wanted(name, context)]
        if module_id == "source":
            sample = sample_csv(context["columns"], portuguese=context["portuguese"], seed=plain(context["title"]))
            written.append((context["sample_name"], sample))
        return written

    def whole(self, brief: Brief) -> Files:
        """Return every module's files below folders of their names, and a README."""
        written = [
            (f"{module_id}/{path}", text)
            for module_id in _TEMPLATES
            for path, text in self.files(brief, module_id, {}, {})
        ]
        usage = next(text for path, text in written if path == "pipeline/README.md")
        return [("README.md", usage), *((path, text) for path, text in written if path != "pipeline/README.md")]


#: Per module: path of a file and the template it is written from.
_TEMPLATES: dict[str, list[tuple[str, str]]] = {
    "source": [
        ("__init__.py", "init.py"),
        ("{columns_file}.py", "columns.py"),
        ("errors.py", "errors.py"),
        ("{main_file}.py", "extract.py"),
        ("files.py", "files.py"),
        ("rest.py", "rest.py"),
        ("demo_api.py", "demo_api.py"),
    ],
    "cleaning": [
        ("__init__.py", "init.py"),
        ("{main_file}.py", "clean.py"),
        ("infer.py", "infer.py"),
        ("rules.py", "rules.py"),
        ("values.py", "values.py"),
    ],
    "analysis": [
        ("__init__.py", "init.py"),
        ("{main_file}.py", "analyse.py"),
        ("questions.py", "questions.py"),
        ("wording.py", "wording.py"),
    ],
    "charts": [("__init__.py", "init.py"), ("{main_file}.py", "draw.py"), ("svg.py", "svg.py")],
    "report": [
        ("__init__.py", "init.py"),
        ("{main_file}.py", "compose.py"),
        ("document.py", "document.py"),
        ("findings.py", "findings.py"),
        ("style.css", "style.css"),
    ],
    "pipeline": [("__init__.py", "init.py"), ("{main_file}.py", "main.py"), ("README.md", "usage.md")],
    "tests": [("__init__.py", "init.py"), ("test_pipeline.py", "test_pipeline.py")],
}


def _seen(brief: Brief, values: dict[str, Any]) -> DataPlan:
    """Return the plan with the columns that the whiteboard holds, which a person may have edited."""
    plan = read_data_plan(brief)
    return replace(plan, columns=columns_from(values.get("dataset"), plan))


def _dataset(plan: DataPlan) -> dict[str, Any]:
    return {
        "title": plan.title,
        "classes": [layout.DATASET.function],
        "files": [layout.DATASET.file, f"source/{layout.SAMPLE}"],
        "keys": [column.name for column in plan.columns],
        "columns": [asdict(column) for column in plan.columns],
    }


def _published(key: str, plan: DataPlan) -> dict[str, Any]:
    found, more = layout.DEFAULT_APIS[key], _PUBLISHED_NAMES[key]
    value: dict[str, Any] = {name: list(items) for name, items in more.items()}
    value["files"] = [found.file, *more["files"]]
    value["functions"] = [found.function, *more.get("functions", [])]
    value["signature"] = _SIGNATURES[key].format(function=found.function)
    if key == "analysis_api":
        value["breakdowns"] = [list(pair) for pair in _breakdowns(plan)]
        value["crosses"] = [list(triple) for triple in _crosses(plan)]
    return value


def _breakdowns(plan: DataPlan) -> list[tuple[str, str]]:
    measures, dimensions = plan.of_role("measure")[:3], plan.of_role("dimension")[:4]
    return [(measure.name, dimension.name) for measure in measures for dimension in dimensions]


def _crosses(plan: DataPlan) -> list[tuple[str, str, str]]:
    """Return the first measure by each pair of the first dimensions and the time column."""
    measures = plan.of_role("measure")
    axes = [*plan.of_role("dimension")[:2], *plan.of_role("time")[:1]]
    return [(measures[0].name, first.name, second.name) for first, second in combinations(axes, 2)] if measures else []


def _wanted(template: str, context: dict[str, Any]) -> bool:
    return template != "demo_api.py" or bool(context["rest"])


def _context(brief: Brief, module_id: str, known: dict[str, Any], *, read: dict[str, Any]) -> dict[str, Any]:
    plan = _seen(brief, known)
    own = layout.DEFAULT_APIS.get(f"{module_id}_api")
    apis = {key.removesuffix("_api"): layout.api(known, key) for key in layout.DEFAULT_APIS}
    charts = apis["charts"] if layout.has(read, "charts_api") else None
    data = layout.dataset_api(known)
    dimensions = plan.of_role("dimension")
    pt = brief.language == "pt"
    return {
        **apis,
        "charts": charts,
        "charts_module": charts.module if charts else "",
        "package": module_id,
        "function": apis[module_id].function if own else "",
        "column_class": data.function,
        "dataset_module": data.module,
        "source_module": apis["source"].module,
        "cleaning_module": apis["cleaning"].module,
        "analysis_module": apis["analysis"].module,
        "analysis_package": apis["analysis"].package,
        "pipeline_module": apis["pipeline"].module,
        "columns": plan.columns,
        "names": [column.name for column in plan.columns],
        "measure": plan.of_role("measure")[0].name if plan.of_role("measure") else plan.columns[-1].name,
        "dimension": dimensions[0].name if dimensions else "",
        "base_row": {column.name: _example(column, pt=pt) for column in plan.columns},
        "breakdowns": _breakdowns(plan),
        "crosses": _crosses(plan),
        "period": plan.period,
        "rest": plan.source == "rest",
        "url": plan.url,
        "file": plan.file,
        "sample_name": layout.sample_name(known),
        "title": plan.title,
        "language": brief.language,
        "portuguese": pt,
        "unsupported": brief.unsupported,
        "say": (lambda en, pt_text: pt_text) if pt else (lambda en, pt_text: en),
    }


def _example(column: Column, *, pt: bool) -> str:
    if column.role == "dimension":
        return sample_values(column, portuguese=pt)[0]
    return {"id": "R0001", "time": "2024-03-15", "measure": "5"}[column.role]


@cache
def _environment() -> Environment:
    folder = files("matrioska.models.embedded.analysis").joinpath("templates")
    sources = {
        entry.name.removesuffix(".jinja"): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".jinja")
    }
    # The templates are code, not pages: escaping would spoil them. Values enter as literals by `py`.
    environment = Environment(  # noqa: S701
        loader=DictLoader(sources),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["py"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment


def _render(name: str, context: dict[str, Any]) -> str:
    return _environment().get_template(name).render(**context)
