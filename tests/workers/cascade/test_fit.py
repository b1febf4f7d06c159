"""Texts that do not fit together: short ones stay whole, long ones keep their beginning and end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matrioska.workers.cascade.fit import fitted, shortened


def test_what_fits_stays_as_it_is() -> None:
    texts = {"a": "one", "b": "two" * 10}
    assert fitted(texts, 33, len) == texts


def test_the_longest_are_cut_to_the_same_size() -> None:
    shown = fitted({"short": "s" * 50, "long": "l" * 2_000, "longer": "m" * 9_000}, 1_050, len)
    assert shown["short"] == "s" * 50
    assert shown["long"].count("l") - 1 == shown["longer"].count("m") == 500, "one l is in the word 'left'"
    assert "[… 8,500 characters left out …]" in shown["longer"]


def test_beginning_and_end_are_kept() -> None:
    text = "The beginning. " + "x" * 5_000 + " The end."
    cut = shortened(text, 200)
    assert cut.startswith("The beginning.")
    assert cut.endswith("The end.")
    assert shortened("short", 2) == "short"


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.text(max_size=3_000), max_size=6), st.integers(-10, 5_000))
def test_no_text_is_lost_and_the_room_is_kept(texts: dict[str, str], room: int) -> None:
    shown = fitted(texts, room, len)
    assert shown.keys() == texts.keys()
    # A text that is cut keeps 80 characters at the least, and says so in about 40.
    assert sum(map(len, shown.values())) <= max(0, room) + 130 * len(texts)
    assert all(shown[name] == text for name, text in texts.items() if len(text) * len(texts) <= room)
