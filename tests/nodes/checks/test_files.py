"""A module's files as a set, and the file to open first."""

from __future__ import annotations

import pytest

from matrioska.nodes.checks.entry import entry_point
from matrioska.nodes.checks.files import file_complaints
from matrioska.state.artifacts import MAX_FILE_BYTES, SourceFile


def _files(*paths: str, text: str = "x") -> list[SourceFile]:
    return [SourceFile(path=path, text=text) for path in paths]


@pytest.mark.parametrize("paths", [["a.md"], ["a.md", "b/a.md"], ["a", "a.b", "ab"], ["a/b", "a/c"]])
def test_plain_files_pass(paths: list[str]) -> None:
    assert file_complaints(_files(*paths)) == []


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "no file"),
        (_files("../a.md"), "climbs out"),
        (_files("a.md", text=" \n"), "is empty"),
        (_files("a.md", text="é" * (MAX_FILE_BYTES // 2 + 1)), "2,000,002 bytes"),
        (_files(*[f"{n}.md" for n in range(11)], text="x" * (MAX_FILE_BYTES - 1)), "bytes together"),
        (_files("a.md", "./a.md"), "given 2 times"),
        (_files("Index.html", "index.HTML"), "differ only in case"),
        (_files("STRASSE.md", "straße.md"), "differ only in case"),
        (_files("a", "a/b.md"), "a file and a folder at once"),
        (_files("a.md", text="\ud800" * 10) + _files(""), "is empty"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_faulty_sets_are_complained_about(files: list[SourceFile], words: str) -> None:
    complaints = file_complaints(files)
    assert any(words in complaint for complaint in complaints), complaints


def test_every_fault_is_named_and_the_list_is_bounded() -> None:
    assert len(file_complaints(_files("../a", "/b", text=""))) == 4
    assert len(file_complaints(_files(*[f"../{n}" for n in range(100)]))) == 31


@pytest.mark.parametrize(
    ("paths", "first"),
    [
        ([], ""),
        (["b.txt", "a.bin"], "a.bin"),
        (["docs/z.md", "a.py"], "docs/z.md"),
        (["notes.md", "docs/README.md"], "docs/README.md"),
        (["README.md", "app/main.py"], "app/main.py"),
        (["app/app.py", "x/main.py", "__main__.py"], "x/main.py"),
        (["main.py", "ui/about.html"], "ui/about.html"),
        (["about.html", "deep/er/index.html", "ui/index.html"], "ui/index.html"),
        (["b/index.html", "a/index.html"], "a/index.html"),
        (["ui/Index.HTM", "a.html"], "ui/Index.HTM"),
    ],
)
def test_the_entry_point(paths: list[str], first: str) -> None:
    assert entry_point(paths) == first
    assert entry_point(paths[::-1]) == first
