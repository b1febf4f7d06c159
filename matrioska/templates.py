"""Texts whose values are filled in already, put into another language by the templates that made them.

A template such as ``The file {path} is empty.`` is compared by its literal parts alone, the leftmost place
of each after the one before: that finds a match whenever there is one, in time linear in the text, whatever
the text holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from gettext import NullTranslations
from math import inf
from string import Formatter
from weakref import WeakKeyDictionary

#: Longer texts are not looked through: no message of ours comes near.
MOST_CHARACTERS = 20_000
#: Whatever a text holds, it is looked up in parts this often at the most.
_MOST_LOOKS = 1_000
_MOST_PARTS = 60
#: A template says more than one sentence at times.
_PARTS_TOGETHER = 3
_MOST_DEPTH = 4
#: With fewer letters of its own, a template would fit by chance.
_LEAST_LETTERS = 6
#: Templates are found by how they begin.
_BEGINNING = 4
#: One word may be anything, such as the name of a file: but for these.
NOUNS = ("task", "query", "topology")
_THOUSANDS = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?")
#: What joins texts of ours: faults of one thing, lines, sentences.
_JOINTS = (re.compile(r"(; )"), re.compile(r"(\n)"), re.compile(r"(?<=[.?!])( )(?=\S)"))
_FORMATTER = Formatter()


@dataclass(frozen=True, slots=True)
class Template:
    """A text with named places for values.

    Attributes:
        literals: what stands before, between and behind the values.
        names: the values' names, one fewer than literals.
        letters: letters in the literals: the more, the surer a match.
    """

    literals: tuple[str, ...]
    names: tuple[str, ...]
    letters: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "letters", sum(map(str.isalpha, "".join(self.literals))))

    def values(self, text: str) -> dict[str, str] | None:
        """Return the values with which this template gives a text; None when it cannot."""
        first, *between, last = self.literals
        if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
            return None
        at, end, found = len(first), len(text) - len(last), []
        for literal in between:
            place = text.find(literal, at, end)
            if place < 0:
                return None
            found.append(text[at:place])
            at = place + len(literal)
        found.append(text[at:end])
        values: dict[str, str] = {}
        # A value that stands twice must be the same twice.
        return (
            values if all(values.setdefault(*pair) == pair[1] for pair in zip(self.names, found, strict=True)) else None
        )


class _Templates:
    """What a catalogue has with values, found by its beginning, the surest first."""

    def __init__(self, words: NullTranslations) -> None:
        # gettext has no door to what a catalogue knows, and another reader of it would be a twin.
        entries: dict[object, str] = vars(words).get("_catalog", {})
        known = ((template(text), told) for text, told in entries.items() if isinstance(text, str))
        sure = [(found, told) for found, told in known if found is not None and found.letters >= _LEAST_LETTERS]
        self.anywhere = [pair for pair in sure if len(pair[0].literals[0]) < _BEGINNING]
        self.by_beginning: dict[str, list[tuple[Template, str]]] = {}
        for pair in sure:
            if len(pair[0].literals[0]) >= _BEGINNING:
                self.by_beginning.setdefault(pair[0].literals[0][:_BEGINNING], list(self.anywhere)).append(pair)
        for found in (self.anywhere, *self.by_beginning.values()):
            found.sort(key=lambda pair: -pair[0].letters)

    def fitting(self, text: str) -> list[tuple[Template, str]]:
        """Return the templates that may give a text, each with its translation."""
        return self.by_beginning.get(text[:_BEGINNING], self.anywhere)


_known: WeakKeyDictionary[NullTranslations, _Templates] = WeakKeyDictionary()


def template(text: str) -> Template | None:
    """Return a text with ``{name}`` places as a template; None when it has none, or braces that are none."""
    try:
        parts = list(_FORMATTER.parse(text))
    except ValueError:
        return None
    literals, names = [""], []
    for literal, name, _spec, _conversion in parts:
        literals[-1] += literal
        if name is not None:
            names.append(name)
            literals.append("")
    good = names and all(name.isidentifier() for name in names)
    return Template(tuple(literals), tuple(names)) if good else None


def retell(text: str, words: NullTranslations, localised: Callable[[str], str]) -> str:
    """Return a text of ours in a language.

    Args:
        text: English, its values filled in.
        words: the language's catalogue.
        localised: writes an English figure, such as ``1,234.5``, as the language does.
    """
    if len(text) > MOST_CHARACTERS:
        return text
    return _Teller(words, localised).told(text, 0)


class _Teller:
    """One text on its way into a language."""

    def __init__(self, words: NullTranslations, localised: Callable[[str], str]) -> None:
        if words not in _known:
            _known[words] = _Templates(words)
        self.words, self.templates, self.localised = words, _known[words], localised
        self.looks = 0

    def told(self, text: str, depth: int) -> str:
        """Return a text in the language, as much of it as is known."""
        exact = self.exact(text)
        if exact is not None:
            return exact
        in_parts = [self.in_parts(joint.split(text), depth) for joint in _JOINTS]
        # A value may swallow what follows: that all parts are known is surer than that the whole fits.
        for unknown, said in in_parts:
            if not unknown:
                return said
        whole = self.fitting(text, depth)
        return min(in_parts)[1] if whole is None else whole

    def in_parts(self, parts: list[str], depth: int) -> tuple[float, str]:
        """Return texts and what stands between them in the language, and how many characters of them are unknown.

        Args:
            parts: texts, and at odd places what joins them.
            depth: how deep this lies in values of values.
        """
        if not 1 < len(parts) <= 2 * _MOST_PARTS:
            return inf, "".join(parts)
        # The best of what begins at each part, from the last to the first.
        best: dict[int, tuple[float, str]] = {len(parts) + 1: (0, "")}
        for at in range(len(parts) - 1, -1, -2):
            ways = []
            for end in range(at + 1, min(at + 2 * _PARTS_TOGETHER, len(parts) + 1), 2):
                said = "".join(parts[at:end])
                found = self.whole(said, depth)
                unknown, rest = best[end + 1]
                joint = parts[end] if end < len(parts) else ""
                ways.append((unknown + (0 if found is not None else len(said)), (found or said) + joint + rest))
            best[at] = min(ways, key=lambda way: way[0])
        unknown, said = best[0]
        return (inf if unknown >= sum(map(len, parts[::2])) else unknown), said

    def exact(self, text: str) -> str | None:
        """Return what the catalogue has for a text as it is; None when it has nothing."""
        # gettext answers '' with the head of its catalogue.
        found = self.words.gettext(text) if text else text
        return None if found == text else found

    def whole(self, text: str, depth: int) -> str | None:
        """Return a text that one entry of the catalogue says; None when there is none."""
        exact = self.exact(text)
        return self.fitting(text, depth) if exact is None else exact

    def fitting(self, text: str, depth: int) -> str | None:
        """Return a text by the template that gives it; None when there is none."""
        self.looks += 1
        if self.looks > _MOST_LOOKS:
            return None
        for known, translated in self.templates.fitting(text):
            values = known.values(text)
            if values is not None:
                return translated.format_map({name: self.value(value, depth + 1) for name, value in values.items()})
        return None

    def value(self, value: str, depth: int) -> str:
        """Return a value in the language where it is a text of ours or a figure, else as it is."""
        if _THOUSANDS.fullmatch(value):
            return self.localised(value)
        if depth > _MOST_DEPTH or (" " not in value.strip() and value not in NOUNS):
            return value
        told = self.told(value, depth)
        return self.behind(value, depth) if told == value else told

    def behind(self, value: str, depth: int) -> str:
        """Return a value whose end of sentence, or what stands before its colon, is not of a template."""
        bare = value.removesuffix(".")
        found = None if bare == value else self.whole(bare, depth)
        if found is not None:
            return f"{found}."
        place, colon, rest = value.partition(": ")
        found = self.whole(rest, depth) if colon else None
        return value if found is None else f"{place}: {found}"
