"""Words in the reader's language: one door, through gettext.

What is shown is written in English where it is shown, inside ``_(…)``; a catalogue under ``locale/``
puts it into another language. Where there is none, or it lacks a text, the English stands.
"""

from __future__ import annotations

from contextvars import ContextVar
from gettext import NullTranslations, translation
from pathlib import Path

#: Where catalogues lie: ``LANGUAGE/LC_MESSAGES/matrioska.mo``.
LOCALES = Path(__file__).parent / "locale"
_spoken: ContextVar[NullTranslations] = ContextVar("spoken")
_ENGLISH = NullTranslations()


def speak(*languages: str) -> None:
    """Choose the language of what is said from here on, in this task and those that it begins.

    Args:
        languages: names such as ``pt_BR``, the one liked best first; the first with a catalogue is taken.
    """
    _spoken.set(translation("matrioska", LOCALES, languages, fallback=True))


def _(text: str) -> str:
    """Return a text in the language spoken."""
    return _spoken.get(_ENGLISH).gettext(text)


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
    return _spoken.get(_ENGLISH).ngettext(one, many, number).format(n=figure(number))


def figure(number: float, places: int = 0) -> str:
    """Return a number with its separators, such as ``1,234.5``, as the language spoken writes it.

    Args:
        number: any number.
        places: figures after the decimal separator.
    """
    return f"{number:,.{places}f}"


def told(text: str) -> str:
    """Return an English text of ours, such as an error's message, in the language spoken.

    Its values are filled in already: texts are saved and sent to programs in English, and put into the
    reader's language where they are shown.
    """
    return _(text)
