"""Reading JSON as models write it: strictly first, then with the repairs that leave no doubt.

Valid JSON is read by the standard library and never changed. Otherwise these slips are read as
what they can only mean:

* comments (``//``, ``#``, ``/* */``) and commas before a closing bracket are passed over;
* ``True``, ``False``, ``None`` are ``true``, ``false``, ``null``;
* a bare word before a colon is a key;
* line breaks and tabs inside a text stand for themselves, and ``\\'`` is an apostrophe;
* texts between ``'…'`` or ``“…”`` are texts; inside the first, an apostrophe stands between letters.

Anything else is a fault that names its place, an answer that was cut off above all: completing
it, as the usual repairing libraries do, would make a plan of half of one.
"""

from __future__ import annotations

import json
import re
from typing import Any

#: Deepest nesting that is read.
MAX_DEPTH = 100
_BLANK = re.compile(r"(?:[\s\ufeff]|//[^\n]*|#[^\n]*|/\*.*?\*/)*", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?(?![\w.])")
_WORD = re.compile(r"[A-Za-z_$][\w$-]*")
_BARE_KEY = re.compile(r"[A-Za-z_$][\w$-]*(?=\s*:)")
_WORDS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
_CLOSING = {'"': '"', "“": "”", "'": "'"}
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "'": "'"}
_SHOWN = 30


class JsonFaultError(ValueError):
    """JSON that cannot be read; its text says what is wrong and where.

    Attributes:
        cut_off: whether it ends in the middle.
    """

    def __init__(self, message: str, *, cut_off: bool = False) -> None:
        self.cut_off = cut_off
        super().__init__(message)


def read_json(text: str, start: int = 0) -> tuple[Any, int]:
    """Return the JSON value that begins at ``start``, and where it ends.

    Raises:
        JsonFaultError: it is no JSON, even with the repairs named above.
    """
    try:
        return json.JSONDecoder(parse_constant=_refuse_constant).raw_decode(text, start)
    except (ValueError, RecursionError):
        reader = _Reader(text, start)
        return reader.value(()), reader.at


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


class _Reader:
    """The forgiving reader. A place is the way to a value: keys and numbers."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at

    def value(self, place: tuple[str | int, ...]) -> Any:
        if len(place) > MAX_DEPTH:
            raise JsonFaultError(f"it is nested deeper than {MAX_DEPTH} levels")
        mark = self._next(place)
        if mark == "{":
            return self._object(place)
        if mark == "[":
            return self._array(place)
        if mark in _CLOSING:
            return self._string(place)
        if found := _NUMBER.match(self.text, self.at):
            self.at = found.end()
            return self._number(found, place)
        if (found := _WORD.match(self.text, self.at)) and found.group() in _WORDS:
            self.at = found.end()
            return _WORDS[found.group()]
        raise self._fault("a value is expected", place)

    def _number(self, found: re.Match[str], place: tuple[str | int, ...]) -> int | float:
        try:
            return float(found.group()) if found.group(1) or found.group(2) else int(found.group())
        except ValueError as error:
            raise self._fault("the number is too long", place) from error

    def _object(self, place: tuple[str | int, ...]) -> dict[str, Any]:
        self.at += 1
        result: dict[str, Any] = {}
        while self._next(place) != "}":
            key = self._key(place)
            if self._next((*place, key)) != ":":
                raise self._fault(f"a colon is missing after the key '{key[:_SHOWN]}'", place)
            self.at += 1
            result[key] = self.value((*place, key))
            self._separator("}", (*place, key))
        self.at += 1
        return result

    def _array(self, place: tuple[str | int, ...]) -> list[Any]:
        self.at += 1
        result: list[Any] = []
        while self._next(place) != "]":
            result.append(self.value((*place, len(result))))
            self._separator("]", (*place, len(result) - 1))
        self.at += 1
        return result

    def _separator(self, closing: str, place: tuple[str | int, ...]) -> None:
        mark = self._next(place)
        if mark == ",":
            self.at += 1
        elif mark != closing:
            raise self._fault(f'a comma or {closing} is missing (a quotation mark inside a text is written \\")', place)

    def _key(self, place: tuple[str | int, ...]) -> str:
        if self._next(place) in _CLOSING:
            return self._string(place)
        if found := _BARE_KEY.match(self.text, self.at):
            self.at = found.end()
            return found.group()
        raise self._fault("a key is expected", place)

    def _string(self, place: tuple[str | int, ...]) -> str:
        opening = self.text[self.at]
        closing, begun = _CLOSING[opening], self.at
        self.at += 1
        parts: list[str] = []
        while self.at < len(self.text):
            mark = self.text[self.at]
            if mark == "\\":
                parts.append(self._escape(place))
                continue
            if mark == closing and not (mark == "'" and self._is_apostrophe()):
                self.at += 1
                # Halves of one character are joined, as the standard library does.
                return "".join(parts).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            parts.append(mark)
            self.at += 1
        self.at = begun
        raise JsonFaultError(f"it ends in the middle of the text {_where(place)}", cut_off=True)

    def _is_apostrophe(self) -> bool:
        return self.text[self.at - 1].isalpha() and self.text[self.at + 1 : self.at + 2].isalpha()

    def _escape(self, place: tuple[str | int, ...]) -> str:
        mark = self.text[self.at + 1 : self.at + 2]
        if mark == "u" and re.fullmatch(r"[0-9a-fA-F]{4}", digits := self.text[self.at + 2 : self.at + 6]):
            self.at += 6
            return chr(int(digits, 16))
        if mark in _ESCAPES and mark:
            self.at += 2
            return _ESCAPES[mark]
        if not mark:
            raise JsonFaultError(f"it ends in the middle of the text {_where(place)}", cut_off=True)
        raise self._fault(f"\\{mark} is no escape (a backslash is written \\\\)", place)

    def _next(self, place: tuple[str | int, ...]) -> str:
        """Go to the next mark that counts and return it."""
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at
        if self.at >= len(self.text):
            raise JsonFaultError(f"it ends {_where(place)} before it is closed", cut_off=True)
        return self.text[self.at]

    def _fault(self, what: str, place: tuple[str | int, ...]) -> JsonFaultError:
        line = self.text.count("\n", 0, self.at) + 1
        near = self.text[self.at : self.at + _SHOWN].split("\n")[0]
        return JsonFaultError(f"{what} {_where(place)}, line {line}, before: {near}")


def _where(place: tuple[str | int, ...]) -> str:
    if not place:
        return "at its top level"
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:_SHOWN]}" for part in place)
    return f"at {words.removeprefix('.')}"
