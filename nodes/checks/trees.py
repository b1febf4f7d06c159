"""The JavaScript parser and its queries, shared by the checks."""

from __future__ import annotations

import re
import threading
from functools import cache

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser, Query, QueryCursor, Tree

#: Nesting beyond this is refused unparsed: nobody writes it, and unclosed brackets cost
#: the parser quadratic time (100,000 of them 4 s, 10,000 of them 0.05 s).
MAX_NESTING = 10_000
#: Queries and look-ups of parents cost quadratic time in a tree's depth (a chain of 20,000 calls
#: takes a minute), so a deeper tree is not searched. A chain of 500 calls is 1,000 deep.
MAX_DEPTH = 2_000
_BRACKETS = re.compile(r"[()\[\]{}]")

_local = threading.local()


@cache
def javascript() -> Language:
    """Return the JavaScript grammar (it reads JSX as well)."""
    return Language(tree_sitter_javascript.language())


def parse_javascript(source: bytes) -> Tree:
    """Return the syntax tree of a script; a broken one has ERROR and MISSING nodes."""
    # A parser keeps state while it works, so each thread has its own.
    if not hasattr(_local, "parser"):
        _local.parser = Parser(javascript())
    tree: Tree = _local.parser.parse(source)
    return tree


@cache
def query(pattern: str) -> Query:
    """Return a compiled query, once per pattern."""
    return Query(javascript(), pattern)


def captures(pattern: str, node: Node) -> dict[str, list[Node]]:
    """Return the captures of a query below a node, by capture name."""
    return QueryCursor(query(pattern)).captures(node)


def matches(pattern: str, node: Node) -> list[tuple[int, dict[str, list[Node]]]]:
    """Return the matches of a query below a node: pattern number and captures by name."""
    return QueryCursor(query(pattern)).matches(node)


def text_of(node: Node) -> str:
    """Return a node's source text."""
    return (node.text or b"").decode("utf-8", "replace")


def broken_nodes(tree: Tree, limit: int = 5) -> list[Node]:
    """Return the first outermost ERROR and MISSING nodes, in order."""
    found: list[Node] = []
    stack = [tree.root_node]
    while stack and len(found) < limit:
        node = stack.pop()
        if node.is_error or node.is_missing:
            found.append(node)
        elif node.has_error:
            stack.extend(child for child in reversed(node.children) if child.has_error or child.is_missing)
    return found


def is_too_deep(tree: Tree) -> bool:
    """Return whether a tree is too deep to be searched, or holds an error too wide."""
    level = [tree.root_node]
    for _ in range(MAX_DEPTH):
        if any(node.is_error and node.child_count > MAX_NESTING for node in level):
            return True
        # Only a node with that many descendants can be that deep, so most are never looked at.
        level = [child for node in level for child in node.children if child.descendant_count > MAX_DEPTH]
        if not level:
            return False
    return True


def nests_too_deep(text: str) -> bool:
    """Return whether brackets nest beyond `MAX_NESTING`, counting those in strings too."""
    if sum(text.count(bracket) for bracket in "([{") <= MAX_NESTING:
        return False
    depth = 0
    for bracket in _BRACKETS.findall(text):
        depth = depth + 1 if bracket in "([{" else max(0, depth - 1)
        if depth > MAX_NESTING:
            return True
    return False
