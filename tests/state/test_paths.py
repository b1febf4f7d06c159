"""The path validator: nothing it lets through leaves its folder or hurts a file system."""

from __future__ import annotations

import posixpath
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrioska.state.errors import UnsafePathError
from matrioska.state.paths import MAX_PATH_LENGTH, resolve_below, safe_relative_path

GOOD = {
    "index.html": "index.html",
    "app/js/main.js": "app/js/main.js",
    "a//b": "a/b",
    "./a/./b": "a/b",
    "a/": "a",
    "résumé.md": "résumé.md",
    "日本/語.txt": "日本/語.txt",
    ".env": ".env",
    "..a": "..a",
    ".github/x.yml": ".github/x.yml",
    "a" * MAX_PATH_LENGTH: "a" * MAX_PATH_LENGTH,
}
BAD = [
    "", " ", ".", "./", "..", "../a", "a/../b", "a/..", "/a", "//a", "a\\b", "\\\\host\\x", "C:x", "C:/x", "a:b",
    "a\x00", "a\nb", "a\tb", "a\x7f", "a\x85b", "a\u2028b", "a\u202eb", "a\ud800", "con", "CON.txt", "x/aux", "COM1",
    "LPT9.txt", "nul.tar.gz", "CONIN$", "conout$.txt", ".git", ".Git/config", "a/GIT~1/x", ".g\u200cit/x", "．．/x",
    "．ｇｉｔ/x", "a.", "a ", " a", "a /b", "a*", "a?", 'a"b', "a|b", "<a>", "日" * 100, "a" * (MAX_PATH_LENGTH + 1),
]  # fmt: skip


@pytest.mark.parametrize(("path", "normal"), GOOD.items())
def test_plain_paths_pass_in_normal_form(path: str, normal: str) -> None:
    assert safe_relative_path(path) == normal


@pytest.mark.parametrize("path", BAD, ids=ascii)
def test_unsafe_paths_are_refused_with_a_reason(path: str) -> None:
    with pytest.raises(UnsafePathError) as refused:
        safe_relative_path(path)
    assert refused.value.reason
    str(refused.value).encode()  # the message itself can be stored and printed


_pieces = st.sampled_from(
    ["..", ".", "", "a", "\\", "/", "C:", "~", ".git", "\x00", "．．", "\u202e", "con", "x.txt", " "]
)
_paths = st.text(max_size=60) | st.lists(_pieces, max_size=6).map("/".join) | st.lists(_pieces, max_size=6).map("".join)


@settings(deadline=None)
@given(_paths)
def test_no_path_leads_out(path: str) -> None:
    try:
        safe = safe_relative_path(path)
    except UnsafePathError:
        return
    joined = posixpath.normpath(posixpath.join("/root/below", safe))
    assert joined.startswith("/root/below/")
    windows = PureWindowsPath("C:\\root\\below") / safe
    assert windows.is_relative_to("C:\\root\\below") and ".." not in windows.parts
    assert safe_relative_path(safe) == safe
    assert len(safe.encode()) < 4096


def test_resolve_below_stays_below(tmp_path: Path) -> None:
    assert resolve_below(tmp_path, "a/b.txt") == tmp_path.resolve() / "a/b.txt"
    with pytest.raises(UnsafePathError):
        resolve_below(tmp_path, "../b.txt")


@pytest.mark.parametrize("inside", [True, False])
def test_resolve_below_refuses_links_on_the_way(tmp_path: Path, inside: bool) -> None:
    root = tmp_path / "root"
    target = root / "real" if inside else tmp_path / "outside"
    target.mkdir(parents=True)
    root.mkdir(exist_ok=True)
    (root / "link").symlink_to(target)
    with pytest.raises(UnsafePathError):
        resolve_below(root, "link/x.txt")
