"""The batching engine at its limits: memory, queues, faults, readers who give up, prompts that begin alike."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from matrioska.models.local.answer import AnswerText
from matrioska.models.local.engine import BatchEngine
from matrioska.models.local.request import Piece, Request
from matrioska.state.errors import ContextWindowError, ModelError, QueueFullError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

_Make = Callable[..., BatchEngine]
#: Bytes of a token: 2 layers, keys and values, 2 heads of 16 float32 each.
_TOKEN = 2 * 2 * 2 * 16 * 4
_LONG = 2000


def prompts(lengths: Sequence[int], seed: int = 1, begin: Sequence[int] = ()) -> list[tuple[int, ...]]:
    made = torch.Generator().manual_seed(seed)
    return [(*begin, *torch.randint(8, 258, (length,), generator=made).tolist()) for length in lengths]


def whole(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def answers(engine: BatchEngine, requests: Sequence[Request]) -> list[str]:
    return [whole(list(answer)) for answer in [engine.submit(one) for one in requests]]


@pytest.fixture
def model(tiny_folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32).eval()


class Fault:
    """Lets forward passes fail, once the engine has been made."""

    def __init__(self, model: Any, error: Exception, *, times: int, rows: int = 1) -> None:
        self.error, self.left, self.rows = error, 0, rows
        self._times = times
        model.register_forward_pre_hook(self._before, with_kwargs=True)

    def arm(self) -> None:
        self.left = self._times

    def _before(self, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        rows = sum(part.singles + len(part.runs) for part in kwargs.get("parts", ()))
        if self.left and rows >= self.rows:
            self.left -= 1
            raise self.error


def test_prompts_admitted_together_compute_what_they_share_once(make_engine: _Make) -> None:
    [system] = prompts((60,), seed=3)
    asked = [Request(prompt, 20) for prompt in prompts((5, 9, 2, 14), begin=system)]
    apart = make_engine(share_prefixes=False)
    together = make_engine()
    assert answers(together, asked) == answers(apart, asked)
    total = sum(len(one.prompt) for one in asked)
    assert (together.stats().prompt_tokens, apart.stats().prompt_tokens) == (total, total)
    assert apart.stats().prompt_tokens_computed == total
    assert together.stats().prompt_tokens_computed == total - 3 * len(system)


def test_a_later_prompt_computes_only_what_no_earlier_one_said(make_engine: _Make) -> None:
    [system] = prompts((60,), seed=3)
    first, second = (Request(prompt, 20) for prompt in prompts((5, 9), begin=system))
    engine, apart = make_engine(), make_engine(share_prefixes=False)
    assert answers(engine, [first]) + answers(engine, [second]) == answers(apart, [first, second])
    assert engine.stats().prompt_tokens_computed == len(first.prompt) + 9
    # The same prompt again computes one token: what follows it is not kept.
    assert answers(engine, [second]) == answers(apart, [second])
    assert engine.stats().prompt_tokens_computed == len(first.prompt) + 9 + 1


def test_kept_prefixes_give_way_and_all_stays_within_the_budget(make_engine: _Make) -> None:
    engine = make_engine(kv_bytes=400 * _TOKEN)
    asked = [Request(prompt, 30) for prompt in prompts((60, 70, 34, 90, 300, 20))]
    alone = make_engine()
    for one in asked:
        assert answers(engine, [one]) == answers(alone, [one])
        assert 0 < engine.stats().kv_tokens <= engine.stats().kv_budget == 400


def test_rows_run_as_far_as_memory_goes_and_the_others_wait(make_engine: _Make) -> None:
    asked = [Request(prompt, 20) for prompt in prompts((100,) * 5)]
    engine = make_engine(kv_bytes=2 * 128 * _TOKEN)
    assert answers(engine, asked) == answers(make_engine(), asked)
    assert engine.stats().rows_peak == 2


def test_no_more_rows_run_than_allowed(make_engine: _Make) -> None:
    asked = [Request(prompt, 5) for prompt in prompts((4,) * 7)]
    engine = make_engine(max_rows=3)
    assert answers(engine, asked) == answers(make_engine(), asked)
    assert engine.stats().rows_peak == 3


def test_what_can_never_fit_is_refused_at_once(make_engine: _Make, model: Any) -> None:
    engine = make_engine(kv_bytes=100 * _TOKEN)
    assert answers(engine, [Request((9,) * 90, 10)])
    with pytest.raises(ContextWindowError, match="memory") as caught:
        engine.submit(Request((9,) * 90, 11))
    assert (caught.value.tokens, caught.value.window) == (90, 100)
    model.config.max_position_embeddings = 50
    with pytest.raises(ContextWindowError, match="tiny takes"):
        make_engine(model=model).submit(Request((9,) * 40, 11))


def test_a_full_queue_refuses(make_engine: _Make) -> None:
    engine = make_engine(queue_limit=2, max_rows=1)
    running = engine.submit(Request((9,), _LONG))
    reading = iter(running)
    next(reading)
    waiting = [engine.submit(Request((9,), 2)) for _ in range(2)]
    with pytest.raises(QueueFullError, match="2 requests wait"):
        engine.submit(Request((9,), 2))
    assert engine.stats().queued == 2
    running.cancel()
    assert [list(answer)[-1].finish for answer in waiting] == ["length", "length"]


def test_cancelling_frees_the_row(make_engine: _Make) -> None:
    engine = make_engine(max_rows=1)
    answer = engine.submit(Request((9,), _LONG))
    reading = iter(answer)
    next(reading)
    answer.cancel()
    assert list(reading)[-1].finish == "cancelled"
    # It has room for one row, so that this one is answered only once the other has left.
    assert list(engine.submit(Request((9,), 2)))[-1].finish == "length"
    assert (engine.stats().rows, engine.stats().queued) == (0, 0)
    assert engine.stats().generated_tokens < _LONG


def test_a_reader_who_stops_reading_frees_the_row(make_engine: _Make) -> None:
    engine = make_engine(max_rows=1)
    for _ in engine.submit(Request((9,), _LONG)):
        break
    gc.collect()
    assert list(engine.submit(Request((9,), 2)))[-1].finish == "length"
    assert engine.stats().generated_tokens < _LONG


async def test_a_cancelled_task_frees_the_row(make_engine: _Make) -> None:
    engine = make_engine(max_rows=1)
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in engine.submit(Request((9,), _LONG)):
            begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [piece.finish async for piece in engine.submit(Request((9,), 2))] == [None, "length"]
    assert engine.stats().generated_tokens < _LONG


def test_a_request_cancelled_in_the_queue_never_runs(make_engine: _Make) -> None:
    engine = make_engine(max_rows=1)
    first = engine.submit(Request((9,), 50))
    second = engine.submit(Request((9,), _LONG))
    second.cancel()
    assert [piece.finish for piece in second] == ["cancelled"]
    assert list(first)[-1].tokens == 50
    assert list(engine.submit(Request((9,), 2)))[-1].tokens == 2
    assert engine.stats().generated_tokens == 52


def test_closing_ends_everything_with_an_error(make_engine: _Make) -> None:
    before = set(threading.enumerate())
    engine = make_engine(max_rows=1)
    running, waiting = engine.submit(Request((9,), _LONG)), engine.submit(Request((9,), 5))
    held = engine.submit(Request((9,), 5, json_schema='{"type": "boolean"}'))
    reading = iter(running)
    next(reading)
    engine.close()
    for left in (reading, iter(waiting), iter(held)):
        with pytest.raises(ModelError, match="unloaded"):
            list(left)
    with pytest.raises(ModelError, match="unloaded"):
        engine.submit(Request((9,), 5))
    assert set(threading.enumerate()) <= before
    assert engine.stats().kv_tokens == 0


def test_closing_frees_the_model_though_an_error_is_kept(
    make_engine: _Make, tiny_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # pytest keeps what is logged, and with it every frame of the error.
    caplog.set_level(logging.CRITICAL, logger="matrioska.local")
    model = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32).eval()
    fault = Fault(model, RuntimeError("device lost"), times=1)
    engine, gone = make_engine(model=model), weakref.ref(model)
    fault.arm()
    with pytest.raises(ModelError) as caught:
        list(engine.submit(Request((9,), 5)))
    kept = caught.value.__cause__
    del model, caught
    engine.close()
    gc.collect()
    assert gone() is None
    assert str(kept) == "device lost"


def test_a_row_without_finite_logits_ends_alone(make_engine: _Make, model: Any) -> None:
    good = [Request(prompt, 30) for prompt in prompts((20, 30))]
    expected = answers(make_engine(), good)
    model.get_input_embeddings().weight.data[7] = torch.nan
    engine = make_engine(model=model)
    bad = engine.submit(Request((*good[0].prompt[:18], 7, 9), 30))
    assert answers(engine, good) == expected
    with pytest.raises(ModelError, match="finite"):
        list(bad)
    # Its place is clean for the next.
    assert answers(engine, good) == expected


def test_a_row_whose_text_cannot_be_decoded_ends_alone(make_engine: _Make, monkeypatch: pytest.MonkeyPatch) -> None:
    add = AnswerText.add

    def failing(self: AnswerText, token: int) -> str:
        if self._stop == ("fail",):
            raise ValueError("no such token")
        return add(self, token)

    engine = make_engine()
    good = Request((9, 10), 30)
    expected = answers(engine, [good])
    monkeypatch.setattr(AnswerText, "add", failing)
    bad = engine.submit(Request((9,), 30, stop=("fail",)))
    assert answers(engine, [good]) == expected
    with pytest.raises(ModelError, match="no such token"):
        list(bad)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), RuntimeError("DefaultCPUAllocator: not enough")])
def test_when_memory_runs_out_the_newest_rows_wait_and_none_is_lost(
    error: Exception, make_engine: _Make, model: Any
) -> None:
    asked = [Request(prompt, 25, temperature=0.9, seed=4) for prompt in prompts((5, 8, 11, 3))]
    expected = answers(make_engine(), asked)
    fault = Fault(model, error, times=6, rows=3)
    engine = make_engine(model=model)
    running = [engine.submit(one) for one in asked]
    fault.arm()
    assert [whole(list(answer)) for answer in running] == expected
    assert fault.left < 6


def test_memory_that_is_too_small_for_one_row_ends_it(make_engine: _Make, model: Any) -> None:
    fault = Fault(model, torch.OutOfMemoryError("full"), times=1)
    engine = make_engine(model=model)
    fault.arm()
    with pytest.raises(ModelError, match="full"):
        list(engine.submit(Request((9,), 5)))
    assert list(engine.submit(Request((9,), 5)))[-1].finish == "length"


def test_an_unforeseen_fault_ends_the_rows_and_leaves_a_usable_engine(make_engine: _Make, model: Any) -> None:
    fault = Fault(model, RuntimeError("device lost"), times=1)
    engine = make_engine(model=model)
    fault.arm()
    with pytest.raises(ModelError, match="device lost") as caught:
        list(engine.submit(Request((9,), 5)))
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert answers(engine, [Request((9, 10), 20)]) == answers(make_engine(), [Request((9, 10), 20)])
    assert engine.stats().rows == 0
