"""What a person gives in files and on the command line, read with clear complaints."""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from matrioska.cli.text import line
from matrioska.i18n import N_
from matrioska.state.architecture import ModuleSpec
from matrioska.state.context import ROLES
from matrioska.state.errors import TaskError, ThreadNotFoundError, UsageError
from matrioska.state.wording import did_you_mean, near_match

# Far above any task, plan or spec that is accepted; keeps /dev/zero out of memory.
_MOST_BYTES = 32_000_000


def read_task(given: str) -> str:
    """Return the task: the argument itself, ``@file``, or ``-`` for stdin.

    Raises:
        TaskError: the bytes are not text.
        UsageError: the file cannot be read.
    """
    if given == "-":
        if sys.stdin is None:
            raise TaskError("There is no standard input to read the task from.", next_step="Give the task in words.")
        source = getattr(sys.stdin, "buffer", None)
        data = source.read(_MOST_BYTES) if source is not None else sys.stdin.read().encode("utf-8", "surrogateescape")
        return decode_task(data, N_("The standard input"))
    if given.startswith("@") and len(given) > 1:
        return decode_task(_bytes(Path(given[1:]), N_("the task")), N_("The file {name}").format(name=given[1:]))
    return given


def decode_task(data: bytes, source: str) -> str:
    """Return text from UTF-8 bytes (or UTF-16 with its mark, as Windows shells write it).

    Raises:
        TaskError: the bytes are neither.
    """
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise TaskError(
            f"{source} is not text: byte {error.start:,} of {len(data):,} is not {'UTF-16' if wide else 'UTF-8'}.",
            next_step="Give the task in words, as UTF-8 text.",
        ) from error


def _bytes(path: Path, what: str) -> bytes:
    try:
        with path.expanduser().open("rb") as stream:
            return stream.read(_MOST_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"Cannot read {what} from {path}: {reason}.", next_step="Check the file's name.") from error


def read_mapping(path: Path, what: str) -> dict[str, Any]:
    """Return the JSON or YAML object in a file.

    Raises:
        UsageError: it cannot be read, or holds something else.
    """
    try:
        text = _bytes(path, what).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text.", next_step=f"Give {what} as JSON or YAML.") from error
    return parse_mapping(text, what, str(path))


class _PlainLoader(yaml.SafeLoader):
    """YAML without dates: what looks like one in a plan is text."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse_mapping(text: str, what: str, source: str) -> dict[str, Any]:
    """Return the object in JSON or YAML text.

    Raises:
        UsageError: it is neither, or not an object; says where.
    """
    try:
        # Every JSON text we meet is YAML too, so that one parser gives line and column for both.
        value = yaml.load(text, _PlainLoader)  # noqa: S506 - a SafeLoader, with one tag less
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
        advice = f"Correct {what} and try again."
        if mark is None:
            raise UsageError(f"{source} is neither JSON nor YAML: {line(problem)}.", next_step=advice) from error
        raise UsageError(
            f"{source} is neither JSON nor YAML: line {mark.line + 1}, column {mark.column + 1}: {line(problem)}.",
            next_step=advice,
        ) from error
    except (RecursionError, ValueError) as error:
        raise UsageError(f"{source} cannot be read: {line(error)}.", next_step=f"Correct {what}.") from error
    if not isinstance(value, dict):
        advice = f"Give {what} as JSON or YAML."
        if value is None:
            raise UsageError(f"{source} is empty, not an object with fields.", next_step=advice)
        raise UsageError(f"{source} holds a {type(value).__name__}, not an object with fields.", next_step=advice)
    return {str(key): item for key, item in value.items()}


def read_spec(path: Path) -> dict[str, Any]:
    """Return the fields of a module's spec that a file changes.

    Raises:
        UsageError: it cannot be read, or names fields that no spec has.
    """
    changes = read_mapping(path, N_("the spec"))
    fields = set(ModuleSpec.model_fields)
    if unknown := sorted(set(changes) - fields):
        raise UsageError(
            f"{path} changes the field '{line(unknown[0], 80)}', which no module has"
            f"{did_you_mean(unknown[0], fields, 0.6)}.",
            next_step=f"The fields are: {', '.join(ModuleSpec.model_fields)}.",
        )
    if not changes:
        raise UsageError(f"{path} changes nothing.", next_step="Leave --spec out to run the module as it is.")
    return changes


def read_roles(given: list[str]) -> dict[str, str]:
    """Return models by role from ``ROLE=MODEL`` arguments.

    Raises:
        UsageError: one is of another form, or names no role.
    """
    roles: dict[str, str] = {}
    for entry in given:
        role, equals, model = entry.partition("=")
        role, model = role.strip(), model.strip()
        if not equals or not model:
            raise UsageError(f"--role {entry!r} names no model.", next_step="Write --role architect=MODEL.")
        if role not in ROLES:
            raise UsageError(
                f"There is no role {role!r}{did_you_mean(role, ROLES, 0.6)}.",
                next_step=f"Roles are {', '.join(ROLES)}.",
            )
        roles[role] = model
    return roles


def read_duration(given: str) -> float:
    """Return seconds from ``90``, ``90s``, ``10m``, ``2h`` or ``1h30m``.

    Raises:
        UsageError: it is of another form, or no time at all.
    """
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", given.strip().casefold())
    hours, minutes, seconds = found.groups(default="0") if found else ("0", "0", "0")
    total = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    if not total:
        raise UsageError(f"{given!r} is not a time.", next_step="Write seconds (90), or 10m, 2h, 1h30m.")
    return total


def thread_not_found(thread_id: str, known: Sequence[str]) -> ThreadNotFoundError:
    """Return the error for an unknown thread, with the nearest known one."""
    error = ThreadNotFoundError(line(thread_id, 80))
    if match := near_match(thread_id, known, 0.6):
        error.next_step = f"Did you mean '{match}'? {error.next_step}"
    return error
