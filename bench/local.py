"""How many tokens a second a local model gives: one call at a time, several at once, and rivals side by side.

The model has random weights and is made on the spot, shaped like Mistral. Answers are greedy and
have a fixed length, so that every way generates as many tokens.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bench.report import Section, Verdict

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

#: Eight at once over one at a time.
_BOUND = 3.0
_VOCABULARY = 8192
_MODULES = 8
#: Up to so many million parameters: width, heads, heads of keys and values.
_SHAPES = ((20, 64, 4, 2), (400, 768, 12, 4), (3000, 2048, 32, 8), (10**6, 4096, 32, 8))
_TITLES = {"float32": "not quantised", "nf4": "nf4 with double quantisation"}


@dataclass(frozen=True)
class Choice:
    """What is measured."""

    millions: int = 100
    """Parameters of the model, in millions."""
    forms: tuple[str, ...] = ("float32", "nf4")
    at_once: tuple[int, ...] = (1, 4, 8, 16)
    """Calls at once. One at a time is always measured."""
    answer: int = 48
    """Tokens of each answer."""
    device: str = "cpu"
    repeat: int = 1
    shared: int = 256
    """Tokens with which all prompts begin: the system's part."""


@dataclass(frozen=True)
class _Way:
    name: str
    requests: int
    run: Callable[[list[list[int]]], None]


def measure(choice: Choice, say: Callable[[str], None]) -> list[Section]:
    """Measure every way with every form of the model."""
    with TemporaryDirectory(prefix="matrioska-bench-") as folder:
        tokenizer = _save(Path(folder), choice.millions)
        return [
            _measure(_load(Path(folder), form, choice.device), tokenizer, form, choice, say) for form in choice.forms
        ]


def _measure(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, form: str, choice: Choice, say: Callable[[str], None]
) -> Section:
    found: dict[str, list[float]] = {}
    for _ in range(choice.repeat):
        for way in _ways(model, tokenizer, choice):
            say(f"local: {form}, {way.name}")
            prompts = _prompts(way.requests, choice)
            started = time.perf_counter()
            way.run(prompts)
            seconds = time.perf_counter() - started
            found.setdefault(way.name, []).append(way.requests * choice.answer / seconds)
    speed = {name: median(speeds) for name, speeds in found.items()}
    alone, sequential = speed["engine, 1 at once"], speed["generate, 1 at a time"]
    section = Section(
        f"Local model, {choice.millions} million parameters, {_TITLES[form]}, {choice.device}",
        ["way", "tokens/s", "÷ engine, 1 at once", "÷ generate"],
        [[name, tokens, tokens / alone, tokens / sequential] for name, tokens in speed.items()],
    )
    if (eight := speed.get("engine, 8 at once")) is not None:
        section.verdicts = [Verdict("one at a time ÷ eight at once, engine", alone / eight, round(1 / _BOUND, 3))]
    section.notes = [
        f"Prompts share {choice.shared} tokens and have 16 to 100 of their own; answers of {choice.answer} tokens."
    ]
    section.data = {"form": form, "device": choice.device, "tokens_per_second": speed}
    return section


def _ways(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, choice: Choice) -> list[_Way]:
    def engine(count: int, *, share: bool = True) -> Callable[[list[list[int]]], None]:
        return lambda prompts: _engine(model, tokenizer, prompts, choice.answer, count, share=share)

    most = max(choice.at_once)
    return [
        _Way("generate, 1 at a time", _MODULES, lambda prompts: _generate(model, prompts, choice.answer)),
        *(
            _Way(f"engine, {count} at once", max(_MODULES, count), engine(count))
            for count in sorted({1, *choice.at_once})
        ),
        _Way(f"engine, {most} at once, prefixes not shared", max(_MODULES, most), engine(most, share=False)),
        _Way(
            f"transformers' continuous batching, {most} at once",
            max(_MODULES, most),
            lambda prompts: _continuous(model, prompts, choice.answer),
        ),
    ]


def _prompts(count: int, choice: Choice) -> list[list[int]]:
    """Return prompts of different lengths that begin alike."""
    import torch

    made = torch.Generator().manual_seed(0)

    def tokens(number: int) -> list[int]:
        return [int(token) for token in torch.randint(2, 258, (number,), generator=made)]

    system = tokens(choice.shared)
    return [system + tokens(16 + 12 * (index % _MODULES)) for index in range(count)]


def _generate(model: PreTrainedModel, prompts: list[list[int]], answer: int) -> None:
    import torch

    caller: Any = model
    for prompt in prompts:
        ids = torch.tensor([prompt], device=model.device)
        caller.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=answer, do_sample=False)


def _engine(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[int]],
    answer: int,
    count: int,
    *,
    share: bool,
) -> None:
    from matrioska.models.local.engine import BatchEngine
    from matrioska.models.local.request import Request

    engine = BatchEngine(model, tokenizer, share_prefixes=share)
    try:
        with ThreadPoolExecutor(count) as callers:
            asked = [Request(tuple(prompt), answer) for prompt in prompts]
            tokens = [pieces[-1].tokens for pieces in callers.map(lambda one: list(engine.submit(one)), asked)]
    finally:
        engine.close()
    if set(tokens) != {answer}:
        raise RuntimeError(f"answers have {tokens} tokens instead of {answer} each")


def _continuous(model: PreTrainedModel, prompts: list[list[int]], answer: int) -> None:
    """Run transformers' own, with a cache of fitting size: its defaults are several times slower here."""
    from transformers import GenerationConfig
    from transformers.generation import ContinuousBatchingConfig

    page = 32
    need = sum(-(-(len(prompt) + answer) // page) for prompt in prompts)
    caller: Any = model
    before = model.config._attn_implementation
    found = caller.generate_batch(
        prompts,
        generation_config=GenerationConfig(max_new_tokens=answer, do_sample=False, eos_token_id=-1, pad_token_id=0),
        continuous_batching_config=ContinuousBatchingConfig(
            page_size=page, num_blocks=need + len(prompts), max_batch_tokens=1024
        ),
    )
    model.set_attn_implementation(before)
    if [len(one.generated_tokens) for one in found.values()] != [answer] * len(prompts):
        raise RuntimeError("transformers' continuous batching gave other answers than asked for")


def _save(folder: Path, millions: int) -> PreTrainedTokenizerBase:
    """Make a model and a tokenizer; return the tokenizer."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

    alphabet = ["<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    raw = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(alphabet)}, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="</s>"
    )
    hidden, heads, groups = next(shape for most, *shape in _SHAPES if millions < most)
    width = hidden * 8 // 3 // 64 * 64
    layer = hidden * (2 * hidden + 2 * hidden * groups // heads + 3 * width)
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=_VOCABULARY,
        hidden_size=hidden,
        intermediate_size=width,
        num_hidden_layers=max(2, round((millions * 1e6 - 2 * _VOCABULARY * hidden) / layer)),
        num_attention_heads=heads,
        num_key_value_heads=groups,
        sliding_window=None,
        max_position_embeddings=8192,
        bos_token_id=0,
        # No token ends an answer, so that all have the same length.
        eos_token_id=None,
    )
    model: Any = MistralForCausalLM(config)
    model.save_pretrained(folder)
    return tokenizer


def _load(folder: Path, form: str, device: str) -> PreTrainedModel:
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    quantised: dict[str, Any] = {}
    if form == "nf4":
        quantised["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
        )
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, device_map={"": device}, **quantised
    )
    return model.eval()
