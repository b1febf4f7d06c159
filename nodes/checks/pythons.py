"""What a Python file says about the rest of the tree: its imports, names and string literals."""

from __future__ import annotations

import ast
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

# Catching warnings swaps a list of the whole process, so two threads must not do it at once.
_lock = threading.Lock()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Python's warnings about the source that it compiles to itself."""
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(slots=True)
class PythonImport:
    """One import of a Python file."""

    module: str
    """Dotted name; '' in ``from . import x``."""
    level: int
    """Leading dots."""
    names: list[str]
    """Names taken with ``from``."""
    line: int
    may_fail: bool
    """Whether it stands inside ``try`` or ``if`` (``TYPE_CHECKING`` and the like)."""


@dataclass(slots=True)
class PythonFile:
    """What one Python file defines, says and imports."""

    imports: list[PythonImport] = field(default_factory=list)
    literals: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=lambda: {"__name__", "__doc__", "__file__", "__path__", "__all__"})
    """Functions, classes, variables and attributes that are set, and names imported."""
    is_open: bool = False
    """Whether it may define names that cannot be told (``import *``, ``__getattr__``, ``globals()``)."""


def read_python(text: str) -> PythonFile | None:
    """Return what a Python file says; None when it cannot be parsed."""
    try:
        with quiet():
            tree = ast.parse(text.removeprefix("\ufeff"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    file = PythonFile()
    stack: list[tuple[ast.AST, bool]] = [(tree, False)]
    while stack:
        node, may_fail = stack.pop()
        _take(file, node, may_fail)
        inner = may_fail or isinstance(node, ast.Try | ast.If)
        stack.extend((child, inner) for child in ast.iter_child_nodes(node))
    return file


def _take(file: PythonFile, node: ast.AST, may_fail: bool) -> None:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            file.literals.append(node.value)
    elif isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Store):
            file.names.add(node.id)
        elif node.id in {"globals", "exec"}:
            file.is_open = True
    elif isinstance(node, ast.Attribute):
        if isinstance(node.ctx, ast.Store):
            file.names.add(node.attr)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        file.names.add(node.name)
        file.is_open = file.is_open or node.name == "__getattr__"
    elif isinstance(node, ast.Import):
        file.imports.extend(PythonImport(alias.name, 0, [], node.lineno, may_fail) for alias in node.names)
        file.names.update(alias.asname or alias.name.split(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        names = [alias.name for alias in node.names]
        file.imports.append(PythonImport(node.module or "", node.level, names, node.lineno, may_fail))
        file.names.update(alias.asname or alias.name for alias in node.names)
        file.is_open = file.is_open or "*" in names
    elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
        file.names.add(node.name)
