"""The names that a module's own files hold, by kind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from matrioska.nodes.checks.markup import is_javascript, tags
from matrioska.nodes.checks.pythons import read_python
from matrioska.nodes.checks.scripts import Script, Words, read_script
from matrioska.nodes.checks.stylesheets import scan_css, selector_names
from matrioska.state.artifacts import SourceFile

HTML = frozenset({".html", ".htm"})
SCRIPT = frozenset({".js", ".mjs", ".cjs", ".jsx"})
PROSE = frozenset({".md", ".markdown", ".txt", ".rst", ".adoc"})
_READ = HTML | SCRIPT | {".css", ".py"}

_ANY_WORD = re.compile(r"[\w-]+")
_IDENTIFIER = re.compile(r"\w+")

#: Ids given to elements in code: ``id="x"``, ``.id = 'x'``, ``id: "x"``, ``setAttribute("id", "x")``.
ID_GIVEN = re.compile(
    r"""(?:(?<![\w-])id\s*=\s*|(?<![\w-])["']?id["']?\s*:\s*|["']id["']\s*,\s*)\\?["'`]([^"'`\\]*)(["'`]\s*\+)?"""
)


@dataclass(slots=True)
class ModuleNames:
    """What the files of one module define and mention."""

    paths: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    styled_ids: set[str] = field(default_factory=set)
    """Ids in selectors, which make no element; a module of styles alone promises no more."""
    classes: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    words: Words = field(default_factory=Words)
    """String literals of scripts."""
    tokens: set[str] = field(default_factory=set)
    """Words and identifiers of the code files."""
    loose: set[str] = field(default_factory=set)
    """Words of files that are not understood; of prose too, when there is nothing else."""
    only_styles: bool = False
    broken: bool = False
    """Whether a file could not be read whole, so that definitions may be missing."""

    def holds(self, kind: str, name: str) -> bool:
        """Return whether the files hold a name of that kind."""
        if name in self.loose or _all_words_in(name, self.loose):
            return True
        if self.broken and name in self.tokens:
            return True
        if kind == "ids":
            return name in self.ids or self.words.hold(name) or (self.only_styles and name in self.styled_ids)
        if kind == "classes":
            return name in self.classes or self.words.hold(name)
        if kind == "functions":
            return name in self.functions
        return name in self.tokens or self.words.hold(name) or _all_words_in(name, self.tokens)

    def known(self, kind: str) -> set[str]:
        """Return the names of that kind, for a suggestion."""
        return {"ids": self.ids, "classes": self.classes, "functions": self.functions}.get(kind, self.tokens)

    def has_file(self, path: str) -> bool:
        """Return whether a file, or a folder with files, has that path."""
        return path in self.paths or any(known.startswith(path.rstrip("/") + "/") for known in self.paths)


def _all_words_in(name: str, known: set[str]) -> bool:
    """Return whether a name of several words (``app.title``, ``user:name``) has every word in ``known``."""
    words = _ANY_WORD.findall(name)
    return bool(words) and words != [name] and all(word in known for word in words)


def module_names(files: Sequence[SourceFile]) -> ModuleNames:
    """Return the names that a module's files hold."""
    names = ModuleNames(paths={file.path for file in files})
    suffixes = {file.path: PurePosixPath(file.path).suffix.casefold() for file in files}
    names.only_styles = not set(suffixes.values()) & (HTML | SCRIPT | {".py"})
    only_prose = all(suffix in PROSE for suffix in suffixes.values())
    for file in files:
        suffix = suffixes[file.path]
        if suffix in _READ:
            names.tokens.update(_ANY_WORD.findall(file.text), _IDENTIFIER.findall(file.text))
            _READERS[suffix](names, file.text)
        elif only_prose or suffix not in PROSE:
            names.loose.update(_ANY_WORD.findall(file.text), _IDENTIFIER.findall(file.text))
    return names


def _read_html(names: ModuleNames, text: str) -> None:
    for tag in tags(text):
        names.ids.update(filter(None, (tag.attributes.get("id"), tag.attributes.get("name"))))
        names.classes.update(tag.attributes.get("class", "").split())
        if tag.raw and tag.name == "style":
            _read_css(names, text[slice(*tag.raw)])
        elif tag.raw and tag.name == "script" and is_javascript(tag):
            _read_script(names, text[slice(*tag.raw)])


def _read_css(names: ModuleNames, text: str) -> None:
    for _, selector in scan_css(text).selectors:
        ids, classes = selector_names(selector)
        names.styled_ids.update(ids)
        names.classes.update(classes)


def _read_script(names: ModuleNames, text: str) -> None:
    _take(names, read_script(text))
    names.ids.update(match[1] for match in ID_GIVEN.finditer(text))


def _take(names: ModuleNames, script: Script) -> None:
    names.words.update(script.words)
    names.functions |= script.defined
    names.classes |= script.defined
    names.broken |= script.broken
    # What a script looks up it does not hold, but its selectors show that it works on a class.
    for method, value, _ in script.calls:
        if method == "getElementsByClassName":
            names.classes.update(value.split())
        elif method not in {"getElementById", "fetch", "require", "import", "Worker"}:
            names.classes.update(selector_names(value)[1])


def _read_python(names: ModuleNames, text: str) -> None:
    file = read_python(text)
    if file is None:
        names.broken = True
        return
    names.functions |= file.names
    names.classes |= file.names
    for literal in file.literals:
        names.words.add(literal)


_READERS = {
    **dict.fromkeys(HTML, _read_html),
    **dict.fromkeys(SCRIPT, _read_script),
    ".css": _read_css,
    ".py": _read_python,
}
