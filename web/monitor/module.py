"""The page of a module: what it was told, what it said, what it made, and what was found lacking."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from nicegui import ui

from matrioska.i18n import _, counted, told
from matrioska.web.monitor.deliverable import show_files
from matrioska.web.monitor.live import Live
from matrioska.web.monitor.page import Badge, block, facts, framed, section, show_fault, text, unfolding
from matrioska.web.monitor.sheet import Sheet
from matrioska.web.monitor.whiteboard import show_list
from matrioska.web.monitor.words import lasting, moment, tokens
from matrioska.web.runs.board import WORKING
from matrioska.web.runs.desk import Desk
from matrioska.web.runs.views import Attempt, Event, ModuleDetail, ModuleView

#: Calls that are listed: the last so many.
_MOST_CALLS = 100
_KEPT = 4_000


async def module_page(desk: Desk, thread: str, module: str) -> None:
    """Build the page."""
    with framed(f"{module} · {thread}"):
        ui.link(_("← The run"), f"/run/{thread}").props("data-testid=back-to-run")
        try:
            run = await desk.run(thread)
            detail = await desk.module(thread, module)
        except Exception as error:  # noqa: BLE001 - the boundary: the page says why
            show_fault(error)
            return
        _ModulePage(desk, thread, detail, run.events)


class _ModulePage:
    """What is painted anew is the whole module, when its state or its calls changed: that is seldom."""

    def __init__(self, desk: Desk, thread: str, detail: ModuleDetail, after: int) -> None:
        self._desk = desk
        self._thread = thread
        self._id = detail.view.id
        self._said = ""
        self._working = False
        with ui.element("section").classes("part stack"):
            with ui.element("div").classes("tools").props("role=status"):
                self._state = Badge(detail.view.state)
                self._state.props["data-testid"] = "module-state"
            text(detail.view.name or self._id, "h1")
            text(detail.view.description, classes="dim")
            self._facts = ui.element("div")
        with section(_("What it says now")) as self._now:
            self._now.classes("now")
            self._talk = block("", _("What it says now"))
        self._now.set_visibility(False)
        self._body = ui.element("div").classes("stack")
        self._shown: dict[str, Any] = {}
        self._show(detail)
        Live(ui.context.client, lambda last: desk.events(thread, last), after, self._hear, self._look)

    def _hear(self, event: Event) -> bool:
        if event.data.get("module") != self._id:
            return event.type in ("state", "status", "reset")
        if event.type == "piece":
            before = "" if event.data.get("restart") else self._said
            self._said = (before + str(event.data.get("text") or ""))[-_KEPT:]
        return True

    async def _look(self, stale: bool) -> None:
        self._talk.text = self._said
        self._now.set_visibility(bool(self._said) and self._working)
        if stale:
            self._show(await self._desk.module(self._thread, self._id))

    def _show(self, detail: ModuleDetail) -> None:
        self._state.show(detail.view.state)
        self._working = detail.view.state in WORKING
        self._now.set_visibility(bool(self._said) and self._working)
        shown = detail.model_dump(mode="json")
        if shown == self._shown:
            return
        self._shown = shown
        self._facts.clear()
        with self._facts:
            facts(_facts(detail.view))
        self._body.clear()
        with self._body:
            if detail.view.error:
                with section(_("Why it failed")):
                    block(told(detail.view.error))
            with section(_("What checks found")):
                show_list([told(found) for found in detail.findings], _("Nothing was found lacking."))
            with section(_("What it was told")):
                show_package(detail.package)
            with section(_("Calls to models")):
                _show_attempts(detail.attempts)
            with section(_("Files")):
                show_files(self._desk, self._thread, detail.files, self._id)
            with section(_("Contract")):
                block(json.dumps(detail.contract, indent=2, ensure_ascii=False), _("Contract"))


def _facts(view: ModuleView) -> list[tuple[str, str]]:
    return [
        (_("Id"), view.id),
        (_("Model"), view.model),
        (_("Worker"), view.worker),
        (_("Waits for"), ", ".join(view.depends_on)),
        (_("Began"), moment(view.started or 0.0)),
        (_("Time with models"), lasting(view.seconds)),
        (_("Tokens"), tokens(view.tokens) if view.tokens else ""),
        (_("Mends"), str(view.mends or "")),
    ]


def show_package(package: Mapping[str, Any]) -> None:
    """Show what became of each piece of a module's context: included, compressed or left out, with its tokens."""
    records = [package] if "included" in package else [each for each in package.values() if isinstance(each, dict)]
    records = [record for record in records if "included" in record]
    if not records:
        text(_("It was told nothing yet."), classes="dim")
    for record in records:
        used = sum(int(number) for number in record["included"].values())
        limit = int(record.get("budget") or 0)
        size = _("{used} of {limit} tokens").format(used=tokens(used), limit=tokens(limit)) if limit else ""
        text(size, classes="dim")
        columns = [
            {"name": "name", "label": _("Piece"), "field": "name", "classes": "wide"},
            {"name": "what", "label": _("What became of it"), "field": "what", "classes": "wide"},
            {"name": "tokens", "label": _("Tokens"), "field": "tokens", "align": "right", "classes": "number"},
        ]
        rows = [{"key": number, **row} for number, row in enumerate(_pieces(record))]
        Sheet(columns, key="key", label=_("Context package")).show(rows)


def _pieces(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    compressed = record.get("compressed") or {}
    for name, number in record["included"].items():
        what = _("included")
        if (made := compressed.get(name)) is not None:
            what = _("compressed from {size}").format(size=tokens(int(made.get("from") or 0)))
            what += f" ({made['by']})" if made.get("by") else ""
        yield {"name": str(name), "what": what, "tokens": tokens(int(number))}
    for name, number in (record.get("left_out") or {}).items():
        yield {"name": str(name), "what": _("left out"), "tokens": tokens(int(number))}


def _show_attempts(attempts: list[Attempt]) -> None:
    if not attempts:
        text(_("No model was asked yet."), classes="dim")
    if len(attempts) > _MOST_CALLS:
        text(counted("{n} earlier call", "{n} earlier calls", len(attempts) - _MOST_CALLS), classes="dim")
    first = max(0, len(attempts) - _MOST_CALLS)
    for number, attempt in enumerate(attempts[first:], first + 1):
        used = _("{n} tokens").format(n=tokens(attempt.tokens)) if attempt.tokens else ""
        parts = [attempt.stage, attempt.model, used, lasting(attempt.seconds)]
        title = f"{number}. " + " · ".join(part for part in parts if part)
        unfolding(title, partial(_show_attempt, attempt), testid="attempt")


def _show_attempt(attempt: Attempt) -> None:
    if attempt.error:
        text(told(attempt.error))
    if attempt.complaints:
        text(_("What the checks complained of"), "h3", "key")
        show_list([told(complaint) for complaint in attempt.complaints], "")
    text(_("Answer"), "h3", "key")
    block(attempt.answer, _("Answer"))
    for message in attempt.prompt:
        said = message.get("content")
        written = said if isinstance(said, str) else json.dumps(said, indent=2, ensure_ascii=False)
        unfolding(_("Prompt: {role}").format(role=message.get("role", "")), partial(block, written))
