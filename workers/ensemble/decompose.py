"""From a query to its semantic units, by rules: no model is asked.

A unit is something that can be answered: a question, or a request that begins with what is to be
done. A query is cut only where a unit ends and another one begins: at a sentence's end, an item of
a list, a semicolon or comma, or a connecting word ("and", "then", "e", "depois"). What stands in
quotes, code, brackets or numbers is never cut, and a sentence that asks for nothing stays with its
neighbour, as what it is: context.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from matrioska.models.embedded.understanding.language import detect_language
from matrioska.state.ensemble import Chunk
from matrioska.workers.ensemble.vocabulary import (
    ABBREVIATIONS,
    ACCENTED_NOUNS,
    ACCENTED_REQUESTS,
    AFTER_NOUN,
    AFTER_REQUEST,
    ASKED_POLITELY,
    ASKED_WITH,
    AUXILIARIES,
    CLAUSES,
    NOUNS,
    OPENERS,
    PREPOSITIONS,
    PRONOUNS,
    QUESTION_WORDS,
    REQUEST_FORMS,
    REQUESTS,
)

#: Fewest words of a unit that is cut from its own sentence.
_LEAST_WORDS = 2
#: Places where a query may be cut that are looked at, and characters around each: bounds on the time
#: that a hostile query takes. What lies beyond stays with its neighbour.
_MOST_CUTS, _WINDOW = 1_000, 2_000
_LONGEST_ABBREVIATION = _LONGEST_OPENER = 20

# Repetitions that are not anchored have an end, or a long run of one sign would take quadratic time.
_PROTECTED = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]+`|\"[^\"\n]*\"|“[^”]{0,1000}”|«[^»]{0,1000}»"
    r"|(?<!\w)'[^'\n]+'(?!\w)|(?<!\w)‘[^’\n]{1,1000}’(?!\w)|\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}|(?<!\w)\w+://\S+|(?<!\d)\d+(?:[.,:]\d+)+",
    re.DOTALL,
)
_ITEM = re.compile(r"^[ \t]*(?:\(?\d{1,3}[.)]|\(?[a-z]\)|[-*•–])[ \t]+", re.MULTILINE)
_INLINE_ITEM = re.compile(r"(?:^|(?<=[\s:;,.?!]))\(?(\d{1,2})[.)]\s+(?=\S)")
_SENTENCE = re.compile(r"[?!.…]{1,9}[\"'”’)\]]*\s+|\n\s*")
_SENTENCE_ENDS = re.compile(r"(?<=[?!.…])\s+|\n+")
_THEN = re.compile(
    r"[,;.]?\s{1,9}(?:and\s+then|then|and\s+after\s+that|after\s+that|afterwards|and\s+afterwards|e\s+depois\s+disso|"
    r"depois\s+disso|(?:e\s+)?depois(?!\s+(?:d[eoa]s?|que)\b)|e\s+em\s+seguida|em\s+seguida|e\s+a\s+seguir|a\s+seguir|"
    r"e\s+ent[ãa]o|ent[ãa]o)\b,?\s+",
    re.IGNORECASE,
)
_AND = re.compile(
    r"[,;]?\s{1,9}(?:and\s+also|as\s+well\s+as|and|plus|e\s+tamb[ée]m|al[ée]m\s+disso|e)\s+", re.IGNORECASE
)
_COMMA = re.compile(r"\s{0,9}[;,]\s+")
_SEQUENCE = re.compile(
    r"^(?:and\s+|e\s+)?(?:then|after\s+that|afterwards|depois(?!\s+(?:d[eoa]s?|que)\b)|depois\s+disso|em\s+seguida|a\s+seguir|ent[ãa]o)\b",
    re.IGNORECASE,
)

#: "If … then …" is one question.
_CONDITION = re.compile(r"\b(?:if|when|se|quando|caso)\b", re.IGNORECASE)

Kind = Literal["item", "then", "sentence", "and", "comma"]


_CONNECTORS: tuple[tuple[re.Pattern[str], Kind], ...] = ((_THEN, "then"), (_AND, "and"), (_COMMA, "comma"))


@dataclass(frozen=True)
class _Cut:
    start: int
    """Where what stands before ends."""
    end: int
    """Where what comes after begins; between the two stands the lead."""
    kind: Kind


def decompose(query: str) -> list[Chunk]:
    """Return the units of a query in order; a query that has no two of them is one chunk.

    The words of all leads and texts, joined, are those of the query.

    Args:
        query: what a person asks, in English or Portuguese; not empty.
    """
    text = query.strip()
    cuts = _accepted(text)
    if cuts and cuts[0].kind == "item" and _introduces(text[: cuts[0].start]):
        cuts[0] = _Cut(0, cuts[0].end, "item")
    else:
        cuts.insert(0, _Cut(0, 0, "sentence"))
    ends = [cut.start for cut in cuts[1:]] + [len(text)]
    chunks: list[Chunk] = []
    for number, (cut, end) in enumerate(zip(cuts, ends, strict=True), 1):
        lead, said = text[cut.start : cut.end].strip(), text[cut.end : end].strip()
        depends = number > 1 and (_THEN.search(f" {lead} ") is not None or _follows(said))
        chunks.append(Chunk(number=number, lead=lead, text=said, after=(number - 1,) if depends else ()))
    return chunks


def _accepted(text: str) -> list[_Cut]:
    """Return the cuts that leave a unit on both sides, from left to right."""
    held = [(found.start(), found.end()) for found in _PROTECTED.finditer(text)]
    apart = _without_overlaps([cut for cut in _candidates(text) if not _is_held(cut, held)])
    candidates = _with_openers(text, apart[:_MOST_CUTS])
    accepted: list[_Cut] = []
    begin = 0
    for position, cut in enumerate(candidates):
        end = candidates[position + 1].start if position + 1 < len(candidates) else len(text)
        before = text[max(begin, cut.start - _WINDOW) : cut.start]
        rest = text[cut.end : cut.end + _WINDOW]
        if _divides(cut, before, rest[: max(0, end - cut.end)], rest):
            accepted.append(cut)
            begin = cut.end
    return accepted


def _is_held(cut: _Cut, held: list[tuple[int, int]]) -> bool:
    """Whether a cut lies in one of these spans, which are in order and apart from each other."""
    place = bisect_left(held, (cut.end, 0))
    return place > 0 and held[place - 1][1] > cut.start


def _candidates(text: str) -> Iterator[_Cut]:
    yield from _items(text)
    for pattern, kind in _CONNECTORS:
        for found in pattern.finditer(text):
            yield _Cut(found.start(), found.end(), kind)
    for found in _SENTENCE.finditer(text):
        last = text[max(0, found.start() - _LONGEST_ABBREVIATION) : found.end()].split()[-1:]
        if found.group().startswith(".") and last and _fold(last[0].lstrip("([")) in ABBREVIATIONS:
            continue
        mark = len(found.group().rstrip())
        yield _Cut(found.start() + mark, found.end(), "sentence")


def _items(text: str) -> Iterator[_Cut]:
    """Yield the items of a list, one a line, or numbered upwards from 1 within a line."""
    for pattern in (_ITEM, _INLINE_ITEM):
        found = list(pattern.finditer(text))
        if pattern is _INLINE_ITEM:
            found = _counted(found)
        if len(found) > 1:
            yield from (_Cut(item.start(), item.end(), "item") for item in found)
            return


def _counted(found: list[re.Match[str]]) -> list[re.Match[str]]:
    """Return those of numbered marks that count upwards from 1."""
    counted: list[re.Match[str]] = []
    for item in found:
        if int(item.group(1)) == len(counted) + 1:
            counted.append(item)
    return counted


_ORDER: tuple[Kind, ...] = ("item", "then", "sentence", "and", "comma")


def _without_overlaps(cuts: list[_Cut]) -> list[_Cut]:
    """Return the cuts in order; of those that overlap the stronger one, grown over what it touches."""
    kept: list[_Cut] = []
    for cut in sorted(cuts, key=lambda c: (c.start, _ORDER.index(c.kind))):
        if kept and cut.start <= kept[-1].end:
            last = kept[-1]
            stronger = min((last, cut), key=lambda c: _ORDER.index(c.kind))
            kept[-1] = _Cut(last.start, max(last.end, cut.end), stronger.kind)
            continue
        kept.append(cut)
    return kept


def _with_openers(text: str, cuts: list[_Cut]) -> list[_Cut]:
    """Return the cuts, those that only a word such as "finally" parts from a comma grown over both."""
    grown: list[_Cut] = []
    for cut in cuts:
        if grown and cut.kind == "comma" and cut.start - grown[-1].end <= _LONGEST_OPENER:
            last = grown[-1]
            if _fold(text[last.end : cut.start]) in OPENERS:
                grown[-1] = _Cut(last.start, cut.end, last.kind)
                continue
        grown.append(cut)
    return grown


def _divides(cut: _Cut, before: str, after: str, rest: str) -> bool:
    """Whether a cut leaves something to answer on both sides.

    Args:
        cut: the cut.
        before: from the last cut to this one; of what is long, the end.
        after: from this cut to the next place where one may be; of what is long, the beginning.
        rest: from this cut to the end; likewise.
    """
    if cut.kind == "item":
        return _begins_unit(rest)
    if not (_holds_unit(before) and _begins_unit(rest)):
        return False
    if cut.kind == "sentence":
        # "Why?" after a question is part of that one.
        return len(_words(after)) >= _LEAST_WORDS
    if cut.kind == "then":
        if _CONDITION.search(_last_sentence(before)):
            return False
    elif _continues(_last_sentence(before), rest):
        return False
    return min(len(_words(before)), len(_words(after))) >= _LEAST_WORDS


def _continues(before: str, rest: str) -> bool:
    """Whether what comes after "and" or a comma goes on with what stands before, although it begins like a request.

    A noun does ("theory and design of bridges"), and so does a second verb: of the same object ("please
    compare and contrast"), of a question ("how do I open a file and write to it?"), or of a clause ("a
    script to read a file and write it"). The Portuguese "do" is no English one.
    """
    words, said = _asked(rest), [_fold(word) for word in _asked(before)]
    first = _verb(words[0])
    if first == "do":
        return detect_language(f"{before} {rest}") == "pt"
    if first not in REQUESTS or not said:
        return False
    if first in NOUNS and "-" not in words[0] and not (len(words) > 1 and _gives(_fold(words[1]))):
        return True
    if len(said) == 1 and said[0] in REQUESTS:
        return True
    if _asks(rest) and _verb(said[0]) not in REQUESTS:
        return True
    behind = next((said[place + 1 :] for place, word in enumerate(said) if place and word in CLAUSES), [])
    return any(first in form and not form.isdisjoint(behind) for form in REQUEST_FORMS)


def _gives(word: str) -> bool:
    """Whether a word may follow a request that could be a noun as well."""
    return word in AFTER_REQUEST or word[0].isdigit()


def _introduces(text: str) -> bool:
    """Whether a text only leads to a list: it is no unit of its own."""
    return text.rstrip().endswith(":") or not _holds_unit(text)


def _holds_unit(text: str) -> bool:
    """Whether any sentence of a text asks for something."""
    return any(_begins_unit(sentence) for sentence in _sentences(text)) or "?" in text


def _begins_unit(text: str) -> bool:
    """Whether a text begins with a question or a request."""
    given = _asked(text)
    if not given:
        return False
    if given[0] in ACCENTED_REQUESTS:
        return len(given) > 1
    words = [_fold(word) for word in given]
    first = words[0]
    if _verb(first) in REQUESTS and given[0] not in ACCENTED_NOUNS:
        # "List price", "test results": a noun, if what follows is a verb; nobody can tell by rules.
        return len(words) > 1 and words[1] not in AFTER_NOUN
    if first == "o" and words[1:2] == ["que"]:
        return True
    if first in PREPOSITIONS and words[1:2] and words[1] in ASKED_WITH:
        # "in which he was born" tells: a question has more to it, and its mark.
        return (first, words[1]) == ("por", "que") or (len(words) > _LEAST_WORDS + 1 and _asks(text))
    if first == "por":
        return False
    if first in QUESTION_WORDS:
        return len(words) > 1 or _asks(text)
    return (first in AUXILIARIES or given[0] == "é") and _asks(text)


def _asked(text: str) -> list[str]:
    """Return the words of a text's first sentence in lower case, without those that change nothing before it."""
    words = _words(_SENTENCE_ENDS.split(text.strip(), maxsplit=1)[0].lower())
    while words and words[0] != "é" and (_fold(words[0]) in OPENERS or words[:2] == ["por", "favor"]):
        del words[: 2 if words[0] == "por" else 1]
    for length in (1, 2):
        polite, rest = _fold(" ".join(words[:length])), words[length:]
        if polite in ASKED_POLITELY and rest and _verb(rest[0]) in REQUESTS:
            return rest
    return words


def _verb(word: str) -> str:
    """Return a word without accents and without the pronoun that hangs on it ("diz-me")."""
    return _fold(word).split("-")[0]


def _asks(text: str) -> bool:
    """Whether the first sentence of a text ends with a question mark."""
    found = re.search(r"[?!.…](?=\s|$)", text)
    return found is not None and found.group() == "?"


def _follows(said: str) -> bool:
    """Whether a unit needs the answer of the one before: it says "then", or speaks of "it"."""
    if _SEQUENCE.match(said):
        return True
    words = _words(_fold(said))
    return any(word in PRONOUNS or word.endswith(("-lo", "-la", "-los", "-las", "-o", "-a")) for word in words)


def _sentences(text: str) -> list[str]:
    return [part for part in _SENTENCE_ENDS.split(text.strip()) if part] or [""]


def _last_sentence(text: str) -> str:
    return _sentences(text)[-1]


def _words(text: str) -> list[str]:
    return re.findall(r"[\w'’]+(?:-\w+)*", text)


def _fold(text: str) -> str:
    """Return lower case without accents."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
