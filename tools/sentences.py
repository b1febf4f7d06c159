"""The sentences that the source builds where something fails, with a named place for each value.

An error's message is raised in English with its values filled in, since it is saved, logged and sent to
programs. `matrioska.i18n.told` puts it into the reader's language by the templates that are found here.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator

#: Files and folders whose texts are no messages for a person: words by which a question is sorted, what models
#: are told, what deliverables are made of, what the HTTP API says.
SILENT = (
    "models/embedded/",
    "models/local/pipeline_tasks.py",
    "models/spans.py",
    "models/structured.py",
    "models/testing.py",
    "nodes/adapters/",
    "nodes/checks/names.py",
    "nodes/schemas.py",
    "state/fences.py",
    "state/fitness.py",
    "store/exporters/messages.py",
    "store/exporters/trees.py",
    "store/journal/database.py",
    "store/journal/migrations/",
    "store/repository/words.py",
    "web/app.py",
    "web/body.py",
    "web/chat/",
    "web/errors.py",
    "web/guard.py",
    "web/openapi.py",
    "web/preview/",
    "web/queries.py",
    "web/runs/described.py",
    "web/runs/routes.py",
    "workers/cascade/language.py",
    "workers/cascade/replies.py",
    "workers/ensemble/kinds.py",
    "workers/ensemble/normal.py",
    "workers/ensemble/synthesis.py",
    "workers/ensemble/vocabulary.py",
)
#: Where every text for people is marked: only what is raised is looked for.
MARKED = ("matrioska/cli/", "matrioska/comparison/", "web/monitor/")
#: Calls whose texts are marked already, or are for programs, logs and models.
_OTHERS = frozenset(
    {"_", "N_", "counted", "told", "Field", "compile", "cast", "execute", "executescript", "CheckConstraint", "text"}
    | {"debug", "info", "warning", "error", "exception", "render", "word_set", "_words", "_begins", "getLogger"}
    | {"MindSpec", "TypeAdapter", "TypeVar", "NewType", "ConfigDict", "deprecated", "filterwarnings", "ModuleSpec"}
)
_WORD = re.compile(r"[^\W\d_]{2,}")
#: Queries of a database or of a tree, names of types, files that are written, a probe of an embedder.
_CODE = re.compile(
    r"@\w+ |\(_\)|CREATE TABLE|WITH RECURSIVE |^(SELECT|REPLACE|DELETE|PRAGMA|BEGIN) |^https?:"
    r"| \| \w|^\w+(_\w+)+ \w+$|^\[\w+\]\n|brown fox"
)
_MOST_FORMS = 8


def sentences(source: str, name: str) -> Iterator[tuple[int, str]]:
    """Yield the templates of a file, each with its line.

    Args:
        source: the text of the file.
        name: its path from the root, with ``/``.
    """
    if name.startswith(SILENT):
        return
    raised = name.startswith(MARKED)
    for node in _texts(ast.parse(source), inside=not raised):
        for form in _forms(node)[:_MOST_FORMS]:
            if _is_said(form):
                yield node.lineno, form


def _texts(node: ast.AST, *, inside: bool) -> Iterator[ast.expr]:
    """Yield the outermost expressions that make a text, below a node.

    Args:
        node: where to look.
        inside: whether texts count here; else only those of errors that are made below.
    """
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in _OTHERS:
            return
        inside = inside or called.endswith("Error") or called == "fail"
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    elif isinstance(node, ast.AnnAssign | ast.arg | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield from _below(node, inside=inside)
        return
    elif inside and isinstance(node, ast.expr) and _makes_text(node):
        yield node
        # Texts within the values, such as those of an error's list of faults.
        for value in _values(node):
            yield from _texts(value, inside=inside)
        return
    for child in ast.iter_child_nodes(node):
        yield from _texts(child, inside=inside)


def _below(node: ast.AST, *, inside: bool) -> Iterator[ast.expr]:
    """Yield the texts below a declaration, without those of its annotations."""
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "decorator_list", "type_params"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _texts(child, inside=inside)


def _makes_text(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _makes_text(node.left) or _makes_text(node.right)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _values(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the expressions whose values a text takes in."""
    if isinstance(node, ast.BinOp):
        yield from _values(node.left)
        yield from _values(node.right)
    elif isinstance(node, ast.JoinedStr):
        yield from (part.value for part in node.values if isinstance(part, ast.FormattedValue))
    elif not isinstance(node, ast.Constant):
        yield node


