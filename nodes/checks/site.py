"""One reading of a whole deliverable: every file parsed once, and what its names resolve to."""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from urllib.parse import unquote

from matrioska.nodes.checks.markup import Tag, is_javascript, is_json, tags
from matrioska.nodes.checks.names import HTML, ID_GIVEN, PROSE, SCRIPT
from matrioska.nodes.checks.pythons import PythonFile, read_python
from matrioska.nodes.checks.scripts import MAX_NAME, Script, Words, read_script
from matrioska.nodes.checks.stylesheets import scan_css, selector_names
from matrioska.nodes.checks.wording import Lines
from matrioska.state.artifacts import SourceFile
from matrioska.state.wording import near_match

_DYNAMIC = re.compile(r"\$\{|\{\{|\{%|<%|<\?|%\(|\{[\w.]*\}|\+\s*[\"']")
_SCHEME = re.compile(r"^(?:[A-Za-z][A-Za-z0-9+.-]*:|//)")
_ANY_WORD = re.compile(r"[\w-]+")
_NAMED_ID = re.compile(r"[\s\"']")
#: Ids that are known only while running: ``.id = name``, ``id="${name}"``, ``{ id }``.
_ID_FROM_DATA = re.compile(
    r"""\.id\s*=(?!=)\s*(?!\s|["'`])|["']id["']\s*,\s*(?!["'`])\w|(?<![\w-])id\s*=\s*\\?["'`]?\s*(?:\$?\{|["'`]\s*\+)"""
    r"""|(?<![\w.-])id\s*:\s*(?!["'`\d\s])|[{,]\s*id\s*[,}]"""
)
#: Programs that serve or bundle the files, and so decide themselves where a path leads.
_SERVED = re.compile(
    r"\b(?:flask|fastapi|django|starlette|aiohttp|bottle|tornado|sanic|uvicorn|express|koa|fastify|createServer"
    r"|http\.server|HTTPServer|webpack|vite|rollup|parcel|react-scripts|eleventy|jekyll)\b"
)


@dataclass(slots=True)
class Place:
    """Where something stands in a file, and what it names."""

    path: str
    line: int
    what: str
    """The tag, property or call, as it is shown to who has to mend it."""
    target: str


@dataclass
class Site:
    """The deliverable as the reference checks see it."""

    paths: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()
    pages: set[str] = field(default_factory=set)
    links: list[Place] = field(default_factory=list)
    """Paths that pages and stylesheets name."""
    id_uses: list[Place] = field(default_factory=list)
    class_uses: list[Place] = field(default_factory=list)
    styled_ids: list[Place] = field(default_factory=list)
    styled_classes: list[Place] = field(default_factory=list)
    scripts: list[tuple[str, Script]] = field(default_factory=list)
    pythons: dict[str, PythonFile] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    anchors: dict[str, set[str]] = field(default_factory=dict)
    """Ids and names in every page."""
    given_ids: set[str] = field(default_factory=set)
    """Ids that code gives to elements."""
    id_prefixes: set[str] = field(default_factory=set)
    ids_from_data: bool = False
    classes: set[str] = field(default_factory=set)
    """Classes in class attributes."""
    words: Words = field(default_factory=Words)
    served: bool = False
    foreign: bool = False
    """Whether code from outside the tree takes part, which may bring its own elements and classes."""
    routes: bool = False
    """Whether scripts read the address's hash, so that ``#x`` may name a view."""

    def has_id(self, name: str) -> bool:
        """Return whether some element has the id, or may get it while running."""
        if name in self.known_ids or len(name) > MAX_NAME:
            return True
        if any(name[:end] in self.id_prefixes for end in range(2, len(name) + 1)):
            return True
        return self.ids_from_data and self.words.hold(name)

    @cached_property
    def known_ids(self) -> set[str]:
        """Return the ids that are written out somewhere."""
        return self.given_ids.union(*self.anchors.values())

    def exists(self, path: str) -> bool:
        """Return whether a file or folder has that path below the root."""
        return path in self.paths or path.rstrip("/") in self.folders

    def resolve(self, source: str, target: str) -> str | None:
        """Return the path below the root that a reference in ``source`` leads to; None when it leaves the tree."""
        if target.startswith("/"):
            return posixpath.normpath(target.lstrip("/") or ".")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        return None if path.startswith("..") else path

    def suggest(self, source: str, target: str) -> str:
        """Return `` (did you mean '…'?)`` for a path that exists; '' when none is alike."""
        folder = posixpath.dirname(source) or "."
        name = posixpath.basename(target.rstrip("/"))
        same = sorted(path for path in self.paths if posixpath.basename(path).casefold() == name.casefold())
        if not same and len(self.paths) <= 2_000:
            names = {posixpath.basename(path) for path in self.paths}
            close = set(difflib.get_close_matches(name, names, n=3, cutoff=0.8)) or {near_match(name, names, 0.8)}
            suffix = posixpath.splitext(name)[1]
            same = sorted(p for p in self.paths if posixpath.basename(p) in close and p.endswith(suffix))
        if not same:
            return ""
        best = difflib.get_close_matches(target, [posixpath.relpath(path, folder) for path in same], n=1, cutoff=0)
        return f" (did you mean '{best[0]}'?)" if best else ""


