"""Keys and values of all rows: allocated ahead, counted against a budget, reused where prompts begin alike."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

#: Tokens from which on it pays to reuse what two prompts have in common.
WORTH_SHARING = 16
#: Part of the budget that the beginnings of earlier prompts may take, while no row needs it.
_PREFIX_PART = 4
_SMALLEST = 64


@dataclass(frozen=True)
class Shape:
    """What one token takes in the cache."""

    heads: tuple[int, ...]
    """Heads of keys and values in each layer."""
    key_widths: tuple[int, ...]
    value_widths: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    @property
    def token_bytes(self) -> int:
        """Bytes that one token takes."""
        widths = zip(self.heads, self.key_widths, self.value_widths, strict=True)
        return sum(heads * (key + value) for heads, key, value in widths) * self.dtype.itemsize

    def empty(self, *lead: int, tokens: int) -> tuple[list[Tensor], list[Tensor]]:
        """Return zeros for keys and for values, each layer of shape (*lead, heads, tokens, width)."""
        # Zeros: what a mask hides is still multiplied, and chance bits may be NaN.
        keys, values = (
            [
                torch.zeros(*lead, heads, tokens, width, dtype=self.dtype, device=self.device)
                for heads, width in zip(self.heads, widths, strict=True)
            ]
            for widths in (self.key_widths, self.value_widths)
        )
        return keys, values


def shape_of(model: PreTrainedModel) -> Shape:
    """Return what a model's tokens take in the cache, found by a forward pass over one token.

    Raises:
        ValueError: the model keeps something else than keys and values (state spaces, linear attention).
    """
    from transformers.cache_utils import DynamicLayer

    with torch.inference_mode():
        ids = torch.zeros(1, 1, dtype=torch.long, device=model.device)
        layers: list[Any] = model(ids, use_cache=True, logits_to_keep=1).past_key_values.layers
    if not all(isinstance(layer, DynamicLayer) and layer.keys is not None for layer in layers):
        raise ValueError("it keeps more than keys and values of attention")
    return Shape(
        heads=tuple(layer.keys.shape[1] for layer in layers),
        key_widths=tuple(layer.keys.shape[3] for layer in layers),
        value_widths=tuple(layer.values.shape[3] for layer in layers),
        dtype=layers[0].keys.dtype,
        device=layers[0].keys.device,
    )


@dataclass(eq=False)
class Place:
    """Where a row's keys and values are."""

    slab: Slab
    row: int
    length: int = 0
    """Tokens whose keys and values are there."""


class Slab:
    """Keys and values of rows with the same capacity, each layer of shape (rows, heads, capacity, width)."""

    def __init__(self, shape: Shape, capacity: int) -> None:
        self.capacity = capacity
        self.keys, self.values = shape.empty(0, tokens=capacity)
        self.places: list[Place | None] = []

    @property
    def rows(self) -> int:
        """Rows that are allocated."""
        return len(self.places)

    @property
    def live(self) -> list[Place]:
        """The rows in use."""
        return [place for place in self.places if place is not None]

    def grow(self, rows: int) -> None:
        """Allocate rows up to that number. Layer by layer, so that only one is there twice."""
        used = max((place.length for place in self.live), default=0)
        for held in (self.keys, self.values):
            for index, old in enumerate(held):
                fresh = old.new_zeros(rows, *old.shape[1:])
                count = min(rows, old.shape[0])
                fresh[:count, :, :used] = old[:count, :, :used]
                held[index] = fresh
        self.places += [None] * (rows - len(self.places))

    def shrink(self) -> None:
        """Move rows in use together and give the others' memory back."""
        holes = [row for row, place in enumerate(self.places) if place is None]
        rows = self.rows - len(holes)
        for place in reversed(self.live):
            if place.row >= rows:
                self._move(place, holes.pop(0))
        del self.places[rows:]
        try:
            for held in (self.keys, self.values):
                for index, old in enumerate(held):
                    held[index] = old[:rows].clone()
        except Exception as error:
            # What was not copied stays larger than it need be, and right.
            if not is_out_of_memory(error):
                raise

    def take(self) -> Place:
        """Return a row that is allocated and free."""
        row = self.places.index(None)
        place = self.places[row] = Place(self, row)
        return place

    def leave(self, place: Place, *, clean: bool) -> None:
        """Free a row; `clean` wipes it, for values that are no numbers would reach its next user."""
        self.places[place.row] = None
        if clean:
            for layer in (*self.keys, *self.values):
                layer[place.row].zero_()

    def _move(self, place: Place, row: int) -> None:
        for layer in (*self.keys, *self.values):
            layer[row, :, : place.length] = layer[place.row, :, : place.length]
        self.places[place.row], self.places[row] = None, place
        place.row = row


@dataclass(frozen=True)
class Prefix:
    """The beginning of an earlier conversation, kept."""

    tokens: tuple[int, ...]
    keys: list[Tensor] = field(repr=False)
    """Each layer of shape (heads, tokens, width)."""
    values: list[Tensor] = field(repr=False)


