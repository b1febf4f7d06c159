"""One step of a mind at its model: the prompt that fits, the time it has, a second try, and who hears of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import BaseMessage

from matrioska.models.gateway import Reply
from matrioska.models.providers import shown_address
from matrioska.models.recorder import listened, voiced
from matrioska.prompts.render import render
from matrioska.state.answers import refusal
from matrioska.state.cascade import MindReply, Thought
from matrioska.state.errors import ConfigError, EnsembleError, MatrioskaError, ModelError
from matrioska.state.forms import TEXT, AnswerForm
from matrioska.state.journal import MessageType
from matrioska.state.text import clean_text
from matrioska.workers.cascade.fit import fitted, shortened
from matrioska.workers.cascade.language import in_another_language
from matrioska.workers.cascade.plan import Unit
from matrioska.workers.cascade.position import Position
from matrioska.workers.cascade.thinkers import Thinker

OnEvent = Callable[[dict[str, Any]], None]

#: Times that a model is asked for a text that can be used.
TRIES = 2
#: Longest text that is kept, in characters; of events and of reasons.
MAX_TEXT, TOLD, REASON = 100_000, 2_000, 500
#: Longest refusal, and where it shows that it is one.
_REFUSAL, _REFUSES_WITHIN = 300, 80
#: Characters that a template has, with the longest role.
_FRAME = 8_000
#: What a template shows besides replies and reflections.
_SHOWS = {
    "cascade_analyse": ("question", "whole", "context"),
    "cascade_split": ("question", "whole", "analysis"),
    "cascade_reflect": ("question", "analysis"),
    "cascade_critique": ("question", "analysis"),
    "cascade_synthesise": ("question", "whole", "analysis", "critique"),
    "cascade_module": ("analysis", "critique"),
}
#: Names of missing minds that a prompt holds.
_NAMES_SHOWN = 20
#: Remark about a text that was cut off twice.
CUT_OFF = "It was cut off."


@dataclass(frozen=True)
class Said:
    """What came of asking."""

    text: str = ""
    error: str = ""
    """Why nothing came; '' when something did."""
    remark: str = ""
    """What is wrong with the text all the same."""


class Asking:
    """Asks a mind's model, for one step.

    Args:
        thinker: who thinks for the mind.
        seconds: time that one call has.
        position: what the mind knows.
        unit: the step.
        tell: told of the pieces that come.
    """

    def __init__(self, thinker: Thinker, seconds: float, position: Position, unit: Unit, tell: OnEvent) -> None:
        self.position = position
        self.tell = tell
        self._thinker = thinker
        self._seconds = seconds
        self._unit = unit
        self._heard = False
        self._began = 0.0
        """Monotonic seconds; 0 as long as nothing was asked."""

    @property
    def takes_forms(self) -> bool:
        """Whether it can be asked for an answer of a form."""
        return self._thinker.takes_forms

    def end(self, thought: Thought) -> None:
        """Tell what came of the step, if anything was asked for it."""
        if not self._began:
            return
        told: dict[str, Any] = {"seconds": round(time.perf_counter() - self._began, 6)}
        if thought.error:
            told |= {"phase": "failed", "error": thought.error}
        else:
            told |= {"phase": "end", "text": thought.text[:TOLD]}
        self.tell({**self._about, **told})

    def _begin(self) -> None:
        if not self._began:
            self._began = time.perf_counter()
            self.tell({**self._about, "phase": "begin"})

    @property
    def _about(self) -> dict[str, Any]:
        spec, unit = self.position.spec, self._unit
        return {"type": "mind", "mind": spec.id, "name": spec.called, "step": unit.step, "round": unit.round}

    async def text(self, *, spoken: bool, **values: Any) -> Said:
        """Return the text of the step. One that is empty, cut off, refused or in another language is asked for again.

        Args:
            spoken: whether others read it: then it should be in the question's language.
            values: what the step's template needs besides.
        """
        kept, complaint = Said(), ""
        for _ in range(TRIES):
            try:
                reply = await self.reply(complaint, **values)
            except UnansweredError as error:
                return kept if kept.text else Said(error=str(error))
            complaint, remark = self._wrong(reply, spoken=spoken)
            text = shortened(reply.text.strip(), MAX_TEXT)
            if not complaint:
                return Said(text)
            if remark:
                kept = Said(text, remark=remark)
        return kept if kept.text else Said(error=first_sentence(complaint))

    def _wrong(self, reply: Reply, *, spoken: bool) -> tuple[str, str]:
        """Return what makes a text unfit, as the model is told; and as readers are, where it is better than none."""
        if complaint := refused(reply):
            return complaint, ""
        if reply.fault:
            return reply.fault, CUT_OFF if reply.text.strip() else ""
        if spoken and in_another_language(self.position.question, reply.text):
            wrong = "It is not in the language of the question."
            return f"{wrong} Write it again in that language.", wrong
        return "", ""

    async def reply(self, complaint: str = "", form: AnswerForm = TEXT, **values: Any) -> Reply:
        """Ask once.

        Args:
            complaint: what was wrong with the answer before; '' for none.
            form: the shape that the answer must have.
            values: what the step's template needs besides.

        Raises:
            UnansweredError: no answer came, in time or at all.
        """
        self._begin()
        # Templates are files, and a tokenizer may have to be loaded.
        messages = await asyncio.to_thread(
            prompt, f"cascade_{self._unit.step}", self.position, self._thinker, complaint=complaint, **values
        )
        return await self.call(messages, form)

    async def call(self, messages: list[BaseMessage], form: AnswerForm) -> Reply:
        """Make a call in the mind's voice. Its time begins when its model takes it.

        Raises:
            UnansweredError: no answer came, in time or at all.
        """
        spec, unit = self.position.spec, self._unit
        destination = self.position.speaks_to if unit.step == "synthesise" else spec.id
        try:
            async with asyncio.timeout(None) as limit:
                with (
                    voiced(voice_of(unit), spec.id, destination, self.position.delegation),
                    listened(lambda piece: self._hear(piece, limit)),
                ):
                    return await self._thinker.ask(messages, form)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise UnansweredError(f"It gave no answer within {self._seconds:g} s.") from error
        except (ModelError, ConfigError, EnsembleError) as error:
            raise UnansweredError(reason(error)) from error

    def _hear(self, piece: str | None, limit: asyncio.Timeout) -> None:
        if piece is None and limit.when() is None:
            limit.reschedule(asyncio.get_running_loop().time() + self._seconds)
        if not self._thinker.streams:
            return
        told = {"type": "piece", "mind": self.position.spec.id, "step": self._unit.step}
        if piece is None:
            if self._heard:
                self.tell({**told, "text": "", "restart": True})
            self._heard = False
        else:
            self._heard = True
            self.tell({**told, "text": clean_text(piece)})


class UnansweredError(Exception):
    """A call that brought no answer; says why. It never leaves the cascade: it becomes a mind's failure."""


