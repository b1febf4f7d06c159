"""Answers held to a JSON schema or a grammar while they are written, by llguidance."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from matrioska.models.local.request import Request
from matrioska.state.errors import ModelError

if TYPE_CHECKING:
    from llguidance import LLExecutor, LLMatcher, LLTokenizer
    from llguidance._lib import JsonCompileOptions
    from transformers import PreTrainedTokenizerBase

#: Without it, a model that knows no better fills its answer with white space.
_JSON_DEFAULTS: JsonCompileOptions = {"whitespace_flexible": False}


class Grammars:
    """Compiles grammars for one model, and says which tokens may come next.

    Args:
        vocabulary: width of the model's logits, which may exceed the tokenizer's vocabulary.
        ends: tokens that end an answer.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, vocabulary: int, ends: Sequence[int], name: str) -> None:
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary
        self._ends = list(ends)
        self._name = name
        self._lock = threading.Lock()
        self._made: tuple[LLTokenizer, LLExecutor] | None = None

    def compile(self, request: Request) -> LLMatcher:
        """Return the state of an answer that has not begun. Takes a second the first time, then milliseconds.

        Raises:
            ModelError: llguidance is not installed, or does not understand the schema or grammar.
        """
        try:
            from llguidance import LLMatcher
        except ImportError as error:
            raise self._error("is not available: llguidance is not installed", "Install matrioska[local].") from error
        try:
            if request.json_schema:
                grammar = LLMatcher.grammar_from_json_schema(request.json_schema, defaults=_JSON_DEFAULTS)
            else:
                grammar = LLMatcher.grammar_from_lark(request.grammar)
            matcher = LLMatcher(self._guidance()[0], grammar, log_level=0)
        # llguidance raises ValueError for what is no JSON and for tokenizers that it does not read.
        except ValueError as error:
            raise self._error(f"is not understood: {error}", "Simplify the schema or grammar.") from error
        if matcher.is_error():
            raise self._error(f"is not understood: {matcher.get_error()}", "Simplify the schema or grammar.")
        return matcher

    def allowed(self, matchers: Sequence[LLMatcher]) -> Tensor:
        """Return which tokens may come next, shape (rows, vocabulary), bool, on the CPU."""
        import numpy as np
        from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask, fill_next_token_bitmask_par

        bits = allocate_token_bitmask(len(matchers), self._vocabulary)
        if len(matchers) == 1:
            fill_next_token_bitmask(matchers[0], bits)
        else:
            fill_next_token_bitmask_par(
                self._guidance()[1], [(matcher, row) for row, matcher in enumerate(matchers)], bits
            )
        single = np.unpackbits(bits.view(np.uint8), axis=1, count=self._vocabulary, bitorder="little")
        return torch.from_numpy(single).bool()

    def advance(self, matcher: LLMatcher, token: int) -> list[int]:
        """Tell a grammar of a row's new token.

        Returns:
            The tokens that must follow, already told to it: nothing else is possible, so that the
            model need not be asked.

        Raises:
            ModelError: the grammar refuses the token, or became too complex.
        """
        if not matcher.consume_token(token):
            raise self._error(f"broke off: {matcher.get_error()}", "Simplify the schema or grammar.")
        forced = [] if matcher.is_stopped() else matcher.compute_ff_tokens()
        if forced and not matcher.consume_tokens(forced):
            raise self._error(f"broke off: {matcher.get_error()}", "Simplify the schema or grammar.")
        return forced

    def _guidance(self) -> tuple[LLTokenizer, LLExecutor]:
        from llguidance import LLExecutor
        from llguidance.hf import from_tokenizer

        with self._lock:
            if self._made is None:
                made = from_tokenizer(
                    cast("Any", self._tokenizer), n_vocab=self._vocabulary, eos_token=self._ends or None
                )
                self._made = made, LLExecutor()
            return self._made

    def _error(self, what: str, next_step: str) -> ModelError:
        return ModelError(f"The form to which the answer is held {what}.", model=self._name, next_step=next_step)
