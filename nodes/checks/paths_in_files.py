"""Paths that pages, stylesheets and scripts name."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from matrioska.nodes.checks.site import Place, Site, local_path
from matrioska.nodes.checks.wording import shorten
from matrioska.state.wording import did_you_mean

#: Files that are read as they stand: a script that fetches one means a file and not a service.
_STATIC = frozenset({".json", ".csv", ".txt", ".html", ".md", ".xml", ".svg", ".js", ".mjs", ".yaml", ".geojson"})


def linked_paths(site: Site) -> Iterator[tuple[Place, str]]:
    """Yield links of pages and stylesheets that lead to no file, and anchors that no page has."""
    for place in site.links:
        parts = local_path(place.target)
        if parts is None:
            continue
        path, fragment = parts
        if path and not _leads_somewhere(site, place.path, path):
            hint = site.suggest(place.path, path)
            yield place, f"{place.what} points to '{shorten(place.target)}', which is not in the deliverable{hint}"
        elif fragment and (fault := _anchor_fault(site, place, path, fragment)):
            yield place, fault


def _leads_somewhere(site: Site, source: str, target: str) -> bool:
    path = site.resolve(source, target)
    if path is not None and site.exists(path):
        return True
    if not site.served:
        return False
    # A program answers for the paths: only a file name that nothing in the tree has is surely wrong.
    if target.startswith("/") or not posixpath.splitext(target)[1]:
        return True
    tail = "/" + posixpath.normpath(target).replace("../", "")
    return any(("/" + known).endswith(tail) for known in site.paths)


def _anchor_fault(site: Site, place: Place, path: str, fragment: str) -> str:
    if place.what.startswith("url(") or fragment.startswith(("/", "!", ":~:")) or fragment.casefold() == "top":
        return ""
    page = site.resolve(place.path, path) if path else place.path
    if site.routes or page not in site.anchors or site.has_id(fragment):
        return ""
    # A script that handles the link itself may take the name from it.
    if site.words.hold(fragment) or place.path not in site.pages:
        return ""
    hint = did_you_mean(fragment, site.anchors[page])
    return f"{place.what} points to '#{shorten(fragment)}', an id that no element has{hint}"


def fetched_paths(site: Site) -> Iterator[tuple[Place, str]]:
    """Yield files that scripts fetch and that are found neither from a page nor from the script."""
    if site.served:
        return
    for source, script in site.scripts:
        for method, value, line in script.calls:
            parts = local_path(value) if method in {"fetch", "Worker"} else None
            if parts is None or posixpath.splitext(parts[0])[1] not in _STATIC or "/api/" in value:
                continue
            bases = [source, "index.html", *site.pages]
            if not any((path := site.resolve(base, parts[0])) is not None and site.exists(path) for base in bases):
                hint = site.suggest(source, parts[0])
                place = Place(source, line, f"{method}()", value)
                yield place, f"{method}() asks for '{shorten(value)}', which is not in the deliverable{hint}"
