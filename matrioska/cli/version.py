"""Which version this is, installed or not."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def own_version() -> str:
    """Return our version: of the installed package, else of the source tree."""
    try:
        return version("matrioska")
    except PackageNotFoundError:
        project = Path(__file__).resolve().parents[2] / "pyproject.toml"
        try:
            return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]) + "+source"
        except (OSError, KeyError, ValueError):
            return "unknown"
