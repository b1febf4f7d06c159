"""The one validator for file paths that come from models, plans, archives and people."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path, PurePosixPath

from pathvalidate import ValidationError, validate_filename

from matrioska.state.errors import UnsafePathError

MAX_PATH_LENGTH = 200

# Git reads its own folder under either name (the second is the DOS short form), hooks included.
_GIT_NAMES = frozenset({".git", "git~1"})
# Windows devices that pathvalidate does not list.
_CONSOLE_NAMES = frozenset({"conin$", "conout$"})
# Control, format (zero-width, direction), surrogate and line-separator characters: file systems
# drop or refuse some (HFS+ reads ".g\u200cit" as ".git"), and people cannot see any.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


@lru_cache(maxsize=4_096)
def safe_relative_path(path: str) -> str:
    """Return ``path`` in normal POSIX form when it is safe to write below some folder.

    The rules are those of the strictest file system (Windows), so that an export made on
    one machine unpacks on every other.

    Raises:
        UnsafePathError: absolute, ``..``, backslash, NUL, drive letter, device name, ``.git``,
            too long, or empty.
    """
    if not path or not path.strip():
        raise UnsafePathError(path, "it is empty")
    if len(path) > MAX_PATH_LENGTH:
        raise UnsafePathError(path[:60] + "…", f"it is longer than {MAX_PATH_LENGTH} characters")
    if "\\" in path:
        raise UnsafePathError(path, "it holds a backslash")
    if any(unicodedata.category(character) in _UNSEEN for character in path):
        raise UnsafePathError(ascii(path)[1:-1], "it holds a character that cannot be seen or stored")
    pure = PurePosixPath(path)
    if pure.is_absolute():
        raise UnsafePathError(path, "it is absolute")
    if not pure.parts:
        raise UnsafePathError(path, "it names no file")
    for part in pure.parts:
        _check_part(path, part)
    return str(pure)


def _check_part(path: str, part: str) -> None:
    if part == "..":
        raise UnsafePathError(path, "it climbs out of its folder with '..'")
    # Full-width and other compatibility forms become plain letters on some systems.
    plain = unicodedata.normalize("NFKC", part).casefold()
    if plain == ".." or "/" in plain or "\\" in plain:
        raise UnsafePathError(path, "it climbs out of its folder where look-alike characters are made plain")
    if plain in _GIT_NAMES:
        raise UnsafePathError(path, "it names a git folder")
    if plain.split(".")[0] in _CONSOLE_NAMES:
        raise UnsafePathError(path, f"the name {part!r} is not valid on every system (it names a device)")
    try:
        validate_filename(part, platform="universal")
    except ValidationError as error:
        raise UnsafePathError(path, f"the name {part!r} is not valid on every system ({error.reason})") from error


def resolve_below(folder: Path, path: str) -> Path:
    """Return the absolute place of ``path`` below ``folder``, with no symbolic link on the way.

    Raises:
        UnsafePathError: the path is unsafe, or a link on the way leads out of ``folder``.
    """
    root = folder.resolve()
    target = root / safe_relative_path(path)
    if not target.resolve().is_relative_to(root):
        raise UnsafePathError(path, "a link on the way leads out of its folder")
    for parent in [target, *target.parents]:
        if parent == root:
            break
        if parent.is_symlink():
            raise UnsafePathError(path, "it passes through a symbolic link")
    return target
