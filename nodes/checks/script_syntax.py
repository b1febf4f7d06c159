"""Syntax faults of JavaScript, from the ERROR and MISSING nodes of its tree."""

from __future__ import annotations

from tree_sitter import Node, Tree

from matrioska.nodes.checks.trees import broken_nodes, captures, is_too_deep, nests_too_deep, parse_javascript, text_of
from matrioska.nodes.checks.wording import shorten

_CLOSER = {"{": "}", "${": "}", "(": ")", "[": "]"}
_BRACKETS = '["{" "}" "(" ")" "[" "]" "${"] @bracket'


def script_faults(text: str) -> list[tuple[int, str]]:
    """Return offset and words of the faults of a script; a broken bracket is named before all else."""
    if nests_too_deep(text):
        return [(0, "it is nested too deeply to be read")]
    source = text.encode("utf-8", "replace")
    tree = parse_javascript(source)
    if not tree.root_node.has_error:
        return []
    brackets = [] if is_too_deep(tree) else _bracket_faults(tree)
    faults = brackets or [(node.start_byte, _words(node)) for node in broken_nodes(tree)]
    # The tree counts bytes, people and editors count characters.
    return [(len(source[:offset].decode("utf-8", "replace")), words) for offset, words in faults]


def _bracket_faults(tree: Tree) -> list[tuple[int, str]]:
    """Return the first bracket without a partner: with one missing, an ERROR may span the whole file."""
    stack: list[Node] = []
    found = captures(_BRACKETS, tree.root_node).get("bracket", [])
    for node in sorted(found, key=lambda node: node.start_byte):
        bracket = node.type
        if node.is_missing:
            continue
        if bracket in _CLOSER:
            stack.append(node)
        elif not stack:
            return [(node.start_byte, f"'{bracket}' closes nothing")]
        elif _CLOSER[stack[-1].type] == bracket:
            stack.pop()
        else:
            line = node.start_point.row + 1
            opened = stack[-1]
            return [(opened.start_byte, f"'{opened.type}' is not closed before the '{bracket}' of line {line}")]
    return [(node.start_byte, f"'{node.type}' is never closed by '{_CLOSER[node.type]}'") for node in stack[-1:]]


def _words(node: Node) -> str:
    if node.is_missing:
        return f"'{node.type}' is missing here"
    near = shorten(text_of(node), 40)
    return f"the JavaScript cannot be read near '{near}'" if near else "the JavaScript cannot be read here"
