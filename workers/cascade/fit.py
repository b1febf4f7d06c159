"""What a prompt shows of long texts when a model's window cannot hold them whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping

#: Share of a text that is cut which stands before the gap: beginnings say more than ends.
_HEAD = 0.7
#: Characters kept of a text at the least.
_LEAST = 80


def fitted(texts: Mapping[str, str], room: int, count: Callable[[str], int]) -> dict[str, str]:
    """Return texts so that all of them together take about ``room`` tokens.

    Short ones stay whole; those that are longer than an equal share of what is left are cut to it.

    Args:
        texts: the texts by name.
        room: tokens for all of them.
        count: tokens of a text.
    """
    sizes = {name: count(text) for name, text in texts.items()}
    if sum(sizes.values()) <= room:
        return dict(texts)
    shown, left = dict(texts), max(0, room)
    for number, name in enumerate(sorted(sizes, key=lambda name: sizes[name])):
        share = left // (len(sizes) - number)
        if sizes[name] > share:
            shown[name] = shortened(texts[name], len(texts[name]) * share // sizes[name])
        left -= min(share, sizes[name])
    return shown


def shortened(text: str, characters: int) -> str:
    """Return the beginning and the end of a text, with a word on how much is left out between them."""
    kept = max(_LEAST, characters)
    if len(text) <= kept:
        return text
    head = int(kept * _HEAD)
    return f"{text[:head].rstrip()}\n[… {len(text) - kept:,} characters left out …]\n{text[head - kept :].lstrip()}"
