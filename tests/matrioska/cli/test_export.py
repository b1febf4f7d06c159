"""``export`` and ``plugins``, in this process and without a terminal."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from matrioska.hooks import hookimpl
from matrioska.plugins import plugged
from matrioska.store.exporters.base import Export, Exported
from tests.support import Author, chain

TASK = "Compare SQLite and PostgreSQL for a small shop"


class Lister:
    """An exporter that lists the paths."""

    def export(self, export: Export, target: Path) -> Exported:
        if target.name == "broken":
            raise RuntimeError("no \x1b[31mmood")
        if target.name == "nothing":
            return None  # type: ignore[return-value]
        target.write_text("\n".join(ref.path for ref in export.files))
        return Exported(target, ("Listed.",), {"listed": len(export.files)})


class Plugin:
    """A plugin with that exporter, and one that cannot be used."""

    @hookimpl
    def matrioska_exporters(self) -> Mapping[str, Any]:
        return {"list": Lister(), "git": Lister()}


@pytest.fixture
def plugin() -> Iterator[None]:
    with plugged(Plugin(), "lister"):
        yield


@pytest.fixture
def done(cli: Any) -> None:
    """Have a run that is complete, ``c``, and one that waits, ``w``."""
    assert cli("run", "-y", "-t", "c", TASK, author=Author(chain(3))).code == 0
    cli("run", "-t", "w", TASK)


def test_export_writes_a_zip(cli: Any, done: None, tmp_path: Path) -> None:
    ended = cli("export", "c", "--zip", "deep/down.zip")
    assert ended.code == 0
    assert str(tmp_path / "deep" / "down.zip") in ended.out
    with zipfile.ZipFile(tmp_path / "deep" / "down.zip") as bundle:
        assert "m1/m1.py" in bundle.namelist()
    size = (tmp_path / "deep" / "down.zip").stat().st_size
    told = cli("export", "c", "--zip", "x.zip", "--json").json
    assert told == {"thread_id": "c", "zip": str(tmp_path / "x.zip"), "bytes": size}
    assert cli("export", "w", "--zip", "no.zip").code == 2
    assert not (tmp_path / "no.zip").exists()


def test_export_writes_a_repository_and_adds_to_it(cli: Any, done: None, tmp_path: Path) -> None:
    assert "repository (4 new commits)" in cli("export", "c", "--git", "repository").out
    assert "repository (nothing new)" in cli("export", "c", "--git", "repository").out
    (tmp_path / "repository" / "m0" / "m0.py").write_text("mine")
    (tmp_path / "spec.yaml").write_text("description: Build m1, but better.\n")
    assert cli("redo", "c", "m1", "--spec", "spec.yaml", "--json", author=Author(chain(3))).code == 0
    ended = cli("export", "c", "--git", "repository")
    assert "new commit" in ended.out
    assert f"git -C {tmp_path / 'repository'} merge matrioska" in ended.err
    told = cli("export", "c", "--git", "other", "--json").json
    assert told == {
        "thread_id": "c", "git": str(tmp_path / "other"), "commits": 4, "branch": "matrioska", "updated": True,
    }  # fmt: skip
    refused = cli("export", "c", "--git", "matrioska_checkpoints")
    assert refused.code == 2
    assert "not empty, and no repository of an export" in refused.err
    assert "→ Choose a new folder" in refused.err or "Choose a new folder" in refused.err


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["--zip", "a.zip", "--git", "b"], ["--to", "zip"], ["--out", "x"], ["--zip", "a", "--to", "zip", "--out", "b"],
        ["--to", "nothing-such", "--out", "x"],
    ],
)  # fmt: skip
def test_where_it_goes_is_said_once(cli: Any, done: None, tmp_path: Path, arguments: list[str]) -> None:
    before = sorted(tmp_path.iterdir())
    ended = cli("export", "c", *arguments)
    assert ended.code == 2
    assert "--zip FILE" in ended.err or "belong together" in ended.err or "installed are: git, zip" in ended.err
    assert sorted(tmp_path.iterdir()) == before


def test_an_exporter_of_a_plugin_is_asked_by_name(cli: Any, done: None, plugin: None, tmp_path: Path) -> None:
    ended = cli("export", "c", "--to", "list", "--out", "list.txt")
    assert ended.code == 0
    assert "Listed." in ended.err
    assert "m1/m1.py" in (tmp_path / "list.txt").read_text().splitlines()
    assert cli("export", "c", "--to", "list", "--out", "l.txt", "--json").json["listed"] == 4
    for out, reason in (("broken", "RuntimeError: no [31mmood"), ("nothing", "returned a NoneType, not an Exported")):
        failed = cli("export", "c", "--to", "list", "--out", out)
        assert failed.code == 1
        assert f"The exporter list failed: {reason}" in failed.err or reason in failed.err
        assert "matrioska plugins" in failed.err
    unwritable = cli("export", "c", "--to", "list", "--out", "no/such/folder/x")
    assert unwritable.code == 1
    assert "Cannot write to" in unwritable.err


def test_a_plugin_cannot_take_an_exporter_over(cli: Any, done: None, plugin: None, tmp_path: Path) -> None:
    assert cli("export", "c", "--git", "r").code == 0
    assert (tmp_path / "r" / ".git").is_dir()


def test_plugins_are_listed_with_what_is_wrong_with_them(
    cli: Any, plugin: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        shown = cli("plugins")
    assert shown.code == 0
    assert caplog.records == [], "they are told once"
    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    assert lines[:3] == ["lister", "exporters list", "✗ matrioska_exporters: 'git' is built in"]
    assert "workers cascade, chat, ensemble, pipeline" in lines
    told = cli("plugins", "--json").json
    assert told["plugins"] == [
        {
            "name": "lister",
            "package": "",
            "version": "",
            "brings": {"exporters": ["list"]},
            "faults": ["matrioska_exporters: 'git' is built in"],
        }
    ]
    assert told["built_in"]["exporters"] == ["git", "zip"]
    assert set(told["built_in"]) == {"workers", "models", "adapters", "checks", "exporters", "prompts"}


def test_words_of_a_plugin_steer_no_terminal(cli: Any) -> None:
    class Loud:
        @hookimpl
        def matrioska_checks(self) -> Mapping[str, Any]:
            raise RuntimeError("\x1b]0;owned\x07\u202e\x9b31m")

    with plugged(Loud()):
        shown = cli("plugins").out
    assert not set("\x1b\x07\u202e\x9b") & set(shown)
    assert "RuntimeError" in shown
