"""Contrast of colours, by the rule of the accessibility guidelines."""

from __future__ import annotations


def _luminance(colour: str) -> float:
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two ``#rrggbb`` colours, from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def readable_on(colour: str) -> str:
    """Return white or near-black, whichever reads better on ``colour``."""
    return max(("#ffffff", "#14161a"), key=lambda ink: contrast(colour, ink))


def toned(colour: str, backdrop: str, enough: float = 4.5) -> str:
    """Return ``colour`` moved towards the readable ink until it stands out enough from ``backdrop``."""
    ink = readable_on(backdrop)
    for step in range(21):
        mixed = _mix(colour, ink, step / 20)
        if contrast(mixed, backdrop) >= enough:
            return mixed
    return ink


def _mix(one: str, other: str, share: float) -> str:
    pairs = ((int(one[place : place + 2], 16), int(other[place : place + 2], 16)) for place in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def palette(accent: str) -> dict[str, str]:
    """Return the accent and its companions for both themes, each readable where it is used."""
    # The palest grounds that accent-coloured text stands on: a tinted surface in each theme.
    light_ground, dark_ground = _mix("#ffffff", accent, 0.1), _mix("#191c23", accent, 0.3)
    dark = toned(accent, "#191c23")
    return {
        "accent": accent,
        "on_accent": readable_on(accent),
        "accent_text_light": toned(accent, light_ground),
        "accent_dark": dark,
        "on_accent_dark": readable_on(dark),
        "accent_text_dark": toned(dark, dark_ground),
    }
