"""Joining: folders by module, one module without one, and a README that is never missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matrioska.nodes.assemble import joined_files, plain_readme
from matrioska.state.architecture import Architecture
from matrioska.state.errors import ModelError
from tests.support import MODES, Author, Driven, file_block, opened, plan, spec

PAIR = plan(spec("a"), spec("b"))


def _run(author: Author, mode: str, tmp_path: Path) -> tuple[Driven, dict[str, Any]]:
    with opened("none", tmp_path) as graph:
        driven = Driven(graph, mode, tmp_path, author.model, thread=None)
        return driven, driven.run("Do it.")


def _readme(result: dict[str, Any]) -> str:
    return (Path(result["deliverable"]["folder"]) / "README.md").read_text()


def test_only_what_is_done_is_joined() -> None:
    architecture = Architecture.model_validate(PAIR)
    ref = {"path": "x.txt", "sha256": "0" * 64, "size": 1, "media_type": "text/plain"}
    results = {"a": {"status": "done", "artifacts": [ref]}, "b": {"status": "failed", "artifacts": [ref]}}
    assert [found.path for found in joined_files(architecture, results)] == ["a/x.txt"]
    alone = architecture.model_copy(update={"modules": architecture.modules[:1]})
    assert [found.path for found in joined_files(alone, results)] == ["x.txt"]
    assert joined_files(architecture, {}) == []


@pytest.mark.parametrize("mode", MODES)
def test_a_readme_with_dead_links_is_sent_back(mode: str, tmp_path: Path) -> None:
    good = "````markdown path=README.md\n# P\n\n[a](a/a.py)\n````"
    author = Author(PAIR, {"assemble": ["Here you are.", good.replace("a/a.py", "a/missing.py"), good]})
    _, result = _run(author, mode, tmp_path)
    assert result["status"] == "complete"
    assert _readme(result) == "# P\n\n[a](a/a.py)\n"
    _, second, third = author.prompts("assemble")
    assert "The answer holds no file README.md." in second
    assert "a/missing.py" in third


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("failure", ["No README today.", ModelError("down"), file_block("OTHER.md", "x")], ids=str)
def test_without_a_usable_readme_a_plain_one_stands_in(mode: str, failure: Any, tmp_path: Path) -> None:
    author = Author(PAIR, {"assemble": failure})
    _, result = _run(author, mode, tmp_path)
    assert result["status"] == "complete"
    assert "[a/a.py](a/a.py)" in _readme(result)
    assert author.model.count("assemble") == (1 if isinstance(failure, ModelError) else 3)


def test_a_note_says_why_the_readme_is_plain(tmp_path: Path) -> None:
    author = Author(PAIR, {"assemble": ModelError("down")})
    with opened("memory", tmp_path) as graph:
        driven = Driven(graph, "async", tmp_path, author.model)
        driven.run("Do it.")
        assert driven.state().values["notes"] == {"readme": "The README is a plain list: down"}
        del author.told["assemble"]
        driven.update({}, as_node="execute")
        driven.run(None)
        assert driven.state().values["notes"] == {}


def test_missing_modules_are_named_to_the_assembler(tmp_path: Path) -> None:
    author = Author(PAIR, {"produce b": ModelError("down")})
    _, result = _run(author, "async", tmp_path)
    assert result["status"] == "partial"
    (prompt,) = author.prompts("assemble")
    assert '"B"' in prompt[prompt.index("could not be built") :]


def test_the_plain_readme_names_parts_and_gaps() -> None:
    parts = [
        {"id": "a", "name": "Core", "description": "", "files": ["a/x.py"]},
        {"id": "b", "name": "Gone", "description": "", "files": []},
    ]
    text = plain_readme({"name": "P", "goal": "Have it."}, "a/x.py", parts, ["Gone"])
    assert text == "# P\n\nHave it.\n\n[a/x.py](a/x.py)\n\n## Core\n\n- [a/x.py](a/x.py)\n\n- ✗ Gone\n"
