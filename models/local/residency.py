"""Which local models are in memory: loaded when asked for, and the one idle longest makes room for the next."""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, cast, overload

from matrioska.models.local import memory
from matrioska.models.local.loading import LoadedModel, ModelKey, Plan, load, plan_load, release_memory
from matrioska.models.local.pipelines import LoadedPipeline, PipelineKey, PipelinePlan, load_pipeline, plan_pipeline
from matrioska.state.errors import ModelUnavailableError

_log = logging.getLogger("matrioska.local")

Key = ModelKey | PipelineKey
AnyPlan = Plan | PipelinePlan
Loaded = LoadedModel | LoadedPipeline


def _plan(key: Key) -> AnyPlan:
    return plan_pipeline(key) if isinstance(key, PipelineKey) else plan_load(key)


def _load(plan: AnyPlan) -> Loaded:
    return load_pipeline(plan) if isinstance(plan, PipelinePlan) else load(plan)


@dataclass(frozen=True)
class Resident:
    """A model in memory."""

    name: str
    revision: str | None
    """Commit that was loaded, where it came from the hub."""
    device: str
    weight_bytes: int
    kv_bytes: int
    """Bytes that its conversations may take besides."""
    users: int
    """Calls that are using it now."""
    task: str = ""
    """What it is a pipeline for; '' for a model that converses."""


@dataclass(eq=False)
class _Place:
    """A model that is in memory or on its way there."""

    key: Key
    future: Future[Loaded] = field(default_factory=Future)
    users: int = 0
    """Calls that use it or wait for it."""
    last_used: float = field(default_factory=monotonic)

    @property
    def loaded(self) -> Loaded | None:
        return self.future.result() if self.future.done() and self.future.exception() is None else None


