"""Tiny random models, made here and saved to disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

from matrioska.models.local.engine import BatchEngine

#: One that knows no system role, like Mistral's own.
_TEMPLATE = (
    "{% for m in messages %}{% if m.role not in ('user', 'assistant') %}"
    "{{ raise_exception('no system role') }}{% endif %}[{{ m.role }}] {{ m.content }}{% endfor %}"
)


def _tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer without merges: one token a byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(["<s>", "</s>", *alphabet])}
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = _TEMPLATE
    return tokenizer


def _save(place: Path, **settings: Any) -> Path:
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(place)
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=0,
        eos_token_id=1,
        **settings,
    )
    MistralForCausalLM(config).save_pretrained(place, safe_serialization=True)
    return place


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 2-layer Mistral that sees its whole context."""
    return _save(tmp_path_factory.mktemp("mistral"), sliding_window=None)


@pytest.fixture(scope="session")
def tiny_sliding_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 2-layer Mistral that sees the last 16 tokens only."""
    return _save(tmp_path_factory.mktemp("mistral-sliding"), sliding_window=16)


@pytest.fixture
def make_engine(tiny_folder: Path) -> Iterator[Callable[..., BatchEngine]]:
    """Makes engines on the tiny model, or another; all are closed in the end."""
    made: list[BatchEngine] = []

    def make(folder: Path = tiny_folder, model: Any = None, **settings: Any) -> BatchEngine:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = model or AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        engine = BatchEngine(model, tokenizer, **{"kv_bytes": 2**24, "name": "tiny", **settings})
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.close()
