"""The example plugin, installed as a person would, and used in a run: its worker, prompt, check and exporter."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from matrioska.hooks import Hooks

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "matrioska-example"

#: The command line with an author that writes filler at first, and mends it when told.
_CHILD = """
import sys
from matrioska.cli.main import main
from matrioska.models.gateway import client_of
from matrioska.nodes import common
from tests.support import Author, file_block, plan, spec

author = Author(
    plan(spec("poem", worker="second-look", modality="prose"), spec("page")),
    told={
        "produce poem": lambda prompt, n: file_block("poem.md", "Lorem ipsum." if n == 1 else "Lorem ipsum, again."),
        "mend poem": file_block("poem.md", "Five, seven, five."),
    },
)
common.client_for = lambda *_: client_of(author.model)
code = main(sys.argv[1:])
print("CALLS", sorted(f"{call.stage} {call.module}".strip() for call in author.model.calls), file=sys.stderr)
sys.exit(code)
"""

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the example was installed into."""
    # From a copy: building leaves files beside the source.
    source, target = tmp_path_factory.mktemp("example") / "source", tmp_path_factory.mktemp("site")
    shutil.copytree(EXAMPLE, source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    flags = ["--no-build-isolation", "--no-deps", "--root-user-action=ignore", "--target", str(target)]
    subprocess.run([*pip, *flags, str(source)], check=True, timeout=300, env={**os.environ, "PIP_NO_INPUT": "1"})
    return target


@pytest.fixture
def cli(installed: Path, tmp_path: Path) -> Cli:
    """Call the command line in a process that has the example installed."""

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(installed)])}
        command = [sys.executable, "-c", _CHILD, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)

    return call


def test_it_is_listed_with_what_it_brings(cli: Cli) -> None:
    (plugin,) = json.loads(cli("plugins", "--json").stdout)["plugins"]
    assert plugin == {
        "name": "example",
        "package": "matrioska-example",
        "version": "0.1.0",
        "brings": {
            "workers": ["second-look"],
            "checks": ["no-filler"],
            "exporters": ["book"],
            "prompts": ["second_look"],
        },
        "faults": [],
    }


def test_its_worker_check_and_exporter_serve_a_real_run(cli: Cli, tmp_path: Path) -> None:
    ran = cli("run", "-y", "-t", "one", "--rounds", "0", "Write a poem and a page.")
    assert ran.returncode == 0, ran.stderr
    calls = ran.stderr.rpartition("CALLS ")[2]
    # The worker asked twice for the stage that it was given, and again to mend what the check complained of.
    assert calls.count("'produce poem'") == 2
    assert calls.count("'mend poem'") == 2
    assert calls.count("'produce page'") == 1
    shown = json.loads(cli("show", "one", "poem", "--json").stdout)["result"]
    assert (shown["status"], shown["mends"], shown["findings"]) == ("done", 1, [])

    exported = cli("export", "one", "--to", "book", "--out", "out/book.md", "--json")
    assert json.loads(exported.stdout) == {
        "thread_id": "one", "book": str(tmp_path / "out" / "book.md"), "chapters": 3, "left_out": 0,
    }  # fmt: skip
    assert "Five, seven, five." in (tmp_path / "out" / "book.md").read_text()


def test_its_own_tests_pass(installed: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(installed)])}
    shutil.copytree(EXAMPLE, tmp_path / "example")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    ended = subprocess.run(
        command, cwd=tmp_path / "example", env=environment, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


DOCS = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
_WHOLE = [code for code in re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL) if code.startswith(("from", "import"))]


@pytest.mark.parametrize("code", _WHOLE, ids=range(len(_WHOLE)))
def test_the_examples_for_authors_run(code: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", code]
    ended = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr


def test_authors_are_told_of_every_hook() -> None:
    hooks = {name for name in vars(Hooks) if name.startswith("matrioska_")}
    assert set(re.findall(r"^\| `(matrioska_\w+)\(\)`", DOCS, re.MULTILINE)) == hooks
