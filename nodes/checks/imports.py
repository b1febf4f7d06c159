"""Imports between the deliverable's own scripts, and between its own Python files."""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import PurePosixPath

from matrioska.nodes.checks.pythons import PythonImport
from matrioska.nodes.checks.scripts import Import, Script
from matrioska.nodes.checks.site import Place, Site, local_path
from matrioska.nodes.checks.wording import shorten
from matrioska.state.wording import did_you_mean

_ENDINGS = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".json", ".css", "/index.js", "/index.ts", "/index.mjs")
_COMMONJS = ("module.exports", "exports.")


def script_imports(site: Site) -> Iterator[tuple[Place, str]]:
    """Yield imports of files that do not exist, and of names that a file does not export."""
    scripts = dict(site.scripts)
    for path, script in site.scripts:
        for item in script.imports:
            if not item.source.startswith(("./", "../", "/")) or (parts := local_path(item.source)) is None:
                continue
            place = Place(path, item.line, "import", item.source)
            target, ending = _find(site, path, parts[0])
            if target is None:
                hint = site.suggest(path, parts[0])
                if not (site.served and item.source.startswith("/")):
                    yield place, f"the import of '{shorten(item.source)}' leads to no file{hint}"
            elif ending and item.is_module and not site.served:
                yield place, f"the import of '{item.source}' needs its suffix in a browser: '{item.source}{ending}'"
            elif target in scripts and target not in site.pages:
                yield from ((place, words) for words in _missing_names(site, item, target, scripts[target]))


def _find(site: Site, source: str, target: str) -> tuple[str | None, str]:
    """Return the file that an import means, and the ending that it left out."""
    path = site.resolve(source, target)
    if path is None:
        return None, ""
    if path in site.paths:
        return path, ""
    return next(((path + ending, ending) for ending in _ENDINGS if path + ending in site.paths), (None, ""))


def _missing_names(site: Site, item: Import, target: str, script: Script) -> Iterator[str]:
    if not item.is_module or script.exports is None or script.broken:
        return
    if any(mark in site.texts.get(target, "") for mark in _COMMONJS):
        return
    for name in item.names:
        if name not in script.exports:
            hint = did_you_mean(name, script.exports)
            shown = "a default" if name == "default" else f"'{shorten(name)}'"
            yield f"the import takes {shown} from '{shorten(item.source)}', which does not export it{hint}"


def python_imports(site: Site) -> Iterator[tuple[Place, str]]:
    """Yield imports of the tree's own Python packages that lead nowhere."""
    # Who changes the search path decides where modules are found.
    free = any("sys.path" in site.texts[path] for path in site.pythons)
    packages = {str(parent) for path in site.pythons for parent in PurePosixPath(path).parents}
    for path, file in site.pythons.items():
        for item in file.imports:
            if item.may_fail:
                continue
            if item.level:
                yield from _relative(site, path, item)
            elif not free and item.module.split(".")[0] not in sys.stdlib_module_names:
                yield from _absolute(site, path, item, packages)


def _relative(site: Site, path: str, item: PythonImport) -> Iterator[tuple[Place, str]]:
    dotted = "." * item.level + item.module
    place = Place(path, item.line, "import", dotted)
    folder = posixpath.dirname(path)
    for _ in range(item.level - 1):
        if not folder:
            yield place, f"the import from '{dotted}' climbs out of the deliverable"
            return
        folder = posixpath.dirname(folder)
    base = posixpath.join(folder, *item.module.split(".")) if item.module else folder
    if item.module and not _is_module(site, base):
        hint = did_you_mean(posixpath.basename(base), _modules_in(site, posixpath.dirname(base)))
        yield place, f"the import from '{dotted}' leads to no file{hint}"
        return
    yield from _names_taken(site, place, base, item.names)


def _absolute(site: Site, path: str, item: PythonImport, packages: Collection[str]) -> Iterator[tuple[Place, str]]:
    parts = item.module.split(".")
    tops = {root: posixpath.join(root, parts[0]) for root in _roots(site, path)}
    # A folder without Python files may share its name with a package from elsewhere.
    roots = [root for root, top in tops.items() if f"{top}.py" in site.paths or top in packages]
    if not roots:
        return
    place = Place(path, item.line, "import", item.module)
    bases = [posixpath.join(root, *parts) for root in roots]
    base = next((base for base in bases if _is_module(site, base)), None)
    if base is None:
        hint = did_you_mean(parts[-1], _modules_in(site, posixpath.dirname(bases[0])))
        yield place, f"the import of '{item.module}' leads to no file{hint}"
    elif len(roots) == 1:
        yield from _names_taken(site, place, base, item.names)


def _roots(site: Site, path: str) -> list[str]:
    """Return the folders that Python may search: the root, ``src``, and those above the file that are no packages."""
    roots = [""]
    for part in PurePosixPath(path).parent.parts:
        roots.append(posixpath.join(roots[-1], part))
    inside = [root for root in roots[1:] if f"{root}/__init__.py" not in site.paths]
    return list(dict.fromkeys(["", *inside, "src"]))


def _is_module(site: Site, base: str) -> bool:
    return f"{base}.py" in site.paths or base in site.folders or f"{base}.pyi" in site.paths


def _modules_in(site: Site, folder: str) -> set[str]:
    prefix = f"{folder}/" if folder else ""
    return {
        path[len(prefix) :].removesuffix(".py").split("/")[0]
        for path in site.paths
        if path.startswith(prefix) and path.endswith(".py")
    }


def _names_taken(site: Site, place: Place, base: str, names: Iterable[str]) -> Iterator[tuple[Place, str]]:
    target = f"{base}.py" if f"{base}.py" in site.paths else posixpath.join(base, "__init__.py")
    file = site.pythons.get(target)
    # Beside a stub stands a compiled module; a file that cannot be parsed may define anything.
    unread = file is None and (target in site.paths or f"{base}.pyi" in site.paths)
    if unread or (file is not None and file.is_open):
        return
    known = file.names if file else set()
    for name in names:
        if name == "*" or name in known or _is_module(site, posixpath.join(base, name)):
            continue
        hint = did_you_mean(name, known | _modules_in(site, base))
        yield place, f"the import takes '{shorten(name)}' from '{place.target}', which does not define it{hint}"
