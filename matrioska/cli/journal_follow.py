"""``journal --follow``: messages as they come, written by whichever process."""

from __future__ import annotations

import json
import sys
import time

from matrioska.cli.journal_tree import Choice
from matrioska.cli.journal_view import event_line
from matrioska.cli.main import COMPLETE, INTERRUPTED
from matrioska.cli.text import line
from matrioska.cli.ui import Ui
from matrioska.i18n import _
from matrioska.state.errors import LockedStoreError
from matrioska.state.journal import Message
from matrioska.store.journal import Journal

#: Seconds between two looks.
PAUSE = 0.5


def follow(ui: Ui, kept: Journal, thread: str, choice: Choice) -> int:
    """Show messages until the conversation has ended, or until the person has seen enough.

    It may begin before the conversation does. With ``--json`` each message is one line.
    """
    follower = _Follower(ui, kept, thread, choice)
    try:
        while not follower.look():
            time.sleep(PAUSE)
    except KeyboardInterrupt:
        # What was shown is all there is to say: nothing was begun here that could be lost.
        ui.stopped_said = True
        return INTERRUPTED
    return COMPLETE


class _Follower:
    """Where in a conversation somebody reads."""

    def __init__(self, ui: Ui, kept: Journal, thread: str, choice: Choice) -> None:
        self._ui, self._kept, self._thread, self._choice = ui, kept, thread, choice
        self._last = 0
        self._waits = False
        self._depths: dict[str, int] = {}

    def look(self) -> bool:
        """Show what is new; return whether the conversation has ended."""
        try:
            # Its end is asked for first: what was said before that is then surely among the messages.
            conversation = next((each for each in self._kept.conversations() if each.id == self._thread), None)
            messages = self._kept.messages(self._thread, self._last) if conversation else []
        except LockedStoreError:
            # Somebody writes, for long: look again.
            return False
        if conversation is None and not self._waits:
            self._waits = True
            says = _("No conversation {thread} yet; waiting for it. Ctrl-C ends.")
            self._ui.say((says.format(thread=line(self._thread, 80)), "dim"))
        for message in messages:
            self._show(message)
        return conversation is not None and conversation.status != "open"

    def _show(self, message: Message) -> None:
        self._last = max(self._last, message.number)
        depth = self._depths[message.id] = self._depths.get(message.parent or "", -1) + 1
        if not self._choice.takes(message) or (self._choice.depth is not None and depth > self._choice.depth):
            return
        if self._ui.json:
            sys.stdout.write(json.dumps(message.model_dump(mode="json")) + "\n")
            sys.stdout.flush()
        else:
            self._ui.out.print(event_line(message, depth, self._ui.out), soft_wrap=True)
