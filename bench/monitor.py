"""The monitor: how late its pages are and what they cost, and what a run of a thousand modules does to it.

The service runs in a process of its own and drives the run itself, with a simulated model. Its pages are read by
clients that speak NiceGUI's protocol and hold a page's elements as a browser does, and by pages in Chromium where
there is one: twenty browsers would be what is measured, not the service.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.report import Section, Verdict
from bench.shapes import width_ten
from bench.watchers import HAS_CHROMIUM, Chromium, Reader, Seen
from bench.workload import plan_of, scripted_model
from matrioska.state.context import RunContext

THREAD = "watched"
_PATIENCE = 900.0
#: Seconds that pages get to show the end.
_LATEST = 30.0
#: Rows of one page of the table.
_SHEET = 50
_WATCHED = (
    "pages", "modules", "wall s", "CPU s", "CPU share", "CPU ÷ none", "median ms", "p95 ms", "max ms", "wrong", "MB",
)  # fmt: skip
_LARGE = (
    "modules", "first look ms", "again ms", "page KB", "page ms", "MB before", "1 page", "20 pages", "closed", "later",
)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """What is measured."""

    modules: int = 200
    seconds: float = 1.0
    """That each module takes."""
    pages: Sequence[int] = (0, 1, 20)
    browsers: int = 2
    """How many of the pages are Chromium's."""
    large: Sequence[int] = (100, 1_000)
    rounds: int = 6
    """Times that twenty pages of a saved run are opened and closed."""


@dataclass(frozen=True)
class Watched:
    """What it took to show a run to so many pages."""

    pages: int
    wall: float
    cpu: float
    """Seconds of the service, the run that it drives included."""
    memory: float
    """Megabytes of the service at the end."""
    delays: Sequence[float]
    """Seconds from the moment at which a module ended, by the journal, to the pages that show it."""
    wrong: int
    """Modules that a page shows in another state than that in which they ended, all pages together."""


@dataclass(frozen=True)
class Large:
    """What a saved run of so many modules takes."""

    modules: int
    first: float
    """Milliseconds of CPU of the first look at it."""
    again: float
    """The same of the next."""
    page_bytes: int
    page: float
    """Milliseconds of CPU of one more page, once the run is in memory."""
    memory: Sequence[float]
    """Megabytes of the service: before, with one page, with twenty, after they closed, after several rounds."""


# -- the service, in its process -----------------------------------------------------------


def _memory() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


async def _service(pipe: Connection, folder: str, modules: int, seconds: float) -> None:
    from matrioska.web.monitor.mount import build_monitor
    from matrioska.web.runs.desk import open_desk
    from matrioska.web.server import address_of, listen, serve

    dag = width_ten(modules)
    model = scripted_model(dag, plan_of(dag), latency=seconds > 0)
    context = RunContext.model_validate({"model": model, "review_rounds": 0, "slots": modules, "base_path": folder})
    async with open_desk(folder, context) as desk:

        async def plan() -> None:
            await desk.start("Measure it.", thread=THREAD)
            await desk.drives.ended()

        async def go() -> dict[str, Any]:
            wall, cpu = time.perf_counter(), time.process_time()
            await desk.answer(THREAD, True)
            # Not looked at until it has ended: looks are what is measured.
            await desk.drives.ended()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            ended = {module.id: (module.state, module.ended) for module in (await desk.run(THREAD)).modules}
            return {"wall": wall, "cpu": cpu, "ended": ended}

        async def look() -> float:
            cpu = time.process_time()
            await desk.run(THREAD)
            return (time.process_time() - cpu) * 1000

        async def facts() -> dict[str, float]:
            return {"memory": _memory(), "cpu": time.process_time()}

        commands: dict[str, Callable[[], Awaitable[Any]]] = {"plan": plan, "go": go, "look": look, "facts": facts}
        with listen("127.0.0.1", 0) as listener:
            served = asyncio.create_task(serve(build_monitor(desk), listener))  # type: ignore[arg-type]
            pipe.send(address_of(listener))
            while (command := await asyncio.to_thread(pipe.recv)) != "end":
                pipe.send(await commands[command]())
            served.cancel()
            await asyncio.gather(served, return_exceptions=True)


def _serve(pipe: Connection, folder: str, modules: int, seconds: float) -> None:
    asyncio.run(_service(pipe, folder, modules, seconds))


class _Service:
    """A service in a process of its own.

    Args:
        folder: its base path.
        modules: of the plan that its model answers with.
        seconds: that each of them takes.
    """

    def __init__(self, folder: str, modules: int, seconds: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, folder, modules, seconds), daemon=True)
        self._process.start()
        theirs.close()
        self.address = ""

    async def ask(self, command: str = "") -> Any:
        """Have it do something, and return what it says; '' waits for its address."""
        if command:
            self._pipe.send(command)
        return await asyncio.wait_for(asyncio.to_thread(self._pipe.recv), _PATIENCE)

    async def __aenter__(self) -> _Service:
        self.address = str(await self.ask())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pipe.send("end")
        await asyncio.to_thread(self._process.join, 30)
        self._process.kill()

    @property
    def page(self) -> str:
        """The address of the run's page."""
        return f"{self.address}/monitor/run/{THREAD}"


# -- the measures --------------------------------------------------------------------------


