"""The engine's parts that have rules of their own: drawing tokens, text from tokens, places and turns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from matrioska.models.local import sampling
from matrioska.models.local.answer import Answer, AnswerText
from matrioska.models.local.cache import KVCache, Place, Shape, Slab, common
from matrioska.models.local.request import Request
from matrioska.models.local.sampling import Draw, next_tokens
from matrioska.models.local.scheduler import Row, Scheduler

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

_SHAPE = Shape((1, 1), (2, 2), (2, 3), torch.float32, torch.device("cpu"))


def draws(count: int, temperature: float = 1.0, top_p: float = 1.0) -> list[Draw | None]:
    return [Draw(temperature, top_p, torch.Generator().manual_seed(seed)) for seed in range(count)]


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    likely = torch.tensor([0.5, 0.1, 0.0, 0.4])
    found = torch.tensor(next_tokens(likely.log().expand(4000, 4), draws(4000)))
    shares = torch.bincount(found, minlength=4) / 4000
    assert torch.allclose(shares, likely, atol=0.03)
    assert shares[2] == 0


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    logits = torch.tensor([0.5, 0.1, 0.05, 0.35]).log().expand(300, 4)
    assert set(next_tokens(logits, draws(300, top_p=0.84))) == {0, 3}
    assert set(next_tokens(logits, draws(300, top_p=0.86))) == {0, 1, 3}
    assert set(next_tokens(logits, draws(300, top_p=1e-9))) == {0}


def test_a_wide_nucleus_is_drawn_from_as_a_narrow_one(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(200, 50, generator=torch.Generator().manual_seed(0))
    expected = next_tokens(logits, draws(200, top_p=0.9))
    monkeypatch.setattr(sampling, "_LARGEST", 8)
    assert next_tokens(logits, draws(200, top_p=0.9)) == expected


def test_a_low_temperature_draws_the_likeliest_and_rows_differ_in_kind() -> None:
    logits = torch.tensor([[900.0, 905.0, -900.0]]).expand(3, 3)
    cold = draws(1, temperature=1e-6)[0]
    assert next_tokens(logits, [cold, None, draws(1, temperature=1e-30)[0]]) == [1, 1, 1]


@given(st.text(max_size=40), st.lists(st.text(min_size=1, max_size=4), max_size=2))
@settings(max_examples=60, deadline=None)
def test_text_comes_whole_and_ends_before_a_stop_text(tiny_tokenizer: Any, text: str, stop: list[str]) -> None:
    made = AnswerText(tiny_tokenizer.backend_tokenizer, tuple(stop))
    pieces = []
    for token in tiny_tokenizer(text, add_special_tokens=False)["input_ids"]:
        pieces.append(made.add(token))
        if made.stopped:
            break
    pieces.append(made.rest())
    # Of several stop texts the one that is complete first ends the answer.
    ends = [at + len(one) for one in stop if (at := text.find(one)) >= 0]
    expected = text if not ends else text[: min(ends)]
    if ends:
        expected = expected[: min(at for one in stop if (at := expected.find(one)) >= 0)]
    assert "".join(pieces) == expected
    assert all("\ufffd" not in piece for piece in pieces)


@pytest.fixture(scope="module")
def tiny_tokenizer(tiny_folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_folder)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 120)), max_size=40))
@settings(max_examples=60, deadline=None)
def test_places_keep_their_values_and_the_cache_its_budget(moves: list[tuple[bool, int]]) -> None:
    cache = KVCache(_SHAPE, 1000)
    held: dict[Place, float] = {}
    for number, (leaves, size) in enumerate(moves, start=1):
        if leaves and held:
            place = list(held)[size % len(held)]
            cache.keep([number] * place.length, place)
            cache.remove(place)
            del held[place]
        elif cache.fits(cache.capacity(size)):
            place = cache.add(cache.capacity(size))
            assert place.slab.capacity >= size
            for layer in (*place.slab.keys, *place.slab.values):
                layer[place.row, :, :size] = number
            place.length = size
            held[place] = float(number)
        assert cache.held <= cache.budget
        for place, value in held.items():
            for layer in (*place.slab.keys, *place.slab.values):
                assert (layer[place.row, :, : place.length] == value).all()
    for place in held:
        cache.remove(place)
    cache.clear()
    assert cache.held == 0


@given(st.lists(st.integers(0, 2), max_size=9), st.lists(st.integers(0, 2), max_size=9))
def test_common_counts_equal_tokens_from_the_beginning(one: list[int], other: list[int]) -> None:
    count = common(tuple(one), tuple(other))
    assert one[:count] == other[:count]
    assert count == min(len(one), len(other)) or one[count] != other[count]


def row(tiny_tokenizer: Any, tokens: int) -> Row:
    text = AnswerText(tiny_tokenizer.backend_tokenizer, ())
    request = Request((5,), tokens - 1)
    return Row(request, Answer(lambda: None), text, None, [5], capacity=tokens)


def test_small_requests_pass_a_large_one_a_bounded_number_of_times(tiny_tokenizer: Any) -> None:
    scheduler = Scheduler(KVCache(_SHAPE, 100), 64)
    first, large = row(tiny_tokenizer, 20), row(tiny_tokenizer, 100)
    scheduler.waiting.extend([first, large, *(row(tiny_tokenizer, 10) for _ in range(30))])
    scheduler.admit()
    assert len(scheduler.running) == 1 + 8
    for small in scheduler.running[1:]:
        scheduler.leave(small)
    scheduler.admit()
    # There is room for more small ones, and it is kept for the large one.
    assert scheduler.running == [first]
    scheduler.leave(first)
    scheduler.admit()
    assert scheduler.running == [large]


def test_room_that_the_device_does_not_have_stops_admission_until_a_row_leaves(
    tiny_tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = Scheduler(KVCache(_SHAPE, 1000), 64)
    rows = [row(tiny_tokenizer, 64) for _ in range(3)]
    scheduler.waiting.extend(rows)
    grow = Slab.grow

    def limited(self: Slab, count: int) -> None:
        if count > 1:
            raise torch.OutOfMemoryError("full")
        grow(self, count)

    monkeypatch.setattr(Slab, "grow", limited)
    scheduler.admit()
    assert scheduler.running == rows[:1]
    scheduler.leave(rows[0])
    scheduler.admit()
    assert scheduler.running == rows[1:2]
    assert list(scheduler.waiting) == rows[2:]
