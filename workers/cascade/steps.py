"""The five steps of a mind. Each is one call to its model, and returns at once where there is nothing to do.

What fails in a step is a remark about its mind's reply, not an end: a mind that cannot divide its
question hands it on whole, one that cannot reflect goes without, and one that cannot join the
replies below it hands them up as they are.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from matrioska.models.gateway import Reply
from matrioska.models.recorder import current_recorder
from matrioska.state.answers import parse_json_object
from matrioska.state.cascade import MindSpec, Step, Thought
from matrioska.state.errors import AnswerError
from matrioska.state.forms import TEXT, AnswerForm
from matrioska.state.text import clean_text
from matrioska.workers.cascade.asking import TOLD, TRIES, Asking, UnansweredError, refused
from matrioska.workers.cascade.replies import joined

#: Longest question to a child, in characters; and what all of them may have together.
_LONGEST, _TOGETHER, _SHORTEST = 600, 20_000, 100
#: Children up to which a model is held to a schema that names each.
_MOST_NAMED = 40
#: Children that the example of a division has: small models leave out whom it leaves out.
_EXAMPLES = 8
#: First line of a thought that has nothing to add, whatever explanation follows it. Models that write Portuguese
#: translate the word.
_NOTHING = re.compile(
    r"\W*(?:nothing(?: (?:more |else |new )?to add)?|nada(?: (?:mais )?a acrescentar)?)[^\w\n]*(?:\n|\Z)", re.IGNORECASE
)

Body = Callable[[Asking, int], Awaitable[Thought]]


async def analyse(asking: Asking, round: int) -> Thought:
    """Think the question through for a first time; without children, answer it."""
    position = asking.position
    said = await asking.text(spoken=not position.children)
    lacking = [position.spec.id] if said.error else []
    remarks = [] if position.children else _remarks(said.remark)
    return Thought(text=said.text, error=said.error, lacking=lacking, remarks=remarks)


async def split(asking: Asking, round: int) -> Thought:
    """Say what each child is asked, and delegate it."""
    position = asking.position
    asked, error = dict[str, str](), ""
    if position.analysis.text and asking.takes_forms:
        asked, error = await _divided(asking)
    # Whom the division does not name is asked everything: that may cost a call, but no knowledge.
    left = [child for child in position.children if child.id not in asked]
    if not position.is_whole:
        asked |= {child.id: position.asked for child in left}
    thought = Thought(
        asked={child: text for child, text in asked.items() if text},
        whole=[child.id for child in left] if position.is_whole else [],
        error=error,
        remarks=[f"It could not divide its question: {error}"] if error else [],
    )
    messages = {child.id: _delegated(asking, child, thought) for child in position.children}
    thought.delegations = {child: message for child, message in messages.items() if message}
    return thought


def _delegated(asking: Asking, child: MindSpec, thought: Thought) -> str:
    """Ask a child, and return the id of the journal's message; '' when there is nothing to ask."""
    position, recorder = asking.position, current_recorder()
    mind = position.spec.id
    text = position.question if child.id in thought.whole else thought.asked.get(child.id, "")
    if not text:
        said = f"There is nothing in this for {child.called}."
        recorder.note(
            "status", said, source=mind, destination=child.id, parent=position.delegation, key=f"idle {child.id}"
        )
        return ""
    asking.tell({"type": "delegation", "mind": mind, "to": child.id, "text": text[:TOLD]})
    return recorder.note(
        "delegation",
        text,
        source=mind,
        destination=child.id,
        parent=position.delegation,
        key=f"delegation {child.id}",
        status="open",
        details={"speciality": child.speciality},
    )


async def _divided(asking: Asking) -> tuple[dict[str, str], str]:
    """Return what the model asks the children, by id, and why some or all are missing there."""
    children, found, complaint = asking.position.children, dict[str, str](), ""
    for _ in range(TRIES):
        try:
            reply = await asking.reply(complaint, _form(children), example=_example(children))
        except UnansweredError as error:
            return found, str(error)
        read, complaint = _read(reply, children)
        found |= read
        if not complaint or len(found) == len(children):
            return found, ""
    return found, complaint


