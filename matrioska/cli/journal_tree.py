"""The messages of a conversation as the tree that they are: each below the one that it answers. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from matrioska.state.journal import Message


@dataclass(frozen=True)
class Branch:
    """One line of the tree."""

    message: Message
    guides: tuple[bool, ...] = ()
    """For each level from the top, its own last: whether another branch of that level follows further down."""
    aside: bool = False
    """It is there for what is below it only."""
    cut: int = 0
    """Messages below it that are left out for their depth."""

    @property
    def depth(self) -> int:
        """Levels above it."""
        return len(self.guides)


@dataclass(frozen=True)
class Choice:
    """Which messages are looked at."""

    types: frozenset[str] = frozenset()
    """Only these; none for all."""
    mind: str = ""
    """Only what this one says or is told; '' for everybody."""
    depth: int | None = None
    """Levels below the question, at the most."""

    def takes(self, message: Message) -> bool:
        """Whether a message is among them, its depth aside."""
        name = self.mind.casefold()
        speaks = not name or name in (message.source.casefold(), message.destination.casefold())
        return speaks and (not self.types or message.type in self.types)


class Tree:
    """All messages of a conversation.

    Args:
        messages: in their order; what answers a message that is not among them stands at the top.
    """

    def __init__(self, messages: Iterable[Message]) -> None:
        self.messages = list(messages)
        self._by_id = {message.id: message for message in self.messages}
        self._below: dict[str | None, list[Message]] = {}
        for message in self.messages:
            self._below.setdefault(self._parent(message), []).append(message)

    def branches(self, choice: Choice) -> Iterator[Branch]:
        """Yield the lines of the tree from the top, with those above a chosen message kept."""
        if choice.types or choice.mind:
            taken = [message for message in self.messages if choice.takes(message)]
            return self._walk(choice.depth, {message.id for message in taken}, self._with_ancestors(taken))
        return self._walk(choice.depth, None, None)

    def around(self, message: Message) -> Iterator[Branch]:
        """Yield a message's way: what led to it, itself, and what answers it directly."""
        taken = [message, *self._below.get(message.id, ())]
        return self._walk(None, {each.id for each in taken}, self._with_ancestors(taken))

    def find(self, wanted: str) -> Sequence[Message]:
        """Return the messages of that number, or whose id begins so."""
        numbered = [message for message in self.messages if str(message.number) == wanted]
        return numbered or [message for message in self.messages if wanted and message.id.startswith(wanted.lower())]

    def _parent(self, message: Message) -> str | None:
        return message.parent if message.parent in self._by_id else None

    def _with_ancestors(self, messages: Iterable[Message]) -> set[str]:
        found: set[str] = set()
        for message in messages:
            each: str | None = message.id
            while each is not None and each not in found:
                found.add(each)
                each = self._parent(self._by_id[each])
        return found

    def _walk(self, depth: int | None, taken: Collection[str] | None, kept: Collection[str] | None) -> Iterator[Branch]:
        # A list of what is still to come and no recursion: a conversation may be as deep as it is long.
        waiting = self._children(None, (), kept)
        while waiting:
            message, guides = waiting.pop()
            below = self._children(message.id, guides, kept)
            deep = depth is not None and len(guides) >= depth
            aside = taken is not None and message.id not in taken
            yield Branch(message, guides, aside, self._count(message.id, kept) if deep else 0)
            waiting += [] if deep else below

    def _children(
        self, parent: str | None, guides: tuple[bool, ...], kept: Collection[str] | None
    ) -> list[tuple[Message, tuple[bool, ...]]]:
        """Return what is directly below a message, the last one first; the tops have no guides."""
        shown = [message for message in self._below.get(parent, ()) if kept is None or message.id in kept]
        if parent is None:
            return [(message, ()) for message in reversed(shown)]
        return [(message, (*guides, place > 0)) for place, message in enumerate(reversed(shown))]

    def _count(self, top: str, kept: Collection[str] | None) -> int:
        waiting, found = [top], 0
        while waiting:
            below = [each.id for each in self._below.get(waiting.pop(), ()) if kept is None or each.id in kept]
            found += len(below)
            waiting += below
        return found
