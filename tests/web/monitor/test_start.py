"""The form that starts a run: the files that go with it, and its limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nicegui import ui
from nicegui.testing import User
from starlette.testclient import TestClient

from matrioska.state.budget import Budget
from matrioska.web.monitor.uploads import MOST_FILES, Bounded
from tests.web.monitor.desks import FakeDesk, run_of


class Taking(FakeDesk):
    """A desk that reads the files of a run when it is started, as a real one does."""

    def __init__(self) -> None:
        super().__init__(run_of(2))
        self.read: list[tuple[str, bytes]] = []
        self.places: list[Path] = []
        self.budget: Budget | None = None

    async def start(self, task: str, **options: Any) -> str:
        self.places = list(options["assets"])
        self.read = [(place.name, place.read_bytes()) for place in self.places]
        self.budget = options["budget"]
        return await super().start(task, **options)


def _picker(user: User) -> ui.upload:
    return next(iter(user.find(ui.upload).elements))


async def _give(user: User, *files: tuple[str, bytes]) -> None:
    for name, content in files:
        await _picker(user).handle_uploads([ui.upload.SmallFileUpload(name, "text/plain", content)])


def _press(user: User, words: str) -> None:
    user.find(kind=ui.button, content=words).click()


async def test_files_go_with_the_run_and_are_removed_once_it_has_them(looking_at) -> None:
    desk = Taking()
    async with looking_at(desk) as user:
        await user.open("/")
        user.find("What is wanted").type("A page about tides")
        await _give(user, ("tides.csv", b"1"), ("notes.txt", b"22"), ("tides.csv", b"333"))
        for said in ("notes.txt · 2 B", "tides.csv · 3 B"):
            await user.should_see(said, retries=20)
        _press(user, "Start")
        await user.should_see("Part of a page about tides", retries=20)

    assert desk.read == [("tides.csv", b"1"), ("notes.txt", b"22"), ("tides.csv", b"333")]
    assert not any(place.exists() for place in desk.places)


async def test_a_file_can_be_left_out_again(looking_at) -> None:
    desk = Taking()
    async with looking_at(desk) as user:
        await user.open("/")
        await _give(user, ("tides.csv", b"1"), ("notes.txt", b"22"))
        await user.should_see("notes.txt", retries=20)
        buttons = user.find(kind=ui.button).elements
        out = next(each for each in buttons if each.props.get("aria-label") == "Leave out tides.csv")
        user.find(marker=_marked(out, "out")).click()
        await user.should_not_see("tides.csv", retries=20)
        _press(user, "Start")
        await user.should_see("Part of a page about tides", retries=20)

    assert [name for name, _ in desk.read] == ["notes.txt"]


def _marked(element: ui.element, marker: str) -> str:
    element.mark(marker)
    return marker


@pytest.mark.parametrize("name", ["..", ".hidden", "a/b.txt", "CON", "x\u202egnp.exe", "n" * 300])
async def test_a_file_with_a_name_that_means_more_than_a_file_is_refused(looking_at, name: str) -> None:
    async with looking_at(FakeDesk(run_of(1))) as user:
        await user.open("/")
        await _give(user, (name, b"1"))
        await user.should_see("is refused", retries=20)


async def test_more_files_than_a_run_is_given_are_refused(looking_at) -> None:
    desk = Taking()
    async with looking_at(desk) as user:
        await user.open("/")
        await _give(user, *((f"{number}.txt", b"1") for number in range(MOST_FILES)))
        await user.should_see(f"{MOST_FILES - 1}.txt", retries=50)
        await _give(user, ("late.txt", b"1"))
        await user.should_see(f"{MOST_FILES} files", retries=20)
        await user.should_not_see("late.txt")


async def test_a_run_is_started_with_limits(looking_at) -> None:
    desk = Taking()
    async with looking_at(desk) as user:
        await user.open("/")
        user.find("Most tokens").type("200000")
        user.find("Most US dollars").type("1.5")
        _press(user, "Start")
        await user.should_see("Part of a page about tides", retries=20)

    assert desk.budget == Budget(budget_tokens=200_000, budget_cost=1.5)


async def test_a_limit_that_is_none_is_complained_of_and_nothing_starts(looking_at) -> None:
    desk = Taking()
    async with looking_at(desk) as user:
        await user.open("/")
        user.find("Most US dollars").type("0")
        _press(user, "Start")
        await user.should_see("A limit is a number above zero", retries=20)

    assert desk.calls == []


@pytest.mark.parametrize("body", [b"x" * 11, iter([b"x" * 6, b"x" * 5])], ids=["told", "untold"])
def test_a_body_larger_than_pages_send_is_not_read(body: Any) -> None:
    got: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "http.request":
            got.append(message["body"])
            if not message.get("more_body"):
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    TestClient(Bounded(app, most=10)).post("/", content=body)

    assert sum(map(len, got)) <= 10
