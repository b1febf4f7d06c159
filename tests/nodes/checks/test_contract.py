"""Contracts: the values that modules write, and the files that must honour them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrioska.nodes.checks.contract import MAX_VALUE_BYTES, MAX_VALUE_DEPTH, honour_complaints, value_complaints
from matrioska.state.artifacts import SourceFile


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("values", "wanted"),
    [({}, []), ({"a": 1, "b": [None]}, ["b", "a"]), ({"a": _nested(MAX_VALUE_DEPTH)}, ["a"]), ({"a": ""}, ["a"])],
    ids=lambda value: ascii(value)[:30],
)
def test_values_as_wanted_pass(values: dict[str, Any], wanted: list[str]) -> None:
    assert value_complaints(values, wanted) == []


@pytest.mark.parametrize(
    ("values", "wanted", "words"),
    [
        (None, ["a", "b"], "exactly the keys 'a', 'b'"),
        ({}, ["a"], "The key 'a' is missing"),
        ({"a": 1, "b": 1}, ["a"], "The key 'b' was not asked for"),
        ({"apis": 1}, ["api"], "did you mean 'api'?"),
        ({"a": None}, ["a"], "is null"),
        ({"a": "x" * MAX_VALUE_BYTES}, ["a"], "bytes of JSON"),
        ({"a": _nested(MAX_VALUE_DEPTH + 1)}, ["a"], "nested deeper"),
        ({"a": _nested(100_000)}, ["a"], "nested deeper"),
        ({"a": {1, 2}}, ["a"], "is not JSON"),
        ({"a": float("nan")}, ["a"], "is not JSON"),
    ],
    ids=lambda value: ascii(value)[:30] if not isinstance(value, dict) else "values",
)
def test_other_values_are_complained_about(values: dict[str, Any] | None, wanted: list[str], words: str) -> None:
    complaints = value_complaints(values, wanted)
    assert any(words in complaint for complaint in complaints), complaints


HTML = """<!doctype html><html><body><ul id="list" class="todo-list wide"></ul><form id=form name="new"></form>
<script>function inline() { return "made-id"; }</script><style>.styled, #only-styled { color: red }</style></body></html>"""
JS = """
export function addTask(title) { return { title, done: false }; }
const Store = { all: () => [], remove(id) {}, "quoted-key": 1 };
class Board { draw() {} static make() {} }
Store.save = async function () {};
window.start = () => {};
let counter = 0;
el.className = `badge badge-${level}`;
item.id = "row-" + n;
panel.id = 'panel';
document.querySelector(".looked-up");
import { helper } from "../x/x.js";
"""
PY = """
import os
class TaskStore:
    LIMIT = 5
    def load(self): self.items = []
def main(): pass
handler = main
CLASSES = "note note-big"
"""
FILES = {
    "index.html": HTML,
    "js/app.js": JS,
    "style.css": ".todo-list > .item:hover { margin: 0 }",
    "tool.py": PY,
    "data.json": '{"due_date": 1}',
}


def _complaints(values: Any, **files: str) -> list[str]:
    chosen = [SourceFile(path=path, text=text) for path, text in (files or FILES).items()]
    return honour_complaints("ui", values, chosen)


