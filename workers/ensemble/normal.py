"""Short answers in one form, so that "**The answer is 1,000.**" and "1000.0" are the same."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

#: Words of an answer that is compared word by word.
SHORT = 8


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Small words that say nothing of what a text is about.
STOPWORDS = _words(
    "a an the of to in on at by for with from as is are was were be been being it its this that these those and or "
    "but so if then than which who whom whose what there here do does did has have had can could will would should "
    "may might o os um uma uns umas de do da dos das em na nos nas por para com se que e ou mas ser foi era "
    "sao esta estao este esse isso isto ele ela eles elas ao aos pelo pela como mais ja ha"
)

_INTRO = re.compile(
    r"^\W*(?:(?:so|therefore|thus|logo|portanto|assim)\W+)?(?:(?:the|a|my|minha)\s+)?(?:(?:final|correct|right)\s+)?"
    r"(?:answer|result|resposta|resultado)(?:\s+(?:final|correta|certa))?"
    r"(?:\s+(?:is|would be|e|seria)\b\s*:?|\s*[:=])\s*"
)
_CONCLUSION = re.compile(
    r"(?:(?:^|[\s,;.])(?:answer|resposta)(?:\s+final)?(?:\s+(?:is|é|e)\b\s*:?|\s*:)|\\boxed\{|####)[ \t]*(.+)",
    re.IGNORECASE,
)
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
_FENCE_LINE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[\w+-]*[ \t]*$", re.MULTILINE)
_LINE_MARK = re.compile(r"^[ \t]*(?:#{1,6}|>|[-*+•])[ \t]+", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<!\w)[*_]+|[*_]+(?!\w)|`+|~~|\\[()\[\]]")
_FORMULA = re.compile(r"\$\$?([^$\n]+)\$\$?(?!\w)")
# The look ahead keeps a long run of marks, and one lazy part a block without an end, from quadratic time.
_CODE = re.compile(r"^[ \t]*(`{3,}(?!`)|~{3,}(?!~))[^\n]*\n(.*?)\n[ \t]*\1", re.MULTILINE | re.DOTALL)
_DASHES = re.compile("[\u2010-\u2015\u2212]")
#: Digits with marks between them; letters with what holds them together; signs that mean something.
_TOKEN = re.compile(
    r"(?:(?<![\w.,])-)?(?:\d+(?:[.,\u202f\u00a0']\d{3}(?!\d))+(?:[.,]\d+)?|\d+(?:[.,]\d+)?|(?<!\d)\.\d+)"
    r"|(?:[^\W\d_]\.){2,}|[^\W\d_]+(?:['’.-][^\W\d_]+)*[+#]*|[%$€£¥°/^=<>×÷+*#&@]|(?<=\d):(?=\d)|-(?=\s*\d)"
)
_ARTICLES = _words("a an the o os as um uma")
_SAME = {"sim": "yes", "nao": "no", "verdadeiro": "true", "falso": "false"} | {
    word: str(value)
    for words in (
        "zero one two three four five six seven eight nine ten",
        "zero um dois tres quatro cinco seis sete oito nove dez",
    )
    for value, word in enumerate(words.split())
}
_NEGATIONS = _words(
    "not no never none nobody nothing neither nor cannot without nao nunca nenhum nenhuma ninguem nem sem jamais"
)
#: What "n't" may follow; its apostrophe is gone by then.
_SHORTENED = _words("is are was were do does did has have had ca could wo would should must need")


@lru_cache(maxsize=512)
def normalised(text: str) -> str:
    """Return an answer without what does not change it.

    Left out are case, accents, Markdown, punctuation, articles and words such as "The answer
    is". Numbers are written in one way; units, signs and the order of words stay. A number whose
    mark may mean either (``1.000``) keeps it, and equals only itself. Of an answer with code, the
    code is what counts, as it is written.
    """
    if code := code_of(text):
        return code
    words = _tokens(_without_intro(plain(text)))
    # An article stands before another word: "option A" names an answer.
    kept = [word for at, word in enumerate(words) if word not in _ARTICLES or at == len(words) - 1]
    if len(kept) == 1:
        return _SAME.get(kept[0], kept[0])
    return " ".join(kept)


@lru_cache(maxsize=512)
def short_form(text: str) -> str | None:
    """Return a short answer, or the short conclusion that a long one ends with, normalised; None when there is none."""
    if code_of(text):
        return None
    short = normalised(text)
    if short and len(short.split()) <= SHORT:
        return short
    if found := _CONCLUSION.findall(text[-2_000:]):
        last = re.split(r"(?<=[^\d\s])[.!?]\s|(?<=\d)\.\s|\n|\}", found[-1], maxsplit=1)[0]
        concluded = normalised(last)
        if concluded and len(concluded.split()) <= SHORT:
            return concluded
    return None


def code_of(text: str) -> str:
    """Return the blocks of code of a text, of more than one line each; '' when it has none."""
    blocks = (match[2] for match in _CODE.finditer(text) if "\n" in match[2])
    return "\n".join(line.rstrip() for block in blocks for line in block.splitlines() if line.strip())


def folded_words(text: str) -> list[str]:
    """Return the words, numbers and signs of a text in order: lower case, without accents and Markdown."""
    return _tokens(plain(text))


def is_number(word: str) -> bool:
    """Whether a folded word is a number."""
    return word[-1:].isdigit()


def is_negation(word: str) -> bool:
    """Whether a folded word denies."""
    return word in _NEGATIONS or (word.endswith("nt") and word[:-2] in _SHORTENED)


def plain(text: str) -> str:
    """Return a text in lower case without Markdown, accents and marks of formulas."""
    text = _FORMULA.sub(r"\1", _BOXED.sub(r" \1 ", _LINK.sub(r"\1", text)))
    text = _EMPHASIS.sub("", _LINE_MARK.sub("", _FENCE_LINE.sub("", text)))
    decomposed = unicodedata.normalize("NFKD", _DASHES.sub("-", text).casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).strip()


def _without_intro(text: str) -> str:
    rest = text[found.end() :] if (found := _INTRO.match(text)) else text
    return rest if rest.strip() else text


def _tokens(text: str) -> list[str]:
    return [_number(found) if found[-1].isdigit() else _word(found) for found in _TOKEN.findall(text)]


def _word(found: str) -> str:
    if re.fullmatch(r"(?:[^\W\d_]\.)+[^\W\d_]?", found):
        return found.replace(".", "")
    return re.sub(r"(?<=\w)['’-](?=\w)", "", found)


def _number(found: str) -> str:
    """Return a number in one form: no marks between thousands, a point before fractions, no idle zeros."""
    sign = "-" if found.startswith("-") else ""
    whole, fraction = _split_number(re.sub(r"[\u202f\u00a0'-]", "", found))
    if fraction is None:
        return sign + whole
    fraction = fraction.rstrip("0")
    whole = whole.lstrip("0") or "0"
    return sign + (f"{whole}.{fraction}" if fraction else whole)


def _split_number(digits: str) -> tuple[str, str | None]:
    """Return the whole and the fraction of a number; as it stands, and None, where its mark may mean either."""
    marks = [letter for letter in digits if letter in ".,"]
    if not marks:
        return digits, ""
    last = digits.rfind(marks[-1])
    head, tail = digits[:last], digits[last + 1 :]
    if len(set(marks)) == 2:
        return re.sub("[.,]", "", head), tail
    if len(marks) > 1:
        return re.sub("[.,]", "", digits), ""
    if len(tail) != 3 or head in ("", "0") or len(head) > 3:
        return head, tail
    # "1,000" is a thousand nearly everywhere; "1.000" is one to some and a thousand to others.
    return (head + tail, "") if marks[0] == "," else (digits, None)