def voice_of(unit: Unit) -> MessageType:
    """Return as what a step's calls stand in the journal."""
    if unit.step == "reflect":
        return "reflection" if unit.round == 1 else "iteration"
    voices: dict[str, MessageType] = {
        "analyse": "expansion",
        "split": "control",
        "critique": "critique",
        "synthesise": "synthesis",
    }
    return voices[unit.step]


def refused(reply: Reply) -> str:
    """Return the complaint about a reply that is a refusal; '' when it is none.

    A mind that says what it cannot know does as it is asked: only a short reply that begins with a
    refusal is one.
    """
    if reply.fault.startswith("The answer was refused"):
        return reply.fault
    said = " ".join(reply.text.split())
    if len(said) <= _REFUSAL and refusal(said[:_REFUSES_WITHIN]):
        return f"The answer was refused: {said}"
    return ""


def reason(error: MatrioskaError) -> str:
    """Return what an error says, in a line, without what belongs to nobody else."""
    return " ".join(shown_address(error.message).split())[:REASON]


def first_sentence(complaint: str) -> str:
    """Return what is wrong, without what the model is told to do about it."""
    sentence, stop, _ = complaint.partition(". ")
    return sentence + stop.strip()


def prompt(
    template: str, position: Position, thinker: Thinker, *, room: int | None = None, **values: Any
) -> list[BaseMessage]:
    """Return a step's prompt, its texts cut where they do not fit together.

    Args:
        template: name of the template.
        position: what the mind knows.
        thinker: who is asked.
        room: tokens that the prompt may have; None for those of the thinker.
        values: what the template needs besides.
    """
    texts = _texts(template, position)
    room = thinker.room if room is None else room
    if sum(map(len, texts.values())) + _FRAME > room:
        bare = render(template, **_values(position, dict.fromkeys(texts, "")), **values)
        frame = sum(thinker.count_tokens(str(message.text)) for message in bare)
        texts = fitted(texts, room - frame, thinker.count_tokens)
    return render(template, **_values(position, texts), **values)


def _texts(template: str, position: Position) -> dict[str, str]:
    """Return what a prompt shows of others' words, by name."""
    own = {
        "question": position.asked,
        "whole": "" if position.is_whole else position.question,
        "context": position.context,
        "analysis": position.analysis.text,
        "critique": position.critique,
    }
    texts = {name: own[name] for name in _SHOWS[template]}
    for number, reply in enumerate(position.replies):
        texts |= {f"asked {number}": reply.question, f"text {number}": reply.text}
    texts |= {f"level {number}": text for number, text in enumerate(position.reflections)}
    return {name: text for name, text in texts.items() if text}


def _values(position: Position, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return what the templates are given of a position."""
    spec, parent = position.spec, position.parent
    return {
        "mind": {"name": spec.called, "speciality": spec.speciality, "role": spec.role},
        "parent": {"name": parent.called, "analysis": texts.get("context", "")} if parent is not None else None,
        "children": [
            {"id": child.id, "name": child.called, "speciality": child.speciality} for child in position.children
        ],
        **{name: texts.get(name, "") for name in ("question", "whole", "analysis", "critique")},
        "replies": [_reply(position, number, reply, texts) for number, reply in enumerate(position.replies)],
        "reflections": [texts[f"level {number}"] for number in range(len(position.reflections))],
    }


def _reply(position: Position, number: int, reply: MindReply, texts: Mapping[str, str]) -> dict[str, Any]:
    child = position.tree.mind(reply.mind)
    missing = [position.tree.mind(mind).called for mind in reply.missing[:_NAMES_SHOWN]]
    more = len(reply.missing) - len(missing)
    return {
        "name": child.called,
        "speciality": child.speciality,
        "asked": texts.get(f"asked {number}", ""),
        "text": texts.get(f"text {number}", ""),
        "missing": missing + ([f"{more} more"] if more else []),
        "cut_off": CUT_OFF in reply.remarks,
        "error": reply.error,
    }
