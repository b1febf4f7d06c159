"""A tolerant scanner of HTML: tags with their attributes and places, and what stands between.

Not tree-sitter: its HTML grammar calls ``a & b`` and a left-out ``</p>`` errors, and a false
alarm costs a model a round. This follows the tokenizer of the HTML standard as far as the
checks need it, in one pass, so that hostile input costs linear time.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from matrioska.nodes.checks.wording import word_set

VOID = word_set("area base br col embed frame hr img input keygen link meta param source track wbr basefont bgsound")
#: Elements whose end tag may be left out.
OPTIONAL_END = word_set(
    "html head body p li dt dd tr td th thead tbody tfoot option optgroup rb rt rtc rp colgroup caption"
)
#: Elements whose content is text up to their own end tag.
RAW_TEXT = word_set("script style textarea title xmp iframe noembed noframes")

_NAME = re.compile(r"[A-Za-z][^\s/>]*")
_ATTRIBUTE = re.compile(
    r"""[\s/]*(?P<name>[^\s/>=][^\s/>=]*)(?:\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"'>][^\s>]*)))?"""
)
_TAG_END = re.compile(r"[\s/]*>")
_SOME_QUOTE = re.compile(r"""[\s/]*[^\s/>=][^\s/>=]*\s*=\s*["']""")
#: Marks of template languages, whose tags need not balance before they are rendered.
TEMPLATE_MARKS = re.compile(r"\{%|<%|<\?php|\{\{[#/]")


@dataclass(slots=True)
class Tag:
    """One start or end tag."""

    name: str
    """In lower case."""
    start: int
    end: int
    """Offsets of ``<`` and of the character after ``>``."""
    closing: bool = False
    slashed: bool = False
    """Whether it ends with ``/>``."""
    attributes: dict[str, str] = field(default_factory=dict)
    """By lower-case name, entities decoded; the first of two equal names counts."""
    raw: tuple[int, int] | None = None
    """Where the text content of a script, style and the like stands."""
    fault: str = ""
    """What is wrong with the tag itself."""


def tags(text: str) -> Iterator[Tag]:
    """Yield the tags of an HTML text in order."""
    position = 0
    while (position := text.find("<", position)) >= 0:
        if text.startswith("<!--", position):
            end = text.find("-->", position + 4)
            if end < 0:
                yield Tag("!--", position, len(text), fault="starts a comment that is never closed by '-->'")
                return
            position = end + 3
        elif text.startswith("<![CDATA[", position):
            position = _after(text, "]]>", position)
        elif text.startswith(("<!", "<?"), position):
            position = _after(text, ">", position)
        elif tag := _tag_at(text, position):
            if tag.name in RAW_TEXT and not tag.closing and not tag.fault:
                tag.raw = (tag.end, _raw_end(text, tag))
                yield tag
                position = tag.raw[1]
            else:
                yield tag
                position = tag.end
        else:
            position += 1


def _after(text: str, mark: str, position: int) -> int:
    end = text.find(mark, position)
    return len(text) if end < 0 else end + len(mark)


def _tag_at(text: str, start: int) -> Tag | None:
    closing = text.startswith("</", start)
    name = _NAME.match(text, start + 1 + closing)
    if name is None:
        return None
    tag = Tag(name.group().lower(), start, name.end(), closing)
    position = name.end()
    while not (end := _TAG_END.match(text, position)):
        attribute = _ATTRIBUTE.match(text, position)
        if attribute is None or _quote_left_open(text, attribute):
            tag.fault = "has a quote that is never closed" if attribute else "is never closed by '>'"
            tag.end = attribute.end() if attribute else max(position, tag.end)
            return tag
        _take(tag, attribute)
        position = attribute.end()
    tag.slashed = "/" in end.group()
    tag.end = end.end()
    return tag


def _quote_left_open(text: str, attribute: re.Match[str]) -> bool:
    """Return whether the value starts with a quote that has no partner."""
    if any(attribute.group(kind) is not None for kind in ("double", "single", "bare")):
        return False
    return _SOME_QUOTE.match(text, attribute.start()) is not None


def _take(tag: Tag, attribute: re.Match[str]) -> None:
    name = attribute.group("name").lower()
    if any(mark in name for mark in "\"'<"):
        tag.fault = "has a quote or '<' where an attribute should be: a quote before it is missing or never closed"
    value = next((attribute.group(kind) for kind in ("double", "single", "bare") if attribute.group(kind)), "")
    tag.attributes.setdefault(name, html.unescape(value))


def _raw_end(text: str, tag: Tag) -> int:
    found = _END_OF_RAW[tag.name].search(text, tag.end)
    return found.start() if found else len(text)


_END_OF_RAW = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in RAW_TEXT}


def is_javascript(tag: Tag) -> bool:
    """Return whether a script element holds JavaScript."""
    kind = tag.attributes.get("type", "").split(";")[0].strip().casefold()
    return kind in {"", "module", "text/babel"} or kind.endswith(("/javascript", "/ecmascript", "/jsx"))


def is_json(tag: Tag) -> bool:
    """Return whether a script element holds JSON."""
    kind = tag.attributes.get("type", "").split(";")[0].strip().casefold()
    return kind in {"importmap", "speculationrules"} or kind.endswith(("/json", "+json"))
