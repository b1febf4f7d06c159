"""Finding the base path, without what runs there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from matrioska.cli.place import find_place
from matrioska.state.errors import ConfigError
from tests.matrioska.cli.conftest import environment

_HEAVY = ("langgraph", "langchain_core", "sqlalchemy", "matrioska.graph", "matrioska.nodes")


def test_a_base_path_is_named_in_commands_only_where_it_would_not_be_found(tmp_path: Path) -> None:
    assert find_place(None).command("threads") == "matrioska threads"
    assert find_place(tmp_path).named is None
    elsewhere = find_place(tmp_path / "elsewhere")
    assert elsewhere.layout.base == tmp_path / "elsewhere"
    assert elsewhere.command("threads") == f"matrioska threads --base-path {tmp_path / 'elsewhere'}"


def test_faulty_settings_are_named(tmp_path: Path) -> None:
    (tmp_path / "matrioska.toml").write_text("slots = 'many'\n")
    with pytest.raises(ConfigError, match="slots"):
        find_place(None)


def test_the_journal_is_found_without_the_graphs() -> None:
    look = f"import sys, matrioska.cli.journal; print([name for name in {_HEAVY} if name in sys.modules])"
    command = [sys.executable, "-c", look]
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True, timeout=300)
    assert ended.stdout.strip() == "[]"
