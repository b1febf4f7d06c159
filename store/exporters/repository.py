"""A git repository by dulwich: objects and names are read and written, and nothing is ever run.

A repository that is there already may be hostile: its settings, hooks and attributes can name
commands, which git runs at almost any command of its own. So git is not called at all, and of a
repository only the objects and the names of branches are read, never its settings. What would
lead out of its folder is refused: a ``.git`` that is a file, links, and objects that are kept elsewhere.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from dulwich.object_store import DiskObjectStore
from dulwich.objects import Blob, Commit, ObjectID, Tree
from dulwich.refs import HEADREF, DiskRefsContainer, Ref

from matrioska.state.errors import CorruptStoreError, UsageError
from matrioska.store.exporters.folders import Folder

#: The branch that exports write, and the one that a new repository has checked out.
BRANCH = Ref(b"refs/heads/matrioska")
MAIN = Ref(b"refs/heads/main")

# Of our own making: no user's settings or templates have a part in it.
_CONFIG = "[core]\n\trepositoryformatversion = 0\n\tfilemode = false\n\tbare = false\n\tlogallrefupdates = true\n"
#: Files and folders of a hostile tree that are read.
_MOST_ENTRIES = 200_000
_DEEPEST = 120
#: Bytes of an object: more than any file of a module has.
_LARGEST = 64_000_000
_FILE, _FOLDER = 0o100644, 0o040000


class Repository:
    """The ``.git`` of a folder. Use it as a context, which closes its files.

    Args:
        folder: the folder that holds ``.git``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git = folder / ".git"
        self.objects = DiskObjectStore(self.git / "objects", loose_object_size_limit=_LARGEST, max_tree_depth=_DEEPEST)
        self.refs = DiskRefsContainer(self.git)

    @classmethod
    def create(cls, folder: Path) -> Repository:
        """Make a new repository without a commit."""
        git = folder / ".git"
        (git / "refs" / "heads").mkdir(parents=True)
        (git / "refs" / "tags").mkdir()
        DiskObjectStore.init(git / "objects").close()
        (git / "config").write_text(_CONFIG, encoding="ascii")
        (git / "HEAD").write_bytes(b"ref: " + MAIN + b"\n")
        return cls(folder)

    def __enter__(self) -> Repository:
        return self

    def __exit__(self, *_: object) -> None:
        self.objects.close()

    def tip(self, branch: Ref) -> ObjectID | None:
        """Return the commit that a branch names; None without."""
        found = self.refs.read_ref(branch)
        return ObjectID(found) if found and not found.startswith(b"ref:") else None

    def checked_out(self) -> Ref | None:
        """Return the branch that is checked out; None when it is a commit alone."""
        found = self.refs.read_loose_ref(HEADREF) or b""
        return Ref(found.removeprefix(b"ref:").strip()) if found.startswith(b"ref:") else None

    def commit(self, name: ObjectID) -> Commit:
        """Return a commit.

        Raises:
            ValueError: there is none of that name.
        """
        found = self.objects[name]
        if not isinstance(found, Commit):
            raise ValueError("it names no commit")
        return found

    def read(self, tree: ObjectID) -> Folder:
        """Return a tree of plain files.

        Raises:
            ValueError: it holds links, modules or programs, or is too large.
        """
        left = [_MOST_ENTRIES]

        def read(name: ObjectID, depth: int) -> Folder:
            found = self.objects[name]
            if not isinstance(found, Tree) or depth > _DEEPEST:
                raise ValueError("it is no tree of files")
            entries: dict[bytes, Folder | ObjectID] = {}
            for entry in found.iteritems():
                left[0] -= 1
                if left[0] < 0:
                    raise ValueError(f"it has more than {_MOST_ENTRIES:,} files")
                if entry.mode not in (_FILE, _FOLDER):
                    raise ValueError("it holds something else than plain files")
                entries[entry.path] = read(entry.sha, depth + 1) if entry.mode == _FOLDER else entry.sha
            return Folder(entries)

        return read(tree, 0)

    def content(self, name: ObjectID) -> bytes:
        """Return the content of a file.

        Raises:
            CorruptStoreError: it is missing, or something else stands under its name.
        """
        try:
            found = self.objects[name].as_raw_string()
        except Exception:  # noqa: BLE001 - a hostile or damaged repository may upset its parser in any way
            found = b""
        if Blob.from_string(found).id != name:
            raise CorruptStoreError(
                f"The repository in {self.folder} is damaged: {name.decode()} is not what it should be.",
                path=str(self.folder),
                next_step="Export into a new folder.",
            )
        return found

    def name(self, folder: Folder) -> ObjectID:
        """Return the name that a folder's tree has or would have; nothing is written."""
        return self._tree(folder).id

    def _tree(self, folder: Folder) -> Tree:
        if folder.tree is None:
            tree = Tree()
            for path, entry in folder.entries.items():
                if isinstance(entry, Folder):
                    tree.add(path, _FOLDER, self.name(entry))
                else:
                    tree.add(path, _FILE, entry)
            folder.tree = tree
        return folder.tree

    def save(self, folder: Folder) -> ObjectID:
        """Write a folder's trees, as far as they changed, and return its name."""
        tree = self._tree(folder)
        if not folder.written:
            for entry in folder.entries.values():
                if isinstance(entry, Folder):
                    self.save(entry)
            self.objects.add_object(tree)
            folder.written = True
        return tree.id


def check_repository(folder: Path) -> None:
    """Check that a repository is whole in its folder.

    Raises:
        UsageError: it is kept elsewhere, holds links, or shares objects.
        OSError: it cannot be read.
    """
    git = folder / ".git"
    for outer in (folder, git):
        if not stat.S_ISDIR(outer.lstat().st_mode):
            raise _led_away(folder, f"{outer.name} is a link or a file")
    for name in ("commondir", "objects/info/alternates", "objects/info/http-alternates"):
        if os.path.lexists(git / name):
            raise _led_away(folder, f".git/{name} leads to another repository")
    for place in _inside(git):
        mode = place.stat(follow_symlinks=False).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise _led_away(folder, f"{Path(place.path).relative_to(folder)} is no plain file")


def _inside(git: Path) -> Iterator[os.DirEntry[str]]:
    """Yield everything below ``.git``, except the hooks: they are a person's own, and nobody asks them."""
    folders = [git]
    while folders:
        with os.scandir(folders.pop()) as found:
            for entry in found:
                if entry.name == "hooks" and Path(entry.path).parent == git:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                yield entry


def _led_away(folder: Path, reason: str) -> UsageError:
    return UsageError(
        f"The repository in {folder} is not one to write to: {reason}.",
        next_step="Choose a new folder, or the one that an earlier export of this run was written to.",
    )
