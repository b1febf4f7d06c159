"""Exporters of plugins: what they may hand back, and what is made of the rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from matrioska.hooks import hookimpl
from matrioska.plugins import plugged
from matrioska.state.errors import PluginError
from matrioska.store.exporters.base import Export, Exported
from matrioska.store.exporters.registry import export_with
from tests.store.exporters.test_git import THREE, World

ROUND: dict[str, Any] = {}
ROUND["itself"] = ROUND
PLACE = Path("x")


class Plugin:
    """A plugin whose exporter hands back what it is told to."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def export(self, export: Export, target: Path) -> Any:
        return self.given

    @hookimpl
    def matrioska_exporters(self) -> Mapping[str, Any]:
        return {"mine": self}


def _exported(given: Any, base: Path) -> Exported:
    with plugged(Plugin(given)):
        return export_with("mine", World(base).export(THREE), base / "x")


def test_what_it_hands_back_becomes_plain_data(tmp_path: Path) -> None:
    given: Any = Exported(PLACE, told=["a line", 2], details={"files": 3, 4: ("five",)})  # type: ignore[arg-type,dict-item]
    assert _exported(given, tmp_path) == Exported(PLACE, ("a line", "2"), {"files": 3, "4": ["five"]})


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (None, "it returned a NoneType, not an Exported"),
        (Exported("x"), "its path is a str, not a Path"),  # type: ignore[arg-type]
        (Exported(PLACE, told="a line"), "a text, not one for each line"),  # type: ignore[arg-type]
        (Exported(PLACE, told=None), "TypeError"),  # type: ignore[arg-type]
        (Exported(PLACE, details=[1]), "TypeError"),  # type: ignore[arg-type]
        (Exported(PLACE, details={"at": PLACE}), "is not JSON"),
        (Exported(PLACE, details=ROUND), "RecursionError"),
    ],
)
def test_what_is_of_another_form_is_a_fault_of_the_plugin(given: Any, reason: str, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="The exporter mine failed") as caught:
        _exported(given, tmp_path)
    assert reason in caught.value.message
