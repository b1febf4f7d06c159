"""Words and figures, and what a terminal must never be told."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrioska.cli.text import command, duration, line, listed, listed_within, local_time, plain, size


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (7530, "2 h 05 min")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_sizes() -> None:
    assert [size(999), size(102_400), size(3_440_000)] == ["999 B", "102 kB", "3.4 MB"]


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\x9b2J", "\x07", "\u202egnp.exe", "\x00", "\ud800", "\u2066", "\r"])
def test_nothing_that_a_terminal_obeys_comes_through(hostile: str) -> None:
    shown = plain(f"a{hostile}b")
    assert shown.startswith("a")
    assert shown.endswith("b")
    assert not set(hostile) - set("[2Jgnp.exe\r") & set(shown)
    assert "\r" not in shown


@given(st.text())
def test_a_line_is_one_line_and_fits(text: str) -> None:
    shown = line(text, 20)
    assert len(shown) <= 20
    assert shown.splitlines() in ([], [shown])


def test_accents_stay() -> None:
    assert plain("Criação de relatórios: ç ã é ü — “ok” 🪆") == "Criação de relatórios: ç ã é ü — “ok” 🪆"


def test_long_lists_are_counted() -> None:
    assert listed(["a", "b", "c"], 2) == "a, b and 1 more"
    assert listed_within(["alpha", "beta", "gamma"], 13) == "alpha, beta and 1 more"
    assert listed_within(["a" * 40], 10) == "a" * 40
    assert listed_within([], 10) == ""


@given(st.text(alphabet=st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"), min_size=1))
def test_commands_survive_a_shell(word: str) -> None:
    assert shlex.split(command("resume", word, base_path="my runs")) == [
        *("matrioska", "resume", word, "--base-path", "my runs")
    ]


def test_times_that_are_none_show_as_nothing() -> None:
    assert local_time("") == ""
    assert len(local_time("2025-01-31T14:05:09.123456+00:00")) == 19
