"""What the pages do, in NiceGUI's simulation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from nicegui import ui
from nicegui.testing import User

from matrioska.state.errors import StoreError
from matrioska.web.monitor import live
from matrioska.web.monitor.sheet import PAGE
from matrioska.web.runs.views import Event, RunLine, RunView
from tests.web.monitor.desks import FakeDesk, question_of, run_of


def _rows(user: User) -> list[dict[str, Any]]:
    return next(iter(user.find(ui.table).elements)).rows


async def _until(there: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not there():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)


def _line(number: int) -> RunLine:
    return RunLine(thread=f"run-{number}", graph="matrioska", title=f"Task {number}", status="complete", updated=1.0)


async def test_a_run_is_started_with_what_the_form_says(looking_at) -> None:
    desk = FakeDesk(run_of(2))
    async with looking_at(desk) as user:
        await user.open("/")
        user.find("What is wanted").type("A page about tides")
        user.find("Model (as in the settings)").type(" openai:small ")
        user.find(kind=ui.button, content="Start").click()
        await user.should_see("Part of a page about tides")

    chosen = {"approval": "ask", "model": "openai:small", "assets": [], "budget": None}
    assert desk.calls[0] == ("start", "A page about tides", chosen)


async def test_all_of_a_thousand_threads_are_listed_and_a_page_of_them_is_sent(looking_at) -> None:
    async with looking_at(FakeDesk(run_of(1), lines=[_line(number) for number in range(1_000)])) as user:
        await user.open("/")
        await user.should_see(f"1–{PAGE} of 1,000")
        assert len(_rows(user)) == PAGE

        user.find("Filter").type("task 99")
        await user.should_see("Filter")

        assert [row["thread"] for row in _rows(user)] == ["run-99", *(f"run-{at}" for at in range(990, 1_000))]


async def test_runs_and_questions_lead_to_their_pages(looking_at) -> None:
    async with looking_at(FakeDesk(run_of(1), question_of())) as user:
        await user.open("/")

        assert [row["href"] for row in _rows(user)] == ["/monitor/run/the-run", "/monitor/question/the-question"]


async def test_a_run_shows_where_it_stands_and_what_it_has_cost(looking_at) -> None:
    async with looking_at(FakeDesk(run_of(3))) as user:
        await user.open("/run/the-run")
        for said in ("building", "1 of 3 modules · 12.3 k tokens · $0.42", "Tokens: 12.3 k of 50.0 k"):
            await user.should_see(said)

        assert [row["word"] for row in _rows(user)] == ["done", "producing", "waiting"]


async def test_a_run_that_failed_says_why_and_what_to_do(looking_at) -> None:
    error = {"code": "rejected", "message": "The plan was refused.", "next_step": "Start anew."}
    async with looking_at(FakeDesk(run_of(1, status="failed", error=error))) as user:
        await user.open("/run/the-run")
        await user.should_see("The plan was refused. Start anew.")


async def test_a_run_of_this_process_can_be_stopped_and_another_processes_cannot(looking_at) -> None:
    view = run_of(1)
    desk = FakeDesk(view)
    async with looking_at(desk) as user:
        await user.open("/run/the-run")
        user.find(kind=ui.button, content="Stop").click()
        await _until(lambda: ("stop", "the-run") in desk.calls)

        desk.view = view.model_copy(update={"line": view.line.model_copy(update={"here": False})})
        await user.open("/run/the-run")
        await user.should_not_see(kind=ui.button, content="Stop")
        await user.should_see("Another process drives it")


async def test_a_run_that_was_cut_off_goes_on(looking_at) -> None:
    desk = FakeDesk(run_of(1, status="unfinished"))
    async with looking_at(desk) as user:
        await user.open("/run/the-run")
        await user.should_see("stopped")
        user.find(kind=ui.button, content="Go on").click()
        await _until(lambda: ("resume", "the-run") in desk.calls)


async def test_what_happens_is_painted_and_a_closed_page_listens_no_more(looking_at) -> None:
    desk = FakeDesk(run_of(2))
    async with looking_at(desk) as user:
        await user.open("/run/the-run")
        await user.should_see("1 of 2 modules")
        await _until(lambda: desk.listeners == 1)

        done = [module.model_copy(update={"state": "done"}) for module in desk.view.modules]
        desk.view = desk.view.model_copy(update={"modules": done, "status": "complete"})
        await desk.tell("module", module="part-1", phase="done")
        await user.should_see("2 of 2 modules", retries=50)
        await user.should_see("complete", retries=50)

        assert user.client is not None
        user.client.delete()
        await _until(lambda: desk.listeners == 0)


async def test_a_burst_of_events_is_painted_a_few_times(looking_at) -> None:
    desk = FakeDesk(run_of(2))
    async with looking_at(desk) as user:
        await user.open("/run/the-run")
        for _ in range(500):
            await desk.tell("module", module="part-1", phase="producing")
        await desk.tell("piece", module="part-1", text="the last word")
        await user.should_see("the last word", retries=50)

        assert desk.looks < 20


async def test_a_text_that_is_begun_anew_replaces_what_was_heard(looking_at) -> None:
    desk = FakeDesk(run_of(2))
    async with looking_at(desk) as user:
        await user.open("/run/the-run")
        await desk.tell("piece", module="part-1", text="the first try")
        await user.should_see("the first try", retries=50)
        await desk.tell("piece", module="part-1", text="", restart=True)
        await desk.tell("piece", module="part-1", text="the second")
        await user.should_see("the second", retries=50)

        await user.should_not_see("the first try")


async def test_a_plan_too_large_to_draw_is_a_table_by_layers(looking_at) -> None:
    async with looking_at(FakeDesk(run_of(1_000))) as user:
        await user.open("/run/the-run")
        await user.should_see("So many modules are not drawn")

        await user.should_not_see(ui.mermaid)
        layers = [row["layer"] for row in _rows(user)]
        assert len(layers) == PAGE
        assert layers == sorted(layers)


async def test_a_module_shows_what_it_was_told_what_it_said_and_what_it_made(looking_at) -> None:
    async with looking_at(FakeDesk(run_of(2))) as user:
        await user.open("/run/the-run/module/part-0")
        for said in ("Part 0 lacks a title", "1,020 of 4,000 tokens", "produce · openai:small · 640 tokens · 3.2 s"):
            await user.should_see(said)

        assert [(row["name"], row["what"], row["tokens"]) for row in _rows(user)] == [
            ("the goal", "included", "120"),
            ("key Part 0", "compressed from 5,400 (boss)", "900"),
            ("asset tides.csv", "left out", "9,000"),
        ]


async def test_a_file_is_read_when_it_is_opened(looking_at) -> None:
    desk = FakeDesk(run_of(2))
    async with looking_at(desk) as user:
        await user.open("/run/the-run/module/part-0")
        assert desk.calls == []
        next(iter(user.find(kind=ui.expansion, content="index.html").elements)).open()
        await user.should_see("contents of part-0/index.html")

    assert desk.calls == [("file", "the-run", "part-0/index.html")]


async def test_a_cascade_is_a_tree_of_minds_that_speak(looking_at) -> None:
    desk = FakeDesk(run_of(1), question_of())
    async with looking_at(desk) as user:
        await user.open("/question/the-question")
        for said in ("Why? Nova", "Nova too", "answered", "There is no answer yet."):
            await user.should_see(said)
        await desk.tell("piece", mind="root", text="I am thinking")
        await user.should_see("I am thinking", retries=50)


async def test_the_whole_of_an_answer_is_offered_once_it_is_there(looking_at) -> None:
    desk = FakeDesk(run_of(1), question_of())
    async with looking_at(desk) as user:
        await user.open("/question/the-question")
        await user.should_not_see("The whole answer, as data")

        assert desk.asked is not None
        desk.asked = desk.asked.model_copy(update={"answer": "So.", "details": {"votes": 3}})
        await desk.tell("status")
        await user.should_see("The whole answer, as data", retries=50)
        next(iter(user.find(kind=ui.expansion, content="The whole answer, as data").elements)).open()
        await user.should_see('"votes": 3')


async def test_fitness_is_a_table(looking_at) -> None:
    async with looking_at(FakeDesk(run_of(1))) as user:
        await user.open("/fitness")
        await user.should_see("Fitness")

        assert [(row["node"], row["kind"], row["mean"], row["range"]) for row in _rows(user)] == [
            ("n1", "all", "75%", "50% – 90%")
        ]


async def test_what_is_not_there_says_so(looking_at) -> None:
    async with looking_at(FakeDesk(run_of(1))) as user:
        for path in ("/run/nothing", "/run/the-run/module/nothing", "/question/nothing"):
            await user.open(path)
            await user.should_see("This cannot be shown")
            await user.should_see("There is no run with the thread id")


async def test_the_journal_is_read_in_brief_and_a_message_as_a_whole_once_it_is_opened(looking_at) -> None:
    class Read(FakeDesk):
        async def journal(self, thread: str, after: int = 0, limit: int = 500, *, brief: bool = False) -> list[Any]:
            self.calls.append(("journal", after, limit, brief))
            return await super().journal(thread, after, limit, brief=brief)

    desk = Read(run_of(2))
    async with looking_at(desk) as user:
        await user.open("/run/the-run")
        user.find(kind=ui.tab, content="Journal").click()
        await user.should_see("boss → part-0, delegation (1): Write your files.")
        assert desk.calls == [("journal", 0, 500, True), ("journal", 3, 500, True)]

        next(iter(user.find(kind=ui.expansion, content="boss → part-0, delegation").elements)).open()
        await user.should_see("What the speaker was given")
        assert desk.calls[2:] == [("journal", 0, 1, False)]


async def test_a_page_that_cannot_look_says_so_once_and_looks_again(looking_at, monkeypatch) -> None:
    class Faulty(FakeDesk):
        fault: Exception | None = None

        async def run(self, thread: str) -> RunView:
            if self.fault is not None:
                self.looks += 1
                raise self.fault
            return await super().run(thread)

    monkeypatch.setattr(live, "_PAUSE", 0.01)
    desk = Faulty(run_of(2))
    async with looking_at(desk) as user:
        await user.open("/run/the-run")
        desk.fault = StoreError("The database is locked.", next_step="Wait a moment.")
        before = desk.looks
        await desk.tell("state")
        await _until(lambda: desk.looks > before + 2)
        assert user.notify.messages == ["The database is locked. Wait a moment."]

        desk.fault = None
        desk.view = desk.view.model_copy(update={"status": "complete"})
        await user.should_see("complete", retries=50)


async def test_events_that_break_off_are_said_once_and_followed_again(looking_at, monkeypatch) -> None:
    class Broken(FakeDesk):
        tries = 0

        async def events(self, thread: str, after: int = 0) -> AsyncGenerator[Event]:
            self.tries += 1
            if self.tries < 4:
                raise StoreError("The database is locked.", next_step="Wait a moment.")
            async with aclosing(super().events(thread, after)) as events:
                async for event in events:
                    yield event

    monkeypatch.setattr(live, "_PAUSE", 0.01)
    desk = Broken(run_of(2))
    async with looking_at(desk) as user:
        await user.open("/run/the-run")
        await desk.tell("piece", module="part-1", text="heard all the same")
        await user.should_see("heard all the same", retries=50)
        assert user.notify.messages == ["The database is locked. Wait a moment."]
