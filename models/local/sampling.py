"""The next token of each row, drawn for all rows at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

#: Tokens among which nearly every nucleus lies; finding them costs a fifth of sorting a vocabulary.
_LARGEST = 256


@dataclass(frozen=True)
class Draw:
    """How a row's next token is drawn."""

    temperature: float
    top_p: float
    generator: torch.Generator
    """The row's own, on the CPU: one number of it a token, so that other rows change nothing."""


def next_tokens(logits: Tensor, draws: Sequence[Draw | None]) -> list[int]:
    """Return the next token of each row.

    Equal seeds draw equal numbers whatever else is in the batch; the logits themselves differ in
    their last bits with the shapes of the matrices, so that two tokens of almost the same
    likelihood may still change places.

    Args:
        logits: shape (rows, vocabulary), float32, a finite one in each row.
        draws: None takes the likeliest token.
    """
    chosen = logits.argmax(-1)
    sampled = [row for row, draw in enumerate(draws) if draw is not None]
    if sampled:
        chosen[sampled] = _sample(logits[sampled], [draw for draw in draws if draw is not None])
    found: list[int] = chosen.tolist()
    return found


def _sample(logits: Tensor, draws: list[Draw]) -> Tensor:
    """Draw by inverting the distribution, cut to its nucleus (Holtzman et al., 2020, arXiv:1904.09751)."""

    def column(values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=logits.device)[:, None]

    # The largest is taken off before dividing, so that a temperature near 0 cannot overflow.
    scaled = (logits - logits.amax(-1, keepdim=True)) / column([draw.temperature for draw in draws])
    likely = torch.softmax(scaled, -1)
    top_p = column([draw.top_p for draw in draws])
    numbers = column([float(torch.rand((), generator=draw.generator)) for draw in draws])
    largest, tokens = likely.topk(min(_LARGEST, likely.shape[-1]))
    chosen = _invert(largest, tokens, top_p, numbers)
    # Decided row by row: what a row draws must not depend on the others.
    wide = largest.sum(-1) < top_p[:, 0]
    if wide.any():
        ordered, tokens = likely[wide].sort(stable=True, dim=-1, descending=True)
        chosen[wide] = _invert(ordered, tokens, top_p[wide], numbers[wide])
    return chosen


def _invert(likely: Tensor, tokens: Tensor, top_p: Tensor, numbers: Tensor) -> Tensor:
    """Return the token at which each row's distribution reaches its number.

    Args:
        likely: likelihoods, the largest first, at least as many as the nucleus has; shape (rows, any).
        tokens: whose they are, of the same shape.
        top_p: part of the likelihood that the nucleus has; shape (rows, 1).
        numbers: from 0 to 1; shape (rows, 1).
    """
    before = likely.cumsum(-1) - likely
    nucleus = likely.masked_fill(before >= top_p, 0.0)
    reached = nucleus.cumsum(-1)
    # The last token of the nucleus also takes what rounding leaves over.
    last = (nucleus > 0).sum(-1, keepdim=True) - 1
    at = torch.searchsorted(reached, numbers * reached[:, -1:], right=True).minimum(last)
    chosen: Tensor = tokens.gather(-1, at)[:, 0]
    return chosen
