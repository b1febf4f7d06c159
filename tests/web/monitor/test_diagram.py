from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrioska.web.monitor.diagram import diagram_of, label_of, module_at, states_of
from matrioska.web.runs.views import ModuleView
from tests.web.monitor.desks import HOSTILE, module_of

_LINE = re.compile(r'flowchart LR|  accTitle: Plan|  m\d+\["[\w …?]+"\]|  m\d+ --> m\d+')


@given(st.lists(st.text(max_size=60), min_size=1, max_size=5))
def test_nothing_of_a_name_is_read_as_a_command(names: list[str]) -> None:
    modules = [ModuleView(id=f"a{at}", name=name, depends_on=["a0"]) for at, name in enumerate(names)]

    for line in diagram_of(modules, "Plan").split("\n"):
        assert _LINE.fullmatch(line)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Maré & lua (São Paulo)", "Maré lua São Paulo"),
        ("1. First", "1 First"),
        ("snake_case", "snake case"),
        ("end", "end"),
        ('"];', "the id"),
        ("", "the id"),
        ("x" * 40, "x" * 31 + "…"),
    ],
)
def test_a_label_is_the_name_without_signs_or_the_id(name: str, label: str) -> None:
    assert label_of(ModuleView(id="the-id", name=name)) == label


def test_edges_go_from_what_is_waited_for_and_leave_out_what_is_not_there() -> None:
    modules = [ModuleView(id="a"), ModuleView(id="b", depends_on=["a", "gone"])]

    assert [line for line in diagram_of(modules, "Plan").split("\n") if "-->" in line] == ["  m0 --> m1"]


def test_a_click_finds_its_module_and_nothing_else() -> None:
    modules = [module_of(at) for at in range(12)]

    assert module_at("c5_mermaid-flowchart-m11", modules) is modules[11]
    assert module_at("m12", modules) is None
    assert module_at(HOSTILE, modules) is None


def test_states_go_by_node() -> None:
    assert states_of([module_of(0), module_of(1)]) == {"m0": "done", "m1": "producing"}
