"""Shares of a budget: by rank, alike within a rank, never more than there is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrioska.nodes.context.fit import shares
from matrioska.nodes.context.pieces import Block, Piece, Rank
from matrioska.state.errors import ConfigError

_N, _R, _H, _L = Rank.NEEDED, Rank.READ, Rank.HELPFUL, Rank.RELATED


def _piece(rank: Rank, number: int, *, block: bool = False) -> Piece:
    shown = Block(kind="image", name="x.png", media_type="image/png", sha256="0", tokens=1) if block else None
    return Piece("section", f"piece.{number}", "", rank, block=shown)


def _shares(ranks: list[Rank], whole: list[int], least: list[int], budget: int) -> list[int]:
    pieces = [_piece(rank, number) for number, rank in enumerate(ranks)]
    return shares("a", pieces, whole, least.__getitem__, budget)


@pytest.mark.parametrize(
    ("ranks", "whole", "least", "budget", "expected"),
    [
        ([_N, _R, _H, _L], [10, 10, 10, 10], [0] * 4, 40, [10, 10, 10, 10]),
        # Of what is read, the small stays whole and the large share alike.
        ([_N, _R, _R, _R], [10, 10, 500, 900], [1] * 4, 220, [10, 10, 100, 100]),
        # Names come before equal shares.
        ([_R, _R], [500, 500], [150, 1], 200, [150, 50]),
        # By rank: what is helpful gets what the read leaves, what is related the rest, whole or not at all;
        # a tenth is kept for it.
        ([_R, _H, _L, _L], [100, 300, 60, 20], [1] * 4, 250, [100, 130, 0, 20]),
        ([_R, _H, _L, _L], [100, 100, 60, 20], [1] * 4, 230, [100, 100, 0, 20]),
        # Too little to tell anything of it.
        ([_R, _H, _H], [100, 300, 40], [1] * 3, 144, [100, 0, 40]),
        ([_R, _H], [100, 300], [1, 90], 180, [100, 0]),
    ],
)
def test_shares(ranks: list[Rank], whole: list[int], least: list[int], budget: int, expected: list[int]) -> None:
    assert _shares(ranks, whole, least, budget) == expected


def test_pictures_are_kept_or_left_out_whole() -> None:
    pieces = [_piece(_R, 0), _piece(_H, 1, block=True), _piece(_H, 2, block=True)]
    assert shares("a", pieces, [100, 300, 90], lambda _: 1, 200) == [100, 0, 90]


@pytest.mark.parametrize(
    ("ranks", "whole", "told"),
    [
        ([_N, _N], [300, 200], "needs 500 tokens of context and 400 are allowed; its piece.0 alone takes 300"),
        ([_N, _R], [300, 900], "needs 510 tokens of context and 400 are allowed; its piece.0 alone takes 300"),
        ([_N, _R], [200, 900], "needs 410 tokens of context and 400 are allowed; the names in its piece.1 alone take"),
    ],
)
def test_what_may_not_be_left_out_is_an_error_that_says_how_much(
    ranks: list[Rank], whole: list[int], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        _shares(ranks, whole, [210, 210], 400)


@given(
    pieces=st.lists(st.tuples(st.sampled_from(Rank), st.integers(1, 900), st.integers(1, 300)), max_size=12),
    budget=st.integers(0, 3_000),
)
def test_the_budget_is_kept_and_used(pieces: list[tuple[Rank, int, int]], budget: int) -> None:
    ranks, whole, least = ([piece[at] for piece in pieces] for at in range(3))
    must = sum(w if rank is _N else min(w, low) for rank, w, low in pieces if rank <= _R)
    if must > budget and sum(whole) > budget:
        with pytest.raises(ConfigError):
            _shares(ranks, whole, least, budget)
        return
    granted = _shares(ranks, whole, least, budget)
    assert sum(granted) <= budget
    for (rank, size, low), share in zip(pieces, granted, strict=True):
        assert share <= size
        assert rank is not _N or share == size
        assert rank is not _R or share >= min(size, low)
        assert rank is not _L or share in (0, size)
    # Nobody who reads is cut while a token for each is left.
    cut = [at for at, rank in enumerate(ranks) if rank is _R and granted[at] < whole[at]]
    assert not cut or budget - sum(granted) < len(cut)
