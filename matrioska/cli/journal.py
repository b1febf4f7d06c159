"""``journal``: what was said in runs and questions, read, followed, and cleared away."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from rich.text import Text

from matrioska.cli.given import read_duration
from matrioska.cli.journal_follow import follow
from matrioska.cli.journal_tree import Branch, Choice, Tree
from matrioska.cli.journal_view import (
    conversations_table,
    show_branches,
    show_head,
    show_prompt,
    speakers_table,
    totals,
)
from matrioska.cli.main import COMPLETE
from matrioska.cli.place import Place, find_place
from matrioska.cli.prompt import confirm
from matrioska.cli.text import line, listed, plain
from matrioska.cli.ui import Ui, show_text, use
from matrioska.i18n import N_, _, counted, figure
from matrioska.state.errors import UsageError
from matrioska.state.journal import Conversation, Message, MessageType
from matrioska.state.wording import did_you_mean
from matrioska.store.journal import Journal, open_journal

#: The word in place of a thread that clears away.
PRUNE = "prune"
#: Lines of a tree that are shown unless more are asked for.
MOST_LINES = 500
_OFF = N_('The setting "journal" is off: nothing that is said is kept.')
_DAY = 86_400
_LONGEST_AGE = 36_500 * _DAY


@dataclass(frozen=True)
class View:
    """How a conversation is looked at."""

    thread: str | None = None
    message: str | None = None
    types: Sequence[str] = ()
    mind: str = ""
    depth: int | None = None
    limit: int = MOST_LINES
    full: bool = False
    prompts: bool = False
    metrics: bool = False
    follow: bool = False

    def choice(self) -> Choice:
        """Return which messages are looked at.

        Raises:
            UsageError: there is no such type, or options do not go together.
        """
        known = get_args(MessageType)
        if unknown := next((name for name in self.types if name not in known), None):
            raise UsageError(
                f"There is no type of message {line(unknown, 40)!r}{did_you_mean(unknown, known, 0.6)}.",
                next_step=f"The types are {', '.join(known)}.",
            )
        if self.follow and (self.message or self.metrics):
            raise UsageError(
                "--follow shows messages as they come, and goes with neither --message nor --metrics.",
                next_step="Leave one of them out.",
            )
        return Choice(frozenset(self.types), self.mind, self.depth)


@dataclass(frozen=True)
class Pruning:
    """What is to be cleared away."""

    older_than: str | None = None
    keep: int | None = None
    thread: str | None = None
    unfinished: bool = False
    dry: bool = False
    yes: bool = False

    def check(self) -> None:
        """Check that it is said what to clear away: never everything by a slip.

        Raises:
            UsageError: nothing says it.
        """
        if self.older_than is None and self.keep is None and self.thread is None:
            raise UsageError(
                "What is to be cleared away?", next_step="Say it with --older-than 30d, --keep 100 or --thread ID."
            )


def journal(view: View, pruning: Pruning, base_path: Path | None, *, as_json: bool) -> int:
    """Do what the options say; return the exit code."""
    ui = use(Ui(json=as_json))
    place = find_place(base_path)
    kept = open_journal(place.layout.base)
    if not kept.keeps and (view.thread or pruning.thread):
        raise UsageError(_OFF, next_step="Take the setting away, and what is said from then on is kept.")
    if view.thread == PRUNE:
        pruning.check()
        return prune(ui, kept, pruning)
    # Elsewhere a thread's id; this is how one that is a word of ours is read.
    thread = view.thread or pruning.thread
    if pruning != Pruning(thread=pruning.thread) or (view.thread and pruning.thread):
        raise UsageError(
            "--older-than, --keep, --unfinished, --dry-run and --yes go with `matrioska journal prune`.",
            next_step="Leave them out to read.",
        )
    if thread is None:
        return list_conversations(ui, place, kept)
    choice = view.choice()
    if view.follow:
        return follow(ui, kept, thread, choice)
    return show_conversation(ui, place, kept, thread, view, choice)


def list_conversations(ui: Ui, place: Place, kept: Journal) -> int:
    """List all conversations, the latest first."""
    found = kept.conversations()
    if ui.json:
        ui.emit_json([each.model_dump(mode="json") for each in found])
    elif found:
        ui.out.print(conversations_table(found, ui.out.width))
    elif not kept.keeps:
        ui.say(_(_OFF))
    else:
        ui.say(_("The journal {place} holds no conversation yet.").format(place=plain(kept.address)), soft_wrap=True)
        ui.suggest([place.command("ask", "…")])
    return COMPLETE


def show_conversation(ui: Ui, place: Place, kept: Journal, thread: str, view: View, choice: Choice) -> int:
    """Show one conversation, or a part of it."""
    conversation = _find(kept, thread)
    tree = Tree(kept.messages(thread))
    if view.message is not None:
        _show_message(ui, tree, view.message, view)
    elif ui.json:
        chosen = [branch.message for branch in tree.branches(choice) if not branch.aside]
        ui.emit_json(_as_json(conversation, sorted(chosen, key=lambda each: each.number), kept))
    elif view.metrics:
        ui.out.print(speakers_table(kept.metrics(thread), ui.out.width))
        _show_totals(ui, tree.messages)
    else:
        show_head(ui.out, conversation)
        _show_some(ui, tree.branches(choice), view)
        _show_totals(ui, tree.messages)
    return COMPLETE


def _as_json(conversation: Conversation, messages: Iterable[Message], kept: Journal) -> dict[str, Any]:
    return {
        "conversation": conversation.model_dump(mode="json"),
        "messages": [message.model_dump(mode="json") for message in messages],
        "metrics": [took.model_dump(mode="json") for took in kept.metrics(conversation.id)],
    }


def _show_some(ui: Ui, branches: Iterable[Branch], view: View) -> None:
    """Show as many lines as were asked for, and say what more there is."""
    every = list(branches)
    shown = every[: view.limit] if view.limit else every
    show_branches(ui.out, shown, full=view.full, prompts=view.prompts)
    if not every:
        ui.say(_("No message is of that kind."))
    if more := len(every) - len(shown):
        says = counted(
            "… and {n} line more: --limit 0 shows all, --depth 2 the first levels.",
            "… and {n} lines more: --limit 0 shows all, --depth 2 the first levels.",
            more,
        )
        ui.say((says, "dim"))


def _show_totals(ui: Ui, messages: Sequence[Message]) -> None:
    ui.out.print()
    ui.out.print(Text(totals(messages), "dim"))


def _show_message(ui: Ui, tree: Tree, wanted: str, view: View) -> None:
    """Show one message: what led to it, itself as a whole, and what answers it.

    Raises:
        UsageError: there is none, or several.
    """
    found = tree.find(wanted)
    if len(found) != 1:
        named = listed((f"{each.number} ({each.id[:8]})" for each in islice(found, 9)), 8)
        says = f"several messages: {named}" if found else "no message of this conversation"
        raise UsageError(
            f"{line(wanted, 40)!r} names {says}.",
            next_step="Give the number before a message, or more of its id.",
        )
    message = found[0]
    way = list(tree.around(message))
    if ui.json:
        below = [branch.message for branch in way if branch.message.parent == message.id]
        above = [branch.message for branch in way if branch.message not in (message, *below)]
        ui.emit_json(
            {
                "message": message.model_dump(mode="json"),
                "ancestors": [each.model_dump(mode="json") for each in above],
                "children": [each.model_dump(mode="json") for each in below],
            }
        )
        return
    show_branches(ui.out, way)
    ui.out.print()
    if view.prompts:
        show_prompt(ui.out, message)
    show_text(ui.out, message.content)


def _find(kept: Journal, thread: str) -> Conversation:
    """Return a conversation.

    Raises:
        UsageError: there is none of that id.
    """
    every = kept.conversations()
    found = next((each for each in every if each.id == thread), None)
    if found is None:
        known = [each.id for each in every]
        raise UsageError(
            f"The journal holds no conversation {line(thread, 80)!r}{did_you_mean(thread, known, 0.6)}.",
            next_step="`matrioska journal` lists them.",
        )
    return found


def prune(ui: Ui, kept: Journal, pruning: Pruning) -> int:
    """Clear away whole conversations, once a person agrees.

    Raises:
        UsageError: nobody can be asked, and --yes was not given.
    """
    age = timedelta(seconds=read_age(pruning.older_than)) if pruning.older_than is not None else None

    def remove(*, dry: bool) -> int:
        return kept.prune(age, pruning.keep, pruning.thread, dry=dry, unfinished=pruning.unfinished)

    every, number = len(kept.conversations()), remove(dry=True)
    found = {"conversations": _conversations(number), "every": figure(every)}
    if number and not pruning.dry and not pruning.yes:
        if not ui.interactive:
            noun = "conversation" if number == 1 else "conversations"
            raise UsageError(
                f"{number:,} {noun} of {every:,} would be removed for good.",
                next_step="Say --yes, or --dry-run to only look.",
            )
        if not confirm(ui, _("Remove {conversations} of {every} for good?").format(**found)):
            ui.say(_("Nothing was removed."))
            return COMPLETE
    removed = remove(dry=False) if number and not pruning.dry else 0
    if ui.json:
        ui.emit_json({"found": number, "removed": removed, "kept": every - removed})
    elif pruning.dry:
        ui.out.print(_("{conversations} of {every} would be removed.").format(**found))
    else:
        done = {"conversations": _conversations(removed), "kept": figure(every - removed)}
        ui.out.print(_("{conversations} removed, {kept} kept.").format(**done))
    return COMPLETE


def _conversations(number: int) -> str:
    return counted("{n} conversation", "{n} conversations", number)


def read_age(given: str) -> float:
    """Return seconds from ``30d``, ``2w``, or what `read_duration` takes.

    Raises:
        UsageError: it is of another form, no time at all, or longer than a century.
    """
    found = re.fullmatch(r"([0-9]{1,9})([dw])", given.strip().casefold())
    days = int(found[1]) * (7 if found[2] == "w" else 1) if found else 0
    try:
        seconds = days * _DAY if found else read_duration(given)
    except UsageError as error:
        error.next_step = "Write days (30d), weeks (4w) or hours (12h)."
        raise
    if not 0 < seconds <= _LONGEST_AGE:
        raise UsageError(f"{given!r} is no age of a conversation.", next_step="Write days (30d), weeks (4w) or hours.")
    return seconds
