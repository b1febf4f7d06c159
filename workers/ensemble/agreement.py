"""Whether two answers say the same: short ones by normalised equality, long ones by meaning.

Two answers that are wrongly taken for one are worse than two that are wrongly kept apart: the
latter cost a round of critique, the former a wrong answer with much confidence. So every rule
here leans towards "apart".
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter, OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from matrioska.models.embedded.understanding.language import detect_language
from matrioska.state.errors import ModelError
from matrioska.workers.ensemble.normal import (
    STOPWORDS,
    code_of,
    folded_words,
    is_negation,
    is_number,
    normalised,
    short_form,
)

__all__ = ["Embeds", "Meaning", "groups", "is_short", "normalised"]

#: From where on two texts agree, with vectors of an embedder and without.
EMBEDDED_THRESHOLD, LEXICAL_THRESHOLD = 0.85, 0.6
#: What two texts that contradict each other in a number or a negation are worth at the most.
_CONTRADICTION = 0.25
#: From where on two sentences speak of the same, so that a negation in one of them contradicts the other.
_SAME_SUBJECT = 0.5
#: Numbers and negations count as so many words.
_STRONG = 3.0
#: Characters of a word that stand for its stem.
_STEM = 6
#: Characters of an answer that are looked at, sentences compared, vectors and results of comparing kept.
_LOOKED_AT, _SENTENCES, _KEPT, _COMPARED = 20_000, 60, 512, 1_000
_SENTENCE = re.compile(r"(?<=[.!?…;])\s+|\n+")
_YES, _NO = frozenset({"yes", "sim", "true"}), frozenset({"no", "nao", "false"})


class Embeds(Protocol):
    """Turns texts into vectors."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text."""
        ...


def is_short(text: str) -> bool:
    """Whether an answer is short enough to be compared word by word: a number, yes or no, a name, up to 8 words."""
    return short_form(text) is not None


class Meaning:
    """How near the meanings of two texts are.

    With an embedder by the cosine of their vectors, else by the cosine of their words: log
    frequencies of stems (the first letters of a word without accents), small words left out.
    Vectors hardly tell "is" from "is not" and 1812 from 1815, so in both cases texts that differ
    in a number or a negation are kept apart.

    Neither sees who did what to whom: "A beats B" and "B beats A" have the same words.

    Args:
        embedder: makes the vectors; None goes by words.
    """

    def __init__(self, embedder: Embeds | None = None) -> None:
        self.fault = ""
        """Why the embedder is not used any more; '' while nothing is wrong with it."""
        self._embedder = embedder
        self._vectors: OrderedDict[str, list[float]] = OrderedDict()
        self._compared: OrderedDict[tuple[str, str], float] = OrderedDict()
        """A vote compares its answers anew with each one that comes."""

    @property
    def threshold(self) -> float:
        """From where on two texts are taken for the same."""
        return LEXICAL_THRESHOLD if self._embedder is None else EMBEDDED_THRESHOLD

    async def similarity(self, a: str, b: str) -> float:
        """Return 0 for nothing in common to 1 for the same; short answers are the same or nothing.

        An embedder that fails is given up, with its `fault` noted, and words decide from then on.
        """
        if normalised(a) == normalised(b):
            return 1.0
        a, b = a[:_LOOKED_AT], b[:_LOOKED_AT]
        short_a, short_b = short_form(a), short_form(b)
        if short_a is not None and short_b is not None:
            return float(short_a == short_b)
        if code_of(a) or code_of(b):
            # Whether two programs do the same cannot be told from their words.
            return _CONTRADICTION
        pair = (a, b) if a < b else (b, a)
        if (known := self._compared.get(pair)) is not None:
            return known
        near = await self._nearness(a, b)
        # Long texts take their time: other queries go on meanwhile.
        if await asyncio.to_thread(_contradict, a, b):
            near = min(near, _CONTRADICTION)
        self._compared[pair] = near
        while len(self._compared) > _COMPARED:
            self._compared.popitem(last=False)
        return near

    async def agree(self, a: str, b: str) -> bool:
        """Whether two texts are taken for the same."""
        return await self.similarity(a, b) >= self.threshold

    async def prepare(self, texts: Sequence[str]) -> None:
        """Make the vectors of all these texts at once, where there is an embedder."""
        await self._vectors_of([text[:_LOOKED_AT] for text in texts])

    async def _nearness(self, a: str, b: str) -> float:
        vectors = await self._vectors_of([a, b])
        return _angle(vectors[a], vectors[b]) if vectors else _cosine(_features(a), _features(b))

    async def _vectors_of(self, texts: Sequence[str]) -> dict[str, list[float]] | None:
        """Return the vectors of texts, made now or kept from before; None without an embedder."""
        if self._embedder is None:
            return None
        known = {text: self._vectors[text] for text in texts if text in self._vectors}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        try:
            made = await self._embedder.embed(new) if new else []
        except ModelError as error:
            self._give_up(error.message)
            return None
        found = known | dict(zip(new, made, strict=False))
        if len(made) != len(new) or len({len(vector) for vector in found.values()}) > 1:
            self._give_up(f"The embedder made {len(made)} vectors of {len(new)} texts, or not all of one length.")
            return None
        self._vectors |= found
        while len(self._vectors) > _KEPT:
            self._vectors.popitem(last=False)
        return found

    def _give_up(self, fault: str) -> None:
        self.fault, self._embedder = fault, None
        # What vectors said is on another scale.
        self._compared.clear()


