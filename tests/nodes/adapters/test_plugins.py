"""A plugin may bring a kind of work: a plan names it, and the plugin's adapter says what its modules are told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from matrioska.hooks import hookimpl
from matrioska.nodes.adapters import adapter_for, known_modalities
from matrioska.nodes.adapters.base import BaseAdapter
from matrioska.nodes.context.pieces import Material, Piece, Rank
from matrioska.plugins import plugged
from matrioska.state.fences import read_fences
from tests.graph.conftest import mode as mode
from tests.graph.conftest import start as start
from tests.graph.conftest import world as world
from tests.support import Author, plan, spec


class HaikuAdapter(BaseAdapter):
    """Tells the form besides what everybody is told."""

    def present(self, material: Material) -> list[Piece]:
        form = Piece("form", "form", "Five, seven, five.", Rank.HELPFUL)
        return [*super().present(material), form]


class Plugin:
    """What a package with an entry point would be."""

    @hookimpl
    def matrioska_adapters(self) -> Mapping[str, Any]:
        return {"haiku": HaikuAdapter(), "code": HaikuAdapter()}


@pytest.fixture
def plugin() -> Iterator[None]:
    with plugged(Plugin()):
        yield


def test_a_kind_of_work_is_known_while_its_plugin_is_there(plugin: None) -> None:
    assert "haiku" in known_modalities()
    assert isinstance(adapter_for("haiku"), HaikuAdapter)


def test_a_built_in_kind_cannot_be_taken_over(plugin: None) -> None:
    assert not isinstance(adapter_for("code"), HaikuAdapter)


def test_without_the_plugin_the_kind_is_presented_plainly() -> None:
    assert "haiku" not in known_modalities()
    assert type(adapter_for("haiku")) is BaseAdapter


def test_a_plan_may_name_it(plugin: None, start: Any, tmp_path: Path) -> None:
    author = Author(plan(spec("poem", modality="haiku"), spec("page", modality="code")))
    driven = start(author)
    driven.run("Write a poem.")
    assert driven.statuses() == {"page": "done", "poem": "done"}
    (poem,), (page,) = author.prompts("produce", "poem"), author.prompts("produce", "page")
    assert read_fences(poem)["form"] == "Five, seven, five."
    assert "form" not in read_fences(page)


def test_a_plan_may_not_name_what_nobody_knows(start: Any) -> None:
    author = Author(plan(spec("poem", modality="haiku")))
    result = start(author, plan_repairs=0).run("Write a poem.")
    assert result["status"] == "failed"
    assert "haiku" in result["error"]["message"]
