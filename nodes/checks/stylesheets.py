"""A tolerant scanner of CSS: rules with their selectors, links, and faults of structure.

Not tree-sitter: its CSS grammar calls valid newer CSS an error (``@media (400px <= width)``,
``@page :first``, custom properties that hold braces, ``@import … layer(x)``). This follows the
tokenizer of the CSS standard and checks only what no future syntax can make valid: brackets,
quotes and comments in pairs, and declarations with a colon.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/)
      | (?P<openc>/\*)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<opens>["'])
      | (?P<url>url\(\s*(?P<target>(?:[^"'()\\\s]|\\.)+)\s*\))
      | (?P<escape>\\.)
      | (?P<bracket>[(){}\[\];])""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_CLOSER = {"{": "}", "(": ")", "[": "]"}
_URL_OPENS = re.compile(r"url\(\s*$", re.IGNORECASE)
_IMPORT_OPENS = re.compile(r"^\s*@import\s+$", re.IGNORECASE)
_LEADING = re.compile(r"(?:\s+|/\*.*?\*/)*", re.DOTALL)
_BLANK = re.compile(r"<!--|-->")
#: Blocks of these rules hold rules, not declarations alone.
_KEYFRAMES = re.compile(r"^@(-\w+-)?keyframes\b", re.IGNORECASE)


@dataclass(slots=True)
class Sheet:
    """What a stylesheet holds, with offsets."""

    selectors: list[tuple[int, str]] = field(default_factory=list)
    """Offset and text of every rule's selector, comments and strings blanked."""
    links: list[tuple[int, str]] = field(default_factory=list)
    """Offset and target of every ``url()`` and ``@import``."""
    faults: list[tuple[int, str]] = field(default_factory=list)
    """Offset and words of every fault."""


class _Scanner:
    """One pass over the tokens, with the open brackets and the text since the last statement."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sheet = Sheet()
        self.open: list[tuple[str, int, str]] = []
        """Bracket, offset, and for braces what the block holds: declarations, keyframes or anything."""
        self.since: list[str] = []
        self.statement = 0
        """Offset where the present statement starts."""

    def run(self) -> Sheet:
        position = 0
        for token in _TOKEN.finditer(self.text):
            self.since.append(self.text[position : token.start()])
            position = token.end()
            kind = token.lastgroup if token.lastgroup != "target" else "url"
            if kind == "openc":
                self.sheet.faults.append((token.start(), "a comment is opened by '/*' and never closed"))
                return self.sheet
            self._take(kind or "", token)
        self.since.append(self.text[position:])
        self._end_of_statement()
        self.sheet.faults.extend(
            (offset, f"'{bracket}' is never closed by '{_CLOSER[bracket]}'") for bracket, offset, _ in self.open[-3:]
        )
        return self.sheet

    def _take(self, kind: str, token: re.Match[str]) -> None:
        if kind == "string":
            # A short stretch is enough, and keeps a row of many strings linear.
            before = self.text[max(self.statement, token.start() - 40) : token.start()]
            if _URL_OPENS.search(before) or _IMPORT_OPENS.match(before):
                self.sheet.links.append((token.start(), token.group()[1:-1]))
            self.since.append('""')
        elif kind == "url":
            self.sheet.links.append((token.start(), token.group("target")))
            self.since.append("url()")
        elif kind == "opens":
            self.sheet.faults.append((token.start(), f"a string is opened by {token.group()} and never closed"))
        elif kind == "escape":
            self.since.append(token.group())
        elif kind == "bracket":
            self._bracket(token.group(), token)

    def _bracket(self, bracket: str, token: re.Match[str]) -> None:
        nested = bool(self.open) and self.open[-1][0] != "{"
        if bracket == ";" and not nested:
            self._end_of_statement()
            self._restart(token.end())
        elif bracket in _CLOSER:
            self.open.append((bracket, token.start(), self._open_block() if bracket == "{" else ""))
            if bracket == "{":
                self._restart(token.end())
            else:
                self.since.append(bracket)
        elif bracket == ";":
            self.since.append(bracket)
        else:
            self._close(bracket, token)

    def _open_block(self) -> str:
        """Note the selector of the block that opens; return what the block holds."""
        prelude = _BLANK.sub("  ", "".join(self.since))
        stripped = prelude.strip()
        if stripped.startswith("@"):
            return "keyframes" if _KEYFRAMES.match(stripped) else "anything"
        if stripped.startswith("--"):
            return "anything"
        if stripped and not (self.open and self.open[-1][2] == "keyframes"):
            self.sheet.selectors.append((self._first_word(), stripped))
        return "declarations"

    def _close(self, bracket: str, token: re.Match[str]) -> None:
        if bracket == "}":
            self._end_of_statement()
        if not self.open:
            self.sheet.faults.append((token.start(), f"'{bracket}' closes nothing"))
        elif _CLOSER[self.open[-1][0]] == bracket:
            self.open.pop()
        elif any(_CLOSER[opened] == bracket for opened, _, _ in self.open[-50:]):
            while _CLOSER[self.open[-1][0]] != bracket:
                opened, offset, _ = self.open.pop()
                self.sheet.faults.append((offset, f"'{opened}' is not closed before this '{bracket}'"))
            self.open.pop()
        else:
            self.sheet.faults.append((token.start(), f"'{bracket}' closes nothing"))
        if bracket == "}":
            self._restart(token.end())
        else:
            self.since.append(bracket)

    def _end_of_statement(self) -> None:
        """A statement ended without a block: in a block it must be a declaration, elsewhere an at-rule."""
        words = _BLANK.sub("", "".join(self.since)).strip()
        if not words or words.startswith("@") or (self.open and self.open[-1][0] != "{"):
            return
        if self.open and self.open[-1][2] != "declarations":
            return
        if self.open and ":" not in words:
            self.sheet.faults.append((self._first_word(), "a declaration has no ':' between property and value"))
        elif not self.open:
            self.sheet.faults.append((self._first_word(), "text stands outside of any rule"))

    def _first_word(self) -> int:
        """Return where the present statement's first word stands, past white space and comments."""
        return _LEADING.match(self.text, self.statement).end()  # type: ignore[union-attr]  # it matches nothing too

    def _restart(self, offset: int) -> None:
        self.since = []
        self.statement = offset


def scan_css(text: str) -> Sheet:
    """Return the selectors, links and faults of a stylesheet."""
    return _Scanner(text).run()


_IDS = re.compile(r"#(-?[A-Za-z_\u0080-\uffff][\w\u0080-\uffff-]*)")
_CLASSES = re.compile(r"(?<![\w\\])\.(-?[A-Za-z_\u0080-\uffff][\w\u0080-\uffff-]*)|(?<=[\w\])-])\.(-?[A-Za-z_][\w-]*)")
_BRACKETS = re.compile(r"\[[^\]]*\]")


def selector_names(selector: str) -> tuple[list[str], list[str]]:
    """Return the ids and the classes that a selector names; names with escapes are left out."""
    plain = _BRACKETS.sub("", selector)
    if "\\" in plain:
        plain = re.sub(r"[#.][^\s#.,:>+~()\[\]\\]*\\[^\s,>+~()\[\]]*", " ", plain)
    return _IDS.findall(plain), [first or second for first, second in _CLASSES.findall(plain)]
