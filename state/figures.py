"""Figures as a person reads them in the language spoken, the same on every screen."""

from __future__ import annotations

from matrioska.i18n import _, figure


def duration(seconds: float) -> str:
    """Return seconds as a person reads them: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 9.95:
        return f"{figure(seconds, 1)} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def dollars(cost: float, places: int = 4) -> str:
    """Return a price in US dollars, ``$0.1235``."""
    return _("${amount}").format(amount=figure(cost, places))


def size(number: int) -> str:
    """Return bytes as a person reads them: ``812 B``, ``12 kB``, ``3.4 MB``, ``16.0 GB``."""
    if number < 1000:
        return f"{number} B"
    if number < 1_000_000:
        return f"{number / 1000:.0f} kB"
    if number < 1_000_000_000:
        return f"{figure(number / 1_000_000, 1)} MB"
    return f"{figure(number / 1_000_000_000, 1)} GB"
