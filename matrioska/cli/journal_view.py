"""A conversation on the screen: its tree of messages, what each took, and who spent what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from matrioska.cli.journal_tree import Branch
from matrioska.cli.text import dollars, duration, line, local_time, plain, state_word
from matrioska.i18n import N_, _, counted, figure
from matrioska.state.journal import Conversation, Message, Metric

if TYPE_CHECKING:
    from matrioska.store.journal.reader import PartyMetrics

#: Columns for a name of who speaks.
_PARTY = 24
#: Narrowest column of titles that is still shown.
_SHORTEST_TITLE = 9
#: Heads of columns that hold words; the others hold figures.
_WORDS = (N_("conversation"), N_("graph"), N_("status"), N_("changed"), N_("title"), N_("speaker"))
#: Columns of a narrow screen's list that give way, in this order.
_LESSER = ("messages", "tokens", "graph")
#: Columns between two of a table; none is needed after the last.
_GAP = 2
_MARKS = {"open": ("◌", "bold yellow"), "failed": ("✗", "bold red"), "done": (" ", "")}
_STYLES = {
    "query": "bold",
    "delegation": "cyan",
    "synthesis": "green",
    "critique": "yellow",
    "error": "bold red",
    "status": "dim",
    "control": "magenta",
}
_STATUS = {"open": "yellow", "failed": "red", "done": "green"}
# Columns of a level: whether another branch of it follows, the branch's own one, and a level that is passed by.
_GUIDES = {True: "├ ", False: "└ "}
_PASSED = {True: "│ ", False: "  "}
_ASCII = str.maketrans("├└│…→◌✗⋯", "|`|~>o!~")
#: Columns of the tree's guides, as a part of the screen, before levels are left out.
_DEEPEST = 3


@dataclass
class Spent:
    """What some calls took."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens of prompts and answers."""
        return self.input_tokens + self.output_tokens

    def add(self, metric: Metric) -> None:
        """Count a call."""
        self.calls += 1
        self.input_tokens += metric.input_tokens
        self.output_tokens += metric.output_tokens
        self.seconds += metric.seconds
        self.cost += metric.cost


def spent(messages: Iterable[Message]) -> Spent:
    """Return what messages took together."""
    total = Spent()
    for message in messages:
        for metric in message.metrics:
            total.add(metric)
    return total


def conversations_table(found: Sequence[Conversation], width: int) -> Table:
    """Return the table of conversations, on lines of at most ``width`` columns.

    The title gives way first, then what can be seen in the conversation itself: an id is copied, and stays whole.
    """
    columns: dict[str, list[str]] = {
        "conversation": [line(each.id, 200) for each in found],
        "graph": [line(each.graph, 12) for each in found],
        "status": [state_word(each.status) for each in found],
        N_("messages"): [figure(each.messages) for each in found],
        N_("tokens"): [figure(each.tokens) for each in found],
        "changed": [clock(each.updated)[:16] for each in found],
    }

    def room(without: Sequence[str] = ()) -> int:
        taken = (max(map(cell_len, [_(name), *cells])) + _GAP for name, cells in columns.items() if name not in without)
        return width - sum(taken)

    # Where even then an id has no room, it goes on below, and nothing gives way.
    ways = (_LESSER[:number] for number in range(len(_LESSER) + 1))
    for name in next((some for some in ways if room(some) >= -_GAP), ()):
        del columns[name]
    table = _table(*columns)
    table.columns[0].no_wrap, table.columns[0].overflow = False, "fold"
    if (left := room()) >= _SHORTEST_TITLE:
        table.add_column(_("title"), no_wrap=True, style="dim")
        columns["title"] = [line(each.title, left) for each in found]
    for each, row in zip(found, zip(*columns.values(), strict=True), strict=True):
        styled = dict(zip(columns, row, strict=True))
        style = _STATUS.get(each.status, "")
        table.add_row(*(Text(cell, style) if name == "status" else cell for name, cell in styled.items()))
    return table


