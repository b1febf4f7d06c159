"""The glossary tells the terms that a module meets, under its own domain's word."""

from __future__ import annotations

import pytest

from matrioska.nodes.adapters.glossary import glossary
from matrioska.nodes.context.pieces import Rank
from matrioska.state.repository import Term

TEMPO = Term(term="tempo", meaning="how fast", domains={"code": "bpm", "audio": "beats per minute", "prose": "pace"})


def _told(text: str, domain: str = "code", *terms: Term) -> str:
    piece = glossary(terms or (TEMPO,), domain, text)
    return piece.text if piece is not None else ""


@pytest.mark.parametrize(
    ("text", "domain", "told"),
    [
        ("the tempo", "code", "- tempo = bpm (here): how fast"),
        ("the tempo", "prose", "- tempo = pace (here): how fast"),
        ("the tempo", "vision", "- tempo: how fast"),
        ("the bpm", "code", "- tempo = bpm (here): how fast"),
        ("at its pace", "code", "- tempo = bpm (here) = pace (prose): how fast"),
        ("in beats per minute.", "code", "- tempo = bpm (here) = beats per minute (audio): how fast"),
        ("TEMPO", "code", "- tempo = bpm (here): how fast"),
        ("tempo_map", "code", "- tempo = bpm (here): how fast"),
        ("contemporary", "code", ""),
        ("beats and minute", "code", ""),
        ("", "code", ""),
    ],
)
def test_a_term_is_told_where_it_is_met(text: str, domain: str, told: str) -> None:
    assert _told(text, domain) == told


def test_case_and_accents_do_not_matter() -> None:
    term = Term(term="função", domains={"code": "Function"})
    assert _told("A FUNCAO", "code", term) == "- função = Function (here)"
    assert _told("uma função", "prose", term) == "- função"


def test_a_term_of_marks_alone_is_never_met() -> None:
    assert _told("a – b", "code", Term(term="–", meaning="dash")) == ""


def test_it_is_one_piece_that_may_give_way() -> None:
    piece = glossary([TEMPO, Term(term="key", meaning="which notes")], "code", "tempo and key")
    assert piece is not None
    assert (piece.section, piece.name, piece.rank) == ("glossary", "glossary", Rank.HELPFUL)
    assert piece.text.count("\n") == 1


def test_without_terms_there_is_none() -> None:
    assert glossary([], "code", "tempo") is None
