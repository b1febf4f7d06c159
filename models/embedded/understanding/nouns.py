"""Singular and plural of nouns, in English and Portuguese, and words folded for comparison."""

from __future__ import annotations

import re
import unicodedata

_IRREGULAR: dict[str, dict[str, str]] = {
    "en": {
        "person": "people", "child": "children", "man": "men", "woman": "women", "mouse": "mice", "foot": "feet",
        "tooth": "teeth", "goose": "geese", "leaf": "leaves", "shelf": "shelves", "life": "lives", "knife": "knives",
        "wolf": "wolves", "analysis": "analyses", "diagnosis": "diagnoses", "criterion": "criteria", "quiz": "quizzes",
        "bus": "buses", "status": "statuses", "hero": "heroes", "potato": "potatoes", "tomato": "tomatoes",
        "movie": "movies", "cookie": "cookies", "equipment": "equipment", "series": "series", "staff": "staff",
        "species": "species", "software": "software", "furniture": "furniture", "fish": "fish", "sheep": "sheep",
        "shoe": "shoes", "tie": "ties", "calorie": "calories", "horse": "horses", "house": "houses", "case": "cases",
        "course": "courses", "purchase": "purchases", "expense": "expenses", "license": "licenses", "nurse": "nurses",
        "warehouse": "warehouses", "exercise": "exercises", "release": "releases", "lease": "leases", "bee": "bees",
        "database": "databases", "disease": "diseases", "phase": "phases", "response": "responses", "cache": "caches",
    },
    "pt": {
        "pão": "pães", "cão": "cães", "alemão": "alemães", "capitão": "capitães", "mão": "mãos", "irmão": "irmãos",
        "cidadão": "cidadãos", "órgão": "órgãos", "órfão": "órfãos", "mal": "males", "cônsul": "cônsules",
        "lápis": "lápis", "ônibus": "ônibus", "vírus": "vírus", "tênis": "tênis", "atlas": "atlas",
        "fóssil": "fósseis", "réptil": "répteis", "projétil": "projéteis", "míssil": "mísseis", "fácil": "fáceis",
        "têxtil": "têxteis", "álbum": "álbuns", "país": "países", "mês": "meses", "gás": "gases", "mouse": "mouses",
        "português": "portugueses", "freguês": "fregueses", "inglês": "ingleses", "óculos": "óculos",
    },
}  # fmt: skip
_BACK = {lang: {plural: singular for singular, plural in table.items()} for lang, table in _IRREGULAR.items()}

_PLURAL_EN = ((r"([^aeiou])y$", r"\1ies"), (r"(s|x|z|ch|sh)$", r"\1es"), (r"$", "s"))
_SINGULAR_EN = (
    (r"([^aeiou])ies$", r"\1y"), (r"(ss|x|zz|ch|sh)es$", r"\1"), (r"([^s])s$", r"\1"),
)  # fmt: skip
_PLURAL_PT = (
    (r"ão$", "ões"), (r"([aou])l$", r"\1is"), (r"([áéíóúâêô].*)el$", r"\1eis"), (r"el$", "éis"),
    (r"il$", "is"), (r"m$", "ns"), (r"([rz])$", r"\1es"), (r"s$", "s"), (r"$", "s"),
)  # fmt: skip
_SINGULAR_PT = (
    (r"[õô]es$", "ão"), (r"oes$", "ão"), (r"ães$", "ão"), (r"ãos$", "ão"), (r"[ée]is$", "el"), (r"óis$", "ol"),
    (r"([au])is$", r"\1l"), (r"ns$", "m"), (r"([rz])es$", r"\1"), (r"([aeiouáéíóúâêôã])s$", r"\1"),
)  # fmt: skip
_RULES = {"en": (_PLURAL_EN, _SINGULAR_EN), "pt": (_PLURAL_PT, _SINGULAR_PT)}


def fold(text: str) -> str:
    """Return ``text`` in lower case, without accents, with single blanks: the form words are compared in."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(char for char in plain if not unicodedata.combining(char)).split())


def identifier(text: str) -> str:
    """Return ``text`` as an identifier: lower-case ASCII with underscores, '' when nothing is left."""
    words = re.findall(r"[a-z0-9]+", fold(text).encode("ascii", "ignore").decode())
    name = "_".join(words)[:40].strip("_")
    return f"n{name}" if name[:1].isdigit() else name


def plural(word: str, language: str) -> str:
    """Return the plural of a noun; of a phrase, the plural of its main word."""
    return _inflect(word, language, 0)


def singular(word: str, language: str) -> str:
    """Return the singular of a noun; of a phrase, the singular of its main word."""
    return _inflect(word, language, 1)


def is_plural(word: str, language: str) -> bool:
    """Return whether a noun is in the plural, as far as its ending tells."""
    return singular(word, language).casefold() != word.casefold()


def _inflect(phrase: str, language: str, direction: int) -> str:
    words = phrase.split()
    if len(words) > 1:
        # English puts the noun last ("job offers"), Portuguese first ("pedidos de compra").
        place = 0 if language == "pt" else len(words) - 1
        words[place] = _inflect(words[place], language, direction)
        return " ".join(words)
    table = (_BACK if direction else _IRREGULAR)[language]
    known = table.get(phrase.casefold())
    if known is not None:
        return known.capitalize() if phrase[:1].isupper() else known
    if direction and phrase.casefold() in _IRREGULAR[language]:
        return phrase
    for pattern, replacement in _RULES[language][direction]:
        changed, count = re.subn(pattern, replacement, phrase, count=1, flags=re.IGNORECASE)
        if count:
            return changed
    return phrase