async def _watch(folder: str, choice: Choice, pages: int) -> Watched:
    """Drive a run from its approval to its end, with so many pages open."""
    turns = max(1, -(-choice.modules // _SHEET))
    async with _Service(folder, choice.modules, choice.seconds) as service, AsyncExitStack() as stack:
        await service.ask("plan")
        browsers = choice.browsers if pages > 1 and HAS_CHROMIUM else 0
        chromium = await stack.enter_async_context(Chromium()) if browsers else None
        watchers: list[Any] = []
        for number in range(pages):
            if chromium is not None and number < browsers:
                watchers.append(await chromium.open(service.page, number % turns))
            else:
                watchers.append(await stack.enter_async_context(Reader(service.page, number % turns)))
        went = await service.ask("go")
        ended: dict[str, tuple[str, float]] = went["ended"]
        due = sum(min(_SHEET, choice.modules - number % turns * _SHEET) for number in range(pages))
        seen, wrong = await _last_seen(watchers, ended, due)
        memory = (await service.ask("facts"))["memory"]
    delays = [
        shown.first[module, state] - at
        for shown in seen
        for module, (state, at) in ended.items()
        if (module, state) in shown.first
    ]
    return Watched(pages, went["wall"], went["cpu"], memory, delays, wrong)


async def _last_seen(
    watchers: Sequence[Any], ended: Mapping[str, tuple[str, float]], due: int
) -> tuple[list[Seen], int]:
    """Return what pages show once all of it is right, or after a while, and how many of the rows are not right.

    Args:
        watchers: the pages.
        ended: how and when each module ended.
        due: rows that all of them together have to show.
    """
    until = time.monotonic() + _LATEST
    while True:
        seen = [await watcher.seen() for watcher in watchers]
        # Rows that a page does not show must not count as right.
        wrong = due - sum(ended[module][0] == state for shown in seen for module, state in shown.last.items())
        if not wrong or time.monotonic() > until:
            return seen, wrong
        await asyncio.sleep(0.5)


async def _large(folder: str, modules: int, rounds: int) -> Large:
    """Look at a finished run."""
    async with _Service(folder, modules, 0.0) as service:
        await service.ask("plan")
        await service.ask("go")
    async with _Service(folder, modules, 0.0) as service:
        memory = [(await service.ask("facts"))["memory"]]
        first, again = await service.ask("look"), await service.ask("look")
        async with Reader(service.page) as reader:
            size = reader.size
            await asyncio.sleep(2.0)
            memory.append((await service.ask("facts"))["memory"])
        before = (await service.ask("facts"))["cpu"]
        async with AsyncExitStack() as stack:
            for _ in range(20):
                await stack.enter_async_context(Reader(service.page))
            await asyncio.sleep(2.0)
            facts = await service.ask("facts")
            memory.append(facts["memory"])
        memory += [await _after_closing(service)]
        for _ in range(rounds - 1):
            async with AsyncExitStack() as stack:
                for _ in range(20):
                    await stack.enter_async_context(Reader(service.page))
            memory[4:] = [await _after_closing(service)]
    return Large(modules, first, again, size, (facts["cpu"] - before) * 1000 / 20, memory)


async def _after_closing(service: _Service) -> float:
    """Return the service's memory in megabytes, once closed pages are given up."""
    # NiceGUI waits three seconds for a browser to come back.
    await asyncio.sleep(8.0)
    return float((await service.ask("facts"))["memory"])


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def measure(choice: Choice, say: Callable[[str], None]) -> list[Section]:
    """Measure pages on a run that works, and saved runs of each size."""
    # What the service's processes write must not depend on this machine's settings.
    os.environ.pop("MATRIOSKA_SERVE_TOKEN", None)
    watched, large = [], []
    for pages in choice.pages:
        say(f"monitor: {choice.modules} modules, {pages} pages")
        with tempfile.TemporaryDirectory(prefix="matrioska-bench-") as folder:
            watched.append(asyncio.run(_watch(folder, choice, pages)))
    for modules in choice.large:
        say(f"monitor: a saved run of {modules} modules")
        with tempfile.TemporaryDirectory(prefix="matrioska-bench-") as folder:
            large.append(asyncio.run(_large(folder, modules, choice.rounds)))
    return [_watched_section(choice, watched), _large_section(large)]


def _watched_section(choice: Choice, watched: Sequence[Watched]) -> Section:
    section = Section(f"A run of {choice.modules} modules of {choice.seconds:g} s, with pages open", _WATCHED)
    alone = watched[0].cpu if watched and not watched[0].pages else None
    for one in watched:
        ratio = one.cpu / alone if alone else None
        delays: list[Any] = [None] * 3
        if one.delays:
            told = (statistics.median(one.delays), _quantile(one.delays, 0.95), max(one.delays))
            delays = [round(1000 * delay) for delay in told]
        section.rows.append(
            [one.pages, choice.modules, one.wall, one.cpu, one.cpu / one.wall, ratio, *delays, one.wrong, one.memory]
        )
    section.data = [asdict(one) for one in watched]
    section.verdicts = [Verdict("states that a page shows wrongly in the end", sum(one.wrong for one in watched), 0)]
    section.notes = [
        "Delay: from the moment that the journal has for a module's end to the page that shows it; pages repaint at "
        "most four times a second. CPU is that of the service, which drives the run as well.",
        f"Of the pages, {choice.browsers} are Chromium's (where several are open), the others clients that speak "
        "NiceGUI's protocol.",
    ]
    return section


def _large_section(large: Sequence[Large]) -> Section:
    section = Section("A saved run in the monitor (milliseconds are of CPU)", _LARGE)
    section.rows = [
        [one.modules, one.first, one.again, one.page_bytes / 1000, one.page, *(round(size) for size in one.memory)]
        for one in large
    ]
    section.data = [asdict(one) for one in large]
    return section