def show_head(out: Console, conversation: Conversation) -> None:
    """Show what a conversation is."""
    state = (state_word(conversation.status), _STATUS.get(conversation.status, ""))
    out.print(Text.assemble((line(conversation.id, 200), "bold"), f"  {line(conversation.graph, 40)}  ", state))
    if conversation.title:
        out.print(Text(line(conversation.title, 400), "dim"))
    out.print()


def show_branches(out: Console, branches: Sequence[Branch], *, full: bool = False, prompts: bool = False) -> None:
    """Show lines of the tree.

    Args:
        out: where to; lines are at most as wide as it is.
        branches: the lines.
        full: whether the whole text stands below each.
        prompts: whether what the speaker was given stands below each.
    """
    figures = [(_("time"), _("tokens")), *(_figures(branch.message) for branch in branches)]
    widths = tuple(max(map(cell_len, column)) + 2 for column in zip(*figures, strict=True))
    digits = max([3, *(len(str(branch.message.number)) for branch in branches)])
    # Translators: head of the column with the messages' numbers.
    number = _("no")
    message = _("message")
    out.print(_row(Text(f"{number:>{digits}}   {message}", "dim"), figures[0], widths, out))
    for branch, told in zip(branches, figures[1:], strict=True):
        out.print(_row(branch_text(branch, digits, out.width), told, widths, out))
        indent = min(2 * branch.depth, out.width // _DEEPEST) + digits + 3
        if prompts:
            show_prompt(out, branch.message, indent)
        if full and branch.message.content.strip():
            out.print(Padding(Text(plain(branch.message.content.strip())), (0, 0, 1, indent)))


def show_prompt(out: Console, message: Message, indent: int = 0) -> None:
    """Show what a message's speaker was given, if a model spoke."""
    given = message.context.get("prompt")
    for part in given if isinstance(given, list) else ():
        role, content = (part.get("role"), part.get("content")) if isinstance(part, dict) else ("", part)
        said = Text.assemble((f"{line(role, 20)}: ", "dim bold"), (plain(content).strip(), "dim"))
        out.print(Padding(said, (0, 0, 0, indent)))


def branch_text(branch: Branch, digits: int, width: int) -> Text:
    """Return a message's line of the tree, without its figures.

    Args:
        branch: the message, and where it stands.
        digits: columns of its number.
        width: columns of the screen.
    """
    message, mark = branch.message, _MARKS[branch.message.status]
    says = Text.assemble((f"{message.number:>{digits}} ", "dim"), mark, " ", (_guides(branch, width), "dim"))
    if branch.cut:
        below = _("(+{n} below)").format(n=figure(branch.cut))
        says.append(f"{below} ", "dim")
    says.append_text(told(message, width))
    if branch.aside:
        says.stylize("dim")
    return says


def told(message: Message, width: int) -> Text:
    """Return type, speaker, listener and first words of a message."""
    return Text.assemble(
        (f"{message.type} ", _STYLES.get(message.type, "")),
        line(message.source, _PARTY),
        (" → ", "dim"),
        line(message.destination, _PARTY),
        # No more than fits is cleaned: a message may be as long as a book.
        ("  " + line(message.content[: 4 * width], width), "dim"),
    )


def event_line(message: Message, depth: int, out: Console) -> Text:
    """Return a message as one line of a log."""
    seconds, tokens = _took(message)
    figures = " · ".join(filter(None, (seconds, counted("{n} token", "{n} tokens", tokens) if tokens else "")))
    says = Text.assemble(
        (clock(message.created)[11:] + " ", "dim"), f"{message.number:>4} ", _MARKS[message.status], " "
    )
    says.append("  " * min(depth, out.width // (2 * _DEEPEST)))
    says.append_text(told(message, out.width))
    if out.is_terminal:
        says.truncate(out.width - len(figures) - 1, overflow="ellipsis")
    says.append(f" {figures}", "dim")
    return _shown(says, out)


def totals(messages: Sequence[Message]) -> str:
    """Return what a conversation took in all."""
    took = spent(messages)
    facts = [counted("{n} message", "{n} messages", len(messages)), counted("{n} call", "{n} calls", took.calls)]
    if took.tokens:
        parts = {"sent": figure(took.input_tokens), "got": figure(took.output_tokens)}
        tokens = counted("{n} token", "{n} tokens", took.tokens)
        facts.append(_("{tokens} ({sent} in, {got} out)").format(tokens=tokens, **parts))
    facts += [dollars(took.cost)] if took.cost else []
    if messages:
        facts.append(duration(max(each.updated for each in messages) - min(each.created for each in messages)))
    unanswered = sum(each.status == "open" for each in messages)
    failed = sum(each.status == "failed" for each in messages)
    facts += [counted("{n} open", "{n} open", unanswered)] if unanswered else []
    facts += [counted("{n} failed", "{n} failed", failed)] if failed else []
    return " · ".join(facts)


def speakers_table(found: Iterable[PartyMetrics], width: int) -> Table:
    """Return the table of what each speaker spent, without those that called nobody.

    On a screen of fewer than its columns, heads of several words stand one word below another.
    """
    heads = ("speaker", "messages", N_("calls"), N_("tokens in"), N_("tokens out"), "time", N_("cost"), N_("errors"))
    table = _table(*heads)
    rows = [
        (
            line(took.source, _PARTY),
            figure(took.messages),
            figure(took.calls),
            figure(took.input_tokens),
            figure(took.output_tokens),
            duration(took.seconds),
            dollars(took.cost) if took.cost else "–",
            Text(figure(took.errors), "bold red") if took.errors else Text("–"),
        )
        for took in found
        if took.calls
    ]
    for row in rows:
        table.add_row(*row)
    columns = zip(map(_, heads), *(map(str, row) for row in rows), strict=True)
    if sum(max(map(cell_len, column)) + _GAP for column in columns) - _GAP > width:
        for head, column in zip(heads, table.columns, strict=True):
            column.header = _(head).replace(" ", "\n")
    return table


def clock(at: float) -> str:
    """Return a time in this machine's zone; '?' for one that no year of ours has."""
    try:
        return local_time(datetime.fromtimestamp(at, UTC).isoformat())
    except (OverflowError, ValueError, OSError):
        return "?"


def _figures(message: Message) -> tuple[str, str]:
    """Return the seconds and tokens that a message took, as figures; '' where there are none."""
    seconds, tokens = _took(message)
    return seconds, figure(tokens) if tokens else ""


def _took(message: Message) -> tuple[str, int]:
    """Return the seconds that a message took, as a figure, '' where there are none, and its tokens."""
    took = spent([message])
    # What is no call takes the time until its answer was there.
    seconds = took.seconds if message.metrics else message.updated - message.created
    return duration(seconds) if seconds >= 0.05 else "", took.tokens


def _guides(branch: Branch, width: int) -> str:
    """Return what leads to a branch; of a very deep one, what is nearest."""
    if not branch.guides:
        return ""
    levels = [*(_PASSED[follows] for follows in branch.guides[:-1]), _GUIDES[branch.guides[-1]]]
    fitting = max(1, width // (2 * _DEEPEST))
    left_out = len(levels) - fitting
    return f"⋯{left_out} " + "".join(levels[left_out:]) if left_out > 0 else "".join(levels)


def _row(says: Text, figures: Sequence[str], widths: Sequence[int], out: Console) -> Text:
    """Return a line of the tree: what it says, cut to what its figures leave."""
    says.truncate(out.width - sum(widths), overflow="ellipsis", pad=True)
    says.append("".join(f"{each:>{width}}" for each, width in zip(figures, widths, strict=True)), "dim")
    return _shown(says, out)


def _shown(text: Text, out: Console) -> Text:
    """Return a line in signs that the console has."""
    if out.options.ascii_only:
        text.plain = text.plain.translate(_ASCII)
    return text


def _table(*columns: str) -> Table:
    """Return an empty table with these columns, named in English and marked by `N_`."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    right: dict[str, Any] = {"justify": "right"}
    for name in columns:
        table.add_column(_(name), no_wrap=True, **({} if name in _WORDS else right))
    return table