def local_path(target: str) -> tuple[str, str] | None:
    """Return path and fragment of a reference inside the tree; None for addresses, templates and the like."""
    target = target.strip()
    if not target or _SCHEME.match(target) or _DYNAMIC.search(target) or "\\" in target:
        return None
    path, _, fragment = target.partition("#")
    return unquote(path.partition("?")[0]), unquote(fragment)


def read_site(files: Sequence[SourceFile], known_paths: Collection[str]) -> Site:
    """Read every file once. ``known_paths`` names files that exist without text here (images)."""
    paths = frozenset(known_paths) | {file.path for file in files}
    folders = {str(parent) for path in paths for parent in PurePosixPath(path).parents}
    site = Site(paths=paths, folders=frozenset(folders))
    for file in files:
        site.texts[file.path] = file.text
        suffix = PurePosixPath(file.path).suffix.casefold()
        _READERS.get(suffix, _read_other)(site, file.path, file.text)
    site.served = any(
        PurePosixPath(path).name in {"package.json", "requirements.txt"} or _SERVED.search(text)
        for path, text in site.texts.items()
        if PurePosixPath(path).suffix.casefold() not in PROSE
    )
    return site


_PATH_ATTRIBUTES = {
    "script": ("src",),
    "link": ("href",),
    "img": ("src",),
    "a": ("href",),
    "area": ("href",),
    "iframe": ("src",),
    "source": ("src",),
    "video": ("src", "poster"),
    "audio": ("src",),
    "track": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "use": ("href", "xlink:href"),
}
_ID_ATTRIBUTES = ("for", "list", "form", "popovertarget", "commandfor", "aria-activedescendant")
_ID_LISTS = ("aria-labelledby", "aria-describedby", "aria-controls", "aria-owns", "aria-details", "headers")
#: Links to these are no references to a file that must be there.
_LOOSE_RELATIONS = frozenset({"preconnect", "dns-prefetch", "canonical", "alternate", "me", "license"})


def _read_html(site: Site, path: str, text: str) -> None:
    site.pages.add(path)
    anchors = site.anchors.setdefault(path, set())
    lines = Lines(text)
    rebased = False
    for tag in tags(text):
        attributes = tag.attributes
        line = lines.line(tag.start)
        if tag.name == "base" and "href" in attributes:
            rebased = True
        anchors.update(filter(None, (attributes.get("id"), attributes.get("name"))))
        site.classes.update(attributes.get("class", "").split())
        for name in _ID_ATTRIBUTES:
            _use_ids(site, path, line, f"<{tag.name} {name}>", [attributes.get(name, "")])
        for name in _ID_LISTS:
            _use_ids(site, path, line, f"<{tag.name} {name}>", attributes.get(name, "").split())
        loose = bool(_LOOSE_RELATIONS & set(attributes.get("rel", "").casefold().split()))
        for name in () if rebased or loose else _PATH_ATTRIBUTES.get(tag.name, ()):
            if target := attributes.get(name):
                site.links.append(Place(path, line, f"<{tag.name} {name}>", target))
        for name, value in attributes.items():
            if name.startswith("on") and value:
                _take_script(site, path, value, line)
        if tag.raw:
            _read_raw(site, path, tag, text[slice(*tag.raw)], lines.line(tag.end))
        if tag.name == "script" and _SCHEME.match(attributes.get("src", "")):
            site.foreign = True


def _use_ids(site: Site, path: str, line: int, what: str, names: list[str]) -> None:
    for name in names:
        if name and not _DYNAMIC.search(name) and not _NAMED_ID.search(name):
            site.id_uses.append(Place(path, line, what, name))


