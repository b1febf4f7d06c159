"""Checks of a module's contract: the values it writes, and whether its files honour them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matrioska.nodes.checks.names import ModuleNames, module_names
from matrioska.nodes.checks.wording import bounded, listed, shorten
from matrioska.state.artifacts import SourceFile
from matrioska.state.wording import did_you_mean

#: Largest value of one key, in bytes of JSON: contracts name things, they do not carry files.
MAX_VALUE_BYTES = 100_000
#: Deepest nesting of one value.
MAX_VALUE_DEPTH = 32

#: Where an object in a value lists the names that others rely on.
KINDS = ("ids", "classes", "functions", "keys", "files")
#: Where an object in a list keeps the name it stands for.
NAME_FIELDS = ("name", "id", "path")
#: Marks of a pattern instead of a name: ``row-{id}``, ``task-<n>``, ``card-*``.
_PATTERN = re.compile(r"[{}<>*$\[\]…\s]|\.\.\.")


def value_complaints(values: Mapping[str, Any] | None, wanted: Sequence[str]) -> list[str]:
    """Return every fault of the values that a module wrote: keys missing, undeclared, too large or deep."""
    if values is None:
        return [f"The values are missing. Write one JSON object with exactly the keys {listed(wanted, 30)}."]
    complaints = [f"The key '{key}' is missing: write its value." for key in wanted if key not in values]
    for key in values:
        if key not in wanted:
            hint = did_you_mean(str(key), wanted)
            complaints.append(f"The key '{shorten(str(key))}' was not asked for{hint}: leave it out.")
    for key, value in values.items():
        if key in wanted and (fault := _value_fault(value)):
            complaints.append(f"The value of '{key}' {fault}.")
    return bounded(complaints)


def _value_fault(value: Any) -> str:
    if value is None:
        return "is null: write what others need to know"
    if _is_deeper(value, MAX_VALUE_DEPTH):
        return f"is nested deeper than {MAX_VALUE_DEPTH} levels"
    try:
        size = len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass"))
    except (TypeError, ValueError) as error:
        return f"is not JSON: {shorten(str(error))}"
    if size > MAX_VALUE_BYTES:
        return f"has {size:,} bytes of JSON; at most {MAX_VALUE_BYTES:,} are taken: name things, do not carry files"
    return ""


def _is_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [
            item
            for holder in level
            if isinstance(holder, dict | list | tuple)
            for item in (holder.values() if isinstance(holder, dict) else holder)
        ]
        if not level:
            return False
    return True


def honour_complaints(module_id: str, values: Mapping[str, Any] | None, files: Sequence[SourceFile]) -> list[str]:
    """Return the names that the agreed values promise and the module's own files do not hold.

    Paths of ``files`` stand below the module's own folder.
    """
    names_promised = list(dict.fromkeys(promised(values or {})))
    if not names_promised or not files:
        return []
    names = module_names(files)
    complaints = []
    for kind, name in names_promised:
        if (complaint := _broken_promise(module_id, kind, name, names)) is not None:
            complaints.append(complaint)
    return bounded(complaints)


def promised(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield kind and name of everything listed anywhere in the values."""
    stack: list[Any] = [values]
    while stack:
        value = stack.pop()
        if isinstance(value, Mapping):
            for key, item in value.items():
                if key in KINDS and isinstance(item, Mapping | list | tuple):
                    yield from ((key, name) for name in _names_of(item))
            stack.extend(reversed(list(value.values())))
        elif isinstance(value, list | tuple):
            stack.extend(reversed(value))


def _names_of(listing: Mapping[str, Any] | Sequence[Any]) -> Iterator[str]:
    if isinstance(listing, Mapping):
        yield from listing
        return
    for item in listing:
        if isinstance(item, str):
            yield item
        elif isinstance(item, Mapping):
            named = (item[field] for field in NAME_FIELDS if isinstance(item.get(field), str))
            if (name := next(named, None)) is not None:
                yield name


def _broken_promise(module_id: str, kind: str, name: str, names: ModuleNames) -> str | None:
    plain = plain_name(kind, name)
    if not plain or _PATTERN.search(plain):
        return None
    if kind == "files":
        held = names.has_file(_own_path(module_id, plain))
        known, words = names.paths, f"The contract promises the file '{shorten(name)}', which is not among the files"
    else:
        held = names.holds(kind, plain)
        known = names.known(kind)
        words = f"The contract promises the {_SINGULAR[kind]} '{shorten(plain)}', which {_WHERE[kind]}"
    return None if held else f"{words}{did_you_mean(plain, known)}."


_SINGULAR = {"ids": "element id", "classes": "class", "functions": "function", "keys": "key"}
_WHERE = {
    "ids": "no element has",
    "classes": "no selector, class attribute or script names",
    "functions": "the files do not define",
    "keys": "the files never use",
}


def plain_name(kind: str, name: str) -> str:
    """Strip what people write around a name: ``#app``, ``.btn``, ``Store.add(title)``."""
    name = name.strip()
    if kind == "ids":
        return name.removeprefix("#")
    if kind == "classes":
        return name.removeprefix(".")
    if kind == "functions":
        bare = re.sub(r"^(?:async\s+|function\s+|def\s+)+", "", name).split("(")[0].split(":")[0].strip()
        return re.split(r"[.#]|::", bare)[-1]
    return name


def _own_path(module_id: str, path: str) -> str:
    """Return a promised path as it stands below the module's own folder."""
    path = path.removeprefix("./").removeprefix("../").removeprefix("/")
    return path.removeprefix(f"{module_id}/")
