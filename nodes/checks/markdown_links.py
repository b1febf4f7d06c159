"""Links and images of Markdown files, and the headings that they point to."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath

from markdown_it import MarkdownIt
from markdown_it.token import Token

from matrioska.nodes.checks.site import Place, Site, local_path
from matrioska.nodes.checks.wording import shorten
from matrioska.state.wording import did_you_mean

_MARKDOWN = frozenset({".md", ".markdown"})
_MAY_LINK = re.compile(r"\]\(|\]:|<(?:a|img)\b", re.IGNORECASE)
_MAY_ANCHOR = re.compile(r"\]\([^)\s]*#|\]:\s*\S*#|href=[\"'][^\"']*#", re.IGNORECASE)
_HTML_LINK = re.compile(r"<(?:a|img)\b[^<>]*?\b(?:href|src)\s*=\s*[\"']([^\"']*)[\"']", re.IGNORECASE)
_HTML_ID = re.compile(r"\b(?:id|name)\s*=\s*[\"']([^\"']+)[\"']", re.IGNORECASE)
_GIVEN_ID = re.compile(r"\{[^{}]*#([\w-]+)[^{}]*\}\s*$")


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable("table")


def markdown_links(site: Site) -> Iterator[tuple[Place, str]]:
    """Yield relative links and images that lead to no file, and anchors that no heading has."""
    sources = {path: text for path, text in site.texts.items() if PurePosixPath(path).suffix.casefold() in _MARKDOWN}
    linking = {path: _parser().parse(text) for path, text in sources.items() if _MAY_LINK.search(text)}
    anchors: dict[str, dict[str, str]] = {}
    for path, tokens in linking.items():
        for line, target in _targets(tokens):
            parts = local_path(target)
            if parts is None:
                continue
            place = Place(path, line, "link", target)
            file = site.resolve(path, parts[0]) if parts[0] else path
            if parts[0].startswith("/") and not (file and site.exists(file)):
                # A site generator decides what its root is.
                continue
            if parts[0] and (file is None or not site.exists(file)):
                hint = site.suggest(path, parts[0])
                yield place, f"the link to '{shorten(target)}' leads to no file of the deliverable{hint}"
            elif parts[1] and file in sources:
                if file not in anchors:
                    anchors[file] = _anchors(linking.get(file) or _parser().parse(sources[file]))
                if (fault := _anchor_fault(parts[1], target, anchors[file])) is not None:
                    yield place, fault


def _targets(tokens: list[Token]) -> Iterator[tuple[int, str]]:
    for token in tokens:
        line = token.map[0] + 1 if token.map else 1
        for inner in token.children or [token]:
            if inner.type == "link_open":
                yield line, str(inner.attrGet("href") or "")
            elif inner.type == "image":
                yield line, str(inner.attrGet("src") or "")
            elif inner.type in {"html_inline", "html_block"}:
                yield from ((line, match) for match in _HTML_LINK.findall(inner.content))


def _anchors(tokens: list[Token]) -> dict[str, str]:
    """Return the anchors of a document as hosts write them, by their form in `_bare`."""
    found: dict[str, str] = {}
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            content = tokens[index + 1].content
            if given := _GIVEN_ID.search(content):
                found[_bare(given[1])] = given[1]
                content = content[: given.start()]
            parts = [c.content for c in tokens[index + 1].children or [] if c.type in {"text", "code_inline"}]
            text = _GIVEN_ID.sub("", "".join(parts))
            slug = re.sub(r"[^\w\s-]", "", text.casefold()).strip().replace(" ", "-")
            found |= {_bare(text): slug, _bare(content): slug}
        for inner in [token, *(token.children or [])]:
            if inner.type in {"html_inline", "html_block"}:
                found |= {_bare(name): name for name in _HTML_ID.findall(inner.content)}
    return found


def _bare(text: str) -> str:
    """Return letters and digits only: hosts differ in what else they keep of a heading."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in decomposed if character.isalnum())


def _anchor_fault(fragment: str, target: str, anchors: dict[str, str]) -> str | None:
    name = _bare(fragment)
    # Equal headings are numbered: "usage-1" is the second "usage".
    numbered = re.sub(r"\d+$", "", name)
    if not name or name in anchors or numbered in anchors or name == "top":
        return None
    hint = did_you_mean(fragment, set(anchors.values()))
    return f"the link to '{shorten(target)}' names a heading that is not there{hint}"
