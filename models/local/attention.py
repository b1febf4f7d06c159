"""Attention over rows of different lengths, as transformers' attention interface calls it.

The model sees one sequence of shape (1, tokens): the new tokens of all rows, one row behind the
other, so that nothing but attention knows of rows and no layer computes padding. Attention alone
goes row by row (selective batching; Yu et al., "Orca", OSDI 2022): rows with one new token each
go together, a row with several on its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matrioska.models.local.cache import Place, Slab

if TYPE_CHECKING:
    from transformers import PreTrainedModel

#: Name under which transformers finds this attention.
NAME = "matrioska_rows"
_MASK_STEP = 16


@dataclass(frozen=True)
class Run:
    """Several new tokens of one row."""

    row: int
    start: int
    """Position of the first of them in its row."""
    tokens: slice
    """Where they are in the sequence."""


@dataclass
class Part:
    """The new tokens of the rows of one slab; those alone in their row come first."""

    slab: Slab
    tokens: slice
    """Where they are in the sequence."""
    rows: Tensor
    """Row of each token in the slab, shape (tokens,)."""
    positions: Tensor
    """Position of each token in its row, shape (tokens,)."""
    singles: int
    """Tokens that are alone in their row."""
    span: int
    """Rows of the slab up to the last of these."""
    longest: int
    """Tokens of the longest of their rows, the new one included."""
    runs: list[Run]
    _masks: dict[int | None, Tensor] = field(default_factory=dict)

    def store(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """Write the new tokens' keys and values, shapes (1, heads, tokens, width), into the slab."""
        for held, new in ((self.slab.keys, keys), (self.slab.values, values)):
            held[layer][self.rows, :, self.positions] = new[0, :, self.tokens].transpose(0, 1)

    def mask(self, window: int | None) -> Tensor:
        """Return what rows with one new token may look at, shape (span, 1, 1, longest); made once a step."""
        if window not in self._masks:
            at = self.positions.new_zeros(self.span)
            at[self.rows[: self.singles]] = self.positions[: self.singles]
            self._masks[window] = _visible(at[:, None], self.longest, window)[:, None, None]
        return self._masks[window]


def lay_out(new: list[tuple[Place, int, int]], device: torch.device) -> tuple[list[Part], list[int]]:
    """Lay new tokens out in one sequence.

    Args:
        new: place, position of the first new token and number of new tokens, for each row.

    Returns:
        The parts, and for each row of `new` the index in the sequence of its first new token.
    """
    slabs: dict[int, list[int]] = {}
    for index, (place, _, _) in enumerate(new):
        slabs.setdefault(id(place.slab), []).append(index)
    firsts, parts, begin = [0] * len(new), [], 0
    for members in slabs.values():
        members.sort(key=lambda index: new[index][2] > 1)
        parts.append(_part([new[index] for index in members], begin, device))
        for index in members:
            firsts[index] = begin
            begin += new[index][2]
    return parts, firsts


def _part(new: list[tuple[Place, int, int]], begin: int, device: torch.device) -> Part:
    slab = new[0][0].slab
    rows: list[int] = []
    positions: list[int] = []
    runs = []
    for place, start, count in new:
        if count > 1:
            first = begin + len(rows)
            runs.append(Run(place.row, start, slice(first, first + count)))
        rows += [place.row] * count
        positions += range(start, start + count)
    singles = len(new) - len(runs)
    longest = max(positions[:singles], default=0) + 1
    return Part(
        slab=slab,
        tokens=slice(begin, begin + len(rows)),
        rows=torch.tensor(rows, device=device),
        positions=torch.tensor(positions, device=device),
        singles=singles,
        span=max(rows[:singles], default=-1) + 1,
        longest=min(-(-longest // _MASK_STEP) * _MASK_STEP, slab.capacity),
        runs=runs,
    )


def _visible(at: Tensor, length: int, window: int | None) -> Tensor:
    """Return which of `length` positions a token at `at`, shape (…, 1), may look at."""
    positions = torch.arange(length, device=at.device)
    seen = positions <= at
    return seen if window is None else seen & (positions > at - window)


def attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    parts: list[Part],
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Store new keys and values, and let each row's queries look at their own row.

    Args:
        query: shape (1, heads, tokens, width); key and value alike, with their own heads.
        attention_mask: unused; what a token may see follows from its place.

    Returns:
        Shape (1, tokens, heads, width).
    """
    layer = int(module.layer_idx)  # type: ignore[arg-type]
    found = []
    for part in parts:
        part.store(layer, key, value)
        if part.singles:
            found.append(_singles(module, query, part, layer, sliding_window, kwargs))
        found += [_run(module, query, part.slab, run, layer, sliding_window, kwargs) for run in part.runs]
    return (found[0] if len(found) == 1 else torch.cat(found, dim=1)), None


def _singles(
    module: torch.nn.Module, query: Tensor, part: Part, layer: int, window: int | None, kwargs: dict[str, Any]
) -> Tensor:
    begin = part.tokens.start
    rows = part.rows[: part.singles]
    asked = query[0, :, begin : begin + part.singles].transpose(0, 1)
    # Rows between them that have no single new token ask with zeros, which costs less than copying the rest.
    every = query.new_zeros(part.span, asked.shape[1], 1, asked.shape[2])
    every[rows, :, 0] = asked
    keys = part.slab.keys[layer][: part.span, :, : part.longest]
    values = part.slab.values[layer][: part.span, :, : part.longest]
    return _sdpa(module, every, keys, values, part.mask(window), kwargs)[rows, 0][None]


def _run(
    module: torch.nn.Module,
    query: Tensor,
    slab: Slab,
    run: Run,
    layer: int,
    window: int | None,
    kwargs: dict[str, Any],
) -> Tensor:
    count = run.tokens.stop - run.tokens.start
    end = run.start + count
    # None lets the kernel take its causal path, which is right for a row's beginning.
    mask = None
    if run.start or (window is not None and window < count):
        at = torch.arange(run.start, end, device=query.device)[:, None]
        mask = _visible(at, end, window)[None, None]
    keys, values = (held[layer][run.row : run.row + 1, :, :end] for held in (slab.keys, slab.values))
    return _sdpa(module, query[:, :, run.tokens], keys, values, mask, kwargs)


def _sdpa(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, kwargs: dict[str, Any]
) -> Tensor:
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    answer: Tensor = sdpa_attention_forward(module, query, key, value, mask, **kwargs)[0]
    return answer


def install(model: PreTrainedModel) -> None:
    """Make a model attend by rows; it then needs ``parts=`` at each call."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attend)
    model.set_attn_implementation(NAME)