def _forms(node: ast.expr) -> list[str]:
    """Return what an expression may say: one template for each way through its conditions."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    parts = _parts(node, {})
    if not any(part for form in parts for part in form if part.startswith("\0")):
        return ["".join(form) for form in parts]
    # Only where there are values are braces of the text itself doubled.
    return ["".join(_shown(part) for part in form) for form in parts]


def _shown(part: str) -> str:
    return f"{{{part[1:]}}}" if part.startswith("\0") else part.replace("{", "{{").replace("}", "}}")


def _parts(node: ast.expr, names: dict[str, str]) -> list[tuple[str, ...]]:
    """Return the forms of an expression in parts; that of a value begins with NUL."""
    if isinstance(node, ast.Constant):
        return [(str(node.value),)]
    if isinstance(node, ast.JoinedStr):
        return _joined([_parts(part, names) for part in node.values])
    if isinstance(node, ast.FormattedValue):
        return _parts(node.value, names)
    if isinstance(node, ast.BinOp) and _makes_text(node):
        return _joined([_parts(node.left, names), _parts(node.right, names)])
    if isinstance(node, ast.IfExp) and isinstance(node.body, ast.Constant) and isinstance(node.orelse, ast.Constant):
        return [(str(node.body.value),), (str(node.orelse.value),)]
    return [("\0" + _named(node, names),)]


def _joined(parts: list[list[tuple[str, ...]]]) -> list[tuple[str, ...]]:
    forms = itertools.islice(itertools.product(*parts), _MOST_FORMS)
    return [tuple(itertools.chain.from_iterable(form)) for form in forms]


def _named(node: ast.expr, names: dict[str, str]) -> str:
    """Return the name of a value, another for each expression of a text."""
    written = ast.unparse(node)
    if written not in names:
        wish = re.sub(r"\W", "", _name(node)).strip("_").lower() or "value"
        taken = set(names.values())
        others = (f"{wish}_{at}" for at in itertools.count(2))
        names[written] = next(found for found in itertools.chain([wish], others) if found not in taken)
    return names[written]


def _name(node: ast.expr) -> str:
    """Return what a translator may call a value."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=ast.Name(id="did_you_mean")):
            return "did_you_mean"
        case ast.Call(func=ast.Name(id="len"), args=[inner, *_]):
            return f"{_name(inner)}_count"
        case ast.Call(args=[inner, *_]):
            return _name(inner)
        case ast.Call(func=ast.Attribute(value=inner)) | ast.Subscript(value=inner) | ast.Await(value=inner):
            return _name(inner)
        case ast.Call(func=ast.Name(id=name)):
            return name
        case ast.BinOp(left=inner) | ast.IfExp(body=inner) | ast.BoolOp(values=[inner, *_]):
            return _name(inner)
        case ast.GeneratorExp(elt=inner) | ast.ListComp(elt=inner) | ast.Starred(value=inner):
            return _name(inner)
    return "value"


def _is_said(form: str) -> bool:
    """Tell a sentence, or a part of one, from a name, a pattern or a list of names."""
    literal = re.sub(r"\{\w*\}", "_", form)
    least = 1 if re.match(r"\{\w+\} \w{6}", form) else 2
    return " " in literal.strip() and len(_WORD.findall(literal)) >= least and not _CODE.search(form)