HONOURED = [
    {"ids": ["list", "form", "#list", "panel", "made-id", "row-1", "row-{n}", "new"]},
    {
        "classes": [
            "todo-list",
            ".wide",
            "item",
            "styled",
            "badge",
            "badge-high",
            "looked-up",
            "Board",
            "TaskStore",
            "note-big",
        ]
    },
    {
        "functions": [
            "addTask",
            "Store.remove",
            "Store.all",
            "Store.save(task)",
            "start",
            "draw",
            "Board.make",
            "counter",
            "inline()",
        ]
    },
    {"functions": ["main", "TaskStore.load", "async handler()", "def main", "load(self): list", "helper"]},
    {"keys": ["title", "done", "quoted-key", "due_date", "items", "Store.all"]},
    {"files": ["ui/index.html", "index.html", "./style.css", "../ui/js/app.js", "ui/js", "js/"]},
    {"ids": {"list": "the list", "form": {}}},
    {"functions": [{"name": "addTask", "returns": "task"}, {"id": "draw"}, {"text": "no name"}, 5, None]},
    {"api": {"deep": [{"functions": ["addTask"]}]}},
    {"ids": "list, gone", "functions": 3, "files": None},
    {"title": "ids", "gone": ["x"]},
    {"ids": ["task-<n>", "card-*", "a b", "${x}", ""]},
    {},
    None,
]
BROKEN = [
    ({"ids": ["lits"]}, "the element id 'lits', which no element has (did you mean 'list'?)"),
    ({"ids": ["only-styled"]}, "'only-styled'"),
    ({"classes": [".gone"]}, "the class 'gone'"),
    ({"functions": ["Store.load2"]}, "the function 'load2'"),
    ({"functions": {"addTaks": "adds"}}, "did you mean 'addTask'?"),
    ({"keys": ["nowhere"]}, "the key 'nowhere'"),
    ({"files": ["ui/app.js"]}, "the file 'ui/app.js', which is not among the files"),
    ({"files": [{"path": "gone.css"}]}, "the file 'gone.css'"),
    ({"a": [{"b": {"ids": [{"name": "gone"}]}}]}, "'gone'"),
]


@pytest.mark.parametrize("values", HONOURED, ids=lambda value: ascii(value)[:50])
def test_promises_that_are_kept_pass(values: Any) -> None:
    assert _complaints({"key": values} if values is not None else None) == []


@pytest.mark.parametrize(("values", "words"), BROKEN, ids=lambda value: ascii(value)[:50])
def test_broken_promises_are_named(values: Any, words: str) -> None:
    complaints = _complaints({"key": values})
    assert len(complaints) == 1 and words in complaints[0], complaints


def test_in_prose_the_word_is_enough() -> None:
    values = {"key": {"ids": ["app"], "functions": ["Store.add"], "classes": ["gone"]}}
    assert _complaints(values, **{"guide.md": "The element app; call add()."}) == [
        "The contract promises the class 'gone', which no selector, class attribute or script names."
    ]


def test_prose_beside_code_does_not_count() -> None:
    assert _complaints({"k": {"functions": ["add"]}}, **{"a.md": "add", "a.js": "let x = 1"})


def test_in_languages_that_are_not_read_the_word_is_enough() -> None:
    values = {"k": {"functions": ["add"], "ids": ["app"], "keys": ["user.name"]}}
    assert _complaints(values, **{"a.ts": "export function add(): void {} // app user name"}) == []


def test_a_broken_file_is_read_leniently() -> None:
    assert _complaints({"k": {"functions": ["add"]}}, **{"a.js": "function add( {"}) == []
    assert _complaints({"k": {"functions": ["add"]}}, **{"a.py": "def add(:"}) == []


def test_a_module_of_styles_keeps_its_ids_by_styling_them() -> None:
    assert _complaints({"k": {"ids": ["app"]}}, **{"a.css": "#app { color: red }"}) == []
    assert _complaints({"k": {"ids": ["app"]}}, **{"a.css": "#app { color: red }", "a.html": "<p>x</p>"})


def test_without_files_there_is_nothing_to_hold() -> None:
    assert honour_complaints("ui", {"k": {"ids": ["x"]}}, []) == []


_trees = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["ids", "classes", "functions", "keys", "files", "name", "x"]), inner, max_size=3
        )
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=3), _trees, max_size=3))
def test_any_values_are_judged_without_an_error(values: dict[str, Any]) -> None:
    assert value_complaints(values, list(values)) is not None
    assert honour_complaints("ui", values, [SourceFile(path="a.js", text=JS)]) is not None
