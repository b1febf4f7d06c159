"""How the modules find each other: the names that each publishes, read back from the whiteboard."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from typing import Any

_FILE = re.compile(r"^([a-z][a-z0-9_]*)/([a-z][a-z0-9_]*)\.py$")
_IDENTIFIER = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,59}$")


@dataclass(frozen=True)
class Api:
    """Where a module's main function is: folder, file without ending, function."""

    package: str
    stem: str
    function: str

    @property
    def module(self) -> str:
        """Dotted name for an import."""
        return f"{self.package}.{self.stem}"

    @property
    def file(self) -> str:
        """Path below the deliverable's root."""
        return f"{self.package}/{self.stem}.py"


#: The main function of every module, by the whiteboard key that publishes it.
DEFAULT_APIS: dict[str, Api] = {
    "source_api": Api("source", "extract", "extract_rows"),
    "cleaning_api": Api("cleaning", "clean", "clean_rows"),
    "analysis_api": Api("analysis", "analyse", "analyse"),
    "charts_api": Api("charts", "draw", "draw_charts"),
    "report_api": Api("report", "compose", "write_report"),
    "pipeline_api": Api("pipeline", "main", "main"),
}
DATASET = Api("source", "columns", "Column")
SAMPLE = "sample.csv"


def api(values: dict[str, Any], key: str) -> Api:
    """Return the API published under ``key``; parts that are missing or unusable take their defaults."""
    return _read(values.get(key), DEFAULT_APIS[key], names="functions")


def dataset_api(values: dict[str, Any]) -> Api:
    """Return where the columns and their class are."""
    return _read(values.get("dataset"), DATASET, names="classes")


def sample_name(values: dict[str, Any]) -> str:
    """Return the file name of the sample data."""
    value = values.get("dataset")
    files = value.get("files") if isinstance(value, dict) else None
    for file in files if isinstance(files, list) else []:
        if isinstance(file, str) and re.fullmatch(r"source/[A-Za-z0-9_-]{1,60}\.csv", file):
            return file.removeprefix("source/")
    return SAMPLE


def has(values: dict[str, Any], key: str) -> bool:
    """Whether the module behind ``key`` is part of the plan: without any value, all of them are."""
    return key in values or not values


def _read(value: Any, default: Api, *, names: str) -> Api:
    if not isinstance(value, dict):
        return default
    files = [found for file in _strings(value.get("files")) if (found := _FILE.match(file))]
    own = [found for found in files if found.group(1) == default.package]
    functions = [name for name in _strings(value.get(names)) if _IDENTIFIER.match(name) and not keyword.iskeyword(name)]
    return Api(
        default.package, own[0].group(2) if own else default.stem, functions[0] if functions else default.function
    )


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
