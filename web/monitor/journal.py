"""The journal of a thread: who said what to whom, as the tree that it is, opened branch by branch."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from functools import partial

from nicegui import ui

from matrioska.i18n import _, counted, figure
from matrioska.state.journal import Message
from matrioska.web.monitor.page import block, brought, facts, section, text, unfolding
from matrioska.web.monitor.words import lasting, message_word, moment, state_word, tokens
from matrioska.web.runs.desk import Desk
from matrioska.web.runs.views import Event, RunView

#: Branches that are shown of one message, at first and with each further step.
_BRANCHES = 100
#: Messages that a page holds.
_MOST = 20_000
_LONGEST_LINE = 140
_LONGEST_TEXT = 50_000


class JournalPanel:
    """See the module's text.

    Args:
        desk: whom it asks.
        thread: the thread.
    """

    def __init__(self, desk: Desk, thread: str) -> None:
        self._desk = desk
        self._thread = thread
        self._read = False
        self._last = 0
        self._messages: dict[str, Message] = {}
        self._below: dict[str, list[Message]] = {}
        self._news = 0
        with section(_("Who said what")):
            self._more = ui.button(on_click=self.read).props("outline dense data-testid=journal-news")
            self._more.set_visibility(False)
            self._tree = ui.element("div").props("data-testid=journal")

    def show(self, view: RunView) -> None:
        """See `Panel`. The tree is read when it is first seen; what comes later is offered, not pushed in."""
        self.look()

    def look(self) -> None:
        """Read the tree the first time, and say how much is new later."""
        if not self._read:
            self._read = True
            with self._tree:
                ui.timer(0, self.read, once=True)
        self._more.text = counted("Show {n} new message", "Show {n} new messages", self._news)
        self._more.set_visibility(self._news > 0)

    def hear(self, event: Event) -> None:
        """See `Panel`."""
        self._news += event.type == "message" and self._read

    async def read(self) -> None:
        """Read what is new in the journal, and show its top."""
        self._news = 0
        self._more.set_visibility(False)
        while len(self._messages) < _MOST and (found := await brought(self._brief())):
            self._messages |= {message.id: message for message in found}
            self._last = found[-1].number
        self._below = {}
        for message in self._messages.values():
            parent = message.parent if message.parent in self._messages else None
            self._below.setdefault(parent or "", []).append(message)
        self._tree.clear()
        with self._tree:
            if not self._messages:
                text(_("Nothing was said yet."), classes="dim")
            if len(self._messages) >= _MOST:
                text(_("Only the beginning is shown; `matrioska journal` has the rest."), classes="dim")
            self._branches("", 0)

    def _brief(self) -> Awaitable[list[Message]]:
        # Prompts are long, a page lasts, and of most messages nobody opens more than the line.
        return self._desk.journal(self._thread, self._last, brief=True)

    def _branches(self, parent: str, begin: int) -> None:
        below = self._below.get(parent, [])
        for message in below[begin : begin + _BRANCHES]:
            unfolding(_line(message, len(self._below.get(message.id, []))), partial(self._open, message))
        if (rest := len(below) - begin - _BRANCHES) > 0:
            unfolding(counted("{n} more", "{n} more", rest), lambda: self._branches(parent, begin + _BRANCHES))

    async def _open(self, brief: Message) -> None:
        found = await self._desk.journal(self._thread, brief.number - 1, 1)
        # What was said anew meanwhile is told no more.
        message = next((each for each in found if each.id == brief.id), brief)
        call = message.metrics[0] if message.metrics else None
        facts(
            [
                (_("When"), moment(message.created)),
                (_("State"), state_word(message.status)),
                (_("Model"), call.service if call else ""),
                (_("Tokens"), tokens(message.tokens) if message.tokens else ""),
                (_("Time"), lasting(sum(metric.seconds for metric in message.metrics))),
            ]
        )
        block(_cut(message.content), _("What was said"))
        if message.context:
            given = json.dumps(message.context, indent=2, ensure_ascii=False)
            unfolding(_("What the speaker was given"), lambda: block(_cut(given)))
        self._branches(message.id, 0)


def _line(message: Message, below: int) -> str:
    said = " ".join(message.content[: _LONGEST_LINE * 2].split())
    said = said if len(said) <= _LONGEST_LINE else said[: _LONGEST_LINE - 1] + "…"
    answers = f" ({figure(below)})" if below else ""
    return f"{message.source} → {message.destination}, {message_word(message.type)}{answers}: {said}"


def _cut(said: str) -> str:
    return said if len(said) <= _LONGEST_TEXT else said[:_LONGEST_TEXT] + "\n…"
