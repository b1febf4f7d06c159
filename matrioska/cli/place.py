"""The base path that a command works on. Light: it finds the path without what runs there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from matrioska.cli.text import command
from matrioska.store.layout import Layout
from matrioska.store.settings import resolve_options


@dataclass
class Place:
    """The base path in use, and how to name it in commands."""

    layout: Layout
    named: str | None
    """What ``--base-path`` has to say in a command to come; None when it is found without."""

    def command(self, *words: str) -> str:
        """Return a command line that works on the same base path."""
        return command(*words, base_path=self.named)


def find_place(base_path: Path | None) -> Place:
    """Return the base path: as given, or from environment, settings file or default.

    Raises:
        ConfigError: the settings are faulty.
    """
    default = resolve_options(None).base_path
    if base_path is None or Layout.at(base_path) == Layout.at(default):
        return Place(Layout.at(default), None)
    return Place(Layout.at(base_path), str(base_path))
