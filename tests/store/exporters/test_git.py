"""The git exporter: what it writes, what it adds, and what it leaves alone. Read back by git itself."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from matrioska.state.architecture import ModuleSpec
from matrioska.state.errors import StoreError, UsageError
from matrioska.store.artifacts import ArtifactStore
from matrioska.store.exporters.base import Export, ExportedModule
from matrioska.store.exporters.git import GitExporter
from tests.support import delivered

Texts = Mapping[str, str]
#: Settings of this machine have no say, and no repository above the tests' folders is found.
_QUIET = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_TERMINAL_PROMPT": "0"}


def git(folder: Path, *arguments: str, check: bool = True) -> str:
    """Run git in a repository as its user would, and return what it says."""
    who = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org"]
    ended = subprocess.run(
        ["git", *who, *arguments], cwd=folder, env={**os.environ, **_QUIET}, capture_output=True, text=True
    )
    assert ended.returncode == 0 or not check, ended.stderr
    return ended.stdout.strip()


def subjects(folder: Path, branch: str = "matrioska") -> list[str]:
    """Return the first lines of a branch's messages, the oldest first."""
    return git(folder, "log", "--reverse", "--format=%s", branch).splitlines()


class World:
    """Runs to export, and folders to export them to."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.store = ArtifactStore(base / "objects")

    def export(self, modules: Mapping[str, Texts], *after: str, whole: Texts | None = None, **fields: Any) -> Export:
        """Return a run whose modules each depend on the one before; a module without files failed."""
        made, before = [], list[str]()
        direct = len(modules) == 1
        for name, texts in modules.items():
            paths = {path if direct else f"{name}/{path}": text for path, text in texts.items()}
            made.append(
                ExportedModule(
                    spec=ModuleSpec(id=name, name=name.upper(), shared_state_writes=[f"{name}.api"]),
                    upstream=tuple(before[-1:]),
                    status="done" if texts else "failed",
                    model="scripted:x",
                    values={f"{name}.api": {"functions": [f"{name}_call"]}} if texts else {},
                    files=tuple(self.store.put_text(path, text) for path, text in paths.items()),
                )
            )
            before.append(name)
        rest = {} if direct else {"README.md": "# Project\n"}
        joined = tuple(self.store.put_text(path, text) for path, text in {**rest, **(whole or {})}.items())
        given = {
            "thread_id": "one",
            "checkpoint_id": "c1",
            "status": "complete",
            "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            "architecture": {"name": "Project", "modules": [m.spec.model_dump(mode="json") for m in made]},
            "shared_state": {key: value for m in made for key, value in m.values.items()},
            "modules": made,
            "files": [*(ref for m in made for ref in m.files), *joined],
            "whole": joined,
            "entry_point": "README.md",
            "models": {"default": "scripted:x"},
            "store": self.store,
        }
        return Export(**{**given, **fields})


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def write(export: Export, target: Path) -> dict[str, Any]:
    """Export, check that git finds the repository sound, and return the details."""
    exported = GitExporter().export(export, target)
    assert exported.path == target
    assert git(target, "fsck", "--strict", "--no-dangling") == ""
    return dict(exported.details)


THREE: dict[str, Texts] = {"m0": {"a.py": "0\n"}, "m1": {"a.py": "1\n", "deep/b.py": "b\n"}, "m2": {"a.py": "2\n"}}


def test_a_commit_for_each_module_in_order_and_one_for_the_whole(world: World, tmp_path: Path) -> None:
    repository = tmp_path / "deep" / "repository"
    assert write(world.export(THREE), repository) == {"commits": 4, "branch": "matrioska", "updated": True}
    assert subjects(repository) == subjects(repository, "main") == ["M0", "M1", "M2", "Assembly of Project"]
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "branch", "--show-current") == "main"
    assert git(repository, "log", "--format=%an <%ae> %cn <%ce> %ct").splitlines()[0] == (
        "Matrioska <matrioska@localhost> Matrioska <matrioska@localhost> 1767323045"
    )
    assert (repository / "m1" / "deep" / "b.py").read_text() == "b\n"
    changed = [git(repository, "show", "--format=", "--name-only", f"main~{n}").split() for n in (2, 1, 0)]
    assert changed == [
        [".matrioska/modules/m1.json", "m1/a.py", "m1/deep/b.py"],
        [".matrioska/modules/m2.json", "m2/a.py"],
        ["README.md"],
    ]
    assert "dangling" not in git(repository, "fsck")


def test_the_message_is_the_contract_and_the_tree_has_the_records(world: World, tmp_path: Path) -> None:
    export = world.export(THREE)
    write(export, tmp_path / "r")
    message = git(tmp_path / "r", "log", "-1", "--format=%B", "main~1")
    assert message.splitlines() == [
        "M2",
        "",
        "Module m2, after m1.",
        "",
        "It writes:",
        '- m2.api = {"functions": ["m2_call"]}',
        "",
        "Made by scripted:x as a chat module.",
    ]
    records = tmp_path / "r" / ".matrioska"
    assert json.loads((records / "architecture.json").read_text()) == export.architecture
    assert json.loads((records / "shared_state.json").read_text()) == export.shared_state
    provenance = json.loads((records / "provenance.json").read_text())
    assert (provenance["thread"], provenance["checkpoint"], provenance["models"]) == (
        "one", "c1", {"default": "scripted:x"},
    )  # fmt: skip
    assert provenance["files"].keys() == {ref.path for ref in export.files}
    module = json.loads((records / "modules" / "m1.json").read_text())
    assert module["contract"]["id"] == "m1"
    assert module["files"].keys() == {"m1/a.py", "m1/deep/b.py"}
    text = "".join(path.read_text() for path in records.rglob("*.json"))
    assert str(tmp_path) not in text


def test_the_same_run_twice_gives_the_same_commits(world: World, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(world.export(THREE), tmp_path / name)
    assert git(tmp_path / "a", "rev-parse", "main") == git(tmp_path / "b", "rev-parse", "main")


def test_one_module_is_one_commit(world: World, tmp_path: Path) -> None:
    assert write(world.export({"page": {"index.html": "<p>"}}), tmp_path / "r")["commits"] == 1
    assert subjects(tmp_path / "r") == ["PAGE"]
    assert (tmp_path / "r" / "index.html").is_file()
    assert write(world.export({"page": {"other.html": "<p>"}}), tmp_path / "r")["commits"] == 1
    assert not (tmp_path / "r" / "index.html").exists()


def test_an_unchanged_run_adds_nothing(world: World, tmp_path: Path) -> None:
    write(world.export(THREE), tmp_path / "r")
    before = delivered(tmp_path / "r")
    later = world.export(THREE, checkpoint_id="c2", at=datetime(2027, 1, 1, tzinfo=UTC))
    assert write(later, tmp_path / "r")["commits"] == 0
    assert delivered(tmp_path / "r") == before


def test_a_change_adds_commits_for_what_changed_only(world: World, tmp_path: Path) -> None:
    write(world.export(THREE), tmp_path / "r")
    first = git(tmp_path / "r", "rev-parse", "main")
    redone = world.export({**THREE, "m1": {"c.py": "new\n"}}, checkpoint_id="c2")
    assert write(redone, tmp_path / "r") == {"commits": 1, "branch": "matrioska", "updated": True}
    assert subjects(tmp_path / "r")[4:] == ["M1"]
    assert git(tmp_path / "r", "rev-parse", "main~1") == first
    assert git(tmp_path / "r", "status", "--porcelain") == ""
    assert [path.name for path in sorted((tmp_path / "r" / "m1").iterdir())] == ["c.py"]
    assert json.loads((tmp_path / "r" / ".matrioska" / "provenance.json").read_text())["checkpoint"] == "c2"


def test_modules_that_fail_or_go_away_lose_their_files_in_commits_of_their_own(world: World, tmp_path: Path) -> None:
    write(world.export(THREE), tmp_path / "r")
    assert write(world.export({**THREE, "m1": {}}, status="partial"), tmp_path / "r")["commits"] == 1
    assert subjects(tmp_path / "r")[4:] == ["M1"]
    assert "It failed" in git(tmp_path / "r", "log", "-1", "--format=%B")
    write(world.export({"m0": THREE["m0"], "m2": THREE["m2"]}), tmp_path / "r")
    write(world.export({"m0": THREE["m0"], "m3": {"a.py": "3\n"}}), tmp_path / "r")
    assert "Remove m2" in subjects(tmp_path / "r")
    assert {path.name for path in (tmp_path / "r").iterdir()} == {".git", ".matrioska", "m0", "m3", "README.md"}
    assert git(tmp_path / "r", "status", "--porcelain") == ""


def test_a_plan_that_changes_without_a_file_is_a_commit(world: World, tmp_path: Path) -> None:
    export = world.export(THREE)
    write(export, tmp_path / "r")
    renamed = replace(export, architecture={**export.architecture, "goal": "Another."})
    assert write(renamed, tmp_path / "r")["commits"] == 1
    assert subjects(tmp_path / "r")[4:] == ["Plan and whiteboard"]


def test_a_deliverable_with_a_folder_of_our_name_keeps_it(world: World, tmp_path: Path) -> None:
    files = {".matrioska/provenance.json": "{}", ".matrioska/modules/x.json": "{}", ".Matrioska_/y": "y"}
    for expected in (1, 0):
        assert write(world.export({"page": files}), tmp_path / "r")["commits"] == expected
    assert (tmp_path / "r" / ".matrioska" / "provenance.json").read_text() == "{}"
    assert json.loads((tmp_path / "r" / ".matrioska__" / "provenance.json").read_text())["thread"] == "one"


def test_words_of_models_steer_no_terminal_and_no_trailer(world: World, tmp_path: Path) -> None:
    export = world.export(THREE)
    hostile = ModuleSpec(
        id="m0",
        name="\x1b[31m\u202eevil\n\nSigned-off-by: You <you@example.org>" + "x" * 140,
        outputs=["a\nCo-authored-by: B <b@example.org>"] * 100,
        rules=["\u200b" * 2_000],
    )
    modules = [replace(export.modules[0], spec=hostile, values={"m0.api": "v" * 100_000}), *export.modules[1:]]
    write(replace(export, modules=modules), tmp_path / "r")
    message = git(tmp_path / "r", "log", "-1", "--format=%B", "main~3")
    assert len(message.splitlines()[0]) <= 72
    assert "\x1b" not in message and "\u202e" not in message and len(message) < 30_000
    assert "- and 50 more" in message
    assert git(tmp_path / "r", "log", "-1", "--format=%(trailers)", "main~3") == ""


def test_a_folder_that_holds_something_else_is_refused_and_untouched(world: World, tmp_path: Path) -> None:
    target = tmp_path / "r"
    target.mkdir()
    (target / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty, and no repository of an export"):
        GitExporter().export(world.export(THREE), target)
    git(target, "init", "-q")
    with pytest.raises(UsageError, match="without an export"):
        GitExporter().export(world.export(THREE), target)
    assert [path.name for path in sorted(target.iterdir())] == [".git", "mine.txt"]
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(UsageError):
        GitExporter().export(world.export(THREE), file)
    assert file.read_text() == "mine"
    with pytest.raises(StoreError):
        GitExporter().export(world.export(THREE), file / "below")


def test_an_empty_folder_is_taken_and_stays_the_same_folder(world: World, tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    before = (tmp_path / "r").stat().st_ino
    assert write(world.export(THREE), tmp_path / "r")["commits"] == 4
    assert (tmp_path / "r").stat().st_ino == before
    assert {path.name for path in tmp_path.iterdir()} == {"objects", "r"}


def test_a_module_that_is_being_done_again_keeps_its_files(world: World, tmp_path: Path) -> None:
    export = world.export(THREE)
    write(export, tmp_path / "r")
    modules = [replace(export.modules[0], status="", values={}), *export.modules[1:]]
    write(replace(export, modules=modules), tmp_path / "r")
    assert (tmp_path / "r" / "m0" / "a.py").read_text() == "0\n"


def test_another_runs_export_is_refused(world: World, tmp_path: Path) -> None:
    write(world.export(THREE), tmp_path / "r")
    with pytest.raises(UsageError, match="another run: 'one'"):
        GitExporter().export(world.export(THREE, thread_id="two"), tmp_path / "r")


def test_a_persons_commits_stay_and_what_is_new_can_be_merged(world: World, tmp_path: Path) -> None:
    repository = tmp_path / "my repository"
    write(world.export(THREE), repository)
    (repository / "mine.txt").write_text("mine")
    git(repository, "add", "mine.txt")
    git(repository, "commit", "-qm", "Mine")
    mine = git(repository, "rev-parse", "main")
    exported = GitExporter().export(world.export({**THREE, "m1": {"a.py": "new\n"}}), repository)
    assert exported.details == {"commits": 1, "branch": "matrioska", "updated": False}
    assert exported.told[0].endswith(f"git -C '{repository}' merge matrioska")
    assert git(repository, "rev-parse", "main") == mine
    assert git(repository, "status", "--porcelain") == ""
    git(repository, "merge", "-q", "-m", "Merge", "matrioska")
    assert (repository / "m1" / "a.py").read_text() == "new\n"
    assert (repository / "mine.txt").read_text() == "mine"
    # And what comes after the merge comes to the branch again.
    assert write(world.export({**THREE, "m1": {"a.py": "newer\n"}}), repository)["commits"] == 1


def test_a_branch_of_a_persons_own_stays_where_it_is(world: World, tmp_path: Path) -> None:
    repository = tmp_path / "r"
    write(world.export(THREE), repository)
    git(repository, "switch", "-q", "-c", "as-it-was")
    before = git(repository, "rev-parse", "as-it-was")
    exported = GitExporter().export(world.export({**THREE, "m1": {"a.py": "new\n"}}), repository)
    assert exported.details["updated"] is False
    assert git(repository, "rev-parse", "as-it-was") == before
    assert (repository / "m1" / "a.py").read_text() == "1\n"
    assert git(repository, "status", "--porcelain") == ""


def _edited(folder: Path) -> None:
    (folder / "m0" / "a.py").write_text("mine\n")


def _staged(folder: Path) -> None:
    _edited(folder)
    git(folder, "add", "m0/a.py")
    (folder / "m0" / "a.py").write_text("0\n")


def _in_the_way(folder: Path) -> None:
    (folder / "m1" / "new.py").write_text("mine\n")


def _folder_in_the_way(folder: Path) -> None:
    (folder / "m1" / "new.py").mkdir()


def _taken_away(folder: Path) -> None:
    (folder / "m0" / "a.py").unlink()


def _merging(folder: Path) -> None:
    (folder / ".git" / "MERGE_HEAD").write_text("0" * 40)


def _index_broken(folder: Path) -> None:
    (folder / ".git" / "index").write_bytes(b"DIRC\0\0\0\x02\xff\xff\xff\xffgarbage")


@pytest.mark.parametrize(
    "touch", [_edited, _staged, _in_the_way, _folder_in_the_way, _taken_away, _merging, _index_broken]
)
def test_files_that_a_person_touched_stay_as_they_are(world: World, tmp_path: Path, touch: Any) -> None:
    repository = tmp_path / "r"
    write(world.export(THREE), repository)
    before_commit = git(repository, "rev-parse", "main")
    touch(repository)
    before = {path: digest for path, digest in delivered(repository).items() if not path.startswith(".git/objects")}
    redone = world.export({**THREE, "m1": {"a.py": "1\n", "new.py": "new\n"}})
    exported = GitExporter().export(redone, repository)
    assert (exported.details["commits"], exported.details["updated"]) == (1, False)
    after = {path: digest for path, digest in delivered(repository).items() if not path.startswith(".git/objects")}
    assert {path for path in before if before[path] != after[path]} == {".git/refs/heads/matrioska"}
    assert git(repository, "rev-parse", "main") == before_commit


def test_commits_of_others_on_our_branch_are_refused(world: World, tmp_path: Path) -> None:
    write(world.export(THREE), tmp_path / "r")
    git(tmp_path / "r", "switch", "-q", "matrioska")
    git(tmp_path / "r", "commit", "-q", "--allow-empty", "-m", "Mine")
    with pytest.raises(UsageError, match="has commits that no export wrote"):
        GitExporter().export(world.export({**THREE, "m1": {"a.py": "new\n"}}), tmp_path / "r")


def test_our_branch_checked_out_and_changed_is_refused_and_clean_is_followed(world: World, tmp_path: Path) -> None:
    repository = tmp_path / "r"
    write(world.export(THREE), repository)
    git(repository, "switch", "-q", "matrioska")
    (repository / "m0" / "a.py").write_text("mine\n")
    redone = world.export({**THREE, "m1": {"a.py": "new\n"}})
    with pytest.raises(UsageError, match="is checked out") as caught:
        GitExporter().export(redone, repository)
    assert "switch -c mine" in caught.value.next_step
    (repository / "m0" / "a.py").write_text("0\n")
    assert write(redone, repository)["updated"] is True
    assert git(repository, "status", "--porcelain") == ""


@pytest.mark.parametrize("behind", [("main", "matrioska"), ("matrioska",)])
def test_an_export_cut_off_between_files_and_branch_goes_on(
    world: World, tmp_path: Path, behind: tuple[str, ...]
) -> None:
    repository = tmp_path / "r"
    write(world.export(THREE), repository)
    first = git(repository, "rev-parse", "main")
    redone = world.export({**THREE, "m1": {"c.py": "new\n"}})
    write(redone, repository)
    second = git(repository, "rev-parse", "main")
    for branch in behind:
        (repository / ".git" / "refs" / "heads" / branch).write_text(f"{first}\n")
    assert write(redone, repository) == {"commits": 1, "branch": "matrioska", "updated": True}
    assert git(repository, "rev-parse", "main") == second
    assert git(repository, "status", "--porcelain") == ""


def test_a_packed_repository_is_added_to(world: World, tmp_path: Path) -> None:
    write(world.export(THREE), tmp_path / "r")
    git(tmp_path / "r", "gc", "-q", "--prune=now")
    assert not list((tmp_path / "r" / ".git" / "refs" / "heads").iterdir())
    assert write(world.export({**THREE, "m1": {"a.py": "new\n"}}), tmp_path / "r")["commits"] == 1
    assert git(tmp_path / "r", "status", "--porcelain") == ""