def _read_raw(site: Site, path: str, tag: Tag, content: str, line: int) -> None:
    if tag.name == "style":
        _take_css(site, path, content, line)
    elif tag.name == "script" and is_javascript(tag):
        _take_script(site, path, content, line)
    elif tag.name == "script":
        site.words.whole.update(_ANY_WORD.findall(content))
        # Templates and shaders are not read, so they may hold any name.
        site.foreign = site.foreign or (not is_json(tag) and bool(content.strip()))


def _read_css(site: Site, path: str, text: str) -> None:
    _take_css(site, path, text, 1)


def _take_css(site: Site, path: str, text: str, first_line: int) -> None:
    sheet = scan_css(text)
    lines = Lines(text)
    for offset, target in sheet.links:
        site.links.append(Place(path, lines.line(offset) + first_line - 1, "url()", target))
    for offset, selector in sheet.selectors:
        line = lines.line(offset) + first_line - 1
        ids, classes = selector_names(selector)
        site.styled_ids.extend(Place(path, line, f"the selector '{selector}'", name) for name in ids)
        site.styled_classes.extend(Place(path, line, f"the selector '{selector}'", name) for name in classes)


def _read_script(site: Site, path: str, text: str) -> None:
    _take_script(site, path, text, 1)


def _take_script(site: Site, path: str, text: str, first_line: int) -> None:
    script = read_script(text, first_line)
    site.scripts.append((path, script))
    site.words.update(script.words)
    site.routes = site.routes or "hash" in text
    site.foreign = site.foreign or any(not item.source.startswith((".", "/")) for item in script.imports)
    _take_given_ids(site, text)
    for method, value, line in script.calls:
        site.id_uses.extend(Place(path, line, f"{method}()", name) for name in _ids_looked_up(method, value))
        site.class_uses.extend(Place(path, line, f"{method}()", name) for name in _classes_looked_up(method, value))


def _ids_looked_up(method: str, value: str) -> list[str]:
    if method == "getElementById":
        return [value] if value and not _NAMED_ID.search(value) else []
    return selector_names(value)[0] if _is_selector(method, value) else []


def _classes_looked_up(method: str, value: str) -> list[str]:
    if method == "getElementsByClassName":
        return value.split()
    return selector_names(value)[1] if _is_selector(method, value) else []


_SELECTING = frozenset({"querySelector", "querySelectorAll", "closest", "matches"})
_PLAIN_SELECTOR = re.compile(r"[#.][\w-]+(?:[\s>+~]+[#.]?[\w-]+)*")


def _is_selector(method: str, value: str) -> bool:
    # "$" and its like may be anything, so only what can be nothing else is taken as a selector.
    return method in _SELECTING or (method[:1] in {"$", "j", "q"} and _PLAIN_SELECTOR.fullmatch(value) is not None)


def _take_given_ids(site: Site, text: str) -> None:
    for match in ID_GIVEN.finditer(text):
        cut = re.split(r"[${%<]", match[1], maxsplit=1)
        name = cut[0]
        if len(cut) > 1 or match[2] or name.endswith(("-", "_")):
            if len(name) > 1:
                site.id_prefixes.add(name)
            else:
                site.ids_from_data = True
        elif name:
            site.given_ids.add(name)
    site.ids_from_data = site.ids_from_data or _ID_FROM_DATA.search(text) is not None


def _read_python(site: Site, path: str, text: str) -> None:
    file = read_python(text)
    if file is not None:
        site.pythons[path] = file
        for literal in file.literals:
            site.words.add(literal)
            site.classes.update(_classes_given(literal))
    _take_given_ids(site, text)


def _classes_given(text: str) -> Iterator[str]:
    for match in re.finditer(r"""class(?:Name)?\s*=\s*["']([^"']*)""", text):
        yield from match[1].split()


def _read_other(site: Site, path: str, text: str) -> None:
    suffix = PurePosixPath(path).suffix.casefold()
    _take_given_ids(site, text)
    site.classes.update(_classes_given(text))
    if suffix not in PROSE:
        site.words.whole.update(_ANY_WORD.findall(text))


_READERS = {
    **dict.fromkeys(HTML, _read_html),
    **dict.fromkeys(SCRIPT, _read_script),
    ".css": _read_css,
    ".py": _read_python,
}
