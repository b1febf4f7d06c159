"""Which piece of a package may take how many tokens. Pure: no text is touched here.

What is needed goes in whole. What was declared to be read shares the rest: small pieces whole, large
ones alike. Then comes what is helpful, in the same way, and what is left goes to what is related; a
tenth of the budget is kept for that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matrioska.nodes.context.pieces import Piece, Rank
from matrioska.state.errors import ConfigError

#: Share of the budget that one long file cannot take from what the project remembers.
_KEPT_FOR_RELATED = 0.1
#: Fewer tokens of something helpful tell nothing.
_LEAST_USEFUL = 48


def shares(
    module: str, pieces: Sequence[Piece], whole: Sequence[int], least: Callable[[int], int], budget: int
) -> list[int]:
    """Return the tokens that each piece may take.

    A piece whose share is what it takes whole stays as it is; one with 0 is left out; the others are
    to be condensed to their share.

    Args:
        module: id of the module, for the message.
        pieces: the pieces.
        whole: what each takes as it is.
        least: what a piece, by its index, takes at the least: its identifiers. Asked only where needed.
        budget: tokens for all.

    Raises:
        ConfigError: what may not be left out exceeds the budget; names the largest.
    """
    if sum(whole) <= budget:
        return list(whole)
    granted = [size if piece.rank is Rank.NEEDED else 0 for piece, size in zip(pieces, whole, strict=True)]
    _check(module, pieces, granted, budget)
    room = budget - sum(granted)
    read = [index for index, piece in enumerate(pieces) if piece.rank is Rank.READ]
    floors = {index: _floor(pieces[index], whole[index], least(index)) for index in read}
    _check(module, pieces, [floors.get(index, size) for index, size in enumerate(granted)], budget)
    room -= _pour(granted, whole, floors, room)
    related = [index for index, piece in enumerate(pieces) if piece.rank is Rank.RELATED]
    room -= _take(granted, whole, related, min(room, int(budget * _KEPT_FOR_RELATED)))
    room -= _pour(granted, whole, _helpful(pieces, whole, least, room), room)
    _take(granted, whole, related, room)
    return granted


def _take(granted: list[int], whole: Sequence[int], indices: Sequence[int], room: int) -> int:
    """Grant the pieces that are not in yet and fit, whole, the first come first; return what they took."""
    taken = 0
    for index in indices:
        if not granted[index] and whole[index] <= room - taken:
            granted[index] = whole[index]
            taken += whole[index]
    return taken


def _floor(piece: Piece, whole: int, least: int) -> int:
    """Return what a piece takes at the least; pictures and sounds cannot be made smaller."""
    return whole if piece.block else min(whole, least)


def _helpful(pieces: Sequence[Piece], whole: Sequence[int], least: Callable[[int], int], room: int) -> dict[int, int]:
    """Return the least sizes of the helpful pieces that can be told anything of, by index; the first come first."""
    floors: dict[int, int] = {}
    for index, piece in enumerate(pieces):
        if piece.rank is not Rank.HELPFUL:
            continue
        floor = _floor(piece, whole[index], max(least(index), _LEAST_USEFUL))
        if floor <= room:
            floors[index] = floor
            room -= floor
    return floors


def _pour(granted: list[int], whole: Sequence[int], floors: dict[int, int], room: int) -> int:
    """Share ``room`` among the pieces in ``floors`` as water fills vessels; return what they took."""
    level = _level([(floor, whole[index]) for index, floor in floors.items()], room)
    for index, floor in floors.items():
        granted[index] = max(floor, min(level, whole[index]))
    return sum(granted[index] for index in floors)


def _level(vessels: Sequence[tuple[int, int]], room: int) -> int:
    """Return the highest level, between each vessel's floor and its rim, at which all together take ``room``."""
    low, high = 0, max((rim for _, rim in vessels), default=0)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(max(floor, min(middle, rim)) for floor, rim in vessels) <= room:
            low = middle
        else:
            high = middle - 1
    return low


def _check(module: str, pieces: Sequence[Piece], sizes: Sequence[int], budget: int) -> None:
    """Check that what must go in does.

    Raises:
        ConfigError: it does not.
    """
    if (needed := sum(sizes)) <= budget:
        return
    largest = max(range(len(sizes)), key=lambda index: sizes[index])
    what = "the names in its" if pieces[largest].rank is Rank.READ and not pieces[largest].block else "its"
    raise ConfigError(
        f"Module {module} needs {needed:,} tokens of context and {budget:,} are allowed; "
        f"{what} {pieces[largest].name} alone {'take' if what != 'its' else 'takes'} {sizes[largest]:,}.",
        next_step="Shorten it, raise token_budget, or use a model with a larger window.",
    )
