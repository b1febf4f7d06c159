"""The batching engine on tiny random models: what comes out, whatever else is in the batch."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from matrioska.models.local import engine as engine_module
from matrioska.models.local.engine import BatchEngine
from matrioska.models.local.request import Piece, Request
from matrioska.state.errors import ModelError, ModelLoadError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

_LENGTHS = (3, 40, 17, 5, 80, 33, 1, 2, 64, 21, 9, 50)

_Make = Callable[..., BatchEngine]


def load(folder: Path, **settings: Any) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **settings).eval()


def prompts(lengths: Sequence[int], seed: int = 1) -> list[tuple[int, ...]]:
    made = torch.Generator().manual_seed(seed)
    return [tuple(torch.randint(2, 258, (length,), generator=made).tolist()) for length in lengths]


def whole(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def written_by(model: Any, folder: Path, prompt: Sequence[int], count: int) -> str:
    """What `generate` writes; half a character at the end is left out, as the engine does."""
    ids = torch.tensor([prompt])
    found = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False, pad_token_id=0
    )
    text: str = AutoTokenizer.from_pretrained(folder).decode(found[0, len(prompt) :], skip_special_tokens=True)
    return text.rstrip("\ufffd")


def staggered(engine: BatchEngine, requests: Sequence[Request]) -> list[str]:
    """Answer them all; each is sent once the one before it has begun to answer."""
    texts = [""] * len(requests)
    begun = [threading.Event() for _ in requests]

    def read(index: int) -> None:
        if index:
            begun[index - 1].wait()
        try:
            for piece in engine.submit(requests[index]):
                begun[index].set()
                texts[index] += piece.text
        finally:
            begun[index].set()

    readers = [threading.Thread(target=read, args=(index,)) for index in range(len(requests))]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return texts


@pytest.mark.parametrize("kind", ["tiny_folder", "tiny_sliding_folder"])
@pytest.mark.parametrize("chunk", [8, 256])
def test_greedy_answers_equal_generate_when_rows_join_one_by_one(
    kind: str, chunk: int, make_engine: _Make, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_CHUNK", chunk)
    monkeypatch.setattr(engine_module, "_CHUNK_ALONE", chunk)
    folder: Path = request.getfixturevalue(kind)
    reference, engine = load(folder), make_engine(folder)
    asked = [Request(prompt, 24 + index) for index, prompt in enumerate(prompts(_LENGTHS))]
    texts = staggered(engine, asked)
    assert texts == [written_by(reference, folder, one.prompt, one.max_tokens) for one in asked]
    assert engine.stats().rows_peak > 1


def test_layers_with_and_without_a_window_may_alternate(make_engine: _Make, tiny_folder: Path, tmp_path: Path) -> None:
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=258,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=16,
        sliding_window=8,
        layer_types=["sliding_attention", "full_attention"] * 2,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=0,
    )
    Gemma3ForCausalLM(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_folder).save_pretrained(tmp_path)
    asked = [Request(prompt, 16) for prompt in prompts((30, 4, 19))]
    texts = staggered(make_engine(tmp_path), asked)
    assert texts == [written_by(load(tmp_path), tmp_path, one.prompt, 16) for one in asked]


def test_four_bit_answers_equal_generate(make_engine: _Make, tiny_folder: Path) -> None:
    def quantised() -> Any:
        return load(
            tiny_folder,
            quantization_config=BitsAndBytesConfig(
                load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
            ),
        )

    asked = [Request(prompt, 16) for prompt in prompts(_LENGTHS[:6])]
    texts = staggered(make_engine(model=quantised()), asked)
    assert texts == [written_by(quantised(), tiny_folder, one.prompt, 16) for one in asked]


def test_an_answer_ends_at_its_length_with_a_count_of_its_tokens(make_engine: _Make) -> None:
    pieces = list(make_engine().submit(Request((5, 6, 7), 9)))
    assert [piece.tokens for piece in pieces] == list(range(1, 10))
    assert [piece.finish for piece in pieces] == [None] * 8 + ["length"]


def test_every_end_token_of_the_generation_config_ends_an_answer(make_engine: _Make, tiny_folder: Path) -> None:
    model = load(tiny_folder)
    [prompt] = prompts((12,))
    tokens = model.generate(torch.tensor([prompt]), max_new_tokens=10, do_sample=False, pad_token_id=0)[0, 12:].tolist()
    model.generation_config.eos_token_id = [1, tokens[4]]
    last = list(make_engine(model=model).submit(Request(prompt, 10)))[-1]
    assert (last.finish, last.tokens) == ("stop", tokens.index(tokens[4]) + 1)


def test_a_stop_text_ends_an_answer_before_it_though_tokens_divide_it(make_engine: _Make) -> None:
    engine = make_engine()
    [prompt] = prompts((20,))
    full = whole(list(engine.submit(Request(prompt, 40))))
    stop = full[9:13]
    pieces = list(engine.submit(Request(prompt, 40, stop=("never", stop))))
    assert whole(pieces) == full[: full.index(stop)]
    assert pieces[-1].finish == "stop"
    # The beginning of a stop text that does not come in the end is not lost.
    assert whole(list(engine.submit(Request(prompt, 40, stop=(full[-2:] + "no",))))) == full


def test_the_same_seed_gives_the_same_answer_alone_and_in_a_crowd(make_engine: _Make) -> None:
    engine = make_engine()
    asked = [
        Request(prompt, 30, temperature=1.3, top_p=0.9, seed=7 + index)
        for index, prompt in enumerate(prompts(_LENGTHS))
    ]
    alone = [whole(list(engine.submit(one))) for one in asked]
    assert staggered(engine, asked) == alone
    other = Request(asked[1].prompt, 30, temperature=1.3, top_p=0.9, seed=-1)
    assert whole(list(engine.submit(other))) != alone[1]


def test_answers_can_be_read_from_any_event_loop(make_engine: _Make) -> None:
    engine = make_engine()
    asked = [Request(prompt, 12) for prompt in prompts((4, 30, 8))]
    expected = [whole(list(engine.submit(one))) for one in asked]

    async def read(one: Request) -> str:
        return "".join([piece.text async for piece in engine.submit(one)])

    async def read_all() -> list[str]:
        return list(await asyncio.gather(*map(read, asked)))

    found: list[list[str]] = []
    readers = [threading.Thread(target=lambda: found.append(asyncio.run(read_all()))) for _ in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert found == [expected, expected]


def test_an_answer_is_read_once(make_engine: _Make) -> None:
    answer = make_engine().submit(Request((5,), 2))
    assert whole(list(answer)) is not None
    with pytest.raises(ModelError, match="read already"):
        list(answer)


_SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 8},
            "kind": {"enum": ["page", "script", "style"]},
            "lines": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 99}, "maxItems": 3},
        },
        "required": ["name", "kind", "lines"],
        "additionalProperties": False,
    }
)


def test_answers_are_held_to_a_schema_beside_others_that_are_free(make_engine: _Make) -> None:
    engine = make_engine()
    free = Request(prompts((10,))[0], 60)
    expected = whole(list(engine.submit(free)))
    held = [
        Request(prompt, 120, temperature=1.0, seed=index, json_schema=_SCHEMA)
        for index, prompt in enumerate(prompts((4, 9, 30, 2)))
    ]
    steps = engine.stats().steps
    free_text, *texts = staggered(engine, [free, *held])
    assert free_text == expected
    for text in texts:
        found = json.loads(text)
        assert found["kind"] in ("page", "script", "style")
        assert len(found["name"]) <= 8
        assert all(0 <= line <= 99 for line in found["lines"])
    assert engine.stats().steps > steps


def test_what_a_grammar_forces_costs_no_step(make_engine: _Make) -> None:
    engine = make_engine()
    pieces = list(engine.submit(Request((5, 6), 50, grammar='start: "yes, certainly" | "no, by no means"')))
    assert whole(pieces) in ("yes, certainly", "no, by no means")
    assert pieces[-1].finish == "stop"
    assert engine.stats().steps < engine.stats().generated_tokens


def test_a_grammar_that_is_not_understood_fails_alone(make_engine: _Make) -> None:
    engine = make_engine()
    good = engine.submit(Request((5, 6), 30))
    for fault in ({"grammar": "start: ("}, {"json_schema": "{"}, {"json_schema": '{"type": "nothing"}'}):
        with pytest.raises(ModelError, match="not understood"):
            list(engine.submit(Request((5, 6), 30, **fault)))
    assert list(good)[-1].tokens == 30


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        (Request((), 5), "at least one token"),
        (Request((258,), 5), "from 0 to 257"),
        (Request((3,), 0), "max_tokens"),
        (Request((3,), 5, temperature=-1.0), "temperature"),
        (Request((3,), 5, json_schema="{}", grammar="x"), "both"),
    ],
)
def test_requests_that_cannot_be_are_refused_at_once(request_: Request, complaint: str, make_engine: _Make) -> None:
    with pytest.raises(ModelError, match=complaint):
        make_engine().submit(request_)


def test_a_model_with_another_kind_of_attention_is_refused(tiny_folder: Path) -> None:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    config = Gemma2Config(
        vocab_size=258, hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, head_dim=16
    )
    with pytest.raises(ModelLoadError, match="attends in a way of its own") as caught:
        BatchEngine(Gemma2ForCausalLM(config), AutoTokenizer.from_pretrained(tiny_folder))
    assert "architecture" in caught.value.next_step


def test_a_model_serves_one_engine_at_a_time_and_generates_again_afterwards(
    make_engine: _Make, tiny_folder: Path
) -> None:
    model = load(tiny_folder)
    first = make_engine(model=model)
    with pytest.raises(ModelLoadError, match="another engine"):
        make_engine(model=model)
    text = whole(list(first.submit(Request((5, 6, 7), 8))))
    first.close()
    assert written_by(model, tiny_folder, (5, 6, 7), 8) == text
