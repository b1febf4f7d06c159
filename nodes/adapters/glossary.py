"""The glossary: terms that a module meets, under the word that its own domain has for them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from matrioska.nodes.context.pieces import Piece, Rank
from matrioska.state.repository import Term

_WORD = re.compile(r"[^\W_]+")
#: What is left of accents once they are taken apart from their letters.
_ACCENTS = re.compile("[\u0300-\u036f]+")


def glossary(terms: Sequence[Term], domain: str, text: str) -> Piece | None:
    """Return the piece with the terms that a text holds, under any domain's word for them; None for none.

    Args:
        terms: the project's glossary.
        domain: of the module that is told.
        text: what the module is told else.
    """
    if not terms:
        return None
    words = _words(text)
    lines = [line for term in terms if (line := _line(term, domain, words))]
    if not lines:
        return None
    return Piece("glossary", "glossary", "\n".join(lines), Rank.HELPFUL)


def _line(term: Term, domain: str, words: str) -> str:
    """Return what is told of a term; '' when the text does not hold it.

    Other domains' words are told only where they stand in the text: the others are not this module's business.
    """
    names = {term.term: "", **{word: other for other, word in term.domains.items()}}
    met = [name for name in names if _occurs(name, words)]
    if not met:
        return ""
    own = term.domains.get(domain)
    told = [f"{own} (here)"] if own and own != term.term else []
    told += [f"{name} ({names[name]})" for name in met if name not in (own, term.term)]
    means = f": {term.meaning}" if term.meaning else ""
    return f"- {' = '.join([term.term, *told])}{means}"


def _occurs(name: str, words: str) -> bool:
    wanted = _words(name)
    return bool(wanted.strip()) and wanted in words


def _words(text: str) -> str:
    """Return the words of a text without case and accents, with a space around each; names of code come apart."""
    plain = text if text.isascii() else _ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    return f" {' '.join(_WORD.findall(plain.casefold()))} "