class ResidencyManager:
    """Keeps local models in memory, those that converse and pipelines, as many as fit. Safe from threads and loops.

    A model is loaded by a thread of its own, one at a time; calls for the same model wait for
    one load. When memory will not do, the idle model that was used longest ago is closed. One
    with calls under way is waited for, `patience` seconds at the most. A failed load is told to
    all who wait for it, and the next call tries again.

    Args:
        free: bytes that are free on a device, by its name.
        patience: seconds that a load waits for models in use to become idle.
    """

    def __init__(
        self,
        plan: Callable[[Any], AnyPlan] = _plan,
        load: Callable[[Any], Loaded] = _load,
        *,
        free: Callable[[str], int] | None = None,
        patience: float = 600.0,
    ) -> None:
        self._plan = plan
        self._load = load
        self._free = free or (lambda device: memory.free_bytes(device))
        self._patience = patience
        self._places: dict[Key, _Place] = {}
        self._changed = threading.Condition()
        self._loading = threading.Lock()

    @contextmanager
    def use(self, key: ModelKey) -> Iterator[LoadedModel]:
        """Hold a model in memory for as long as the block runs, loading it when needed.

        Raises:
            ModelLoadError: it cannot be loaded, or does not fit.
            ModelUnavailableError: the models in its way stayed in use.
        """
        place = self._enter(key)
        try:
            yield cast(LoadedModel, place.future.result())
        finally:
            self._leave(place)

    @overload
    def use_async(self, key: ModelKey) -> AbstractAsyncContextManager[LoadedModel]: ...

    @overload
    def use_async(self, key: PipelineKey) -> AbstractAsyncContextManager[LoadedPipeline]: ...

    def use_async(self, key: Key) -> AbstractAsyncContextManager[Any]:
        """See `use`; the event loop goes on while the model is loaded."""
        return self._used(key)

    @asynccontextmanager
    async def _used(self, key: Key) -> AsyncIterator[Loaded]:
        place = self._enter(key)
        try:
            yield await asyncio.wrap_future(place.future)
        finally:
            self._leave(place)

    def unload(self, key: Key) -> bool:
        """Close a model and free its memory; calls under way on one that converses end with an error.

        Returns:
            Whether it was in memory.
        """
        closed = self._drop(key)
        release_memory()
        return closed

    def close(self) -> None:
        """Unload every model that is in memory."""
        with self._changed:
            keys = list(self._places)
        for key in keys:
            self._drop(key)

    def _drop(self, key: Key) -> bool:
        with self._changed:
            place = self._places.get(key)
            if place is None or place.loaded is None:
                return False
            del self._places[key]
            self._changed.notify_all()
        place.future.result().close()
        return True

    def status(self) -> list[Resident]:
        """Return the models in memory, the one used last first."""
        with self._changed:
            places = sorted(self._places.values(), key=lambda place: place.last_used, reverse=True)
            return [
                Resident(
                    place.key.ref.name,
                    loaded.commit,
                    loaded.device,
                    loaded.weight_bytes,
                    loaded.kv_bytes,
                    place.users,
                    place.key.task.name if isinstance(place.key, PipelineKey) else "",
                )
                for place in places
                if (loaded := place.loaded) is not None
            ]

    def _enter(self, key: Key) -> _Place:
        with self._changed:
            place = self._places.get(key)
            if place is None:
                place = self._places[key] = _Place(key)
                # Running, so that a caller who gives up cannot cancel it for the others.
                place.future.set_running_or_notify_cancel()
                # A daemon, so that a program can end in the middle of a long download.
                threading.Thread(target=self._run, args=(place,), name="matrioska-load", daemon=True).start()
            place.users += 1
            return place

    def _leave(self, place: _Place) -> None:
        with self._changed:
            place.users -= 1
            place.last_used = monotonic()
            self._changed.notify_all()

    def _run(self, place: _Place) -> None:
        try:
            with self._loading:
                plan = self._plan(place.key)
                self._make_room(plan)
                loaded = self._load(plan)
        except BaseException as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            with self._changed:
                self._places.pop(place.key, None)
            place.future.set_exception(error)
        else:
            with self._changed:
                place.future.set_result(loaded)
                self._changed.notify_all()

    def _make_room(self, plan: AnyPlan) -> None:
        """Close idle models until the planned one fits.

        Raises:
            ModelMemoryError: it would not fit if all were closed.
            ModelUnavailableError: those in its way stayed in use.
        """
        need, until = plan.need.total(plan.context), monotonic() + self._patience
        while need is not None and (free := self._free(plan.device)) < need:
            self._close_one(plan, need - free, until)
            # Only now does nothing here hold the closed model any more.
            release_memory()

    def _close_one(self, plan: AnyPlan, lacking: int, until: float) -> None:
        """Close the model idle longest on the plan's device, or wait for a change when all are in use."""
        with self._changed:
            others = [p for p in self._places.values() if p.loaded and p.loaded.device == plan.device]
            if lacking > sum(_held(place) for place in others):
                raise memory.not_enough(plan.need, plan.context, self._free(plan.device), plan.device)
            idle = [place for place in others if not place.users]
            if not idle:
                self._await_change(plan, others, until)
                return
            oldest = min(idle, key=lambda place: place.last_used)
            del self._places[oldest.key]
        _log.info("%s makes room for %s", oldest.key.ref.name, plan.key.ref.name)
        oldest.future.result().close()

    def _await_change(self, plan: AnyPlan, others: list[_Place], until: float) -> None:
        if not self._changed.wait(max(0.0, until - monotonic())):
            busy = ", ".join(place.key.ref.name for place in others)
            raise ModelUnavailableError(
                f"There is no memory for {plan.key.ref.name}: {busy} stayed in use for {self._patience:.0f} seconds.",
                model=plan.key.ref.name,
                retryable=True,
                next_step="Wait for the calls under way, or choose models that fit into memory together.",
            )


def _held(place: _Place) -> int:
    """Return the bytes that closing a model may free at the most."""
    loaded = place.loaded
    return loaded.weight_bytes + loaded.kv_bytes if loaded else 0


_manager = ResidencyManager()
# An engine's thread inside torch does not survive the interpreter's end.
atexit.register(_manager.close)


def local_models() -> ResidencyManager:
    """Return this process's manager."""
    return _manager
