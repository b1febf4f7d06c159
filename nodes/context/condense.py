"""Entries that are too large for a package are condensed by the boss, checked, and kept by content.

Whatever goes wrong (no boss, a boss that fails, refuses, loses or invents names), the entry becomes
an extract of its own lines instead: nothing is lost without a record, and no name at all.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from langchain_core.messages import BaseMessage
from langgraph.errors import GraphBubbleUp

from matrioska.models.gateway import Client
from matrioska.nodes.checks.wording import listed, shorten
from matrioska.nodes.context.extract import extract, headline
from matrioska.nodes.context.join import condensed, entry_text
from matrioska.nodes.context.names import held, invented, missing
from matrioska.nodes.context.pieces import Piece
from matrioska.nodes.replies import complaint_about
from matrioska.prompts.render import render, template_source
from matrioska.state.architecture import ModuleSpec
from matrioska.state.errors import ModelError, StoreError
from matrioska.state.results import Usage

#: Who condensed an entry, when no model did.
EXTRACT = "extract"
#: Fewer tokens than this beside the names are not worth a call.
_LEAST_PROSE = 24
#: Times that an answer is asked for.
_TRIES = 2
#: A prose token is about this many words; models overshoot, so they are told of a part of the room.
_WORDS_A_TOKEN, _TOLD = 0.7, 0.85
#: Entries beyond the boss's window: rounds of condensing their parts to a quarter, and parts of a round.
_MOST_ROUNDS, _MOST_PARTS, _QUARTER = 3, 32, 4
#: Tokens of the boss's window for the instructions and the reader; smallest part worth a call.
_FRAME, _LEAST_PART = 800, 200
_LONGEST_PURPOSE = 1_500
_LONGEST_WHY = 300
#: Names told missing at once.
_MOST_TOLD = 60
_LEVELS = (
    (0.5, "detail: keep everything but repetition and wording"),
    (0.15, "summary: each part's content in a sentence or two, with its names"),
    (0.0, "outline: what there is and what it is for, with all names; no particulars"),
)


class Memory(Protocol):
    """Where condensed texts are kept by content."""

    async def recall(self, digest: str) -> str | None:
        """Return the text kept under a digest."""
        ...

    async def remember(self, digest: str, text: str) -> None:
        """Keep a text under a digest."""
        ...


@dataclass(frozen=True)
class Condensed:
    """A condensed entry."""

    text: str
    by: str
    """``provider:model`` that wrote it, or `EXTRACT`."""
    why: str = ""
    """Why it was not the boss."""
    reused: bool = False
    """Whether it was kept from before."""


@dataclass(frozen=True)
class Tools:
    """What condensing for one package needs."""

    spec: ModuleSpec
    """The reader."""
    count: Callable[[str], int]
    """Tokens of a text, as the reader's model counts them."""
    run: Callable[..., Awaitable[Any]]
    """How work that counts tokens or reads files is done without holding up others."""
    boss: Client | None = None
    why_none: str = ""
    """Why there is no boss."""
    memory: Memory | None = None


class _UnusableError(Exception):
    """What the boss answered cannot be used; says why."""


@dataclass(frozen=True)
class _Order:
    """One text to be condensed, and what its answer is judged by."""

    text: str
    names: tuple[str, ...]
    room: int
    """Tokens that the answer may take."""
    size: Callable[[str], int]
    """Tokens that an answer takes."""
    label: str = ""
    """What the entry is called: its own name is not made up."""

    @property
    def level(self) -> str:
        """How much detail is asked for, in words."""
        ratio = self.room / max(1, self.size(self.text))
        return next(words for least, words in _LEVELS if ratio >= least)

    def complaints(self, answer: str) -> list[str]:
        """Return what is wrong with an answer."""
        found = []
        if not answer:
            found.append("The text is empty.")
        if lost := missing(answer, self.names):
            found.append(f"These names are missing, each must stand there as it is: {listed(lost, _MOST_TOLD)}.")
        if made_up := invented(answer, "\n".join((self.text, self.label, *self.names))):
            found.append(f"These names are not in the entry, leave them out: {listed(made_up)}.")
        if (size := self.size(answer)) > self.room:
            found.append(f"The text takes {size:,} tokens and {self.room:,} are allowed: shorten it.")
        return found


