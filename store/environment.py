"""Keys from a ``.env`` file in the working directory, beside those that the environment has."""

from __future__ import annotations

import os
import re
import stat
from functools import lru_cache
from pathlib import Path

from dotenv import dotenv_values

from matrioska.state.errors import ConfigError

ENV_FILE = ".env"
_TAKEN = re.compile(r"MATRIOSKA_\w+|\w+(_API_KEY|_BASE_URL|_TOKEN)")


def load_environment() -> None:
    """Take over what a ``.env`` here adds to the environment; the file is read again only once it changed.

    Taken are ``MATRIOSKA_…`` and names that end in ``_API_KEY``, ``_BASE_URL`` or ``_TOKEN``.
    What is set already stays as it is, and nothing else of the file gets into the environment.

    Raises:
        ConfigError: the file cannot be read.
    """
    path = Path.cwd() / ENV_FILE
    stamp = file_stamp(path)
    if stamp is not None:
        _load(path, stamp)


def file_stamp(path: Path) -> tuple[int, int] | None:
    """Return time of change in ns and size in bytes, which tell whether a file is the same; None without a file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size) if stat.S_ISREG(found.st_mode) else None


def open_to_others(path: Path) -> bool:
    """Whether other users of this machine can read a file (never so where there are no such modes)."""
    return os.name == "posix" and bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


@lru_cache(maxsize=8)
def _load(path: Path, stamp: tuple[int, int]) -> None:
    try:
        # A "$" in a key is a part of it.
        values = dotenv_values(path, interpolate=False, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", next_step="Correct it, or move it away.") from error
    for name, value in values.items():
        if value and _TAKEN.fullmatch(name):
            os.environ.setdefault(name, value)
