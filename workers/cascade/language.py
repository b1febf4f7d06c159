"""Whether a reply is in another language than the question, as far as this can be told for sure; and in which
language a person is told what we say ourselves.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from matrioska.models.embedded.understanding.catalogue import Language
from matrioska.models.embedded.understanding.language import detect_language
from matrioska.models.embedded.understanding.nouns import fold

#: Characters of a text that are looked at.
_LOOKED_AT = 4_000
#: Small words of one language that a text must have at the least, and how many times as many as of the other.
_EVIDENCE, _CLEARLY = 4, 3
#: Letters of one script that a text must have at the least, and their share of all letters.
_LETTERS, _SHARE = 12, 0.6
#: Code, quotations and addresses are in no language of the writer's.
_FOREIGN = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|^>[^\n]*$|\w+://\S+", re.DOTALL | re.MULTILINE)
#: Who asks for another language shall have it.
_ASKS_FOR_ONE = re.compile(
    r"\btranslat\w*|\btraduz\w*|\btradu[çc]\w*|\b(?:in|into|em|para o|no) (?:english|portuguese|spanish|french|german|"
    r"italian|russian|chinese|japanese|ingl[êe]s|portugu[êe]s|espanhol|franc[êe]s|alem[ãa]o|italiano|russo|chin[êe]s|"
    r"japon[êe]s)\b",
    re.IGNORECASE,
)
#: Small words that the other of the two languages does not have.
_ENGLISH = (
    "the of and is are was were that this these it its with for not be have has which what how from there they you "
    "an on at by but if when would can to in"
)
_PORTUGUESE = (
    "que nao de da das dos uma um para com por mais como sao esta isso este essa ele ela eles pelo pela tambem quando "
    "onde qual quais seu sua foi ser em ao aos na nas mas ou e o os"
)
_SMALL_WORDS = {"en": frozenset(_ENGLISH.split()), "pt": frozenset(_PORTUGUESE.split())}
#: Small words that Portuguese has and Spanish and Italian have not; and the other way round.
_ONLY_PORTUGUESE = "o os ao aos do dos da das na nas no nos em um uma nao mais isso isto voce"
_NEIGHBOURS = "el los las la del una un es lo il di della gli per perche sono"
#: Scripts that one language mixes.
_MIXED = {"HIRAGANA": "CJK", "KATAKANA": "CJK"}


def in_another_language(question: str, reply: str) -> bool:
    """Return whether a reply is surely not in the language of the question.

    English and Portuguese are told apart by their small words, others by their script. Where there
    is too little to go by, and where the question asks for a language or a translation, it is not.

    Args:
        question: what was asked.
        reply: what was answered.
    """
    if _ASKS_FOR_ONE.search(question[:_LOOKED_AT]):
        return False
    asked, answered = _language(question), _language(reply)
    return bool(asked and answered) and asked != answered


def own_words(question: str) -> Language:
    """Return in which language the person who asked is told something: in Portuguese who asked so, else in English."""
    found = Counter(re.findall(r"[a-z]+", fold(question[:_LOOKED_AT])))
    own, neighbours = (sum(found[word] for word in small.split()) for small in (_ONLY_PORTUGUESE, _NEIGHBOURS))
    return detect_language(question) if own >= neighbours else "en"


def _language(text: str) -> str:
    """Return "en", "pt" or the name of a script that is not Latin; '' when there is too little to go by."""
    plain = _FOREIGN.sub(" ", text[:_LOOKED_AT])
    script = _script(plain)
    if script != "LATIN":
        return script
    found = Counter(re.findall(r"[a-z]+", fold(plain)))
    counts = {language: sum(found[word] for word in small) for language, small in _SMALL_WORDS.items()}
    first, second = sorted(counts, key=lambda language: -counts[language])
    sure = counts[first] >= _EVIDENCE and counts[first] >= _CLEARLY * counts[second]
    return first if sure else ""


def _script(text: str) -> str:
    """Return the script of most letters, as Unicode names it ("LATIN", "CYRILLIC", "CJK"); '' when none is."""
    named = (unicodedata.name(letter, "").split(" ")[0] for letter in text if letter.isalpha())
    scripts = Counter(_MIXED.get(name, name) for name in named)
    if not scripts:
        return ""
    script, count = scripts.most_common(1)[0]
    return script if count >= _LETTERS and count >= _SHARE * scripts.total() else ""