class KVCache:
    """Places for rows, and beginnings of earlier ones while there is room.

    Args:
        budget: tokens that all rows and prefixes may take together.
    """

    def __init__(self, shape: Shape, budget: int) -> None:
        self.budget = budget
        self._shape = shape
        self._slabs: dict[int, Slab] = {}
        self._prefixes: OrderedDict[tuple[int, ...], Prefix] = OrderedDict()

    def capacity(self, tokens: int) -> int:
        """Return the tokens that a row of `tokens` is given: few different sizes, so that rows share slabs.

        At most an eighth more than asked for, or 63 more; never more than the budget.
        """
        step = max(_SMALLEST, 1 << max(0, tokens.bit_length() - 4))
        return max(tokens, min(-(-tokens // step) * step, self.budget))

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self._shape.device

    @property
    def held(self) -> int:
        """Tokens that are allocated, the kept prefixes' included."""
        return sum(slab.rows * slab.capacity for slab in self._slabs.values()) + self._kept

    def fits(self, capacity: int) -> bool:
        """Return whether there would be room for a row of that capacity."""
        return capacity + self._reserved <= self.budget

    def add(self, capacity: int) -> Place:
        """Return a place for a row that fits."""
        slab = self._slabs.get(capacity)
        if slab is None:
            slab = self._slabs[capacity] = Slab(self._shape, capacity)
        if None not in slab.places:
            spare = max(1, slab.rows // 2)
            if self.held + spare * capacity > self.budget:
                spare = 1
                self._make_room(capacity)
            slab.grow(slab.rows + spare)
        return slab.take()

    def remove(self, place: Place, *, clean: bool = False) -> None:
        """Free a row's place."""
        slab = place.slab
        slab.leave(place, clean=clean)
        live = len(slab.live)
        if not live:
            self._slabs.pop(slab.capacity, None)
        elif live * 2 <= slab.rows:
            slab.shrink()
        self._make_room(0)

    def forget(self) -> bool:
        """Drop what was kept of earlier rows; return whether there was any."""
        kept = bool(self._prefixes)
        self._prefixes.clear()
        return kept

    def clear(self) -> None:
        """Free everything."""
        self._slabs.clear()
        self._prefixes.clear()

    def keep(self, tokens: Sequence[int], place: Place) -> None:
        """Keep the beginning of a row that is about to be removed, as far as a part of the budget goes."""
        room = min(self.budget // _PREFIX_PART, self.budget - self._reserved + place.slab.capacity)
        known = tuple(tokens[: min(place.length, room)])
        if len(known) < WORTH_SHARING:
            return
        if any(common(known, kept) == len(known) for kept in self._prefixes):
            return
        for kept in [kept for kept in self._prefixes if common(known, kept) == len(kept)]:
            del self._prefixes[kept]
        while self._prefixes and self._kept + len(known) > room:
            self._prefixes.popitem(last=False)
        keys, values = (
            [layer[place.row, :, : len(known)].clone() for layer in held]
            for held in (place.slab.keys, place.slab.values)
        )
        self._prefixes[known] = Prefix(known, keys, values)

    def find(self, tokens: Sequence[int]) -> tuple[Prefix, int] | None:
        """Return the kept prefix with which a prompt has most in common, and how many tokens."""
        asked = tuple(tokens)
        best = max(self._prefixes, key=lambda kept: common(asked, kept), default=None)
        if best is None:
            return None
        self._prefixes.move_to_end(best)
        return self._prefixes[best], common(asked, best)

    def copy(self, source: Place | Prefix, target: Place, tokens: int) -> None:
        """Give a row the keys and values of its first `tokens` tokens from elsewhere."""
        for part in ("keys", "values"):
            for layer, held in enumerate(getattr(target.slab, part)):
                if isinstance(source, Place):
                    known = getattr(source.slab, part)[layer][source.row]
                else:
                    known = getattr(source, part)[layer]
                held[target.row, :, :tokens] = known[:, :tokens]
        target.length = tokens

    @property
    def _reserved(self) -> int:
        return sum(len(slab.live) * slab.capacity for slab in self._slabs.values())

    @property
    def _kept(self) -> int:
        return sum(map(len, self._prefixes))

    def _make_room(self, tokens: int) -> None:
        """Free what nobody uses until `tokens` more fit: spare rows first, then prefixes, the oldest first."""
        for slab in list(self._slabs.values()):
            if self.held + tokens > self.budget and None in slab.places:
                slab.shrink()
        while self._prefixes and self.held + tokens > self.budget:
            self._prefixes.popitem(last=False)


def common(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """Return how many tokens two sequences have in common from their beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def is_out_of_memory(error: Exception) -> bool:
    """Return whether memory ran out; torch has no class of its own for the main memory."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "DefaultCPUAllocator" in str(error)
