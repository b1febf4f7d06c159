"""Several local models share one device. Engines here are made of nothing; those in test_chat.py are real."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from matrioska.models.local.hub import ModelRef
from matrioska.models.local.loading import LoadedModel, ModelKey, Plan
from matrioska.models.local.memory import Requirements
from matrioska.models.local.request import Answering, Request
from matrioska.models.local.residency import ResidencyManager
from matrioska.state.errors import ModelLoadError, ModelMemoryError, ModelUnavailableError


class _Engine:
    def __init__(self) -> None:
        self.closed = False

    def submit(self, request: Request) -> Answering:
        raise AssertionError("nothing is asked here")

    def close(self) -> None:
        self.closed = True


class _Device:
    """A device of `room` bytes, and models of 10 bytes each (``large`` ones of 99)."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.loads: list[str] = []
        self.engines: list[_Engine] = []
        self.fault: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.manager = ResidencyManager(self.plan, self.load, free=self.free, patience=30)

    def plan(self, key: ModelKey) -> Plan:
        size = 99 if key.ref.name == "large" else 10
        need = Requirements(key.ref.name, "folder", weight_bytes=size, kv_bytes_per_token=0)
        return Plan(key, Path(), "cpu", need, 0, in_4bit=False)

    def load(self, plan: Plan) -> LoadedModel:
        self.loads.append(plan.key.ref.name)
        assert self.gate.wait(30)
        if self.fault is not None:
            raise self.fault
        self.engines.append(_Engine())
        return LoadedModel(self.engines[-1], cast("Any", None), "cpu", 10, 0, None)

    def free(self, device: str) -> int:
        return self.room - 10 * sum(not engine.closed for engine in self.engines)

    @property
    def resident(self) -> list[str]:
        return [model.name for model in self.manager.status()]


def _key(name: str) -> ModelKey:
    return ModelKey(ModelRef(name, name=name))


def _touch(device: _Device, name: str) -> None:
    with device.manager.use(_key(name)):
        pass


def test_callers_of_one_model_wait_for_one_load() -> None:
    device = _Device(100)
    device.gate.clear()

    def engine(_: int) -> object:
        with device.manager.use(_key("a")) as loaded:
            return loaded.engine

    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(engine, n) for n in range(8)]
        device.gate.set()
        engines = {id(future.result(30)) for future in waiting}
    assert len(engines) == 1
    assert device.loads == ["a"]


def test_the_model_idle_longest_makes_room() -> None:
    device = _Device(25)
    for name in ("a", "b", "a", "c"):
        _touch(device, name)
    assert device.resident == ["c", "a"]
    assert [engine.closed for engine in device.engines] == [False, True, False]


def test_an_evicted_model_is_loaded_again() -> None:
    device = _Device(15)
    for name in ("a", "b", "a"):
        _touch(device, name)
    assert device.loads == ["a", "b", "a"]
    assert device.resident == ["a"]


def test_a_model_in_use_is_waited_for() -> None:
    device = _Device(15)
    with ThreadPoolExecutor(1) as pool:
        with device.manager.use(_key("a")):
            second = pool.submit(_touch, device, "b")
            assert not second.done()
            assert device.resident == ["a"]
        second.result(30)
    assert device.loads == ["a", "b"]
    assert device.resident == ["b"]


def test_the_wait_is_bounded() -> None:
    device = _Device(15)
    device.manager = ResidencyManager(device.plan, device.load, free=device.free, patience=0.05)
    with device.manager.use(_key("a")):
        with pytest.raises(ModelUnavailableError, match="a stayed in use") as caught:
            _touch(device, "b")
        assert caught.value.retryable
        assert not device.engines[0].closed
    _touch(device, "b")


def test_what_can_never_fit_closes_nothing() -> None:
    device = _Device(25)
    _touch(device, "a")
    with pytest.raises(ModelMemoryError) as caught:
        _touch(device, "large")
    assert caught.value.needed == 99
    assert device.resident == ["a"]
    assert device.loads == ["a"]


async def test_a_failed_load_is_told_to_all_and_tried_again() -> None:
    device = _Device(100)
    device.gate.clear()
    device.fault = ModelLoadError("broken")

    async def use() -> None:
        async with device.manager.use_async(_key("a")):
            pass

    waiting = [asyncio.create_task(use()) for _ in range(4)]
    await asyncio.sleep(0)
    device.gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert results == [device.fault] * 4
    assert device.resident == []
    device.fault = None
    await use()
    assert device.resident == ["a"]


async def test_giving_up_the_wait_leaves_the_load_to_others() -> None:
    device = _Device(100)
    device.gate.clear()

    async def use() -> str:
        async with device.manager.use_async(_key("a")) as loaded:
            return loaded.device

    impatient, patient = asyncio.create_task(use()), asyncio.create_task(use())
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    device.gate.set()
    assert await patient == "cpu"
    assert device.manager.status()[0].users == 0


async def test_the_event_loop_goes_on_while_a_model_is_loaded() -> None:
    device = _Device(100)
    device.gate.clear()

    async def use() -> None:
        async with device.manager.use_async(_key("a")):
            pass

    loading = asyncio.create_task(use())
    # Only a loop that goes on gets here, and the load ends only after it.
    await asyncio.sleep(0)
    device.gate.set()
    await loading
    assert device.loads == ["a"]


def test_unloading() -> None:
    device = _Device(100)
    assert not device.manager.unload(_key("a"))
    _touch(device, "a")
    _touch(device, "b")
    assert device.manager.unload(_key("a"))
    assert device.engines[0].closed
    assert device.resident == ["b"]
    device.manager.close()
    assert device.resident == []
    assert all(engine.closed for engine in device.engines)


def test_status_counts_the_calls_under_way() -> None:
    device = _Device(100)
    with device.manager.use(_key("a")), device.manager.use(_key("a")):
        (model,) = device.manager.status()
        assert (model.name, model.users, model.weight_bytes) == ("a", 2, 10)
    assert device.manager.status()[0].users == 0
