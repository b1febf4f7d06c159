"""The git exporter on hostile ground: nothing planted runs, and nothing outside the folder is touched or read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from dulwich.objects import Blob, Commit, ObjectID, Tree

from matrioska.state.errors import MatrioskaError, StoreError, UnsafePathError, UsageError
from matrioska.store.exporters.git import GitExporter
from matrioska.store.exporters.history import AUTHOR
from matrioska.store.exporters.repository import BRANCH, MAIN, Repository
from tests.store.exporters.test_git import THREE, World, git, subjects, write
from tests.store.exporters.test_git import world as world
from tests.support import delivered

CHANGED = {**THREE, "m1": {"a.py": "new\n"}}
HOOKS = ("pre-commit", "post-commit", "commit-msg", "reference-transaction", "post-checkout", "post-merge",
         "post-index-change", "fsmonitor-watchman", "update", "post-update")  # fmt: skip


@pytest.fixture
def repository(world: World, tmp_path: Path) -> Path:
    """Return the repository of an earlier export."""
    write(world.export(THREE), tmp_path / "r")
    return tmp_path / "r"


def _attempt(world: World, target: Path) -> str:
    """Export, and return why it was refused; '' when it was not."""
    try:
        GitExporter().export(world.export(CHANGED), target)
    except (UsageError, StoreError) as error:
        assert error.next_step
        return error.message
    return ""


def test_nothing_planted_in_a_repository_runs(world: World, repository: Path, tmp_path: Path) -> None:
    mark, script = tmp_path / "ran", tmp_path / "script.sh"
    script.write_text(f"#!/bin/sh\necho $0 >> {mark}\ncat\n")
    script.chmod(0o755)
    (repository / ".git" / "hooks").mkdir(exist_ok=True)
    for hook in HOOKS:
        shutil.copy(script, repository / ".git" / "hooks" / hook)
    (repository / ".git" / "config").write_text(
        f"[core]\n\tfsmonitor = {script}\n\tsshCommand = {script}\n\thooksPath = {repository}/.git/hooks\n"
        f"\teditor = {script}\n\tpager = {script}\n\talternateRefsCommand = {script}\n"
        f"[extensions]\n\tworktreeConfig = true\n[gpg]\n\tprogram = {script}\n[commit]\n\tgpgSign = true\n"
        f'[filter "evil"]\n\tclean = {script}\n\tsmudge = {script}\n\tprocess = {script}\n\trequired = true\n'
        f'[diff "evil"]\n\ttextconv = {script}\n\tcommand = {script}\n[include]\n\tpath = {script}\n'
    )
    (repository / ".git" / "config.worktree").write_text(f"[core]\n\tfsmonitor = {script}\n")
    (repository / ".git" / "info").mkdir(exist_ok=True)
    (repository / ".git" / "info" / "attributes").write_text("* filter=evil diff=evil\n")
    attributes = {".gitattributes": "* filter=evil diff=evil ident text eol=crlf\n", "a.py": "$Id$\nnew\n"}
    before = delivered(repository / ".git" / "hooks")
    exported = GitExporter().export(world.export({**THREE, "m1": attributes}), repository)
    assert exported.details["updated"] is True
    assert not mark.exists()
    assert (repository / "m1" / "a.py").read_bytes() == b"$Id$\nnew\n"
    assert delivered(repository / ".git" / "hooks") == before


def test_the_environment_of_git_has_no_say(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    write(world.export(THREE), elsewhere)
    before = delivered(elsewhere)
    for name, value in {
        "GIT_DIR": elsewhere / ".git",
        "GIT_WORK_TREE": elsewhere,
        "GIT_INDEX_FILE": elsewhere / ".git" / "index",
        "GIT_OBJECT_DIRECTORY": elsewhere / ".git" / "objects",
        "GIT_TEMPLATE_DIR": elsewhere,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": elsewhere,
        "GIT_AUTHOR_NAME": "Nobody",
        "GIT_AUTHOR_DATE": "2001-01-01T00:00:00Z",
    }.items():
        monkeypatch.setenv(name, str(value))
    GitExporter().export(world.export(THREE), tmp_path / "r")
    monkeypatch.undo()
    assert delivered(elsewhere) == before
    assert git(tmp_path / "r", "rev-parse", "main") == git(elsewhere, "rev-parse", "main")


def _git_is_a_link(folder: Path, other: Path) -> None:
    (folder / ".git").rename(other / "moved")
    (folder / ".git").symlink_to(other / "moved")


def _git_is_a_file(folder: Path, other: Path) -> None:
    (folder / ".git").rename(other / "moved")
    (folder / ".git").write_text(f"gitdir: {other / 'moved'}\n")


def _folder_is_a_link(folder: Path, other: Path) -> None:
    folder.rename(other / "moved")
    folder.symlink_to(other / "moved")


def _common_folder(folder: Path, other: Path) -> None:
    (folder / ".git" / "commondir").write_text(str(other))


def _borrowed_objects(folder: Path, other: Path) -> None:
    (folder / ".git" / "objects" / "info" / "alternates").write_text(f"{other}\n")


def _linked(part: str) -> Callable[[Path, Path], None]:
    def link(folder: Path, other: Path) -> None:
        place = folder / ".git" / part
        if place.exists():
            place.rename(other / "moved")
        place.symlink_to(other / "moved")

    link.__name__ = f"linked {part}"
    return link


def _linked_object_folder(folder: Path, other: Path) -> None:
    for number in range(256):
        place = folder / ".git" / "objects" / f"{number:02x}"
        if not place.exists():
            place.symlink_to(other)


def _pipe(folder: Path, other: Path) -> None:
    (folder / ".git" / "HEAD").unlink()
    os.mkfifo(folder / ".git" / "HEAD")


@pytest.mark.parametrize(
    "plant",
    [
        _git_is_a_link, _git_is_a_file, _folder_is_a_link, _common_folder, _borrowed_objects, _linked_object_folder, _pipe,
        *map(_linked, ("HEAD", "index", "objects", "objects/pack", "refs", "refs/heads", "refs/heads/matrioska",
                       "packed-refs", "index.lock")),
    ],
    ids=lambda plant: plant.__name__,
)  # fmt: skip
def test_what_leads_elsewhere_is_refused(
    world: World, repository: Path, tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    plant(repository, other)
    before = delivered(other)
    assert _attempt(world, repository)
    assert delivered(other) == before


@pytest.mark.parametrize("place", ["m1", "m1/a.py", ".matrioska"])
def test_a_link_among_the_files_is_not_followed(world: World, repository: Path, tmp_path: Path, place: str) -> None:
    other = tmp_path / "other"
    (repository / place).rename(other)
    (repository / place).symlink_to(other)
    before = delivered(tmp_path / "other") if other.is_dir() else other.read_bytes()
    exported = GitExporter().export(world.export(CHANGED), repository)
    assert exported.details["updated"] is False
    assert (delivered(other) if other.is_dir() else other.read_bytes()) == before
    assert (repository / place).is_symlink()


def _forge(folder: Path, entries: dict[bytes, tuple[int, ObjectID]], author: bytes = AUTHOR) -> None:
    """Put a commit on both branches that says it is an export's, with these entries besides."""
    with Repository(folder) as found:
        tip = found.tip(BRANCH)
        assert tip is not None
        tree = found.objects[found.commit(tip).tree]
        assert isinstance(tree, Tree)
        for path, (mode, name) in entries.items():
            tree.add(path, mode, name)
        found.objects.add_object(tree)
        commit = Commit()
        commit.tree, commit.parents, commit.message = tree.id, [tip], b"forged"
        commit.author = commit.committer = author
        commit.author_time = commit.commit_time = commit.author_timezone = commit.commit_timezone = 0
        found.objects.add_object(commit)
        for branch in (BRANCH, MAIN):
            found.refs[branch] = commit.id


