"""The exporters there are: the built-in ones and those of installed plugins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from matrioska.hooks import hookimpl
from matrioska.plugins import FAILURES, Kind, reason_of
from matrioska.state.errors import MatrioskaError, PluginError, UsageError
from matrioska.state.text import clean_json
from matrioska.state.wording import did_you_mean
from matrioska.store.exporters.base import Export, Exported, Exporter
from matrioska.store.exporters.git import GitExporter
from matrioska.store.exporters.zipped import ZipExporter
from matrioska.store.layout import unwritable


class _BuiltIn:
    """The exporters that come with Matrioska."""

    @hookimpl
    def matrioska_exporters(self) -> Mapping[str, Exporter]:
        return {"zip": ZipExporter(), "git": GitExporter()}


def _fault(exporter: Any) -> str:
    return "" if callable(getattr(exporter, "export", None)) else "has no `export(export, target)`"


EXPORTERS = Kind[Exporter]("matrioska_exporters", _BuiltIn(), _fault)


def check_exporter(name: str) -> None:
    """Check that there is an exporter of that name.

    Raises:
        UsageError: there is none.
    """
    known = EXPORTERS.all()
    if name not in known:
        raise UsageError(
            f"There is no exporter {name!r}{did_you_mean(name, list(known))}.",
            next_step=f"Those installed are: {', '.join(sorted(known))}. See also `matrioska plugins`.",
        )


def export_with(name: str, export: Export, target: Path) -> Exported:
    """Take a run away with an exporter.

    Args:
        name: the exporter's.
        export: the run.
        target: file or folder to write; made absolute.

    Raises:
        UsageError: there is no such exporter, or the target must not be touched.
        StoreError: it cannot be written.
        PluginError: an exporter of a plugin failed.
    """
    check_exporter(name)
    place = target.expanduser().absolute()
    exporter = EXPORTERS.all()[name]
    if name in EXPORTERS.built_in:
        return exporter.export(export, place)
    try:
        return _checked(exporter.export(export, place))
    except MatrioskaError:
        raise
    except OSError as error:
        raise unwritable(place, error) from error
    except FAILURES as error:
        raise PluginError(f"The exporter {name} failed: {reason_of(error)}") from error


def _checked(exported: Any) -> Exported:
    """Return what a plugin's exporter handed back, as plain data.

    Raises:
        TypeError: it is something else.
        RecursionError: its details hold themselves.
    """
    if not isinstance(exported, Exported):
        raise TypeError(f"it returned a {type(exported).__name__}, not an Exported")
    if not isinstance(exported.path, Path):
        raise TypeError(f"its path is a {type(exported.path).__name__}, not a Path")
    told: Any = exported.told
    if isinstance(told, str):
        raise TypeError("what it tells is a text, not one for each line")
    details = clean_json(dict(exported.details))
    return Exported(exported.path, tuple(map(str, told)), cast(Mapping[str, Any], details))