async def groups(answers: Sequence[str], meaning: Meaning) -> list[list[int]]:
    """Return which answers say the same, as lists of their places, each and all in order.

    By complete linkage: an answer joins a group only if it agrees with every one in it, and the
    nearest groups join first. Single linkage would chain: A like B and B like C would put A and
    C into one group although they say different things, and the vote would count them as one.

    Args:
        answers: what was said; '' is a group of its own kind, as any text is.
        meaning: tells how near two answers are.
    """
    alike: dict[str, list[int]] = {}
    for place, answer in enumerate(answers):
        alike.setdefault(normalised(answer), []).append(place)
    found = list(alike.values())
    texts = [answers[places[0]] for places in found]
    await meaning.prepare([text for text in texts if not is_short(text)])
    near = [[await meaning.similarity(a, b) for b in texts[:row]] for row, a in enumerate(texts)]
    while len(near) > 1:
        best, row, column = max(
            (value, -row, -column) for row, line in enumerate(near) for column, value in enumerate(line)
        )
        if best < meaning.threshold:
            break
        found[-column] += found.pop(-row)
        near = _joined(near, -row, -column)
    return sorted(sorted(places) for places in found)


def _joined(near: list[list[float]], row: int, column: int) -> list[list[float]]:
    """Return the triangle of nearness after a group (``row``) has joined an earlier one (``column``)."""

    def at(a: int, b: int) -> float:
        return near[max(a, b)][min(a, b)]

    left = [place for place in range(len(near)) if place != row]
    return [
        [min(at(a, b), at(row, a if b == column else b)) if column in (a, b) else at(a, b) for b in left[:place]]
        for place, a in enumerate(left)
    ]


def _contradict(a: str, b: str) -> bool:
    """Whether two texts differ in a number, in how they begin (yes or no), or in a negation of the same sentence."""
    words_a, words_b = _words(a), _words(b)
    numbers_a, numbers_b = set(filter(is_number, words_a)), set(filter(is_number, words_b))
    if numbers_a - numbers_b and numbers_b - numbers_a:
        return True
    first_a, first_b = words_a[:1], words_b[:1]
    if (_YES & {*first_a} and _NO & {*first_b}) or (_NO & {*first_a} and _YES & {*first_b}):
        return True
    return _negate(_sentences(a), _sentences(b)) or _negate(_sentences(b), _sentences(a))


_Sentence = tuple[dict[str, float], bool]
"""Weights of a sentence's words, and whether it denies."""


def _negate(ours: Sequence[_Sentence], theirs: Sequence[_Sentence]) -> bool:
    """Whether a sentence says of the same subject what its nearest counterpart denies."""
    single = len(ours) == len(theirs) == 1
    for mine, denies in ours:
        near, denied = max(
            ((_cosine(mine, other), other_denies) for other, other_denies in theirs), default=(0.0, False)
        )
        if (single or near >= _SAME_SUBJECT) and denied != denies:
            return True
    return False


@lru_cache(maxsize=128)
def _sentences(text: str) -> tuple[_Sentence, ...]:
    portuguese = _is_portuguese(text)
    found = (_words(sentence, portuguese) for sentence in _SENTENCE.split(text)[:_SENTENCES])
    return tuple((_weights(words), any(map(is_negation, words))) for words in found if words)


def _words(text: str, portuguese: bool | None = None) -> list[str]:
    """Return the words of a text; in Portuguese without "no", which denies nothing there."""
    if portuguese is None:
        portuguese = _is_portuguese(text)
    # By then "não" has lost its accent, and is another word still.
    return [word for word in folded_words(text) if not (portuguese and word in ("no", "nos"))]


def _is_portuguese(text: str) -> bool:
    return detect_language(text[:2_000]) == "pt"


@lru_cache(maxsize=128)
def _features(text: str) -> dict[str, float]:
    """Return what a text is made of, and how much of each."""
    return _weights(_words(text), strong=_STRONG)


def _weights(words: list[str], strong: float = 0.0) -> dict[str, float]:
    """Return the weight of each stem: one and the logarithm of how often it stands there.

    Args:
        words: words of a text.
        strong: how many words a number or a negation counts for.
    """
    stems = Counter(word if _is_strong(word) else word[:_STEM] for word in words if word not in STOPWORDS)
    return {stem: (strong if _is_strong(stem) else 1.0) * (1.0 + math.log(count)) for stem, count in stems.items()}


def _is_strong(word: str) -> bool:
    return is_number(word) or is_negation(word)


def _cosine(a: dict[str, float], b: dict[str, float]) -> float:
    dot = sum(weight * b.get(word, 0.0) for word, weight in a.items())
    size = math.sqrt(sum(w * w for w in a.values()) * sum(w * w for w in b.values()))
    return min(1.0, dot / size) if size else 0.0


def _angle(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the cosine of two vectors; 0 where they point apart or lead nowhere."""
    dot = math.fsum(x * y for x, y in zip(a, b, strict=True))
    size = math.sqrt(math.fsum(x * x for x in a) * math.fsum(y * y for y in b))
    return min(1.0, max(0.0, dot / size)) if size and math.isfinite(dot / size) else 0.0
