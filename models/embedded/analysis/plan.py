"""The plan of a data-analysis project: its modules and what they promise each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matrioska.models.embedded.analysis.reading import DataPlan


@dataclass(frozen=True)
class _Part:
    """A module in both languages."""

    id: str
    names: tuple[str, str]
    descriptions: tuple[str, str]
    outputs: tuple[str, ...]
    dependencies: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    size: float


_PARTS = (
    _Part(
        "source",
        ("Extraction", "Extração"),
        (
            "Brings the raw records in: from {origin}. columns.py declares the columns ({columns}); extract.py chooses "
            "the source; rest.py reads REST APIs with pages, retries and timeouts; files.py reads CSV, TSV and JSON; "
            "sample.csv holds made-up sample data so that everything runs offline.",
            "Traz os registros brutos: de {origin}. columns.py declara as colunas ({columns}); extract.py escolhe a "
            "fonte; rest.py lê APIs REST com páginas, novas tentativas e tempos limite; files.py lê CSV, TSV e JSON; "
            "sample.csv traz dados de exemplo inventados, para que tudo funcione sem internet.",
        ),
        ("extract.py", "columns.py", "rest.py", "files.py", "sample.csv"),
        (),
        (),
        ("dataset", "source_api"),
        2.0,
    ),
    _Part(
        "cleaning",
        ("Cleaning", "Limpeza"),
        (
            "Gives every value its type, unifies spellings, removes duplicates, empties impossible values, names "
            "missing values and outliers, and logs every change. Nothing is made up to fill gaps.",
            "Dá a cada valor o seu tipo, unifica grafias, remove duplicatas, esvazia valores impossíveis, aponta "
            "valores ausentes e extremos, e registra toda mudança. Nada é inventado para preencher lacunas.",
        ),
        ("clean.py", "rules.py", "values.py", "infer.py"),
        ("source",),
        ("dataset", "source_api"),
        ("cleaning_api",),
        2.0,
    ),
    _Part(
        "analysis",
        ("Analysis", "Análise"),
        (
            "Computes what the clean records show: summaries of {measures}, breakdowns, trends over time and "
            "correlations. wording.py writes numbers and periods for people.",
            "Calcula o que os registros limpos mostram: resumos de {measures}, divisões, tendências no tempo e "
            "correlações. wording.py escreve números e períodos para as pessoas.",
        ),
        ("analyse.py", "questions.py", "wording.py"),
        ("source",),
        ("dataset",),
        ("analysis_api",),
        2.0,
    ),
    _Part(
        "charts",
        ("Charts", "Gráficos"),
        (
            "Draws the results as SVG with code of its own: bars, lines, heat maps, histograms and scatter plots.",
            "Desenha os resultados em SVG com código próprio: barras, linhas, mapas de calor, histogramas e dispersão.",
        ),
        ("draw.py", "svg.py"),
        ("analysis",),
        ("dataset", "analysis_api"),
        ("charts_api",),
        2.0,
    ),
    _Part(
        "report",
        ("Report", "Relatório"),
        (
            "Writes the report by itself: key findings, what cleaning changed, tables and charts, as Markdown and as "
            "one HTML page that needs nothing else.",
            "Escreve o relatório sozinho: principais achados, o que a limpeza mudou, tabelas e gráficos, em Markdown e "
            "em uma página HTML que não depende de mais nada.",
        ),
        ("compose.py", "document.py", "findings.py", "style.css"),
        ("cleaning", "charts"),
        ("dataset", "source_api", "cleaning_api", "analysis_api", "charts_api"),
        ("report_api",),
        2.0,
    ),
    _Part(
        "pipeline",
        ("Pipeline", "Processo completo"),
        (
            "The entry point: python pipeline/main.py runs every step and writes the folder output. Options choose "
            "another API, file or folder.",
            "O ponto de entrada: python pipeline/main.py executa todas as etapas e grava a pasta output. Opções "
            "escolhem outra API, outro arquivo ou outra pasta.",
        ),
        ("main.py", "README.md"),
        ("report",),
        ("dataset", "source_api", "cleaning_api", "analysis_api", "charts_api", "report_api"),
        ("pipeline_api",),
        1.0,
    ),
    _Part(
        "tests",
        ("Tests", "Testes"),
        (
            "Checks the whole with unittest: python -m unittest discover -s tests -t .",
            "Verifica o conjunto com unittest: python -m unittest discover -s tests -t .",
        ),
        ("test_pipeline.py",),
        ("pipeline",),
        ("dataset", "source_api", "cleaning_api", "analysis_api", "charts_api", "pipeline_api"),
        (),
        1.0,
    ),
)


def module_specs(plan: DataPlan, language: str) -> list[dict[str, Any]]:
    """Return the modules as the architect's answer lists them."""
    pt = language == "pt"
    words = {
        "origin": plan.url or plan.file or _origin(plan, pt),
        "columns": ", ".join(column.name for column in plan.columns),
        "measures": ", ".join(column.label.lower() for column in plan.of_role("measure")),
    }
    return [
        {
            "id": part.id,
            "name": part.names[pt],
            "description": part.descriptions[pt].format(**words),
            "outputs": list(part.outputs),
            "dependencies": list(part.dependencies),
            "shared_state_reads": list(part.reads),
            "shared_state_writes": list(part.writes),
            "modality": "code",
            "size": part.size,
        }
        for part in _PARTS
    ]


def _origin(plan: DataPlan, pt: bool) -> str:
    if plan.source == "rest":
        return "uma API REST" if pt else "a REST API"
    return "um arquivo CSV" if pt else "a CSV file"
