"""Ranking by words: BM25, for English and Portuguese texts, and for the names in code."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

from matrioska.i18n import N_

#: What stands inside a name: ``getHTTPUser2`` is get, HTTP, User, 2; ``APIs`` is one word.
_PART = re.compile(r"[A-Z]{2,}s(?![a-z])|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")
_NAME = re.compile(r"\w+")
# bm25s's short list for English lacks what questions begin with; its long one holds words such as "system".
_QUESTIONS = "which what who how when where why can could should would do does has have from its our we you your"
#: Characters of one text that are looked at.
_MOST_READ = 20_000


def words_of(text: str) -> list[str]:
    """Return the words of a text: accents folded, lower case, singular, without the commonest.

    A name of several words counts as itself and as its words, so that ``userName`` is found by
    ``user_name`` and by ``user``.
    """
    found: list[str] = []
    for name in _NAME.findall(_folded(text[:_MOST_READ])):
        parts = _PART.findall(name)
        found += [_singular(part.lower()) for part in parts]
        if len(parts) > 1:
            found.append("".join(parts).lower())
    return [word for word in found if word not in _stop_words()]


def _folded(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _singular(word: str) -> str:
    # Right for most words of both languages, and the same on both sides for all others.
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


@cache
def _stop_words() -> frozenset[str]:
    from bm25s.stopwords import STOPWORDS_EN, STOPWORDS_PORTUGUESE

    folded = {_folded(word) for word in (*STOPWORDS_EN, *_QUESTIONS.split(), *STOPWORDS_PORTUGUESE)}
    return frozenset(folded | {_singular(word) for word in folded})


class WordRanking:
    """Texts by how many of a query's words they hold, rare ones first (BM25, Lucene's variant).

    Args:
        texts: what is ranked; at least one.
    """

    name = N_("by words")

    def __init__(self, texts: Sequence[str]) -> None:
        import bm25s

        every = [words_of(text) for text in texts]
        # bm25s divides by the number of words that there are.
        self._index = bm25s.BM25(method="lucene") if any(every) else None
        if self._index is not None:
            self._index.index(every, show_progress=False)
        self._count = len(every)

    async def scores(self, query: str) -> list[float]:
        """Return a score for each text, in their order; 0 for one that shares no word."""
        wanted = list(dict.fromkeys(words_of(query)))
        if self._index is None or not wanted:
            return [0.0] * self._count
        return [float(score) for score in self._index.get_scores(wanted)]
