"""LocalLLM on a tiny random Mistral, made here and saved to disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import torch
from langchain_core.messages import HumanMessage, SystemMessage
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

from matrioska import LocalLLM
from matrioska.state.errors import ModelError

_TEMPLATE = (
    "{% for m in messages %}{% if m.role not in ('user', 'assistant') %}"
    "{{ raise_exception('no system role') }}{% endif %}[{{ m.role }}] {{ m.content }}{% endfor %}"
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 2-layer Mistral with a byte-level vocabulary."""
    place = tmp_path_factory.mktemp("mistral")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(["<s>", "</s>", *alphabet])}
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = _TEMPLATE
    tokenizer.save_pretrained(place)
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=len(vocabulary),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=0,
        eos_token_id=1,
    )
    MistralForCausalLM(config).save_pretrained(place, safe_serialization=True)
    return place


def test_loads_in_4_bits_and_answers_with_usage(folder: Path) -> None:
    llm = LocalLLM(model_name=str(folder), max_tokens=12)
    answer = llm.invoke([SystemMessage("Be brief."), HumanMessage("Hi"), HumanMessage("there")])
    assert answer.usage_metadata is not None
    assert 0 < answer.usage_metadata["output_tokens"] <= 12
    # Byte-level: one token a character of "[user] Be brief.\n\nHi\n\nthere".
    assert answer.usage_metadata["input_tokens"] == len("[user] Be brief.\n\nHi\n\nthere")
    assert answer.response_metadata["finish_reason"] in ("stop", "length")
    _, model = llm._load()
    kinds = [type(part).__name__ for part in model.modules()]
    assert kinds.count("Linear4bit") == 2 * 7


async def test_async_equals_sync_when_greedy(folder: Path) -> None:
    llm = LocalLLM(model_name=str(folder), max_tokens=8, do_sample=False)
    assert (await llm.ainvoke("hello")).text == (await asyncio.to_thread(llm.invoke, "hello")).text


async def test_cancelling_frees_the_device(folder: Path) -> None:
    llm = LocalLLM(model_name=str(folder), max_tokens=4000, do_sample=False, load_in_4bit=False)
    running = asyncio.create_task(llm.ainvoke("a long story"))
    await asyncio.sleep(1.0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    short = llm.model_copy(update={"max_tokens": 2})
    short._loaded, short._turn = llm._loaded, llm._turn
    assert (await asyncio.wait_for(short.ainvoke("x"), 20)).usage_metadata is not None


def test_unknown_arguments_are_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="does not take seed"):
        LocalLLM(model_name=str(folder)).invoke("x", seed=1)


def test_a_folder_without_a_model_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        LocalLLM(model_name=str(tmp_path)).invoke("x")
    assert "safetensors" in caught.value.next_step


def test_pickled_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be loaded"):
        LocalLLM(model_name=str(tmp_path)).invoke("x")
