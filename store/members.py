"""The ``[members.NAME]`` tables of the settings, read with complaints that name the line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from matrioska.state.errors import ConfigError
from matrioska.state.members import Member
from matrioska.state.wording import did_you_mean

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_HEADER = re.compile(r"^\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*["']?([\w-]+)["']?\s*=""")


def read_members(tables: Mapping[str, Any], path: Path) -> dict[str, Member]:
    """Return the members by name.

    Args:
        tables: what the settings hold under ``members``.
        path: the file that they are from, for complaints.

    Raises:
        ConfigError: a name or field is wrong, or a fall-back leads nowhere or back to its beginning.
    """
    members = {name: _member(name, table, path) for name, table in tables.items()}
    for name, member in members.items():
        if member.fallback is not None:
            _check_fallback(name, members, path)
    return members


def _member(name: str, table: Any, path: Path) -> Member:
    if not _NAME.fullmatch(name) or name == "embedded":
        raise ConfigError(
            f"A member cannot have the name {name!r}.",
            next_step="Use letters, digits, '_', '.' or '-', and another name than 'embedded'.",
        )
    if not isinstance(table, Mapping):
        raise _fault(path, name, "", f"is {table!r} and no table", f"Write [members.{name}] with model = … below it.")
    for field in table:
        if field not in Member.model_fields:
            near = [known for known in Member.model_fields if known.startswith(field)]
            meant = f" (did you mean '{near[0]}'?)" if near else did_you_mean(field, Member.model_fields, 0.6)
            # Someone may well write a key here; it must not be repeated.
            step = f"Fields are {', '.join(Member.model_fields)}. Keys stay in the environment: see api_key_env."
            raise _fault(path, name, field, f"has no field '{field}'{meant}", step)
    try:
        return Member.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise _fault(path, name, field, f"has a wrong {field}: {first['msg']}", f"Correct it in {path}.") from error


def _check_fallback(name: str, members: Mapping[str, Member], path: Path) -> None:
    way = [name]
    while (next_name := members[way[-1]].fallback) is not None:
        if next_name in way:
            circle = " → ".join([*way[way.index(next_name) :], next_name])
            raise _fault(path, name, "fallback", f"falls back in a circle: {circle}", "Take one of them out.")
        if next_name not in members:
            if ":" in next_name or next_name == "embedded":
                return
            meant = did_you_mean(next_name, members, 0.6)
            raise _fault(
                path,
                way[-1],
                "fallback",
                f"falls back to {next_name!r}, which is no member{meant}",
                "Name a member, embedded or provider:model.",
            )
        way.append(next_name)


def _fault(path: Path, name: str, field: str, says: str, next_step: str) -> ConfigError:
    where = toml_line(path, f"members.{name}", field.partition(".")[0])
    return ConfigError(f"The member {name!r} {says}{where}.", next_step=next_step)


def toml_line(path: Path, table: str, key: str) -> str:
    """Return ``, line 7`` for a key of a table in a TOML file; '' when it is written in no plain way.

    Python's own reader keeps no line numbers.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    at, header_line = "", 0
    for number, line in enumerate(lines, 1):
        if header := _HEADER.match(line):
            at = header[1].replace('"', "").replace("'", "").replace(" ", "")
            header_line = number if at == table else header_line
        elif at == table and (found := _KEY.match(line)) and found[1] == key:
            return f", line {number}"
    return f", line {header_line}" if header_line else ""
