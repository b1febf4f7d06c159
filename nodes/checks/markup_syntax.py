"""Syntax faults of HTML: tags that are broken, left open or closed twice, and what scripts and styles hold."""

from __future__ import annotations

import json
from collections import Counter

from matrioska.nodes.checks.markup import (
    OPTIONAL_END,
    RAW_TEXT,
    TEMPLATE_MARKS,
    VOID,
    Tag,
    is_javascript,
    is_json,
    tags,
)
from matrioska.nodes.checks.script_syntax import script_faults
from matrioska.nodes.checks.stylesheets import scan_css
from matrioska.nodes.checks.wording import shorten

_FOREIGN = frozenset({"svg", "math"})


def html_faults(text: str) -> list[tuple[int, str]]:
    """Return offset and words of the faults of an HTML text, in order."""
    is_template = TEMPLATE_MARKS.search(text) is not None
    balance = _Balance(text)
    faults: list[tuple[int, str]] = []
    for tag in tags(text):
        balance.take(tag)
        if tag.raw and tag.name in {"script", "style"}:
            start, end = tag.raw
            inner = _content_faults(tag, text[start:end], is_template)
            faults.extend((start + offset, f"in <{tag.name}>: {words}") for offset, words in inner)
    # What a template engine fills in may close what is open, so only whole pages are held to it.
    return sorted(faults) if is_template else sorted(faults + balance.finish())


def _content_faults(tag: Tag, content: str, is_template: bool) -> list[tuple[int, str]]:
    if not content.strip() or (is_template and TEMPLATE_MARKS.search(content)):
        return []
    if tag.name == "style":
        return scan_css(content).faults
    if "src" in tag.attributes:
        return []
    if is_javascript(tag):
        return script_faults(content)
    if is_json(tag):
        try:
            json.loads(content, parse_int=float)
        except json.JSONDecodeError as error:
            return [(error.pos, f"it is not valid JSON: {error.msg}")]
        except RecursionError:
            return [(0, "it is nested too deeply to be read")]
    return []


class _Balance:
    """The open elements, and the faults found in them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.faults: list[tuple[int, str]] = []
        self.open: list[Tag] = []
        self.names: Counter[str] = Counter()
        """How many elements of each name are open, so that a stray end tag costs no search."""
        self.forgiven: Counter[str] = Counter()
        """Elements already complained about, whose late end tags are no second fault."""

    def take(self, tag: Tag) -> None:
        """Follow one tag."""
        if tag.fault:
            self._complain(tag, f"the tag <{'/' * tag.closing}{shorten(tag.name, 30)}> {tag.fault}")
            self.forgiven[tag.name] += 1
        elif tag.closing:
            self._close(tag)
        elif tag.raw is not None:
            if tag.raw[1] >= len(self.text):
                self._complain(tag, f"<{tag.name}> is never closed by </{tag.name}>")
        elif tag.name not in VOID:
            self._open(tag)

    def _open(self, tag: Tag) -> None:
        if tag.slashed and (self.names["svg"] or self.names["math"] or tag.name in _FOREIGN):
            return
        if tag.slashed:
            # Browsers overlook the slash and leave the element open, around all that follows.
            self._complain(tag, f"'/>' does not close <{tag.name}> in HTML: write <{tag.name}></{tag.name}>")
            self.forgiven[tag.name] += 1
            return
        self.open.append(tag)
        self.names[tag.name] += 1

    def _close(self, tag: Tag) -> None:
        if tag.name in RAW_TEXT or tag.name in VOID:
            return
        if not self.names[tag.name]:
            if self.forgiven[tag.name]:
                self.forgiven[tag.name] -= 1
            elif tag.name not in OPTIONAL_END:
                self._complain(tag, f"</{tag.name}> closes nothing: no <{tag.name}> is open here")
            return
        while (last := self._pop()).name != tag.name:
            if last.name not in OPTIONAL_END:
                self._complain(last, f"<{last.name}> is not closed before </{tag.name}>")
                self.forgiven[last.name] += 1

    def _pop(self) -> Tag:
        last = self.open.pop()
        self.names[last.name] -= 1
        return last

    def _complain(self, tag: Tag, words: str) -> None:
        self.faults.append((tag.start, words))

    def finish(self) -> list[tuple[int, str]]:
        """Return the faults, those of elements still open at the end among them."""
        for tag in self.open:
            if tag.name not in OPTIONAL_END:
                self._complain(tag, f"<{tag.name}> is never closed by </{tag.name}>")
        return self.faults
