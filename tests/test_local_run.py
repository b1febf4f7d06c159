"""A local model in 4 bits carries whole runs, whatever it writes: its weights here are random numbers."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from langchain_core.messages import HumanMessage
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

from matrioska.models.gateway import Reply, client_of
from matrioska.models.local import LocalLLM
from matrioska.nodes.checks.contract import value_complaints
from matrioska.nodes.numbered import expand_plan
from matrioska.nodes.schemas import contract_schema, plan_schema
from matrioska.orchestrator import MatrioskaOrchestrator
from matrioska.state.answers import parse_json_object
from matrioska.state.forms import AnswerForm

ANSWERS = 50
KEYS = ["store.contract"]
#: Characters; as many tokens are allowed, and a character may take four of this vocabulary.
_PLAN, _CONTRACT = 950, 320
#: Tells this model from those of other tests.
_OWN_WIDTH = 192


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Mistral of random weights with a vocabulary of single bytes."""
    place = tmp_path_factory.mktemp("mistral")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(["<s>", "</s>", *alphabet])}
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = "{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}"
    tokenizer.save_pretrained(place)
    torch.manual_seed(7)
    config = MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=_OWN_WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=16_384,
        sliding_window=None,
        bos_token_id=0,
        eos_token_id=1,
    )
    MistralForCausalLM(config).save_pretrained(place, safe_serialization=True)
    return place


def _model(folder: Path, seed: int, max_tokens: int) -> LocalLLM:
    return LocalLLM(
        model_name=str(folder), seed=seed, temperature=1.0, top_p=1.0, max_tokens=max_tokens, context_window=16_384
    )


@pytest.fixture(scope="module", autouse=True)
def _one_thread(folder: Path) -> Iterator[None]:
    """Compute in one thread: for products this small, several only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    _model(folder, 0, 1).unload()


def _linear_layers() -> list[type[torch.nn.Module]]:
    """Return the kinds of linear layers of this test's model, as it is in memory."""
    found = [thing for thing in gc.get_objects() if type(thing) is MistralForCausalLM]
    (model,) = (thing for thing in found if thing.config.intermediate_size == _OWN_WIDTH)
    return [type(layer) for layer in model.modules() if isinstance(layer, torch.nn.Linear)]


async def _ask(folder: Path, form: AnswerForm, seed: int) -> Reply:
    budget = _PLAN if form.name == "plan" else _CONTRACT
    return await client_of(_model(folder, seed, 4 * budget)).ask([HumanMessage("Build a shop.")], form)


async def test_fifty_of_fifty_plans_and_contracts_are_valid(folder: Path) -> None:
    plan = AnswerForm("json", "plan", schema=plan_schema(_PLAN))
    contract = AnswerForm("json", "contract", schema=contract_schema(KEYS, _CONTRACT))
    plans, contracts = await asyncio.gather(
        asyncio.gather(*(_ask(folder, plan, seed) for seed in range(ANSWERS))),
        asyncio.gather(*(_ask(folder, contract, seed) for seed in range(ANSWERS))),
    )
    assert [reply.fault for reply in (*plans, *contracts) if reply.fault] == []
    valid = [expand_plan(parse_json_object(reply.text)) for reply in plans]
    assert len(valid) == ANSWERS and any(len(made.modules) > 1 for made in valid)
    # The answers are not one and the same.
    assert len({reply.text for reply in plans}) == ANSWERS
    assert [value_complaints(parse_json_object(reply.text), KEYS) for reply in contracts] == [[]] * ANSWERS


def test_a_whole_run_in_4_bits_ends_with_a_deliverable(folder: Path, tmp_path: Path) -> None:
    model = _model(folder, 1, 1_700)
    report = MatrioskaOrchestrator(model, base_path=tmp_path, max_mends=1).run("Write notes.")
    # Embeddings and the last layer stay as they are.
    assert sorted(kind.__name__ for kind in _linear_layers()) == ["Linear", *["Linear4bit"] * 7]
    assert report.status in ("complete", "partial"), report
    place = tmp_path / "matrioska_artifacts" / report.thread_id
    assert any(path.is_file() for path in place.rglob("*"))
    assert {ref["path"] for ref in report.values["deliverable"]["files"]} == {
        str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()
    }
