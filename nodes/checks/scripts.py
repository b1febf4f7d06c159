"""What a script says about the rest of the tree: the names it defines, uses and imports."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tree_sitter import Node

from matrioska.nodes.checks.trees import captures, is_too_deep, nests_too_deep, parse_javascript, text_of
from matrioska.nodes.checks.wording import word_set

#: Longest name that is looked for.
MAX_NAME = 200
WORD = re.compile(r"[^\W\d][\w-]*|-[\w-]+|[\w-]+")

_STRINGS = "(string) @string (template_string) @template (jsx_text) @jsx"
_DEFINITIONS = """
(function_declaration name: (_) @name) (generator_function_declaration name: (_) @name)
(class_declaration name: (_) @name) (variable_declarator name: (identifier) @name)
(assignment_expression left: (identifier) @name)
(assignment_expression left: (member_expression property: (_) @name))
(assignment_expression left: (subscript_expression index: (string) @name))
(method_definition name: (_) @name) (pair key: (_) @name) (field_definition property: (_) @name)
(object (shorthand_property_identifier) @name)
(export_specifier alias: (_) @name)
(import_specifier name: (_) @name) (import_clause (identifier) @name) (namespace_import (identifier) @name)
(formal_parameters (identifier) @name)
"""
#: Calls whose first argument names something in a page or a file.
_CALLS = word_set(
    "getElementById getElementsByClassName querySelector querySelectorAll closest matches fetch require import Worker "
    "$ $$ jQuery qs qsa"
)
#: Short helpers that people write for querySelector; only a plain "#x" or ".x" is read as a selector.
HELPERS = frozenset({"$", "$$", "jQuery", "qs", "qsa"})


@dataclass(slots=True)
class Import:
    """One import or re-export of another file."""

    source: str
    line: int
    names: list[str] = field(default_factory=list)
    """Names taken from it; ``default`` among them; none for a namespace or for effects."""
    is_module: bool = True
    """False for ``require``, which finds files without their suffix."""


@dataclass(slots=True)
class Words:
    """The words in string literals, and the ends of those that are put together while running."""

    whole: set[str] = field(default_factory=set)
    prefixes: set[str] = field(default_factory=set)
    suffixes: set[str] = field(default_factory=set)

    def hold(self, name: str) -> bool:
        """Return whether the name is one of the words, or starts or ends as one that is put together."""
        # A name of that length is none that anybody wrote, and not worth cutting up.
        if name in self.whole or len(name) > MAX_NAME:
            return True
        if any(name[:end] in self.prefixes for end in range(2, len(name) + 1)):
            return True
        return any(name[start:] in self.suffixes for start in range(len(name) - 1))

    def add(self, text: str, *, grows_left: bool = False, grows_right: bool = False) -> None:
        """Take the words of one literal; ``grows_…`` says that something is joined to that end."""
        found = list(WORD.finditer(text))
        self.whole.update(match.group() for match in found)
        if not found:
            return
        last, first = found[-1], found[0]
        if last.end() == len(text) and (grows_right or last.group().endswith(("-", "_"))) and len(last.group()) > 1:
            self.prefixes.add(last.group())
        if first.start() == 0 and grows_left and len(first.group()) > 1:
            self.suffixes.add(first.group())

    def update(self, other: Words) -> None:
        """Take the words of another file."""
        self.whole |= other.whole
        self.prefixes |= other.prefixes
        self.suffixes |= other.suffixes


@dataclass(slots=True)
class Script:
    """What one script defines, says and uses."""

    words: Words = field(default_factory=Words)
    """Words of string literals, without those that only look something up."""
    calls: list[tuple[str, str, int]] = field(default_factory=list)
    """Method, literal first argument and line of every call that looks something up."""
    imports: list[Import] = field(default_factory=list)
    exports: set[str] | None = field(default_factory=set)
    """Exported names; None when they cannot be told (``export *``)."""
    defined: set[str] = field(default_factory=set)
    """Names of functions, classes, variables, methods and properties."""
    broken: bool = False
    """Whether the script has syntax errors, so that names may be missing."""


def read_script(text: str, first_line: int = 1) -> Script:
    """Return what a script says; ``first_line`` is its place in the file that holds it."""
    script = Script()
    tree = None if nests_too_deep(text) else parse_javascript(text.encode("utf-8", "replace"))
    if tree is None or is_too_deep(tree):
        # Every word may be anything: what is not understood accuses nobody.
        words = set(WORD.findall(text))
        return Script(words=Words(whole=words), exports=None, defined=words, broken=True)
    root = tree.root_node
    script.broken = root.has_error
    for name in captures(_DEFINITIONS, root).get("name", []):
        script.defined.add(text_of(name).strip("\"'"))
    found = captures(_STRINGS, root)
    for node in found.get("string", []):
        _take_string(script, node, first_line)
    for node in found.get("template", []):
        _take_template(script, node, first_line)
    for node in found.get("jsx", []):
        script.words.add(text_of(node))
    _take_modules(script, root, first_line)
    return script


def _line(node: Node, first_line: int) -> int:
    return node.start_point.row + first_line


_ESCAPE = re.compile(r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|(\r\n|.))", re.DOTALL)


def _unescape(match: re.Match[str]) -> str:
    if code := match[1] or match[2] or match[3]:
        return chr(int(code, 16)) if int(code, 16) < 0x110000 else ""
    return {"n": "\n", "t": "\t", "r": "\r", "\n": ""}.get(match[4], match[4])


def literal(node: Node) -> str:
    """Return the value of a string or of a template without substitutions."""
    body = text_of(node)[1:-1]
    return _ESCAPE.sub(_unescape, body) if "\\" in body else body


def _take_string(script: Script, node: Node, first_line: int) -> None:
    parent = node.parent
    if parent is None or parent.type in {"import_statement", "export_statement"}:
        return
    value = literal(node)
    if (method := _call_of(node, parent)) is not None:
        script.calls.append((method, value, _line(node, first_line)))
        # A helper's name proves nothing, so what it is given may create something too.
        if method not in HELPERS:
            return
        if value[:1] in {"#", "."}:
            return
    joined = parent.type == "binary_expression"
    script.words.add(value, grows_left=joined, grows_right=joined)


def _call_of(node: Node, arguments: Node) -> str | None:
    """Return the name of the call whose first argument the node is, when it looks something up."""
    call = arguments.parent
    if arguments.type != "arguments" or call is None or arguments.named_child(0) != node:
        return None
    function = call.child_by_field_name("function") or call.child_by_field_name("constructor")
    if function is None:
        return None
    if function.type == "member_expression":
        function = function.child_by_field_name("property") or function
    name = text_of(function) if function.end_byte - function.start_byte < 30 else ""
    return name if name in _CALLS else None


def _take_template(script: Script, node: Node, first_line: int) -> None:
    parts = node.named_children
    if not any(part.type == "template_substitution" for part in parts):
        _take_string(script, node, first_line)
        return
    # One string per stretch between substitutions: escapes cut the fragments of the tree.
    position, end = node.start_byte + 1, node.end_byte - 1
    holes = [part for part in parts if part.type == "template_substitution"]
    source = node.text or b""
    for index, hole in enumerate([*holes, None]):
        stop = hole.start_byte if hole else end
        piece = source[position - node.start_byte : stop - node.start_byte].decode("utf-8", "replace")
        script.words.add(piece, grows_left=index > 0, grows_right=hole is not None)
        position = hole.end_byte if hole else end


def _take_modules(script: Script, root: Node, first_line: int) -> None:
    for statement in root.named_children:
        if statement.type not in {"import_statement", "export_statement"}:
            continue
        source = statement.child_by_field_name("source")
        if source is not None:
            names = list(_taken_names(statement))
            script.imports.append(Import(literal(source), _line(statement, first_line), names))
        if statement.type == "export_statement":
            _take_export(script, statement)
    for method, value, line in script.calls:
        if method in {"import", "require"}:
            script.imports.append(Import(value, line, is_module=method == "import"))


def _taken_names(statement: Node) -> Iterator[str]:
    """Yield the names that an import or a re-export takes from its source."""
    for clause in statement.named_children:
        if clause.type == "import_clause" and any(child.type == "identifier" for child in clause.named_children):
            yield "default"
        holders = clause.named_children if clause.type == "import_clause" else [clause]
        for holder in holders:
            if holder.type in {"named_imports", "export_clause"}:
                yield from _names_in(holder.named_children, "name")


def _names_in(specifiers: Iterable[Node], *fields: str) -> Iterator[str]:
    for specifier in specifiers:
        for field_name in fields:
            if (name := specifier.child_by_field_name(field_name)) is not None:
                yield text_of(name).strip("\"'")
                break


def _take_export(script: Script, statement: Node) -> None:
    if script.exports is None:
        return
    kinds = {child.type for child in statement.children}
    if "default" in kinds:
        script.exports.add("default")
    if "*" in kinds:
        script.exports = None
        return
    for child in statement.named_children:
        if child.type == "namespace_export":
            script.exports.update(text_of(name).strip("\"'") for name in child.named_children)
        elif child.type == "export_clause":
            script.exports.update(_names_in(child.named_children, "alias", "name"))
    declaration = statement.child_by_field_name("declaration")
    if declaration is not None and "default" not in kinds:
        script.exports.update(_declared(declaration))


def _declared(declaration: Node) -> Iterator[str]:
    name = declaration.child_by_field_name("name")
    if name is not None:
        yield text_of(name)
    for declarator in declaration.named_children:
        if declarator.type == "variable_declarator":
            target = declarator.child_by_field_name("name")
            # A pattern may bind any of the words in it; taking all of them accuses nobody falsely.
            yield from WORD.findall(text_of(target)) if target is not None else ()
