"""A critic's answer, read as findings, and the whole that it is shown."""

from __future__ import annotations

from typing import Any

import pytest

from matrioska.nodes.findings import MOST_FINDINGS, read_findings
from matrioska.nodes.whole import fitted
from matrioska.state.errors import AnswerError
from matrioska.state.results import Finding

PATHS = ("core/core.py", "page/page.py")
KNOWN = [Finding(module="page", path="page/page.py", message="No id 'x'.")]


def read(*raw: Any) -> tuple[list[Finding], str]:
    return read_findings({"findings": list(raw)}, ids=["core", "page"], paths=PATHS, known=KNOWN)


def test_nothing_found_is_an_answer() -> None:
    assert read() == ([], "")


@pytest.mark.parametrize(
    ("raw", "module", "path"),
    [
        ({"module": "page", "path": "page/page.py"}, "page", "page/page.py"),
        ({"module": "page", "path": "page.py"}, "page", "page/page.py"),
        ({"module": "page"}, "page", ""),
        ({"path": "./core/core.py"}, "core", "core/core.py"),
        ({"module": "page", "path": "core/core.py"}, "page", "core/core.py"),
    ],
)
def test_module_and_path(raw: dict[str, Any], module: str, path: str) -> None:
    ((found,), note) = read(raw | {"message": "Wrong."})
    assert (found.module, found.path, note) == (module, path, "")


def test_what_is_known_or_said_already_is_left_out() -> None:
    message = {"module": "page", "message": "Wrong."}
    found, note = read(message, message | {"message": " wrong "}, message | {"message": "no id 'x'"})
    assert ([finding.message for finding in found], note) == (["Wrong."], "")


def test_only_the_first_are_taken() -> None:
    found, note = read(*({"module": "page", "message": f"{n}"} for n in range(MOST_FINDINGS + 5)))
    assert len(found) == MOST_FINDINGS
    assert "5 beyond the first" in note


@pytest.mark.parametrize(
    "raw", [7, {}, {"message": "?"}, {"module": "page", "message": " "}, {"module": ["page"], "message": "?"}]
)
def test_useless_findings_alone_are_a_useless_answer(raw: Any) -> None:
    with pytest.raises(AnswerError, match="No finding can be used"):
        read(raw)


def test_small_files_stay_whole_and_large_ones_share_the_rest() -> None:
    large = "\n".join(f"line {n}" for n in range(1_000))
    files = [("a/large.py", large), ("a/small.py", "small"), ("b/large.py", large)]
    shown = fitted(files, 1_000, len)
    assert [line.split("path=")[1].split("\n")[0] for line in shown] == [path for path, _ in files]
    assert "small" in shown[1]
    assert sum(map(len, shown)) <= 1_000
    assert len(shown[0]) > 300
    assert len(shown[2]) > 300
    assert "…" in shown[0]


def test_files_without_room_are_named() -> None:
    assert fitted([("a/x.py", "x" * 100)], 0, len) == ["Left out for want of room: a/x.py"]
    assert fitted([], 0, len) == []
