"""Words in the reader's language: one door, through gettext.

What is shown is written in English where it is shown, inside ``_(…)``; a catalogue under ``locale/``
puts it into another language. Where there is none, or it lacks a text, the English stands.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from gettext import NullTranslations, translation
from pathlib import Path

#: Where catalogues lie: ``LANGUAGE/LC_MESSAGES/matrioska.mo``.
LOCALES = Path(__file__).parent / "locale"
ENGLISH = "en"
#: The variables that say a language, as gettext has it, after our own.
VARIABLES = ("MATRIOSKA_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
_NO_WORDS = NullTranslations()
_spoken: ContextVar[NullTranslations] = ContextVar("spoken")
#: What is spoken where nothing else was chosen: in the whole process, its threads included.
_everywhere: NullTranslations = _NO_WORDS
#: The language that a person chose for the whole process; None where the system's is taken.
_wanted: str | None = None
_asked: list[Callable[[], NullTranslations | None]] = []


def ask_for_words(whose: Callable[[], NullTranslations | None]) -> None:
    """Have somebody asked first: a page's handlers run in contexts that know of no `speak`.

    Args:
        whose: returns the words of the page on whose behalf this runs, as `words_of` gave them; None for no page.
    """
    if whose not in _asked:
        _asked.append(whose)


def words_of(language: str) -> NullTranslations:
    """Return the words of a language; those of English for one that is not spoken."""
    return _words([language])


def wanted() -> str | None:
    """Return the language that a person chose for the whole process, by option or our own variable; None for none."""
    return _wanted or known(os.environ.get(VARIABLES[0], ""))


def speak(*languages: str) -> None:
    """Choose the language of what is said from here on, in this task and those that it begins.

    Args:
        languages: names such as ``pt_BR``, the one liked best first; the first that is known is taken.
    """
    _spoken.set(_words(languages))


@contextmanager
def speaking_everywhere(*languages: str) -> Iterator[None]:
    """Choose the language of the whole process, its threads included, while this holds.

    Where a task has chosen one of its own with `speak`, that one stands.

    Args:
        languages: as for `speak`, named by a person; none for those that the environment asks for.
    """
    global _everywhere, _wanted
    before, _everywhere = (_everywhere, _wanted), _words(languages or wished())
    _wanted = known(languages[0]) if languages else None
    try:
        yield
    finally:
        _everywhere, _wanted = before


def spoken() -> str:
    """Return the name of the language spoken here, such as ``pt_BR``; ``en`` for English."""
    return str(_now().info().get("language") or ENGLISH)


def known(language: str) -> str | None:
    """Return our name for a language, such as ``pt_BR`` for ``pt``, ``PT-br`` and ``pt_BR.UTF-8``; None if unknown.

    Args:
        language: a name as people, browsers and systems write it. ``C`` and ``POSIX`` mean English.
    """
    plain = language.partition(".")[0].partition("@")[0].replace("-", "_").lower()
    if plain in {"c", "posix"} or plain.split("_")[0] == ENGLISH:
        return ENGLISH
    names = languages()
    exact = [name for name in names if name.lower() == plain]
    kin = [name for name in names if name.lower().split("_")[0] == plain.split("_")[0]]
    return next(iter(exact + kin), None)


def languages() -> list[str]:
    """Return the names of the languages that are spoken, English first."""
    return [ENGLISH, *sorted(path.parent.parent.name for path in LOCALES.glob("*/LC_MESSAGES/matrioska.mo"))]


def wished(environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the languages that the environment asks for, the one liked best first.

    Args:
        environment: the variables; None takes the process's own.
    """
    given = os.environ if environment is None else environment
    said = next((given[name] for name in VARIABLES if given.get(name)), "")
    return [name for name in said.split(":") if name]


def _words(wishes: Iterable[str]) -> NullTranslations:
    name = next((found for found in map(known, wishes) if found), ENGLISH)
    # Most speak English: they do not wait for what they do not need.
    return _NO_WORDS if name == ENGLISH else translation("matrioska", LOCALES, [name])


def _now() -> NullTranslations:
    for whose in _asked:
        if (words := whose()) is not None:
            return words
    return _spoken.get(_everywhere)


def _(text: str) -> str:
    """Return a text in the language spoken."""
    # gettext answers '' with the head of its catalogue.
    return _now().gettext(text) if text else text


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for it
    """Return a text as it is: a mark for texts that are put into the language where they are shown."""
    return text


def counted(one: str, many: str, number: int) -> str:
    """Return a number with its noun, such as ``1,234 files``, in the language spoken.

    Args:
        one: the singular, with ``{n}`` for the number.
        many: the plural, likewise.
        number: how many there are.
    """
    return _now().ngettext(one, many, number).format(n=figure(number))


def figure(number: float, places: int = 0) -> str:
    """Return a number with its separators, such as ``1,234.5``, as the language spoken writes it.

    Args:
        number: any number.
        places: figures after the decimal separator.
    """
    return localised(f"{number:,.{places}f}")


def localised(figures: str) -> str:
    """Return a figure written in English, such as ``1,234.5``, as the language spoken writes it."""
    # Translators: the separators of a number, as your language writes it.
    sample = _("1,234.5")
    return figures.translate({ord(","): sample[1], ord("."): sample[-2]})


def told(text: str) -> str:
    """Return an English text of ours, such as an error's message, in the language spoken.

    Its values are filled in already: texts are saved and sent to programs in English, and put into the
    reader's language where they are shown. What is not known stays English, sentence by sentence.

    Args:
        text: the text, with or without values.
    """
    words = _now()
    if words is _NO_WORDS or not text:
        return text
    from matrioska.templates import retell

    return retell(text, words, localised)
