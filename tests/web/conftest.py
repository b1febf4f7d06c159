"""The service on a real port of this machine, and a test client without one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from starlette.testclient import TestClient

from matrioska.web.app import build_app
from matrioska.web.guard import LOOPBACK_HOSTS
from matrioska.web.queries import Queries
from matrioska.web.server import address_of, listen, serve
from matrioska.workers.ensemble.run import Ensemble
from tests.voters import Voters


def ensemble_of(voters: Voters, **fields: object) -> Ensemble:
    """Return the ensemble of these voters."""
    return Ensemble(voters.topology(**fields), find=voters.find, seed=1)


@contextmanager
def serving(ensemble: Ensemble, **door: object) -> Iterator[tuple[str, Queries]]:
    """Serve an ensemble in a thread; yield its address and its queries."""
    queries = Queries(ensemble)
    app = build_app(queries, **door)  # type: ignore[arg-type]
    listener = listen("127.0.0.1", 0)
    loop, ready = asyncio.new_event_loop(), threading.Event()
    tasks: list[asyncio.Task[None]] = []

    async def run() -> None:
        tasks.append(asyncio.create_task(serve(app, queries, listener)))
        ready.set()
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    try:
        ready.wait(10)
        yield address_of(listener), queries
    finally:
        loop.call_soon_threadsafe(lambda: tasks[0].cancel())
        thread.join(20)
        loop.close()
        listener.close()


@pytest.fixture
def served() -> Iterator[Callable[..., tuple[str, Queries]]]:
    """Serve voters on a real port."""
    with ExitStack() as stack:
        yield lambda voters, **door: stack.enter_context(serving(ensemble_of(voters), **door))


@pytest.fixture
def client() -> Iterator[Callable[..., TestClient]]:
    """Return a client of the service of these voters, without a port."""
    with ExitStack() as stack:

        def made(voters: Voters, **door: object) -> TestClient:
            app = build_app(Queries(ensemble_of(voters)), **{"hosts": LOOPBACK_HOSTS, **door})  # type: ignore[arg-type]
            return stack.enter_context(TestClient(app, base_url="http://127.0.0.1:8000"))

        yield made
