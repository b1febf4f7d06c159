"""The exporter ``git``: the deliverable as a repository with a commit for each module.

Exports go to a branch of their own, ``matrioska``, which nobody else writes. A new repository has
``main`` checked out at the same commit. There a person works, and merges what later exports
bring; as long as they have not, ``main`` and its files follow. So nothing of theirs is ever
rewritten, and no merge is ever made for them.

The same run exported twice into new folders gives the same commits: their time is that of the
run's last checkpoint, and nothing in them depends on the machine or on the version of this program.
"""

from __future__ import annotations

from os import fsdecode
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory

from dulwich.file import FileLocked
from dulwich.objects import ObjectID
from dulwich.refs import Ref

from matrioska.i18n import N_
from matrioska.state.errors import MatrioskaError, StoreError, UsageError
from matrioska.store.exporters.base import Export, Exported
from matrioska.store.exporters.folders import Folder
from matrioska.store.exporters.history import AUTHOR, History, exported_thread
from matrioska.store.exporters.repository import BRANCH, MAIN, Repository, check_repository
from matrioska.store.exporters.worktree import Files, is_clean, write_files
from matrioska.store.layout import unwritable

_ANOTHER = "Choose a new folder, or the one that an earlier export of this run was written to."


class GitExporter:
    """Writes a repository, or adds to the one that an earlier export of the same run wrote."""

    def export(self, export: Export, target: Path) -> Exported:
        """See `Exporter.export`.

        Raises:
            UsageError: ``target`` holds something else, or what a person did there would be lost.
        """
        try:
            if not target.exists() and not target.is_symlink():
                return _created(export, target)
            if target.is_dir() and not target.is_symlink() and not any(target.iterdir()):
                return _created(export, target)
            return _added(export, target)
        except FileLocked as error:
            raise StoreError(
                f"The repository in {target} is in use, or was when something there was cut off.",
                path=str(target),
                next_step=f"Let that end, or delete {fsdecode(error.lockfilename)}, and try again.",
            ) from error
        except OSError as error:
            raise unwritable(target, error) from error


def _created(export: Export, target: Path) -> Exported:
    """Write a new repository, aside first: a kill never leaves half of one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent, ignore_cleanup_errors=True) as aside:
        new = Path(aside) / "new"
        new.mkdir()
        with Repository.create(new) as repository:
            history = History(repository, export, None, Folder())
            history.write()
            write_files(repository, {}, dict(history.folder.files()))
            for branch in (BRANCH, MAIN):
                _move(repository, branch, None, history.tip)
        if target.exists():
            # It stays the folder that it is: somebody may be in it.
            for place in sorted(new.iterdir(), key=lambda place: place.name == ".git"):
                place.rename(target / place.name)
        else:
            new.rename(target)
    return _exported(target, history.commits)


def _added(export: Export, target: Path) -> Exported:
    """Add what changed since the last export to its repository."""
    if not (target / ".git").is_dir():
        raise UsageError(f"{target} is not empty, and no repository of an export.", next_step=_ANOTHER)
    check_repository(target)
    with Repository(target) as repository:
        tip, tree, old = _last_export(repository, export.thread_id)
        history = History(repository, export, tip, tree)
        history.write()
        if not history.commits:
            return _exported(target, 0)
        new = dict(history.folder.files())
        checked_out = repository.checked_out()
        at = repository.tip(checked_out) if checked_out is not None else None
        # A branch of another name is a person's own, also where it stands at the same commit.
        follows = checked_out in (BRANCH, MAIN) and at == tip and is_clean(repository, old, new)
        if checked_out == BRANCH and not follows:
            raise UsageError(
                f"The branch matrioska is checked out in {target}, and its files were changed.",
                next_step=f"Commit them elsewhere: `git -C {quote(str(target))} switch -c mine`. Then try again.",
            )
        if follows:
            write_files(repository, old, new)
        # Ours last: an export that is cut off before is found undone by the next one, which ends it.
        if follows and checked_out == MAIN:
            _move(repository, MAIN, tip, history.tip)
        _move(repository, BRANCH, tip, history.tip)
    return _exported(target, history.commits, updated=follows or at == history.tip)


def _last_export(repository: Repository, thread_id: str) -> tuple[ObjectID, Folder, Files]:
    """Return the last commit of the earlier export, its tree, and the files in that.

    Raises:
        UsageError: there is none, it is another run's, or somebody else's commits are on top of it.
    """
    tip = repository.tip(BRANCH)
    if tip is None:
        raise UsageError(f"{repository.folder} is a repository without an export.", next_step=_ANOTHER)
    try:
        commit = repository.commit(tip)
        if commit.author != AUTHOR or commit.committer != AUTHOR:
            raise UsageError(
                f"The branch matrioska in {repository.folder} has commits that no export wrote.",
                next_step="Give them a branch of their own, and set matrioska back to the last export's commit.",
            )
        tree = repository.read(commit.tree)
        thread, files = exported_thread(repository, tree), dict(tree.files())
    except (MatrioskaError, OSError):
        raise
    except Exception as error:
        # A hostile or damaged repository may upset its parser in any way.
        raise UsageError(
            f"The export in {repository.folder} cannot be read: {type(error).__name__}.", next_step=_ANOTHER
        ) from error
    if thread != thread_id:
        raise UsageError(f"{repository.folder} holds the export of another run: {thread[:64]!r}.", next_step=_ANOTHER)
    return tip, tree, files


def _move(repository: Repository, branch: Ref, old: ObjectID | None, new: ObjectID | None) -> None:
    """Move a branch from one commit to another.

    Raises:
        StoreError: somebody else moved it meanwhile.
    """
    if new is not None and not repository.refs.set_if_equals(branch, old, new):
        raise StoreError(
            f"The branch {branch.decode()} in {repository.folder} was changed meanwhile.",
            path=str(repository.folder),
            next_step="Export again.",
        )


def _exported(target: Path, commits: int, *, updated: bool = True) -> Exported:
    told: tuple[str, ...] = ()
    if not updated:
        untouched = N_("Your own work there is untouched. Take it in with: git -C {folder} merge matrioska")
        told = (untouched.format(folder=quote(str(target))),)
    return Exported(target, told, {"commits": commits, "branch": "matrioska", "updated": updated})