class Condenser:
    """Condenses the entries of one package. ``spent`` counts what the boss cost."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.spent = Usage()

    async def condense(self, piece: Piece, names: frozenset[str], share: int) -> Condensed:
        """Return a text for a piece that, put in its place, takes at most ``share`` tokens and holds all names.

        Raises:
            GraphBubbleUp: the run's budget is used up.
            BudgetError: it is, and was not raised.
        """
        tools = self._tools
        order = await tools.run(self._order, piece, names, share)
        why = tools.why_none
        if tools.boss is not None:
            try:
                return await self._by_boss(tools.boss, order)
            except (ModelError, _UnusableError) as error:
                why = str(error)
        text = await tools.run(
            extract, piece.text, names, lambda text: tools.count(entry_text(condensed(piece, text))) <= share
        )
        return Condensed(text, EXTRACT, shorten(why, _LONGEST_WHY))

    def _order(self, piece: Piece, names: frozenset[str], share: int) -> _Order:
        def size(text: str) -> int:
            return self._tools.count(entry_text(condensed(piece, text)))

        rounded = _rounded(share)
        least = size(headline(names))
        room = rounded if rounded >= least + _LEAST_PROSE else share
        return _Order(piece.text, tuple(sorted(names)), room, size, piece.key or piece.name)

    async def _by_boss(self, boss: Client, order: _Order) -> Condensed:
        """Return the boss's text, from before if there is one.

        Raises:
            _UnusableError: there is no room for one, or none can be used.
            ModelError: the boss failed.
        """
        run = self._tools.run
        if await run(order.size, headline(order.names)) + _LEAST_PROSE > order.room:
            raise _UnusableError("there is no room for more than its names")
        key, *near = await run(self._keys, boss, order)
        for digest in (key, *near):
            kept = await self._recalled(digest)
            if kept is not None and not await run(order.complaints, kept):
                return Condensed(kept, _name(boss.member.model), reused=True)
        within = await self._within_window(boss, order)
        text, by = await self._asked(boss, order, within)
        await self._keep(key, text)
        return Condensed(text, by)

    async def _within_window(self, boss: Client, order: _Order) -> str:
        """Return the entry, made so small, part by part, that the boss can read it at once."""
        text, run = order.text, self._tools.run
        if (window := await run(_window, boss)) is None:
            return text
        room = window // 2 - _FRAME - await run(boss.count_tokens, "\n".join(order.names))
        for _ in range(_MOST_ROUNDS):
            if await run(boss.count_tokens, text) <= room:
                return text
            if room < _LEAST_PART:
                break
            parts = await run(parts_of, text, room, boss.count_tokens)
            if len(parts) > _MOST_PARTS:
                break
            orders = [self._part(boss, part, order, room) for part in parts]
            texts = await settled([self._asked(boss, part, part.text) for part in orders])
            text = "\n\n".join(found for found, _ in texts)
        raise _UnusableError("it is too large for the boss's window")

    def _part(self, boss: Client, text: str, whole: _Order, room: int) -> _Order:
        names = tuple(sorted(held(text, whole.names)))
        return _Order(text, names, room // _QUARTER, boss.count_tokens, whole.label)

    async def _asked(self, boss: Client, order: _Order, text: str) -> tuple[str, str]:
        """Return the boss's text for an order, and who wrote it.

        Args:
            boss: whom to ask.
            order: what is wanted.
            text: the order's text, or what of it the boss can read.

        Raises:
            _UnusableError: neither try can be used.
            ModelError: it failed.
        """
        complaints: list[str] = []
        for _ in range(_TRIES):
            reply = await boss.ask(await self._tools.run(self._messages, order, text, complaints))
            self.spent += reply.usage
            answer = reply.text.strip()
            fault = complaint_about(reply)
            complaints = [fault] if fault else await self._tools.run(order.complaints, answer)
            if not complaints:
                return answer, _name(reply.model)
        raise _UnusableError(" ".join(complaints))

    def _messages(self, order: _Order, text: str, complaints: list[str]) -> list[BaseMessage]:
        return render(
            "distill",
            spec=self._tools.spec,
            reader=self._reader(),
            level=order.level,
            words=max(1, int((order.room - order.size("")) * _WORDS_A_TOKEN * _TOLD)),
            names=order.names,
            text=text,
            complaints=complaints,
        )

    def _reader(self) -> dict[str, str]:
        """Return what the entry is condensed for."""
        spec = self._tools.spec
        return {"title": spec.title, "domain": spec.modality, "description": spec.description[:_LONGEST_PURPOSE]}

    def _keys(self, boss: Client, order: _Order) -> list[str]:
        """Return the digest of all that the boss's text depends on, and those of the next sizes up and down.

        The stages of a module have nearly the same room, and a text made for one mostly fits the other.
        """
        basis = [_name(boss.member.model), template_source("distill"), self._reader(), order.text, order.names]
        digest, step = _digest(json.dumps(basis, ensure_ascii=False)), _step(order.room)
        return [_digest(f"{digest} {room}") for room in (order.room, order.room + step, order.room - step)]

    async def _recalled(self, key: str) -> str | None:
        """Return the text kept for a digest. A memory out of reach has none: that costs a call, and no more."""
        if self._tools.memory is None:
            return None
        try:
            return await self._tools.memory.recall(key)
        except StoreError:
            return None

    async def _keep(self, key: str, text: str) -> None:
        if self._tools.memory is None:
            return
        try:
            await self._tools.memory.remember(key, text)
        except StoreError:
            # The text is in hand; the next who needs it asks again, and its record says so.
            return


def _name(model: str) -> str:
    """Return a model's name without its server's address: the same model elsewhere writes the same."""
    return model.partition("@http")[0]


def _window(boss: Client) -> int | None:
    return boss.window


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _step(tokens: int) -> int:
    """Return the distance between sizes, of which there are eight an octave."""
    return max(1, 1 << max(0, tokens.bit_length() - 4))


def _rounded(tokens: int) -> int:
    """Return the next size that is not larger: shares that nearly agree then share one condensed text."""
    return tokens // _step(tokens) * _step(tokens)


def parts_of(text: str, room: int, count: Callable[[str], int]) -> list[str]:
    """Return a text in parts of at most ``room`` tokens, cut at line borders where lines allow it."""
    # By the text's own average, with a margin: counting each line would take a tokenizer too long.
    longest = max(1, len(text) * room * 9 // (max(1, count(text)) * 10))
    parts, start = [], 0
    while start < len(text):
        end = min(len(text), start + longest)
        if end < len(text):
            line = text.rfind("\n", start, end)
            border = line if line > start + longest // 2 else text.rfind(" ", start, end)
            end = border + 1 if border > start else end
        parts.append(text[start:end])
        start = end
    return parts


async def settled(work: Sequence[Awaitable[Any]]) -> list[Any]:
    """Return all results, once all have ended: calls under way are paid for, and are not cut off by one that fails.

    Raises:
        BaseException: what one of them failed with; a pause of the run before anything else.
    """
    results = await asyncio.gather(*work, return_exceptions=True)
    if raised := [result for result in results if isinstance(result, BaseException)]:
        raise next((error for error in raised if isinstance(error, GraphBubbleUp)), raised[0])
    return list(results)