def _example(children: Sequence[MindSpec]) -> dict[str, str]:
    return {child.id: f"What … for {child.called}?" for child in children[:_EXAMPLES]}


def _form(children: Sequence[MindSpec]) -> AnswerForm:
    """Return the form of a division: a text for each child. So many that a schema gets unwieldy are told in words."""
    if len(children) > _MOST_NAMED:
        return TEXT
    longest = min(_LONGEST, max(_SHORTEST, _TOGETHER // len(children)))
    schema = {
        "type": "object",
        "properties": {child.id: {"type": "string", "maxLength": longest} for child in children},
        "required": [child.id for child in children],
        "additionalProperties": False,
    }
    return AnswerForm("json", "questions", schema)


def _read(reply: Reply, children: Sequence[MindSpec]) -> tuple[dict[str, str], str]:
    """Return the questions of an answer by child, and what is wrong with it; '' when nothing is."""
    if complaint := refused(reply) or reply.fault:
        return {}, complaint
    try:
        said = parse_json_object(reply.text)
    except AnswerError as error:
        return {}, error.complaint
    if len(said) == 1 and isinstance(inner := next(iter(said.values())), dict):
        said = inner
    folded = {str(key).strip().casefold(): value for key, value in said.items()}
    given = {child.id: folded.get(child.id, folded.get(child.called.casefold())) for child in children}
    found = {child: clean_text(text).strip()[:_LONGEST] for child, text in given.items() if isinstance(text, str)}
    missing = [child.id for child in children if child.id not in found]
    return found, f"There is no text for: {', '.join(missing[:20])}. Each of them needs one, or ''." if missing else ""


async def reflect(asking: Asking, round: int) -> Thought:
    """Go one level deeper, until a level has nothing to add."""
    position = asking.position
    if position.exhausted or not position.analysis.text:
        return _skipped(asking)
    return await _second_thought(asking, "reflect", round=round, rounds=position.spec.reflections)


async def critique(asking: Asking, round: int) -> Thought:
    """Find the faults of what there is."""
    return await _second_thought(asking, "criticise") if asking.position.analysis.text else _skipped(asking)


async def _second_thought(asking: Asking, doing: str, **values: Any) -> Thought:
    """Return a thought that its mind can do without."""
    said = await asking.text(spoken=False, **values)
    text = "" if _NOTHING.match(said.text) else said.text
    remark = f"It could not {doing}: {said.error}" if said.error else ""
    return Thought(text=text, error=said.error, lacking=_lacking(asking), remarks=_remarks(remark))


def _skipped(asking: Asking) -> Thought:
    return Thought(lacking=_lacking(asking))


async def synthesise(asking: Asking, round: int) -> Thought:
    """Write the reply that goes up."""
    position = asking.position
    deeper = bool(position.reflections or position.critique)
    if not position.children and not (deeper and position.analysis.text):
        return Thought(text=position.analysis.text, error=position.analysis.error, lacking=_lacking(asking))
    if not position.analysis.text and not any(reply.text for reply in position.replies):
        return Thought(error=position.analysis.error, lacking=_lacking(asking))
    said = await asking.text(spoken=True)
    if not said.error:
        return Thought(text=said.text, lacking=_lacking(asking), remarks=_remarks(said.remark))
    thought = Thought(text=joined(position), error=said.error, remarks=[f"It could not join what it had: {said.error}"])
    thought.lacking = list(dict.fromkeys([*_lacking(asking), position.spec.id]))
    return thought


def _lacking(asking: Asking) -> list[str]:
    """Return the minds whose word is not there: those below that are missing, and this one without an analysis."""
    position = asking.position
    own = [] if position.analysis.text else [position.spec.id]
    return list(dict.fromkeys([*own, *(mind for reply in position.replies for mind in reply.missing)]))


def _remarks(remark: str) -> list[str]:
    return [remark] if remark else []


#: What a mind does in each step.
STEPS: dict[Step, Body] = {
    "analyse": analyse,
    "split": split,
    "reflect": reflect,
    "critique": critique,
    "synthesise": synthesise,
}
