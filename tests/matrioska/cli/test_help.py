"""The help is complete, cheap, and the same as in the documentation."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from matrioska.cli.reference import reference
from tests.matrioska.cli.conftest import ROOT, environment

COMMANDS = (
    "run", "ask", "serve", "fitness", "threads", "show", "context", "journal", "history", "resume", "fork", "redo", "export",
    "plugins", "doctor", "init",
)  # fmt: skip


def test_the_documentation_is_up_to_date() -> None:
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == reference(), "run: python -m matrioska.cli.reference > docs/cli.md"


def test_every_command_has_help(cli) -> None:
    shown = cli("--help").out
    assert all(f"\n  {name} " in shown for name in COMMANDS)
    assert "130 stopped" in shown
    for name in COMMANDS:
        assert "Usage: matrioska " + name in cli(name, "-h").out


def test_the_readme_names_no_command_that_is_not_there() -> None:
    import re

    named = set(re.findall(r"`matrioska (\w+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert named
    assert named <= set(COMMANDS)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["journal", "--help"], ["--version"]])
def test_help_is_cheap_and_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from matrioska.cli.main import main; code = main(sys.argv[1:]);"
        "heavy = {'torch', 'transformers', 'langgraph', 'langchain_core', 'sqlalchemy', 'opentelemetry', 'langsmith'};"
        "heavy &= set(sys.modules);"
        "sys.exit(repr(heavy) if heavy else code)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment(), capture_output=True, text=True, timeout=30
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.returncode == 0, ended.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_the_version(cli) -> None:
    assert cli("--version").out.startswith("matrioska 0.")


def test_it_runs_as_a_module_of_the_source_tree(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "matrioska"], env=environment(), cwd=tmp_path, capture_output=True, text=True, timeout=30
    )
    assert "Usage: matrioska" in ended.stdout + ended.stderr
    assert ended.returncode in (0, 2)