def _blob(folder: Path, content: bytes) -> ObjectID:
    with Repository(folder) as found:
        blob = Blob.from_string(content)
        found.objects.add_object(blob)
        return blob.id


@pytest.mark.parametrize("path", [b"..", b"../outside.txt", b".git/hooks/pre-commit", b".GIT", b"/etc/passwd", b"\xff"])
def test_forged_paths_remove_and_write_nothing_outside(
    world: World, repository: Path, tmp_path: Path, path: bytes
) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    _forge(repository, {path: (0o100644, _blob(repository, b"mine"))})
    reason = _attempt(world, repository)
    assert outside.read_text() == "mine"
    if not reason:
        assert subjects(repository)[-1] in ("M1", "Assembly of Project")
        assert (repository / "m1" / "a.py").read_text() == "1\n", "the files are left alone"


@pytest.mark.parametrize("mode", [0o120000, 0o160000, 0o100755])
def test_forged_links_modules_and_programs_are_refused(world: World, repository: Path, mode: int) -> None:
    _forge(repository, {b"x": (mode, _blob(repository, b"/etc/passwd"))})
    assert "cannot be read: ValueError" in _attempt(world, repository)


def test_a_tree_that_unfolds_without_end_is_refused(
    world: World, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matrioska.store.exporters.repository._MOST_ENTRIES", 10_000)
    with Repository(repository) as found:
        name, mode = _blob(repository, b"x"), 0o100644
        for _ in range(60):
            tree = Tree()
            for part in (b"a", b"b", b"c"):
                tree.add(part, mode, name)
            found.objects.add_object(tree)
            name, mode = tree.id, 0o040000
    _forge(repository, {b"bomb": (0o040000, name)})
    assert "cannot be read: ValueError" in _attempt(world, repository)


@pytest.mark.parametrize("record", [b"", b"[]", b"{}", b"[" * 100_000, b'{"format": 1}', b"\xff", b'{"format": 99}'])
def test_a_forged_record_is_refused(world: World, repository: Path, record: bytes) -> None:
    with Repository(repository) as found:
        tree = Tree()
        tree.add(b"provenance.json", 0o100644, _blob(repository, record))
        found.objects.add_object(tree)
    _forge(repository, {b".matrioska": (0o040000, tree.id)})
    assert _attempt(world, repository)


def test_damaged_objects_are_refused(world: World, repository: Path) -> None:
    tip = git(repository, "rev-parse", "matrioska")
    place = repository / ".git" / "objects" / tip[:2] / tip[2:]
    place.chmod(0o600)
    for garbage in (b"", b"garbage", b"x\x9c" + b"\0" * 100):
        place.write_bytes(garbage)
        assert _attempt(world, repository)
    place.unlink()
    assert _attempt(world, repository)


def test_an_object_planted_under_the_name_of_a_new_file_gets_into_no_file(world: World, repository: Path) -> None:
    name = Blob.from_string(b"new\n").id.decode()
    planted = repository / ".git" / "objects" / name[:2] / name[2:]
    planted.parent.mkdir(exist_ok=True)
    for content in (Blob.from_string(b"evil").as_legacy_object(), b"garbage", Tree().as_legacy_object()):
        planted.write_bytes(content)
        assert "is damaged" in _attempt(world, repository)
        assert (repository / "m1" / "a.py").read_text() == "1\n"


@pytest.mark.parametrize(
    "head", [b"", b"ref: ../../outside\n", b"ref: refs/heads/../../../x\n", b"\xff\xfe", b"x" * 99]
)
def test_a_forged_head_moves_nothing(world: World, repository: Path, head: bytes) -> None:
    (repository / ".git" / "HEAD").write_bytes(head)
    exported = GitExporter().export(world.export(CHANGED), repository)
    assert exported.details["updated"] is False
    assert (repository / "m1" / "a.py").read_text() == "1\n"


@pytest.mark.parametrize("tip", ["", "garbage", "0" * 40, "ref: refs/heads/main", "f" * 64])
def test_a_forged_branch_is_refused(world: World, repository: Path, tip: str) -> None:
    (repository / ".git" / "refs" / "heads" / "matrioska").write_text(f"{tip}\n")
    assert _attempt(world, repository)


def test_a_branch_that_somebody_holds_is_told(world: World, repository: Path) -> None:
    (repository / ".git" / "refs" / "heads" / "matrioska.lock").touch()
    with pytest.raises(MatrioskaError) as caught:
        GitExporter().export(world.export(CHANGED), repository)
    assert caught.value.next_step
    (repository / ".git" / "refs" / "heads" / "matrioska.lock").unlink()
    assert write(world.export(CHANGED), repository)["commits"] == 1


@pytest.mark.parametrize("path", [".git/hooks/pre-commit", "../x", "m0/GIT~1/config", "/etc/x"])
def test_a_file_of_the_deliverable_that_would_be_gits_own_is_refused(
    world: World, repository: Path, tmp_path: Path, path: str
) -> None:
    export = world.export(THREE)
    first, *others = export.modules
    hostile = replace(first, files=(first.files[0].model_copy(update={"path": path}),))
    for target in (tmp_path / "new", repository):
        with pytest.raises(UnsafePathError):
            GitExporter().export(replace(export, modules=[hostile, *others]), target)
    assert {place.name for place in tmp_path.iterdir()} == {"objects", "r"}
    assert len(subjects(repository)) == 4
