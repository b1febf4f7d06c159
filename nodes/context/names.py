"""Names in context: those that a condensed text must keep, and those that it has made up."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from matrioska.nodes.checks.contract import KINDS, NAME_FIELDS, plain_name, promised
from matrioska.nodes.checks.wording import word_set
from matrioska.nodes.context.pieces import Piece
from matrioska.state.jobs import Job

#: Longer texts in a list of names are no names.
LONGEST_NAME = 200
#: Objects with more keys than this are tables, and their keys are data.
_MOST_KEYS = 60
#: How deep the keys of a value count as names.
_KEY_DEPTH = 3
#: Keys that say what kind of thing stands there, and name nothing themselves.
_STRUCTURE = frozenset({*KINDS, *NAME_FIELDS, "summary"})

_WORD = re.compile(r"[\w$-]+")
_ESCAPE = re.compile(r'\\["\\/bfnrt]')
_CHUNK = re.compile(r"#?[\w$@./-]+(?:\([^()\s]*\))?")
_DOTTED = re.compile(r"[A-Za-z_$][\w$]+(?:\.[A-Za-z_$][\w$]+)+")
_HUMP = re.compile(r"[a-z0-9][A-Z]")
#: Brackets behind a noun that make no call: ``value(s)``.
_PLURALS = frozenset({"s", "es", "n", "en", "r", "a"})
#: Names of techniques and products, which prose may use whether or not the source does.
_PRODUCTS = word_set(
    "JavaScript TypeScript GitHub GitLab LaTeX MusicXML OpenAPI OpenAI GraphQL MySQL PostgreSQL NoSQL WebSocket "
    "WebSockets WebAssembly PowerPoint YouTube iPhone iPad macOS iOS NumPy PyTorch LangGraph LangChain"
)


def identifiers_of(piece: Piece, listed: Collection[str]) -> frozenset[str]:
    """Return the names in a piece that others rely on.

    Of a whiteboard value: all that it lists, and its own upper keys. Of a text: what the contracts
    that the module sees list, as far as it occurs there. And what the adapter says.

    Args:
        piece: the piece.
        listed: the `contract_names` of the module's job.
    """
    found = value_names(piece.key, piece.value) if piece.key else held(piece.text, listed)
    return piece.identifiers | found


def value_names(key: str, value: Any) -> frozenset[str]:
    """Return the names that a whiteboard value gives: listed under ids, functions and the like, and its upper keys."""
    names = [*(name for _, name in promised({key: value})), *_keys(value, _KEY_DEPTH)]
    return frozenset(filter(_is_name, map(str.strip, names)))


def _is_name(name: str) -> bool:
    return 0 < len(name) <= LONGEST_NAME


def _keys(value: Any, depth: int) -> Iterator[str]:
    if depth == 0:
        return
    if isinstance(value, Mapping):
        if len(value) <= _MOST_KEYS:
            yield from (str(key) for key in value if key not in _STRUCTURE)
        for key, item in value.items():
            # What stands under a listing describes the names, which are taken already.
            if key not in KINDS:
                yield from _keys(item, depth - 1)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _keys(item, depth - 1)


def contract_names(job: Job) -> frozenset[str]:
    """Return the names that the contracts a module sees list, as they are written there and as code has them."""
    listed = [*promised(job.values), *promised(job.promised)]
    names = {form for kind, name in listed for form in (name.strip(), plain_name(kind, name))}
    return frozenset(filter(_is_name, names))


def held(text: str, names: Collection[str]) -> frozenset[str]:
    """Return the names that stand in a text letter for letter, and not as a part of a longer word."""
    # Contracts list thousands of names: most are one word, and a set answers for all of these at once.
    words = set(_WORD.findall(text))
    return frozenset(name for name in names if (name in words if _WORD.fullmatch(name) else _stands(text, name)))


def _stands(text: str, name: str) -> bool:
    # No pattern is made of it: to compile one takes longer than this.
    at = text.find(name)
    while at >= 0:
        end = at + len(name)
        if not _goes_on(text[at - 1 : at], name[0]) and not _goes_on(name[-1], text[end : end + 1]):
            return True
        at = text.find(name, at + 1)
    return False


def _goes_on(character: str, following: str) -> bool:
    """Return whether two neighbouring characters belong to one word."""
    return _WORD.match(character) is not None and _WORD.match(following) is not None


def missing(text: str, names: Collection[str]) -> list[str]:
    """Return the names that a text does not hold, in order."""
    return sorted(set(names) - held(text, names))


def words_of(text: str) -> frozenset[str]:
    """Return the words of a text, those with hyphens whole and in parts; JSON's escapes are opened."""
    words = set(_WORD.findall(_ESCAPE.sub(" ", text)))
    return frozenset(words | {part for word in words for part in word.split("-")})


def invented(answer: str, source: str) -> list[str]:
    """Return the code-like names of an answer that its source does not have, in order.

    Code-like are ``camelCase``, ``snake_case``, ``dotted.names``, paths, ``#ids`` and ``calls()``. A dotted
    name may join words of the source; a path or an id has to stand there as it is.
    """
    known, plain = words_of(source), _ESCAPE.sub(" ", source)
    found = dict.fromkeys(name for chunk in _CHUNK.findall(answer) for name in _code_names(chunk))
    return [name for name in found if not _is_known(name, known, plain)]


def _code_names(chunk: str) -> Iterator[str]:
    """Yield what is code-like in a run of characters without spaces."""
    head, _, arguments = chunk.rstrip("./-").partition("(")
    if not any(character.isalpha() for character in head):
        return
    is_call = arguments and arguments.rstrip(")") not in _PLURALS
    if head.startswith("#") or _is_path(head) or is_call or _DOTTED.fullmatch(head):
        yield head
    else:
        yield from (part for part in head.split("-") if _is_code_word(part))


def _is_path(head: str) -> bool:
    if "/" not in head.rstrip("/"):
        return False
    # "and/or" is prose.
    return head.startswith((".", "/")) or "." in head.rpartition("/")[2] or head.count("/") > 1


def _is_code_word(word: str) -> bool:
    return "_" in word.strip("_") or (_HUMP.search(word) is not None and word not in _PRODUCTS)


def _is_known(name: str, words: Collection[str], source: str) -> bool:
    if name.startswith("#"):
        return name[1:] in words
    if "/" in name:
        return name.removeprefix("./") in source
    return all(part in words for part in name.split(".") if part)
