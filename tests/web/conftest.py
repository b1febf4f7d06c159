"""The service on a real port of this machine, and a test client without one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from matrioska.web.app import build_app
from matrioska.web.chat.chats import Chats
from matrioska.web.guard import Door
from matrioska.web.queries import Queries
from matrioska.web.server import address_of, listen, serve
from matrioska.web.underway import Underway
from matrioska.workers.ensemble.run import Ensemble
from tests.voters import Voters
from tests.web.offered import Scripted


def ensemble_of(voters: Voters, **fields: object) -> Ensemble:
    """Return the ensemble of these voters."""
    return Ensemble(voters.topology(**fields), find=voters.find, seed=1)


@contextmanager
def on_a_port(app: Starlette, *parts: Underway) -> Iterator[str]:
    """Serve an application in a thread; yield its address."""
    listener = listen("127.0.0.1", 0)
    loop, ready = asyncio.new_event_loop(), threading.Event()
    tasks: list[asyncio.Task[None]] = []

    async def run() -> None:
        tasks.append(asyncio.create_task(serve(app, listener, *parts)))
        ready.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        # What libraries leave behind, ended as asyncio.run would.
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    try:
        ready.wait(10)
        yield address_of(listener)
    finally:
        loop.call_soon_threadsafe(lambda: tasks[0].cancel())
        thread.join(20)
        loop.close()
        listener.close()


@contextmanager
def serving(ensemble: Ensemble, **door: object) -> Iterator[tuple[str, Queries]]:
    """Serve an ensemble; yield its address and its queries."""
    queries = Queries(ensemble)
    with on_a_port(build_app(queries, Chats([]), door=Door(**door)), queries) as url:  # type: ignore[arg-type]
        yield url, queries


@contextmanager
def chatting(*offers: Scripted, **door: object) -> Iterator[tuple[str, Chats]]:
    """Serve what is offered to chat clients; yield the address and the chats."""
    chats = Chats(offers or [Scripted()])
    with on_a_port(build_app(None, chats, door=Door(**door)), chats) as url:  # type: ignore[arg-type]
        yield url, chats


@pytest.fixture
def served() -> Iterator[Callable[..., tuple[str, Queries]]]:
    """Serve voters on a real port."""
    with ExitStack() as stack:
        yield lambda voters, **door: stack.enter_context(serving(ensemble_of(voters), **door))


@pytest.fixture
def chat() -> Iterator[Callable[..., tuple[str, Chats]]]:
    """Serve offers on a real port."""
    with ExitStack() as stack:
        yield lambda *offers, **door: stack.enter_context(chatting(*offers, **door))


@pytest.fixture
def client() -> Iterator[Callable[..., TestClient]]:
    """Return a client of the service of these voters, without a port; None for no ensemble."""
    with ExitStack() as stack:

        def made(voters: Voters | None, *offers: Scripted, **door: object) -> TestClient:
            queries = Queries(ensemble_of(voters)) if voters is not None else None
            chats = Chats(offers or [Scripted()])
            app = build_app(queries, chats, door=Door(**door))  # type: ignore[arg-type]
            return stack.enter_context(TestClient(app, base_url="http://127.0.0.1:8000"))

        yield made
