"""A tree of files as it is to be committed. Only what changes is written anew."""

from __future__ import annotations

from collections.abc import Iterator

from dulwich.objects import ObjectID, Tree


class Folder:
    """A folder: files by the names of their contents, and folders.

    Args:
        entries: what it holds, by name.

    Attributes:
        tree: its tree; None after a change.
        written: whether that is in the repository.
    """

    def __init__(self, entries: dict[bytes, Folder | ObjectID] | None = None) -> None:
        self.entries = entries if entries is not None else {}
        self.tree: Tree | None = None
        self.written = False

    def put(self, path: str, content: ObjectID) -> bool:
        """Put a file at a path of this folder, in place of whatever is there; return whether that changes anything."""
        first, _, rest = path.partition("/")
        key = first.encode()
        there = self.entries.get(key)
        if not rest:
            changed = there != content
            self.entries[key] = content
        else:
            below = there if isinstance(there, Folder) else Folder()
            self.entries[key] = below
            changed = below.put(rest, content)
        if changed:
            self._change()
        return changed

    def drop(self, path: str) -> None:
        """Take away the file or folder at a path, and folders that are empty then."""
        first, _, rest = path.partition("/")
        key = first.encode()
        below = self.entries.get(key)
        if below is None:
            return
        self._change()
        if rest and isinstance(below, Folder):
            below.drop(rest)
        if not rest or (isinstance(below, Folder) and not below.entries):
            del self.entries[key]

    def _change(self) -> None:
        self.tree, self.written = None, False

    def below(self, name: str) -> Folder:
        """Return the folder of a name; an empty one that is not kept where there is none."""
        found = self.entries.get(name.encode())
        return found if isinstance(found, Folder) else Folder()

    def files(self, prefix: str = "") -> Iterator[tuple[str, ObjectID]]:
        """Yield every file with its path.

        Raises:
            UnicodeDecodeError: a path is no UTF-8.
        """
        for key, entry in self.entries.items():
            path = f"{prefix}{key.decode()}"
            if isinstance(entry, Folder):
                yield from entry.files(f"{path}/")
            else:
                yield path, entry
