"""One forward pass over the new tokens of many rows."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matrioska.models.local.attention import NAME, install, lay_out
from matrioska.models.local.cache import KVCache, Place, shape_of
from matrioska.state.errors import ModelLoadError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

#: Layers whose attention is described by a window, or by nothing.
_ATTENTION = frozenset({"full_attention", "sliding_attention"})


class Forward:
    """A model that takes the new tokens of many rows at once.

    Raises:
        ModelLoadError: its architecture is of a kind that cannot be batched here.
    """

    def __init__(self, model: PreTrainedModel, name: str) -> None:
        config: Any = model.config.get_text_config()
        kinds = set(getattr(config, "layer_types", None) or ()) - _ATTENTION
        if not (model._supports_attention_backend and model._supports_sdpa) or kinds:
            raise _unfit(name, f"{type(model).__name__} attends in a way of its own")
        self._model: Any = model
        self._before = str(model.config._attn_implementation)
        if self._before == NAME:
            raise _unfit(name, "it serves another engine")
        try:
            self.shape = shape_of(model)
            install(model)
            self._try()
        # What it lacks shows in whatever way its code breaks.
        except Exception as error:
            self.release()
            raise _unfit(name, f"{type(error).__name__}: {error}") from error
        self.vocabulary = int(config.vocab_size)
        """Width of the logits."""
        self.window: int | None = getattr(config, "max_position_embeddings", None)
        """Tokens of prompt and answer that the model takes."""
        ends = model.generation_config.eos_token_id if model.generation_config else None
        self.ends = frozenset(_as_list(ends if ends is not None else config.eos_token_id))
        """Tokens that end an answer."""

    def logits(self, new: Sequence[tuple[Place, Sequence[int]]], wanted: Sequence[int]) -> Tensor:
        """Return what follows the last new token of the rows at the indices `wanted`.

        Returns:
            Shape (len(wanted), vocabulary), float32. The new tokens' keys and values are in their
            places then; counting them there is the caller's.
        """
        device = self.shape.device
        parts, firsts = lay_out([(place, place.length, len(tokens)) for place, tokens in new], device)
        ids = [0] * sum(len(tokens) for _, tokens in new)
        for (_, tokens), first in zip(new, firsts, strict=True):
            ids[first : first + len(tokens)] = tokens
        last = [firsts[index] + len(new[index][1]) - 1 for index in wanted]
        answer = self._model(
            torch.tensor([ids], device=device),
            position_ids=torch.cat([part.positions for part in parts])[None],
            logits_to_keep=torch.tensor(last or [0], device=device),
            use_cache=False,
            parts=parts,
        )
        found: Tensor = answer.logits[0, : len(last)]
        return found.float()

    def release(self) -> None:
        """Let the model attend as it did before."""
        self._model.set_attn_implementation(self._before)

    def _try(self) -> None:
        cache = KVCache(self.shape, 64)
        place = cache.add(64)
        layers = (*place.slab.keys, *place.slab.values)
        with torch.inference_mode():
            for layer in layers:
                layer.fill_(torch.nan)
            self.logits([(place, [0, 0])], [0])
        if any(layer[place.row, :, :2].isnan().any() for layer in layers):
            raise ValueError("its attention cannot be replaced")


def fast_tokenizer(tokenizer: PreTrainedTokenizerBase, name: str) -> Tokenizer:
    """Return a tokenizer of one's own that decodes while tokens come: one that is in use cannot be changed.

    Raises:
        ModelLoadError: it has none.
    """
    from tokenizers import Tokenizer

    fast = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(fast, Tokenizer):
        raise _unfit(name, f"{type(tokenizer).__name__} is no tokenizer of the tokenizers library")
    return copy(fast)


def _as_list(ids: int | Sequence[int] | None) -> list[int]:
    if ids is None:
        return []
    return [ids] if isinstance(ids, int) else list(ids)


def _unfit(name: str, why: str) -> ModelLoadError:
    return ModelLoadError(
        f"The model {name} cannot answer in batches: {why}.",
        model=name,
        next_step="Take a model of another architecture, such as Mistral, Llama or Qwen.",
    )
