"""Words in the reader's language: one door, `_`, through gettext.

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


def counted(one: str, many: str, number: int) -> str:
    """Return a number with its noun, such as ``1,234 files``, in the language spoken.

    Args:
        one: the singular, with ``{n}`` for the number.
        many: the plural, likewise.
        number: how many there are.
    """
    return _spoken.get(_ENGLISH).ngettext(one, many, number).format(n=f"{number:,}")
